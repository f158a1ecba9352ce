"""One step of training, as it is told: in parts, and once more with the embeddings moved against it.

Sources: Miyato et al., 2017 (arXiv 1605.07725), for the fast gradient method on word embeddings.
"""

from ._keras import keras2, tensorflow
from .errors import InputError
from .narrow import TABLE

tf, keras = tensorflow(), keras2()


class Stepped(keras.Model):
    """A functional model that `fit` trains so; its logs are those of the step alone, not of the epoch so far.

    The loss of a step is the sum over its texts, divided by their number, so that it is the same in any parts.

    Args:
        model: the functional `keras.Model` whose layers these are; its outputs are a dict.
        parts: that a batch is computed in, one after the other.
        adversarial: length of the move of all embeddings together; 0 for none.
    """

    def __init__(self, model, parts=1, adversarial=0.0):
        super().__init__(model.inputs, model.output, name=model.name)
        self.parts, self.adversarial = parts, adversarial
        if adversarial and not self.get_layer(TABLE).trainable:
            raise InputError("adversarial training moves the embeddings, and freeze_layers keeps them: choose one")

    @tf.autograph.experimental.do_not_convert
    def train_step(self, data):
        x, y = data
        logs, gradients = self._gradients(x, y)
        if self.adversarial:
            table = self.get_layer(TABLE).trainable_weights[0]
            place = next(i for i, each in enumerate(self.trainable_weights) if each is table)
            before, uphill = tf.identity(table), tf.convert_to_tensor(gradients[place])
            table.assign_add(uphill * (self.adversarial / tf.maximum(tf.norm(uphill), 1e-12)))
            _, more = self._gradients(x, y)
            table.assign(before)
            gradients = [tf.convert_to_tensor(one) + other for one, other in zip(gradients, more, strict=True)]
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return logs

    def _gradients(self, x, y):
        """(logs, gradients) of a batch."""
        texts = tf.shape(next(iter(x.values())))[0]
        if self.parts == 1:
            sums, gradients = self._part(x, y, texts)
        else:
            sums, gradients = self._in_parts(x, y, texts)
        means = {name: each / tf.cast(texts, tf.float32) for name, each in sums.items()}
        parts = {f"{name}_loss": each for name, each in means.items()} if len(means) > 1 else {}
        return {"loss": tf.add_n([*means.values()])} | parts | {"texts": texts}, gradients

    def _part(self, x, y, texts):
        """({output: sum of its losses}, gradients of their sum over `texts`)."""
        with tf.GradientTape() as tape:
            found = self(x, training=True)
            sums = {name: tf.reduce_sum(loss.call(y[name], found[name])) for name, loss in self.loss.items()}
            scaled = loss = tf.add_n([*sums.values()]) / tf.cast(texts, tf.float32)
            if halved := hasattr(self.optimizer, "get_scaled_loss"):  # float16
                scaled = self.optimizer.get_scaled_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_weights, unconnected_gradients="zero")
        return sums, self.optimizer.get_unscaled_gradients(gradients) if halved else gradients

    def _in_parts(self, x, y, texts):
        size = -(-texts // self.parts)

        def another(begin, sums, gradients):
            some_x, some_y = ({n: v[begin : begin + size] for n, v in part.items()} for part in (x, y))
            more, found = self._part(some_x, some_y, texts)
            sums = {name: each + more[name] for name, each in sums.items()}
            return begin + size, sums, [one + other for one, other in zip(gradients, found, strict=True)]

        sums = {name: tf.constant(0.0) for name in self.loss}
        nothing = [tf.zeros(each.shape) for each in self.trainable_weights]
        _, sums, gradients = tf.while_loop(
            lambda begin, *_: begin < texts, another, (0, sums, nothing), parallel_iterations=1
        )
        return sums, gradients
