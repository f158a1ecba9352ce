"""The only door to TensorFlow and to Keras 2 (`tf_keras`).

keras-bert works on Keras 2 only and says `from tensorflow import keras`, which since TensorFlow 2.16
means Keras 3. `keras2()` hands out `tf_keras`; `import_keras_bert()` shows keras-bert that same module
for as long as it is being imported and then puts back what was there, so that a user's own Keras 3 in
the same process goes on working. Import TensorFlow from here and nowhere else: here it is quiet.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import os
import sys
import tempfile
import warnings
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from tf_keras import Model as Model

# keras-bert and what it is made of: each of them binds `tensorflow.keras` when it is imported.
FAMILY = (
    "keras_bert", "keras_transformer", "keras_multi_head", "keras_self_attention", "keras_pos_embd",
    "keras_layer_normalization", "keras_position_wise_feed_forward", "keras_embed_sim",
)  # fmt: skip
PATHS = ("tensorflow.keras", "tensorflow.keras.backend", "tensorflow.keras.utils", "tensorflow.keras.optimizers")


def tensorflow():
    """TensorFlow, imported without its start-up messages and with oneDNN's kernels, unless the user has decided on them."""
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # TensorFlow takes oneDNN's kernels by itself only where a processor has AVX-512 or newer. They train twice as
        # fast with AVX2 alone too (benchmarks/speed.md).
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        with _stderr_held_back():
            importlib.import_module("tensorflow")
    return sys.modules["tensorflow"]


def is_tpu(strategy):
    """Whether a strategy trains on a TPU, which compiles each new shape: all its batches have one shape."""
    return isinstance(strategy, tensorflow().distribute.TPUStrategy)


@functools.cache
def keras2():
    """Keras 2 (`tf_keras`), whatever Keras the user has imported.

    Raises:
        InputError: tf-keras is missing, or is not of TensorFlow's minor version.
    """
    wanted = ".".join(tensorflow().__version__.split(".")[:2])
    try:
        found = importlib.metadata.version("tf_keras")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found.split(".")[:2] != wanted.split("."):
        raise InputError(
            f"TensorFlow {tensorflow().__version__} needs tf-keras {wanted}, found {found}: "
            f"pip install 'tf-keras~={wanted}.0', then start Python (in a notebook: the runtime) again"
        )
    if "tf_keras" not in sys.modules:
        with _stderr_held_back():
            importlib.import_module("tf_keras")
    return sys.modules["tf_keras"]


def is_on_cpu():
    """Whether what is being traced is for the processor."""
    tf = tensorflow()
    return not is_tpu(tf.distribute.get_strategy()) and not tf.config.list_logical_devices("GPU")


_process: int | None = None  # in which TensorFlow has begun to compute


def computes_here():
    """Raises InputError in a process that was forked after TensorFlow had begun to compute in its parent.

    A fork copies none of TensorFlow's threads: whatever the child computes would wait for them without end. Called before
    anything that computes; the first call notes the process.
    """
    global _process
    if _process is None:
        _process = os.getpid()
    elif _process != os.getpid():
        raise InputError(
            f"this process was forked from process {_process} after TensorFlow had started there, and TensorFlow would hang "
            "here: call kbert_tasks.load in each worker process, after the fork (gunicorn: without --preload), or start "
            "the workers with multiprocessing.get_context('spawn')"
        )


def registered_gradients():
    """TensorFlow's registry that `tf.RegisterGradient` and `tf.custom_gradient` fill: name to a dict with the function as "type".

    TensorFlow itself removes nothing from it and has no public way to do so.
    """
    return importlib.import_module("tensorflow.python.framework.ops").gradient_registry._registry


@functools.cache
def import_keras_bert():
    """keras_bert, bound to Keras 2.

    Raises:
        InputError: keras-bert, or a part of it, was imported earlier in this process and is bound to Keras 3.
    """
    keras = keras2()
    for name in FAMILY:
        for module in [m for key, m in sys.modules.items() if key == name or key.startswith(name + ".")]:
            if not _is_bound_to(keras, module):
                raise InputError(
                    f"{name} was imported before kbert_tasks and is bound to Keras 3, where it does not work: "
                    "start Python (in a notebook: the runtime) again and import kbert_tasks first"
                )
    with _stderr_held_back(), _tensorflow_keras_is(importlib.import_module("tf_keras.api._v2.keras")):
        keras_bert = importlib.import_module("keras_bert")
    attention = importlib.import_module("keras_multi_head").MultiHeadAttention
    feed_forward = importlib.import_module("keras_position_wise_feed_forward").FeedForward
    for layer in (attention, feed_forward):
        layer.build = _without_seed_warning(layer.build)
    # Under names of their own: some are called as Keras's layers are, and would be taken for these in a saved model.
    for layer in keras_bert.get_custom_objects().values():
        if isinstance(layer, type) and issubclass(layer, keras.layers.Layer):
            keras.utils.register_keras_serializable(package="keras_bert")(layer)
    return keras_bert


def _is_bound_to(keras, module):
    """Whether what a module of the family calls `keras` and `K` is of this Keras, as far as it has them.

    Both count: with TF_USE_LEGACY_KERAS set after TensorFlow was imported, `keras` is Keras 2 and `K` Keras 3.
    """
    layers = getattr(getattr(module, "keras", None), "layers", keras.layers)
    backend = getattr(module, "K", keras.backend)
    return layers.Layer is keras.layers.Layer and backend.epsilon is keras.backend.epsilon


def _without_seed_warning(build):
    """A layer's `build`, without tf_keras's remark that its matrices share one unseeded initializer.

    True (they start out equal), but a checkpoint's values replace them at once. The filter is set for each
    call: one set for the whole process would also cover the user's layers, and be lost with a `catch_warnings`.
    """

    @functools.wraps(build)
    def quiet(self, input_shape):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"The initializer \w+ is unseeded")
            build(self, input_shape)

    return quiet


@contextlib.contextmanager
def _tensorflow_keras_is(module):
    """`from tensorflow import keras` and `import tensorflow.keras...` mean `module` inside the block."""
    tf = tensorflow()
    absent = object()
    before_modules = {path: sys.modules.get(path, absent) for path in PATHS}
    before_attribute = tf.__dict__.get("keras", absent)
    try:
        tf.keras = module
        for path in PATHS:
            parts = path.split(".")[2:]
            sys.modules[path] = getattr(module, parts[0]) if parts else module
        yield
    finally:
        for path, old in before_modules.items():
            if old is absent:
                sys.modules.pop(path, None)
            else:
                sys.modules[path] = old
        if before_attribute is absent:
            del tf.keras
        else:
            tf.keras = before_attribute


@contextlib.contextmanager
def _stderr_held_back():
    """Keeps from the console what native code writes to file descriptor 2; shows it if the block fails.

    TensorFlow's libraries write their first lines before any log level is read.
    """
    if sys.stderr is None:  # a process started without one; descriptor 2 may be any file of it
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
