"""kbert_tasks/_keras.py: keras-bert works whatever was imported first, and whatever Keras the user uses beside it.

What is imported when is a matter of the whole process, so each case is a process of its own (about six seconds).
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .. import tiny

ROOT = Path(__file__).parents[2]

# Every case goes through this: keras-bert on the tiny checkpoint; arguments are its folder and where to save outputs.
DOOR = """
import sys
import numpy
from kbert_tasks._keras import import_keras_bert, keras2
keras_bert = import_keras_bert()
paths = keras_bert.get_checkpoint_paths(sys.argv[1])
bert = keras_bert.load_trained_model_from_checkpoint(paths.config, paths.checkpoint, seq_len=None)
assert isinstance(bert, keras2().Model)
ids = numpy.array([[3, 8, 9, 40, 4, 50, 51, 4], [3, 70, 80, 90, 4, 0, 0, 0]])
segments = numpy.array([[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0]])
numpy.save(sys.argv[2], bert([ids, segments], training=False))
"""

# A user's own Keras 3 model; `x`, `mine` and `train` are used by the cases.
KERAS3 = """
import numpy
import keras
def build3():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model
def train3(model):
    before = model.get_weights()[0]
    assert numpy.isfinite(model.fit(x, x[:, :1], batch_size=8, verbose=0).history["loss"]).all()
    assert numpy.abs(model.get_weights()[0] - before).max() > 0
assert keras.__version__[0] == "3"
x = numpy.random.default_rng(0).random((8, 4))
mine = build3()
train3(mine)
"""

# What the user sees of TensorFlow's Keras afterwards.
IS_KERAS3 = """
import keras
import tensorflow
assert tensorflow.keras.layers.Layer is keras.layers.Layer
import tensorflow.keras as again
from tensorflow.keras import backend, layers, optimizers, utils
import tensorflow.keras.backend
assert keras.__version__[0] == "3"
assert tensorflow.keras.layers.Layer is again.layers.Layer is layers.Layer is keras.layers.Layer
assert optimizers.Optimizer is keras.optimizers.Optimizer and utils.get_file is keras.utils.get_file
assert backend.epsilon is tensorflow.keras.backend.epsilon is keras.backend.epsilon
layers.Dense(2)(numpy.ones((1, 3)))
"""
IS_KERAS2 = """
import tensorflow
assert tensorflow.keras.layers.Layer is keras2().layers.Layer
import tensorflow.keras as again
from tensorflow.keras import backend
assert tensorflow.keras.layers.Layer is again.layers.Layer is keras2().layers.Layer
assert backend.epsilon is keras2().backend.epsilon
"""

# What a module of another Keras must give: one line on stdout, the sentence.
REFUSED = """
from kbert_tasks._keras import import_keras_bert
from kbert_tasks.errors import InputError
def refused():
    try:
        import_keras_bert()
    except InputError as error:
        print(error)
    else:
        print("not refused")
"""

TRAIN_BERT = """
keras_2 = keras2()
score = keras_2.layers.Dense(1)(keras_2.layers.Lambda(lambda vectors: vectors[:, 0])(bert.output))
bert.trainable = True
whole = keras_2.Model(bert.inputs, score)
whole.compile(keras_2.optimizers.legacy.Adam(0.01), "mse")
before = bert.get_weights()
whole.fit([ids, segments], numpy.ones((2, 1)), epochs=2, verbose=0)
changed = [numpy.abs(old - new).max() > 0 for old, new in zip(before, bert.get_weights(), strict=True)]
assert sum(changed) > len(changed) / 2
"""

# No module of the family is left for a later import, which would find Keras 3, and none holds a part of Keras 3.
ALL_BOUND = """
import pathlib
from kbert_tasks._keras import FAMILY, PATHS
for name in FAMILY:
    folder = pathlib.Path(sys.modules[name].__file__).parent
    for file in folder.rglob("*.py"):
        parts = file.relative_to(folder.parent).with_suffix("").parts
        module = sys.modules[".".join(parts).removesuffix(".__init__")]
        for thing in vars(module).values():
            origin = getattr(thing, "__module__", None) or getattr(thing, "__name__", None) or ""
            assert origin.split(".")[0] != "keras", (module, thing)
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(("from tensorflow.keras", "import tensorflow.keras")):
                assert line.split()[1] in PATHS, (module, line)
