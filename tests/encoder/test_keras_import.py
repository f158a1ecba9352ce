"""kbert_tasks/_keras.py: keras-bert works with any order of imports and next to any other Keras of the user.

Imports affect the whole process, so each case runs in its own process (about six seconds).
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .. import tiny

ROOT = Path(__file__).parents[2]

# Every case runs this: keras-bert on the tiny checkpoint. The arguments are its folder and the file of the outputs.
IMPORT_KERAS_BERT = """
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

# A Keras 3 model of the user. The cases use `x`, `mine` and `train`.
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

# Which Keras the user gets from TensorFlow afterwards.
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

# A module of another Keras must cause an error of one line, which is printed on stdout.
REPORT_REJECTION = """
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

# All modules of keras-bert are imported, so no later import uses Keras 3, and none of them contains a part of Keras 3.
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

# name: (code before the import, code after it, environment)
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
    """(finished process, outputs) if kbert_tasks is imported first and Keras 3 later."""
    saved = tmp_path_factory.mktemp("reference") / "outputs.npy"
    checks = "\nfrom tensorflow.python.util import _pywrap_util_port as port; assert port.IsMklEnabled()"  # oneDNN is on by default
    checks += "\nassert not [name for name in sys.modules if name.split('.')[0] == 'keras']"  # Keras 3 was not imported
    checks += "\nbert.predict([ids, segments], verbose=0)\nprint('.', flush=True); print('.', file=sys.stderr)\n"
    result = run(IMPORT_KERAS_BERT + checks + ALL_BOUND + KERAS3 + IS_KERAS3, checkpoint, saved)
    return result, np.load(saved)


def run(script, *arguments, status=0, **environment):
    unset = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
    inherited = {k: v for k, v in os.environ.items() if k not in unset}
    command = [sys.executable, "-W", "default", "-W", "ignore::DeprecationWarning", "-c", script, *map(str, arguments)]
    result = subprocess.run(
        command, cwd=ROOT, env=inherited | environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert result.returncode == status, result.stderr
    return result


def test_import_prints_nothing(reference):
    result, outputs = reference
    assert outputs.shape == (2, 8, 16)
    assert result.stdout.startswith(".\n")
    assert result.stderr.startswith(".\n"), result.stderr


USUAL = "Keras 3, with a model trained"  # the others are slow, because each is a process


@pytest.mark.parametrize(
    "name", [USUAL, *(pytest.param(name, marks=pytest.mark.slow) for name in ORDERS if name != USUAL)]
)
def test_keras_bert_works_with_any_import_order(name, reference, checkpoint, tmp_path):
    before, after, environment = ORDERS[name]
    saved = tmp_path / "outputs.npy"
    run(f"{before}\n{IMPORT_KERAS_BERT}\n{after}", checkpoint, saved, **environment)
    assert np.abs(np.load(saved) - reference[1]).max() < 1e-6


def test_packages_bound_to_keras_3_are_rejected():
    """Tests each package of the keras-bert family, with all of them removed from sys.modules before each import."""
    script = """
import sys
import {0}
"""
    remove_modules = """
for name in [name for name in sys.modules if name.startswith("keras_")]:
    del sys.modules[name]
"""
    names = ("keras_bert", "keras_self_attention", "keras_pos_embd")
    result = run("".join(script.format(name) + REPORT_REJECTION + "refused()" + remove_modules for name in names))
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    for name, line in zip(names, lines, strict=True):
        assert line.startswith(f"{name} was imported before kbert_tasks and is bound to Keras 3")


@pytest.mark.slow
def test_package_bound_to_both_keras_versions_is_rejected():
    """If the variable is set too late, keras_bert has layers of Keras 2 and the backend of Keras 3."""
    before = "import os, tensorflow; os.environ['TF_USE_LEGACY_KERAS'] = '1'; import keras_bert"
    lines = run(before + REPORT_REJECTION + "refused()").stdout.splitlines()
    assert len(lines) == 1 and lines[0].startswith("keras_bert was imported before kbert_tasks")


def test_missing_or_wrong_version_of_tf_keras_is_rejected(reference, checkpoint, tmp_path):
    """Each attempt fails, also if tf_keras is imported already; with the right version the same process continues."""
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
    lines = run(REPORT_REJECTION + before + IMPORT_KERAS_BERT, checkpoint, saved).stdout.splitlines()
    assert len(lines) == 4
    for line, found in zip(lines, ("none", "none", "2.3.0", "2.3.0"), strict=True):
        assert f"found {found}: run pip install 'tf-keras~=2." in line
    assert np.abs(np.load(saved) - reference[1]).max() < 1e-6


def test_error_inside_the_import_is_shown(tmp_path):
    """Output of native code before the failed import is shown too, and stderr works afterwards."""
    native_output = "libtensorflow: illegal instruction"
    (tmp_path / "tensorflow.py").write_text(
        f"import os\nos.write(2, b'{native_output}\\n')\nraise ImportError('no kernels')"
    )
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
    result = run(script, tmp_path, status=1)
    assert result.stdout == ""
    assert result.stderr.startswith(f"{native_output}\nstderr works\n{native_output}\nTraceback")
    assert result.stderr.endswith("ImportError: no kernels\n")


@pytest.mark.parametrize("before", ["", "import keras.src\n"])
def test_keras_3_is_imported_if_tensorflow_needs_it(tmp_path, before):
    """As a version of TensorFlow that does not ignore the missing import; also if the user has imported Keras 3."""
    for name in ("keras/__init__.py", "keras/src/__init__.py", "keras/src/optimizers.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "tensorflow.py").write_text("print('importing')\nimport keras.src.optimizers")
    program = "import sys\nsys.path.insert(0, sys.argv[1])\n" + before
    program += "from kbert_tasks._keras import tensorflow\ntensorflow()\nimport keras.src.optimizers"
    assert run(program, tmp_path).stdout == "importing\n" * (1 if before else 2)


def test_import_works_without_stderr(tmp_path):
    """As under a service manager, sys.stderr is None and descriptor 2 may be any file of the process."""
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
@pytest.mark.parametrize("setting, wanted", [(None, True), ("0", False)])
def test_onednn_is_used_unless_the_user_turns_it_off(setting, wanted):
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    program = (
        "from kbert_tasks._keras import tensorflow; tensorflow();"
        "from tensorflow.python.util import _pywrap_util_port as port; print(port.IsMklEnabled())"
    )
    environment |= {} if setting is None else {"TF_ENABLE_ONEDNN_OPTS": setting}
    process = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert (process.stdout.strip(), process.stderr) == (str(wanted), "")
