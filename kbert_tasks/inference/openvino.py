"""OpenVINO in Keras's place: what reads the texts, exported once into the saved folder.

Keras trains, and is what an export is measured by. An export belongs to the files beside it: where these are others,
or it is damaged, it is made again.
"""

import importlib
import json
import logging
import os
import shutil
import sys

import numpy as np

from .. import __version__
from ..encoder.precision import fast_bfloat16
from ..errors import InputError
from ..files import sha256
from ..saving.folder import (
    CONFIG,
    EXPORT,
    EXPORT_ABOUT,
    EXPORT_GRAPH,
    EXPORT_LAYOUT,
    EXPORT_WEIGHTS,
    TASK,
    WEIGHTS,
    sweep,
)

log = logging.getLogger("kbert_tasks")

ENGINES = ("keras", "openvino")
LENGTHS = 16, 64  # tokens of the texts by which an export is measured
LIMIT = 0.05  # bfloat16 moves a probability by up to 0.011; what is further off was converted wrongly


def check(engine):
    """Raises InputError for an engine that there is not, or whose package is missing."""
    if engine not in ENGINES:
        raise InputError(f"engine should be one of {', '.join(ENGINES)}, not {engine!r}")
    if engine == "openvino":
        package()


def package():
    """The package openvino, without its telemetry: that would report each start to Google Analytics, unasked."""
    name, absent = "openvino_telemetry", object()
    before = sys.modules.get(name, absent)
    sys.modules[name] = None  # openvino then takes its own stub
    try:
        return importlib.import_module("openvino")
    except ImportError:
        raise InputError("--engine openvino needs the package openvino: pip install 'kbert-tasks[openvino]'") from None
    finally:
        if before is absent:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def start(task, folder):
    """What stands in for Keras in `inference.run`: a function from a batch's inputs to a dict of NumPy arrays.

    Args:
        task: as it was loaded.
        folder: the Path that it was loaded from. The export is read there; if there is none of this very model, it is
            made there, or in memory where the folder cannot be written.

    Returns:
        The function; its attribute `folder` is the folder.

    Raises:
        InputError: the converted model does not say what Keras says.
    """
    run = _started(task, folder)
    run.folder = folder  # a pickled task starts it from there again
    return run


def _started(task, folder):
    model = _kept(folder)
    if model is not None:
        return _function(model, task.settings.precision)
    model = _converted(task)
    run = _function(model, task.settings.precision)
    difference = _difference(task, run)
    if not difference <= LIMIT:  # NaN neither
        raise InputError(
            f"OpenVINO {package().__version__} gives probabilities that are off by {difference:.2g} from Keras's: "
            "take --engine keras, or another version of OpenVINO"
        )
    try:
        _keep(model, folder)
        done = f"exported to {folder / EXPORT}"
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
        done = f"converted in memory, as {folder / EXPORT} cannot be written ({reason})"
    log.info("openvino: %s, largest difference of a probability from Keras %.0e", done, difference)
    return run


def _kept(folder):
    """The export in the folder; None if there is none, it is of other files, or damaged."""
    try:
        if json.loads((folder / EXPORT / EXPORT_ABOUT).read_text(encoding="utf-8")) == _about(folder, folder / EXPORT):
            return _core().read_model(folder / EXPORT / EXPORT_GRAPH)
    except (OSError, ValueError, RuntimeError):  # OpenVINO's errors are RuntimeError
        pass
    return None


def _about(folder, export):
    """What EXPORT_ABOUT should say of the export that lies in `export` and was made from the saved task in `folder`."""
    files = [*(folder / name for name in (TASK, CONFIG, WEIGHTS)), export / EXPORT_GRAPH, export / EXPORT_WEIGHTS]
    return {"kbert_tasks": __version__} | {file.name: sha256(file) for file in files}


def _converted(task):
    """OpenVINO's model of what reads the texts, its inputs and outputs named as Keras's, for batches of any shape."""
    from .predict import graph

    read = task.once(graph).get_concrete_function()
    ours = {*read.structured_input_signature[0][0], *read.structured_outputs}
    # Nothing shared: TensorFlow's arrays need not outlive this call.
    model = package().convert_model(read, share_weights=False)
    for port in (*model.inputs, *model.outputs):  # by name, for the order of the inputs is not Keras's
        port.get_tensor().set_names(ours & {name.removesuffix(":0") for name in port.get_names()})
    return model


def _core():
    core = package().Core()
    # A file that is mapped cannot be replaced on Windows, and must not be shortened elsewhere.
    core.set_property({"ENABLE_MMAP": False})
    return core


def _precision(told):
    """The setting `precision` in OpenVINO's words; float16 is for GPUs."""
    return "bf16" if told == "bfloat16" or (told == "auto" and fast_bfloat16()) else "f32"


def _function(model, precision):
    compiled = _core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": _precision(precision)})
    ports = {port.get_any_name(): port for port in compiled.outputs}

    def run(x):
        found = compiled.infer_new_request(x)  # a request of its own, so that threads can predict at once
        return {name: found[port] for name, port in ports.items()}

    return run


def _difference(task, run):
    """The largest difference of a probability from Keras's, on random tokens, some texts padded."""
    from .predict import by_keras

    draw, keras, found = np.random.default_rng(0), by_keras(task), []
    for time in LENGTHS:
        shape = 4, min(time, task.settings.max_length)
        ids = draw.integers(1, task.config["vocab_size"], shape, "int32")
        ids[np.arange(shape[1]) >= draw.integers(1, shape[1] + 1, (4, 1))] = 0
        segments = draw.integers(0, task.config.get("type_vocab_size", 2), shape, "int32")
        x = {"Input-Token": ids, "Input-Segment": segments}
        one, other = run(x), keras(x)
        for name in one.keys() & task.losses().keys():  # the others are vectors
            found.append(np.abs(task.probabilities(one[name]) - task.probabilities(other[name])).max())
    return max(found, key=lambda each: (np.isnan(each), each))


def _keep(model, folder):
    """Writes the export aside and renames it to its place; an earlier one there is replaced.

    Raises:
        OSError: the folder cannot be written, or there are files in EXPORT that are not ours.
        RuntimeError: OpenVINO cannot write it, or read what it has written, such as on a full disk.
    """
    export = folder / EXPORT
    sweep(export)
    aside = export.with_name(f".{EXPORT}.{os.getpid()}.writing")
    shutil.rmtree(aside, ignore_errors=True)  # of an interrupted export of this very process
    try:
        aside.mkdir()
        package().save_model(model, aside / EXPORT_GRAPH, compress_to_fp16=False)
        _core().read_model(aside / EXPORT_GRAPH)
        (aside / EXPORT_ABOUT).write_text(
            json.dumps(_about(folder, aside), indent=2) + "\n", encoding="utf-8", newline="\n"
        )
        if export.exists():
            for name in EXPORT_LAYOUT:
                (export / name).unlink(missing_ok=True)
            export.rmdir()
        aside.rename(export)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
