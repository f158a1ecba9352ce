"""Layers that score spans and predicates between spans, and their losses.

Source of SpanScores and SetLoss: Su et al., "Global Pointer", 2022 (arXiv 2208.03054).
"""

from typing import TYPE_CHECKING, Any

from .._keras import keras2, tensorflow
from ..encoder.layers import Layer
from ..encoder.ops import register

if TYPE_CHECKING:
    from tensorflow import Tensor, TensorShape

tf = tensorflow()
keras: Any = keras2()

FAR = 64  # tokens; all longer spans share one bias


@register
class SpanScores(Layer):
    """Computes a score for each span of tokens.

    The score is the dot product of vectors of the first and the last token, plus a bias for each of the two tokens, plus a
    bias for the length of the span.

    Input: (batch, time, hidden). Output: (batch, kinds, time of the first token, time of the last token).

    Args:
        kinds: number of kinds of spans.
        size: dimension of the vectors.
    """

    def __init__(self, kinds: int, size: int = 64, dtype: str = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.kinds, self.size = kinds, size

    def build(self, shape: "TensorShape") -> None:
        self.W = self.add_weight("W", (shape[-1], self.kinds * (2 * self.size + 2)), initializer="glorot_uniform")
        self.b = self.add_weight("b", (self.kinds * (2 * self.size + 2),), initializer="zeros")
        self.lengths = self.add_weight("lengths", (FAR + 1, self.kinds), initializer="zeros")

    def call(self, x: "Tensor") -> "Tensor":
        batch, time = tf.unstack(tf.shape(x)[:2])
        size = self.size
        y = tf.reshape(tf.reshape(x, (-1, x.shape[-1])) @ self.W + self.b, (batch, time, self.kinds, 2 * size + 2))
        first, last, begins, ends = tf.split(tf.transpose(y, (0, 2, 1, 3)), [size, size, 1, 1], axis=-1)
        scores = tf.matmul(first, last, transpose_b=True) * size**-0.5 + begins + tf.linalg.matrix_transpose(ends)
        far = tf.clip_by_value(tf.range(time)[None] - tf.range(time)[:, None], 0, FAR)
        return scores + tf.transpose(tf.gather(self.lengths, far), (2, 0, 1))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"kinds": self.kinds, "size": self.size}

    def in_numpy(self) -> str:
        """Returns Python code that computes the scores of one text with NumPy, for clients without this class.

        It reads `hidden` (time, hidden) and the arrays `head["NAME/WEIGHT"]`, and sets `logits`.
        """
        size, name = self.size, self.name
        return f"""y = (hidden @ head["{name}/W"] + head["{name}/b"]).reshape(len(hidden), -1, {2 * size + 2}).transpose(1, 0, 2)
first, last, begins, ends = np.split(y, [{size}, {2 * size}, {2 * size + 1}], axis=-1)
lengths = np.clip(np.arange(len(hidden)) - np.arange(len(hidden))[:, None], 0, {FAR})
logits = first @ last.swapaxes(1, 2) / {size}**0.5 + begins + ends.swapaxes(1, 2)
logits = logits + head["{name}/lengths"][lengths].transpose(2, 0, 1)"""


