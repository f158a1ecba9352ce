"""Classification losses: cross entropy, optionally with class weights, focal loss, label smoothing, and a teacher."""

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


def loss(
    several: bool,
    weights: Weights | None = None,
    focal: float = 0.0,
    smoothing: float = 0.0,
    teaching: tuple[float, float] | None = None,
) -> "Loss":
    """Returns the Keras cross entropy on logits, or a LabelLoss if any of the options is used.

    Args:
        several, weights, focal, smoothing: as in LabelLoss.
        teaching: (share, temperature) of a DistilledLoss; None without a teacher.
    """
    if teaching:
        return DistilledLoss(several, weights, focal, smoothing, *teaching)
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


@register
class DistilledLoss(LabelLoss):
    """The loss of a text with the answer of a teacher: (1 - share) * LabelLoss + share * temperature^2 * cross entropy.

    The cross entropy is that of the teacher's probabilities and of the model's probabilities at the same temperature. Its
    gradient is proportional to 1 / temperature^2, which the factor makes up for. y_true (batch, 2, labels) contains the gold
    labels as 0 and 1 and the tempered probabilities of the teacher. If the gold labels are -1, they are not known, and the
    loss is that of share 1.

    Source: Hinton et al., 2015 (arXiv 1503.02531).

    Args:
        several, weights, focal, smoothing: as in LabelLoss, for the gold labels.
        share: weight of the teacher.
        temperature: temperature of the probabilities.
    """

    def __init__(
        self,
        several: bool,
        weights: Weights | None = None,
        focal: float = 0.0,
        smoothing: float = 0.0,
        share: float = 0.5,
        temperature: float = 1.0,
        name: str = "distilled_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(several, weights, focal, smoothing, name=name, **kwargs)
        self.share, self.temperature = share, temperature

    def call(self, y_true: "Tensor", y_pred: "Tensor") -> "Tensor":
        gold, teacher = y_true[:, 0], y_true[:, 1]  # both (batch, labels)
        labels = tf.maximum(gold, 0.0) if self.several else tf.argmax(gold, -1, tf.int32)
        hard = super().call(labels, y_pred)
        logits = y_pred / self.temperature
        if self.several:
            soft = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(teacher, logits), -1)
        else:
            soft = -tf.reduce_sum(teacher * tf.nn.log_softmax(logits), -1)
        soft *= self.temperature**2
        return tf.where(gold[:, 0] < 0, soft, (1 - self.share) * hard + self.share * soft)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"share": self.share, "temperature": self.temperature}