"""

# name: (before the door, after it, environment)
ORDERS = {
    "tensorflow": ("import tensorflow", IS_KERAS3, {}),
    "tf.keras touched": (
        "import tensorflow; dense = tensorflow.keras.layers.Dense(2)",
        IS_KERAS3 + "assert type(dense) is layers.Dense; dense(numpy.ones((1, 3)))",
        {},
    ),
    "tensorflow.keras and its modules": (
        "import tensorflow.keras as K3\nfrom tensorflow.keras import backend as b, utils as u, optimizers as o",
        IS_KERAS3 + "assert (again, backend, utils, optimizers) == (K3, b, u, o)",
        {},
    ),
    "Keras 3, with a model trained": (
        KERAS3 + "predicted = mine.predict(x, verbose=0)",
        "assert (mine.predict(x, verbose=0) == predicted).all()\n"
        + TRAIN_BERT
        + "assert (mine.predict(x, verbose=0) == predicted).all()\n"
        + "train3(mine); train3(build3())\n"
        + "copy = keras.models.clone_model(mine); copy.set_weights(mine.get_weights())\n"
        + "assert (copy.predict(x, verbose=0) == mine.predict(x, verbose=0)).all()\n"
        + IS_KERAS3,
        {},
    ),
    "the variable, then tensorflow": ("import tensorflow", IS_KERAS2, {"TF_USE_LEGACY_KERAS": "1"}),
    "tensorflow, then the variable": (
        "import os, tensorflow; os.environ['TF_USE_LEGACY_KERAS'] = '1'",
        "assert tensorflow.keras.layers.Layer is keras2().layers.Layer",
        {},
    ),
    "keras_bert, with the variable": (
        "import keras_bert as theirs",
        "assert theirs is keras_bert\n" + IS_KERAS2,
        {"TF_USE_LEGACY_KERAS": "1"},
    ),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("door") / "uncased_tiny", num_hidden_layers=1)


@pytest.fixture(scope="module")
def reference(checkpoint, tmp_path_factory):
    """The outputs with kbert_tasks first; nothing may be printed on the way, and Keras 3 works when it comes later."""
    saved = tmp_path_factory.mktemp("reference") / "outputs.npy"
    quiet = "\nfrom tensorflow.python.util import _pywrap_util_port as port; assert port.IsMklEnabled()"  # oneDNN, by default
    quiet += "\nbert.predict([ids, segments], verbose=0)\nprint('.', flush=True); print('.', file=sys.stderr)\n"
    ran = run(DOOR + quiet + ALL_BOUND + KERAS3 + IS_KERAS3, checkpoint, saved)
    return ran, np.load(saved)


def run(script, *arguments, status=0, **environment):
    unset = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
    clean = {k: v for k, v in os.environ.items() if k not in unset}
    command = [sys.executable, "-W", "default", "-W", "ignore::DeprecationWarning", "-c", script, *map(str, arguments)]
    ran = subprocess.run(command, cwd=ROOT, env=clean | environment, capture_output=True, text=True, encoding="utf-8")
    assert ran.returncode == status, ran.stderr
    return ran


def test_nothing_is_printed(reference):
    ran, outputs = reference
    assert outputs.shape == (2, 8, 16)
    assert ran.stdout.startswith(".\n")
    assert ran.stderr.startswith(".\n"), ran.stderr


USUAL = "Keras 3, with a model trained"  # the others are slow: each is a process


@pytest.mark.parametrize(
    "name", [USUAL, *(pytest.param(name, marks=pytest.mark.slow) for name in ORDERS if name != USUAL)]
)
def test_order(name, reference, checkpoint, tmp_path):
    before, after, environment = ORDERS[name]
    saved = tmp_path / "outputs.npy"
    run(f"{before}\n{DOOR}\n{after}", checkpoint, saved, **environment)
    assert np.abs(np.load(saved) - reference[1]).max() < 1e-6


def test_bound_to_keras3_is_refused():
    """The family whole, and one member at a time (each `import` of them starts from an empty family)."""
    script = """
