"""Classification losses: cross entropy, optionally with class weights, focal loss and label smoothing."""

from typing import TYPE_CHECKING, Any, TypeAlias

from ..._keras import keras2, tensorflow
from ...encoder.ops import register

if TYPE_CHECKING:
    from tensorflow import Tensor
    from tf_keras.losses import Loss

tf = tensorflow()
keras: Any = keras2()

# (labels,), or (labels, 2) if a text may have several labels.
Weights: TypeAlias = list[float] | list[list[float]]


def loss(several: bool, weights: Weights | None = None, focal: float = 0.0, smoothing: float = 0.0) -> "Loss":
    """Returns the Keras cross entropy on logits, or a LabelLoss if any of the options is used; Args as in LabelLoss."""
    if weights is None and not focal and not smoothing:
        kind = keras.losses.BinaryCrossentropy if several else keras.losses.SparseCategoricalCrossentropy
        return kind(from_logits=True)
    return LabelLoss(several, weights, focal, smoothing)


@register
class LabelLoss(keras.losses.Loss):
    """Cross entropy on logits with class weights, focal loss and label smoothing.

    The loss of a text is the sum over the classes of -weight * gold * (1 - p)^focal * log p. y_pred (batch, labels) are
    logits. With one label per text, the classes are the labels, p is the softmax, and y_true (batch,) are label indices.
    With `several`, each label has the two classes no and yes, p is the sigmoid, y_true (batch, labels) is 0 or 1, and the
    loss is the mean over the labels.

    The focal losses of Keras clip p at 1e-7, so that the worst errors have no gradient, and they do not accept weights
    for each label of a multi-label task.

    Sources: Lin et al., "Focal Loss", 2017 (arXiv 1708.02002); Szegedy et al., 2015 (arXiv 1512.00567), for smoothing.

    Args:
        several: whether a text may have several labels.
        weights: (labels,), or (labels, 2) for no and yes with `several`; None means that all weights are 1.
        focal: gamma of the focal loss; 0 gives plain cross entropy.
        smoothing: share of the gold probability that is spread over all classes, including the right one.
    """

    def __init__(
        self,
        several: bool,
        weights: Weights | None = None,
        focal: float = 0.0,
        smoothing: float = 0.0,
        name: str = "label_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.several, self.weights, self.focal, self.smoothing = several, weights, focal, smoothing

    def call(self, y_true: "Tensor", y_pred: "Tensor") -> "Tensor":
        if self.several:
            logs = tf.stack([tf.math.log_sigmoid(-y_pred), tf.math.log_sigmoid(y_pred)], -1)  # (batch, labels, 2)
            gold = tf.cast(y_true, tf.int32)
        else:
            logs = tf.nn.log_softmax(y_pred)  # (batch, labels)
            gold = tf.reshape(y_true, [-1])
        classes = logs.shape[-1]
        terms = -logs * (tf.one_hot(gold, classes) * (1 - self.smoothing) + self.smoothing / classes)
        if self.focal:
            terms *= tf.maximum(1 - tf.exp(logs), 1e-7) ** self.focal  # at 0 the gradient of x^focal is infinite
        if self.weights is not None:
            terms *= self.weights
        found = tf.reduce_sum(terms, -1)
        return tf.reduce_mean(found, -1) if self.several else found

    def get_config(self) -> dict[str, Any]:
        own = {"several": self.several, "weights": self.weights, "focal": self.focal, "smoothing": self.smoothing}
        return super().get_config() | own