@register
class PairScores(Layer):
    """Computes a score for each predicate between a subject span and an object span.

    Subject and object are combined by a nonlinear layer, because a sum of two linear scores cannot represent all sets of
    triples.

    Input: [token vectors (batch, time, hidden), subjects (batch, count, 2), objects (batch, number, 2)], where the last axis
    of spans is (first token, last token). Output: (batch, count, number, kinds).

    Args:
        kinds: number of predicates.
    """

    def __init__(self, kinds: int, dtype: str = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.kinds = kinds

    def build(self, shapes: "list[TensorShape]") -> None:
        size = shapes[0][-1]
        self.subject = self.add_weight("subject", (2 * size, size), initializer="glorot_uniform")
        self.object = self.add_weight("object", (2 * size, size), initializer="glorot_uniform")
        self.b = self.add_weight("b", (size,), initializer="zeros")
        self.W = self.add_weight("W", (size, self.kinds), initializer="glorot_uniform")
        self.b2 = self.add_weight("b2", (self.kinds,), initializer="zeros")

    def call(self, inputs: "list[Tensor]") -> "Tensor":
        x, subjects, objects = inputs
        size, batch, count, number = x.shape[-1], tf.shape(x)[0], tf.shape(subjects)[1], tf.shape(objects)[1]
        ends = tf.reshape(tf.gather(x, subjects, batch_dims=1), (batch * count, 2 * size))
        subject = tf.reshape(ends @ self.subject + self.b, (batch, count, 1, size))
        ends = tf.reshape(tf.gather(x, objects, batch_dims=1), (batch * number, 2 * size))
        y = self.meet(subject, tf.reshape(ends @ self.object, (batch, 1, number, size)))
        return tf.reshape(tf.reshape(y, (-1, size)) @ self.W + self.b2, (batch, count, number, self.kinds))

    def meet(self, subject: "Tensor", object_: "Tensor") -> "Tensor":
        return tf.nn.gelu(subject + object_, approximate=True)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"kinds": self.kinds}

    def in_numpy(self) -> str:
        """Returns Python code that computes the scores of one text with NumPy, for clients without this class.

        It reads `hidden` (time, hidden), `subjects` and `objects` (count, 2), and the arrays `head["NAME/WEIGHT"]`, and sets
        `logits`.
        """
        name = self.name
        return f"""subject, object_ = (hidden[spans].reshape(len(spans), -1) for spans in (subjects, objects))
y = (subject @ head["{name}/subject"] + head["{name}/b"])[:, None] + object_ @ head["{name}/object"]
y = y / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (y + 0.044715 * y**3)))  # gelu
logits = y @ head["{name}/W"] + head["{name}/b2"]"""


@register
class SetLoss(keras.losses.Loss):
    """Multi-label loss that makes the scores of right elements positive and of wrong elements negative.

    The loss of a group is log(1 + sum exp(-score)) over the right elements plus log(1 + sum exp(score)) over the wrong
    ones. y_true (batch, groups, ...) is 1 for right, 0 for wrong and -1 for ignored elements; y_pred are scores of the same
    shape. The loss of a text is the mean over its groups that are not ignored entirely.

    If y_true are floats, they can also be probabilities p of a teacher. An element then counts in both sums, with the weights
    p^2 and (1 - p)^2. With these weights, the loss of a single element is smallest at the log-odds of p.
    """

    def call(self, y_true: "Tensor", y_pred: "Tensor") -> "Tensor":
        shape = tf.shape(y_pred)
        flat = tf.concat([shape[:2], [-1]], axis=0)
        y_true, y_pred = tf.reshape(y_true, flat), tf.reshape(y_pred, flat)
        one = tf.zeros_like(y_pred[..., :1])
        if y_true.dtype.is_floating:
            p = tf.clip_by_value(y_true, 0, 1)
            no, yes = y_pred + 2 * tf.math.log(1 - p), 2 * tf.math.log(p) - y_pred
        else:
            no, yes = y_pred, -y_pred
        wrong = tf.concat([tf.where((y_true >= 0) & (y_true < 1), no, y_pred.dtype.min), one], -1)
        right = tf.concat([tf.where(y_true > 0, yes, y_pred.dtype.min), one], -1)
        losses = tf.reduce_logsumexp(wrong, -1) + tf.reduce_logsumexp(right, -1)
        counted = tf.cast(tf.reduce_any(y_true >= 0, -1), losses.dtype)
        return tf.reduce_sum(losses * counted, -1) / tf.maximum(tf.reduce_sum(counted, -1), 1.0)


@register
class ChoiceLoss(keras.losses.Loss):
    """Cross entropy of one softmax over all possible answers, averaged over the right ones.

    y_true (batch, ...) is 1 for right, 0 for wrong and -1 for impossible answers, or a probability of a teacher as a float;
    y_pred are scores of the same shape.
    """

    def call(self, y_true: "Tensor", y_pred: "Tensor") -> "Tensor":
        flat = tf.stack([tf.shape(y_pred)[0], -1])
        y_true, y_pred = tf.reshape(y_true, flat), tf.reshape(y_pred, flat)
        logs = tf.nn.log_softmax(tf.where(y_true >= 0, y_pred, y_pred.dtype.min / 2))
        right = tf.cast(tf.maximum(y_true, 0), y_pred.dtype)
        return -tf.reduce_sum(right * logs, -1) / tf.maximum(tf.reduce_sum(right, -1), 1.0)