import sys
import {0}
"""
    forget = """
for name in [name for name in sys.modules if name.startswith("keras_")]:
    del sys.modules[name]
"""
    names = ("keras_bert", "keras_self_attention", "keras_pos_embd")
    ran = run("".join(script.format(name) + REFUSED + "refused()" + forget for name in names))
    lines = ran.stdout.splitlines()
    assert len(lines) == 3
    for name, line in zip(names, lines, strict=True):
        assert line.startswith(f"{name} was imported before kbert_tasks and is bound to Keras 3")


@pytest.mark.slow
def test_bound_to_both_is_refused():
    """The variable set too late: keras_bert has layers of Keras 2 and the backend of Keras 3."""
    before = "import os, tensorflow; os.environ['TF_USE_LEGACY_KERAS'] = '1'; import keras_bert"
    lines = run(before + REFUSED + "refused()").stdout.splitlines()
    assert len(lines) == 1 and lines[0].startswith("keras_bert was imported before kbert_tasks")


def test_keras2_missing_or_of_another_minor_version(reference, checkpoint, tmp_path):
    """Refused each time, also when tf_keras is there already; with the right one the same process goes on."""
    before = """
import importlib.metadata
import sys
true = importlib.metadata.version
def version(name):
    if name.replace("-", "_") != "tf_keras":
        return true(name)
    if stated is None:
        raise importlib.metadata.PackageNotFoundError(name)
    return stated
importlib.metadata.version = version
class Blocker:
    def find_spec(name, path=None, target=None):
        if name == "tf_keras" and stated is None:
            raise ModuleNotFoundError("No module named 'tf_keras'")
sys.meta_path.insert(0, Blocker)
stated = None
refused()
refused()
assert "tf_keras" not in sys.modules and "keras_bert" not in sys.modules
stated = "2.3.0"
refused()
import tf_keras
refused()
stated = true("tf_keras")
"""
    saved = tmp_path / "outputs.npy"
    lines = run(REFUSED + before + DOOR, checkpoint, saved).stdout.splitlines()
    assert len(lines) == 4
    for line, found in zip(lines, ("none", "none", "2.3.0", "2.3.0"), strict=True):
        assert f"found {found}: run pip install 'tf-keras~=2." in line
    assert np.abs(np.load(saved) - reference[1]).max() < 1e-6


def test_an_error_inside_the_import_is_shown(tmp_path):
    """What native code said before the import failed is shown too, and stderr works again."""
    said = "libtensorflow: illegal instruction"
    (tmp_path / "tensorflow.py").write_text(f"import os\nos.write(2, b'{said}\\n')\nraise ImportError('no kernels')")
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from kbert_tasks._keras import import_keras_bert
try:
    import_keras_bert()
except ImportError:
    print("stderr works", file=sys.stderr)
import_keras_bert()
"""
    ran = run(script, tmp_path, status=1)
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"{said}\nstderr works\n{said}\nTraceback")
    assert ran.stderr.endswith("ImportError: no kernels\n")


def test_a_process_without_stderr(tmp_path):
    """As under a service manager: sys.stderr is None, and descriptor 2 may be any file of the process."""
    (tmp_path / "tensorflow.py").write_text("import os\nos.write(2, b'noise')")
    script = """
import os
import sys
sys.path.insert(0, sys.argv[1])
os.close(2)
sys.stderr = None
file = os.open(sys.argv[1] + "/file", os.O_WRONLY | os.O_CREAT)
assert file == 2
from kbert_tasks._keras import tensorflow
tensorflow()
print("imported")
"""
    assert run(script, tmp_path).stdout == "imported\n"
    assert (tmp_path / "file").read_text() == "noise"


@pytest.mark.slow
@pytest.mark.parametrize("told, wanted", [(None, True), ("0", False)])
def test_onednn_computes_unless_the_user_has_decided_otherwise(told, wanted):
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    program = (
        "from kbert_tasks._keras import tensorflow; tensorflow();"
        "from tensorflow.python.util import _pywrap_util_port as port; print(port.IsMklEnabled())"
    )
    environment |= {} if told is None else {"TF_ENABLE_ONEDNN_OPTS": told}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (str(wanted), "")
