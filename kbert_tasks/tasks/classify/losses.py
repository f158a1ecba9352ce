"""Losses of labels: cross entropy, with weights of classes, focused on what is not yet known, and with smoothed gold."""

from typing import Any

from ..._keras import keras2, tensorflow
from ...encoder.bert import register

tf = tensorflow()
keras: Any = keras2()


def loss(several, weights=None, focal=0.0, smoothing=0.0):
    """Keras's cross entropy of scores, of several labels a text or of one; a LabelLoss where more is asked for."""
    if weights is None and not focal and not smoothing:
        kind = keras.losses.BinaryCrossentropy if several else keras.losses.SparseCategoricalCrossentropy
        return kind(from_logits=True)
    return LabelLoss(several, weights, focal, smoothing)


@register
class LabelLoss(keras.losses.Loss):
    """The sum over a text's classes of -weight * gold * (1 - p)^focal * log p, where p is made of scores (batch, labels).

    With one label a text the classes are the labels, p is their softmax, and y_true (batch,) are numbers of labels. With
    `several` each label has two classes, no and yes, p is a sigmoid, y_true (batch, labels) is 0 or 1, and the loss is the
    mean over the labels.

    Keras's focal losses make p first and cut it off at 1e-7, so that what is most wrong has no gradient, and they take no
    weights for each of several labels.

    Sources: Lin et al., "Focal Loss", 2017 (arXiv 1708.02002); Szegedy et al., 2015 (arXiv 1512.00567), for smoothing.

    Args:
        several: a text may have several labels.
        weights: of each label, or with `several` of [no, yes] of each; None: all are 1.
        focal: the article's gamma; 0 is plain cross entropy.
        smoothing: share of the gold that is spread over all classes, the right one included.
    """

    def __init__(self, several, weights=None, focal=0.0, smoothing=0.0, name="label_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.several, self.weights, self.focal, self.smoothing = several, weights, focal, smoothing

    def call(self, y_true, y_pred):
        if self.several:
            logs = tf.stack([tf.math.log_sigmoid(-y_pred), tf.math.log_sigmoid(y_pred)], -1)  # (batch, labels, 2)
            gold = tf.cast(y_true, tf.int32)
        else:
            logs = tf.nn.log_softmax(y_pred)  # (batch, labels)
            gold = tf.reshape(y_true, [-1])
        classes = logs.shape[-1]
        terms = -logs * (tf.one_hot(gold, classes) * (1 - self.smoothing) + self.smoothing / classes)
        if self.focal:
            terms *= tf.maximum(1 - tf.exp(logs), 1e-7) ** self.focal  # 0 to a power below 1 has no gradient
        if self.weights is not None:
            terms *= self.weights
        found = tf.reduce_sum(terms, -1)
        return tf.reduce_mean(found, -1) if self.several else found

    def get_config(self):
        own = {"several": self.several, "weights": self.weights, "focal": self.focal, "smoothing": self.smoothing}
        return super().get_config() | own
