"""A trained model as explaining wants it: all of it in float32, and open behind the table of tokens."""

import functools

from .._keras import computes_here, keras2, tensorflow
from ..encoder.loading import build_encoder
from ..encoder.precision import computing
from ..inference.predict import inputs

TABLE = "Embedding-Token"


def whole(task):
    """A float32 copy of the task's model, in which the last layer asks from every token, not from [CLS] alone."""
    computes_here()
    model = _built(task, task.model)
    for layer in model.layers:  # each time: the weights may have changed
        if layer.weights:
            layer.set_weights(task.model.get_layer(layer.name).get_weights())
    return model


@functools.lru_cache(1)
def _built(task, model):
    with computing("float32"):
        return task.build(build_encoder(task.config, task.settings.encoder))


def forget():
    """Lets go of the copy, which takes as much memory as the model."""
    _built.cache_clear()
    _reader.cache_clear()


def table(model):
    """The vectors of all tokens: float32 (vocabulary, hidden)."""
    return model.get_layer(TABLE).get_weights()[0]


def score(model, target):
    """A function from the vectors of the target's tokens, (n, tokens, hidden), to the answer's log-odds (n,)."""
    tf = tensorflow()
    x = inputs([target.window]) | target.more
    read, names = _reader(model)

    def log_odds(vectors):
        rest = [tf.repeat(x[name], len(vectors), 0) for name in names]
        return target.log_odds(read([vectors, *rest], training=False))

    return log_odds


@functools.lru_cache(1)
def _reader(model):
    """(the model from [vectors of the tokens, *those of its inputs that are read elsewhere too], the names of these)."""
    lookup = model.get_layer(TABLE)
    vectors = lookup.output[0] if isinstance(lookup.output, list) else lookup.output  # keras-bert's gives the table too
    readers = {name: [node.layer for node in model.get_layer(name).outbound_nodes] for name in model.input_names}
    names = [name for name, layers in readers.items() if layers != [lookup]]
    return keras2().Model([vectors, *(model.get_layer(name).output for name in names)], model.output), names
