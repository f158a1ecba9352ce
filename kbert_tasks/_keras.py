"""Imports TensorFlow, Keras 2 (`tf_keras`) and keras-bert for the whole package.

keras-bert works only with Keras 2, but executes `from tensorflow import keras`, which imports Keras 3 since TensorFlow
2.16. `keras2()` returns `tf_keras`. `import_keras_bert()` replaces `tensorflow.keras` by `tf_keras` during the import of
keras-bert and restores it afterwards, so that Keras 3 continues to work in the same process. All other modules import
TensorFlow through this module, which suppresses its start-up messages.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf
    from tf_keras import Model as Model
    from tf_keras.callbacks import Callback as Callback
    from tf_keras.layers import Layer as Layer

# keras-bert and its dependencies that bind `tensorflow.keras` at import.
FAMILY = (
    "keras_bert", "keras_transformer", "keras_multi_head", "keras_self_attention", "keras_pos_embd",
    "keras_layer_normalization", "keras_position_wise_feed_forward", "keras_embed_sim",
)  # fmt: skip
PATHS = ("tensorflow.keras", "tensorflow.keras.backend", "tensorflow.keras.utils", "tensorflow.keras.optimizers")


def tensorflow() -> ModuleType:
    """Imports TensorFlow without its start-up messages and with oneDNN's kernels, unless the user has set the variables."""
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # By default, TensorFlow uses oneDNN's kernels only on processors with AVX-512 or newer. They also double the
        # training speed on processors with only AVX2 (benchmarks/speed.md).
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        with _stderr_held_back():
            _import_tensorflow()
    return sys.modules["tensorflow"]


def _import_tensorflow() -> None:
    """Imports TensorFlow without Keras 3, which it would import too, in a third of the time, but which this package does not use.

    TensorFlow imports `keras.src.optimizers` at its end and ignores an ImportError. `tensorflow.keras` imports Keras 3 when
    the user's program first reads it.
    """
    absent = "keras.src"
    if any(name == "keras" or name.startswith("keras.") for name in sys.modules):
        importlib.import_module("tensorflow")
        return
    modules: dict[str, Any] = sys.modules
    modules[absent] = None  # its import now raises ModuleNotFoundError
    try:
        importlib.import_module("tensorflow")
    except ImportError as error:
        if not (error.name or "").startswith("keras"):
            raise
        modules.pop(absent, None)
        importlib.import_module("tensorflow")  # a version of TensorFlow that does not ignore the error
    finally:
        modules.pop(absent, None)


def is_tpu(strategy: "tf.distribute.Strategy") -> bool:
    """Returns whether a strategy trains on a TPU, which needs batches of one shape because it compiles each new shape."""
    return isinstance(strategy, tensorflow().distribute.TPUStrategy)


@functools.cache
def keras2() -> ModuleType:
    """Imports Keras 2 (`tf_keras`), independently of the Keras version that the user has imported.

    Raises:
        InputError: tf-keras is missing, or its minor version differs from that of TensorFlow.
    """
    wanted = ".".join(tensorflow().__version__.split(".")[:2])
    try:
        found = importlib.metadata.version("tf_keras")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found.split(".")[:2] != wanted.split("."):
        raise InputError(
            f"TensorFlow {tensorflow().__version__} needs tf-keras {wanted}, found {found}: "
            f"run pip install 'tf-keras~={wanted}.0', then restart Python (in a notebook: the runtime)"
        )
    if "tf_keras" not in sys.modules:
        with _stderr_held_back():
            importlib.import_module("tf_keras")
    return sys.modules["tf_keras"]


def is_on_cpu() -> bool:
    """Returns whether the graph that is being traced runs on the CPU."""
    tf = tensorflow()
    return not is_tpu(tf.distribute.get_strategy()) and not tf.config.list_logical_devices("GPU")


_process: int | None = None  # id of the process in which TensorFlow started to compute


