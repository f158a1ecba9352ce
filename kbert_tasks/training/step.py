"""The training step, with optional micro-batches, halves of a batch and adversarial training.

Source: Miyato et al., 2017 (arXiv 1605.07725), for the fast gradient method (FGM) on word embeddings.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._keras import keras2, tensorflow
from ..encoder.bert import TOKENS
from ..encoder.embeddings import Embedding
from ..encoder.layers import FeedForward, SelfAttention, constants
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
    """A functional model whose training step supports micro-batches, halves, FGM and several devices.

    The logs contain the values of the step only, not the means over the epoch. The loss of a step is the sum over its
    texts divided by their number, so it does not depend on the number of micro-batches, halves or devices. With several
    devices, a batch is (x, y, mask, texts): the mask is 1 for each text that counts and 0 for others, and `texts` is the
    number of texts on all devices.

    Args:
        model: a functional `keras.Model` with a dict of outputs; the new model shares its layers.
        parts: number of micro-batches, which are computed one after the other.
        adversarial: norm of the FGM perturbation of the embedding table; 0 turns it off.
        halves: whether the two halves of a batch are computed at the same time (`halves.py`), for one device and one part.
    """

    def __init__(self, model: keras.Model, parts: int = 1, adversarial: float = 0.0, halves: bool = False) -> None:
        super().__init__(model.inputs, model.output, name=model.name)
        self.parts, self.adversarial, self.halves = parts, adversarial, halves
        self.distribute_reduction_method = "first"  # the step already sums the logs over all devices
        if adversarial and not self.get_layer(TABLE).trainable:
            raise InputError(
                "fgm_epsilon needs trainable embeddings, but freeze_layers freezes them: use only one of the two"
            )

    def get_config(self) -> dict[str, Any]:
        model = keras.saving.serialize_keras_object(keras.Model(self.inputs, self.output, name=self.name))
        return {"model": model, "parts": self.parts, "adversarial": self.adversarial, "halves": self.halves}

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
        if self.parts > 1:
            sums, gradients = self._in_parts(x, y, counted, texts)
        elif self.halves:
            sums, gradients = self._in_halves(x, y, texts)
        else:
            sums, gradients = self._part(x, y, counted, texts)
        means = {name: each / tf.cast(texts, tf.float32) for name, each in sums.items()}
        parts = {f"{name}_loss": each for name, each in means.items()} if len(means) > 1 else {}
        return {"loss": tf.add_n([*means.values()])} | parts, gradients

    def _part(
        self,
        x: dict[str, tf.Tensor],
        y: dict[str, tf.Tensor],
        counted: list[tf.Tensor],
        texts: tf.Tensor,
        shared: dict[str, tf.Tensor] | None = None,
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Returns ({output: sum of its losses}, gradients of the total loss divided by `texts`).

        Args:
            shared: tensors that replace weights, see `_shared`, by their number in the trained weights.
        """
        shared = shared or {}
        values: dict[int, dict[str, tf.Tensor]] = {}
        for layer, name, place in self._replaceable():
            if str(place) in shared:
                values.setdefault(id(layer), {})[name] = shared[str(place)]
        with tf.GradientTape() as tape:
            tape.watch([*shared.values()])
            with constants(values):
                outputs, sums = self(x, training=True), {}
            for name, loss in self.loss.items():
                each = text_loss(loss, y[name], outputs[name])
                sums[name] = tf.reduce_sum(each * counted[0] if counted else each)
            scaled = loss = tf.add_n([*sums.values()]) / tf.cast(texts, tf.float32)
            if halved := hasattr(self.optimizer, "get_scaled_loss"):  # float16 only
                scaled = self.optimizer.get_scaled_loss(loss)
        sources = [shared.get(str(place), each) for place, each in enumerate(self.trainable_weights)]
        found = tape.gradient(scaled, sources, unconnected_gradients="zero")
        gradients = [tf.cast(each, tf.float32) for each in found]
        return sums, self.optimizer.get_unscaled_gradients(gradients) if halved else gradients

    def _replaceable(self) -> Iterator[tuple[Any, str, int]]:
        """Yields (layer, name, number in the trained weights) of the token embeddings, and of the matrices in 16 bits."""
        places = {id(each): place for place, each in enumerate(self.trainable_weights)}
        for layer in self.layers:
            wanted = isinstance(layer, SelfAttention | FeedForward) and layer.compute_dtype != "float32"
            if wanted or (isinstance(layer, Embedding) and layer.name == TABLE):
                for name, each in layer.variables_by_name().items():
                    if each.shape.rank == 2 and id(each) in places:
                        yield layer, name, places[id(each)]

    def _shared(self, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns tensors that replace weights in both halves, by number.

        They are the matrices in 16 bits, which otherwise each half would convert, and the embeddings of the tokens of the
        batch, because otherwise each half would make a gradient of the whole table.
        """
        return {
            str(place): tf.gather(layer.table, tokens)
            if layer.name == TABLE
            else tf.cast(getattr(layer, name), layer.compute_dtype)
            for layer, name, place in self._replaceable()
        }

    def _in_halves(
        self, x: dict[str, tf.Tensor], y: dict[str, tf.Tensor], texts: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Computes the same as `_part`. The text in the middle of an odd number is in both halves, but counts once."""
        number = tf.shape(next(iter(x.values())))[0]
        size = (number + 1) // 2
        # Both halves use one graph, because tracing it takes seconds.
        compute = tf.function(self._part, autograph=False)
        # Number 0 stays 0, because it is padding.
        tokens, places = tf.unique(tf.concat([[0], tf.reshape(x[TOKENS], [-1])], 0))
        shared = self._shared(tokens)
        table = next((place for layer, _, place in self._replaceable() if layer.name == TABLE), None)
        if table is not None:
            x = x | {TOKENS: tf.reshape(places[1:], tf.shape(x[TOKENS]))}

        def half(begin: int | tf.Tensor, counted_from: int | tf.Tensor) -> Any:
            some_x, some_y = tf.nest.map_structure(lambda each: each[begin : begin + size], (x, y))
            counted = tf.cast(tf.range(begin, begin + size) >= counted_from, tf.float32)
            return compute(some_x, some_y, [counted], texts, shared)

        # Neither half uses a result of the other one, so TensorFlow computes them in two threads.
        (sums, gradients), (more, others) = half(0, 0), half(number - size, size)
        sums = {name: each + more[name] for name, each in sums.items()}
        gradients = [tf.convert_to_tensor(one) + other for one, other in zip(gradients, others, strict=True)]
        if table is not None:
            rows = self.trainable_weights[table].shape[0]
            gradients[table] = tf.math.unsorted_segment_sum(gradients[table], tokens, rows)
        return sums, gradients

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
