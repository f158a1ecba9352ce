"""The training step, with optional micro-batches and adversarial training.

Source: Miyato et al., 2017 (arXiv 1605.07725), for the fast gradient method (FGM) on word embeddings.
"""

from typing import TYPE_CHECKING, Any

from .._keras import keras2, tensorflow
from ..encoder.ops import register
from ..errors import InputError
from . import distribution
from .embedding_subset import TABLE
from .text_loss import text_loss

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

tf = tensorflow()
keras = keras2()


@register
class Stepped(keras.Model):
    """A functional model whose training step supports micro-batches, FGM and several devices.

    The logs contain the values of the step only, not the means over the epoch. The loss of a step is the sum over its
    texts divided by their number, so it does not depend on the number of micro-batches or devices. With several devices,
    a batch is (x, y, mask, texts): the mask is 1 for each text that counts and 0 for others, and `texts` is the number of
    texts on all devices.

    Args:
        model: a functional `keras.Model` with a dict of outputs; the new model shares its layers.
        parts: number of micro-batches, which are computed one after the other.
        adversarial: norm of the FGM perturbation of the embedding table; 0 turns it off.
    """

    def __init__(self, model: keras.Model, parts: int = 1, adversarial: float = 0.0) -> None:
        super().__init__(model.inputs, model.output, name=model.name)
        self.parts, self.adversarial = parts, adversarial
        self.distribute_reduction_method = "first"  # the step already sums the logs over all devices
        if adversarial and not self.get_layer(TABLE).trainable:
            raise InputError(
                "fgm_epsilon needs trainable embeddings, but freeze_layers freezes them: use only one of the two"
            )

    def get_config(self) -> dict[str, Any]:
        model = keras.saving.serialize_keras_object(keras.Model(self.inputs, self.output, name=self.name))
        return {"model": model, "parts": self.parts, "adversarial": self.adversarial}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "Stepped":
        return cls(**config | {"model": keras.saving.deserialize_keras_object(config["model"], custom_objects)})

    @tf.autograph.experimental.do_not_convert
    def train_step(self, data: tuple[Any, ...]) -> dict[str, tf.Tensor]:
        x, y, *replica = data
        *counted, texts = replica or [tf.shape(next(iter(x.values())))[0]]
        computed = self._gradients
        if self.adversarial:  # both passes use one graph, because tracing it takes seconds
            computed = tf.function(computed, autograph=False)
        logs, gradients = computed(x, y, counted, texts)
        if self.adversarial:
            table = self.get_layer(TABLE).trainable_weights[0]
            place = next(i for i, each in enumerate(self.trainable_weights) if each is table)
            before, uphill = tf.identity(table), tf.convert_to_tensor(gradients[place])
            if replica:
                uphill = distribution.summed(uphill)
            distribution.assigned(table, before + uphill * (self.adversarial / tf.maximum(tf.norm(uphill), 1e-12)))
            _, more = computed(x, y, counted, texts)
            distribution.assigned(table, before)
            gradients = [tf.convert_to_tensor(one) + other for one, other in zip(gradients, more, strict=True)]
        if replica:
            gradients = distribution.summed(gradients)
        # The gradients are already summed. Keras's sum would leak this graph into TensorFlow's registry (gradients.py).
        named = zip(gradients, self.trainable_weights, strict=True)
        self.optimizer.apply_gradients(named, experimental_aggregate_gradients=False)
        if replica:
            logs = dict(zip(logs, tf.unstack(distribution.summed(tf.stack([*logs.values()]))), strict=True))
        return logs | {"texts": texts}

    def _gradients(
        self, x: dict[str, tf.Tensor], y: dict[str, tf.Tensor], counted: list[tf.Tensor], texts: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Returns (logs, gradients) of a batch, or of the part of the batch on this device."""
        if self.parts == 1:
            sums, gradients = self._part(x, y, counted, texts)
        else:
            sums, gradients = self._in_parts(x, y, counted, texts)
        means = {name: each / tf.cast(texts, tf.float32) for name, each in sums.items()}
        parts = {f"{name}_loss": each for name, each in means.items()} if len(means) > 1 else {}
        return {"loss": tf.add_n([*means.values()])} | parts, gradients

    def _part(
        self, x: dict[str, tf.Tensor], y: dict[str, tf.Tensor], counted: list[tf.Tensor], texts: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Returns ({output: sum of its losses}, gradients of the total loss divided by `texts`)."""
        with tf.GradientTape() as tape:
            found, sums = self(x, training=True), {}
            for name, loss in self.loss.items():
                each = text_loss(loss, y[name], found[name])
                sums[name] = tf.reduce_sum(each * counted[0] if counted else each)
            scaled = loss = tf.add_n([*sums.values()]) / tf.cast(texts, tf.float32)
            if halved := hasattr(self.optimizer, "get_scaled_loss"):  # float16 only
                scaled = self.optimizer.get_scaled_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_weights, unconnected_gradients="zero")
        return sums, self.optimizer.get_unscaled_gradients(gradients) if halved else gradients

    def _in_parts(
        self, x: dict[str, tf.Tensor], y: dict[str, tf.Tensor], counted: list[tf.Tensor], texts: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        first = next(iter(x.values()))
        number = first.shape[0] if first.shape[0] and not first.shape[0] % self.parts else tf.shape(first)[0]
        size = -(-number // self.parts)

        def another(
            begin: tf.Tensor, sums: dict[str, tf.Tensor], gradients: list[tf.Tensor]
        ) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor]]:
            some_x, some_y, some_counted = tf.nest.map_structure(
                lambda each: _slice(each, begin, size), (x, y, counted)
            )
            more, found = self._part(some_x, some_y, some_counted, texts)
            sums = {name: each + more[name] for name, each in sums.items()}
            return begin + size, sums, [one + other for one, other in zip(gradients, found, strict=True)]

        sums = {name: tf.constant(0.0) for name in self.loss}
        nothing = [tf.zeros(each.shape) for each in self.trainable_weights]
        _, sums, gradients = tf.while_loop(
            lambda begin, *_: begin < number, another, (0, sums, nothing), parallel_iterations=1
        )
        return sums, gradients


def _slice(array: tf.Tensor, begin: tf.Tensor, size: int | tf.Tensor) -> tf.Tensor:
    """Returns array[begin : begin + size]; for a static shape, with an operation that XLA supports."""
    if isinstance(size, int) and array.shape.is_fully_defined():
        return tf.slice(array, [begin, *[0] * (array.shape.rank - 1)], [size, *array.shape[1:]])
    return array[begin : begin + size]