def computes_here() -> None:
    """Raises InputError in a process that was forked after TensorFlow had started to compute in its parent.

    A fork does not copy TensorFlow's threads, so a computation in the child would wait for them forever. Call this
    function before any computation; the first call stores the process id.
    """
    global _process
    if _process is None:
        _process = os.getpid()
    elif _process != os.getpid():
        raise InputError(
            f"this process was forked from process {_process} after TensorFlow was started there; TensorFlow would hang "
            "here: call kbert_tasks.load in each worker process, after the fork (gunicorn: without --preload), or start "
            "the workers with multiprocessing.get_context('spawn')"
        )


def registered_gradients() -> dict[str, dict[str, Any]]:
    """Returns TensorFlow's registry of `tf.RegisterGradient` and `tf.custom_gradient`.

    The registry is a dict from name to a dict with the function as "type". TensorFlow never removes an entry and has no
    public function to do so.
    """
    return importlib.import_module("tensorflow.python.framework.ops").gradient_registry._registry


@functools.cache
def import_keras_bert() -> ModuleType:
    """Imports keras_bert and binds it to Keras 2.

    Raises:
        InputError: keras-bert or one of its dependencies is already imported in this process and bound to Keras 3.
    """
    keras = keras2()
    for name in FAMILY:
        for module in [m for key, m in sys.modules.items() if key == name or key.startswith(name + ".")]:
            if not _is_bound_to(keras, module):
                raise InputError(
                    f"{name} was imported before kbert_tasks and is bound to Keras 3, where it does not work: "
                    "restart Python (in a notebook: the runtime) and import kbert_tasks first"
                )
    with _stderr_held_back(), _tensorflow_keras_is(importlib.import_module("tf_keras.api._v2.keras")):
        keras_bert = importlib.import_module("keras_bert")
    attention = importlib.import_module("keras_multi_head").MultiHeadAttention
    feed_forward = importlib.import_module("keras_position_wise_feed_forward").FeedForward
    for layer in (attention, feed_forward):
        layer.build = _without_seed_warning(layer.build)
    # The package name avoids confusion in saved models, because some layers have the same names as Keras's layers.
    for layer in keras_bert.get_custom_objects().values():
        if isinstance(layer, type) and issubclass(layer, keras.layers.Layer):
            keras.utils.register_keras_serializable(package="keras_bert")(layer)
    return keras_bert


def _is_bound_to(keras: ModuleType, module: ModuleType) -> bool:
    """Returns whether the names `keras` and `K` in a module of FAMILY, if they exist, belong to this Keras.

    Both names are checked: if TF_USE_LEGACY_KERAS is set after TensorFlow was imported, `keras` is Keras 2 and `K` is
    Keras 3.
    """
    layers = getattr(getattr(module, "keras", None), "layers", keras.layers)
    backend = getattr(module, "K", keras.backend)
    return layers.Layer is keras.layers.Layer and backend.epsilon is keras.backend.epsilon


def _without_seed_warning(build: "Callable[[Layer, Any], None]") -> "Callable[[Layer, Any], None]":
    """Wraps a layer's `build` to ignore tf_keras's warning that its matrices share one unseeded initializer.

    The matrices are initially equal, but the values of a checkpoint replace them immediately. The filter is set for each
    call, because a global filter would also affect the user's layers and would be lost after `catch_warnings`.
    """

    @functools.wraps(build)
    def quiet(self: "Layer", input_shape: Any) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"The initializer \w+ is unseeded")
            build(self, input_shape)

    return quiet


@contextlib.contextmanager
def _tensorflow_keras_is(module: ModuleType) -> Iterator[None]:
    """Makes `from tensorflow import keras` and `import tensorflow.keras...` import `module` inside the block."""
    tf: Any = tensorflow()
    absent = object()
    before_modules: dict[str, Any] = {path: sys.modules.get(path, absent) for path in PATHS}
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
def _stderr_held_back() -> Iterator[None]:
    """Hides what native code writes to file descriptor 2, and prints it if the block fails.

    TensorFlow's libraries write their first lines before they read a log level.
    """
    if sys.stderr is None:  # a process without stderr; descriptor 2 may be any file
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
