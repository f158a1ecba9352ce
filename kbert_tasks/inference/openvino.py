"""Predict with OpenVINO instead of Keras.

The model is exported once into the saved folder, and its results are compared with those of Keras. An export is valid only
for the model files in the same folder. If these files changed, or the export is damaged, it is created again.
"""

import importlib
import json
import logging
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

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

if TYPE_CHECKING:
    import openvino

    from ..tasks.base import Task
    from .predict import Arrays, Run

log = logging.getLogger("kbert_tasks")

ENGINES = ("keras", "openvino")
LENGTHS = 16, 64  # number of tokens in the texts that check an export
LIMIT = 0.05  # bfloat16 changes a probability by up to 0.011; a larger difference means that the conversion failed


class Engine(Protocol):
    """Computes the outputs of a batch from its inputs, as `predict.by_keras` does.

    Attributes:
        folder: folder of the saved task.
    """

    folder: Path

    def __call__(self, x: "Arrays") -> "Arrays": ...


def check(engine: str) -> None:
    """Raises InputError if the engine does not exist or its package is not installed."""
    if engine not in ENGINES:
        raise InputError(f"engine should be one of {', '.join(ENGINES)}, not {engine!r}")
    if engine == "openvino":
        package()


def package() -> ModuleType:
    """Imports and returns the package openvino."""
    try:
        return without_telemetry("openvino")
    except ImportError:
        raise InputError("--engine openvino needs the package openvino: pip install 'kbert-tasks[openvino]'") from None


def without_telemetry(package: str) -> ModuleType:
    """Imports and returns a package of OpenVINO without its telemetry, which reports each start to Google Analytics."""
    name, absent = "openvino_telemetry", object()
    modules: dict[str, Any] = sys.modules
    before = modules.get(name, absent)
    modules[name] = None  # the package then uses its own stub
    try:
        return importlib.import_module(package)
    finally:
        if before is absent:
            del modules[name]
        else:
            modules[name] = before


def start(task: "Task[Any]", folder: Path) -> Engine:
    """Returns the function that replaces Keras in `predict.run`.

    Args:
        task: the loaded task.
        folder: the Path of the saved task. The function reads the export from this folder. If there is no valid export,
            it creates one there, or converts the model in memory if the folder cannot be written.

    Returns:
        A function from the inputs of a batch to a dict of NumPy arrays. Its attribute `folder` is the folder.

    Raises:
        InputError: the results of the converted model differ from those of Keras.
    """
    run: Any = _started(task, folder)
    run.folder = folder  # an unpickled task starts the engine again from this folder
    return run


def _started(task: "Task[Any]", folder: Path) -> "Run":
    model = _kept(folder)
    if model is not None:
        return _function(model, task.settings.precision)
    model = _converted(task)
    run = _function(model, task.settings.precision)
    difference = _difference(task, run)
    if not difference <= LIMIT:  # also true for NaN
        raise InputError(
            f"OpenVINO {package().__version__} computes probabilities that differ by {difference:.2g} from those of Keras: "
            "use --engine keras, or another version of OpenVINO"
        )
    try:
        _keep(model, folder)
        done = f"exported to {folder / EXPORT}"
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
        done = f"converted in memory, because {folder / EXPORT} cannot be written ({reason})"
    log.info("openvino: %s; probabilities differ from those of Keras by at most %.0e", done, difference)
    return run


def _kept(folder: Path) -> "openvino.Model | None":
    """Returns the export in the folder, or None if it is missing, damaged, or made from other files."""
    try:
        if json.loads((folder / EXPORT / EXPORT_ABOUT).read_text(encoding="utf-8")) == _about(folder, folder / EXPORT):
            return _core().read_model(folder / EXPORT / EXPORT_GRAPH)
    except (OSError, ValueError, RuntimeError):  # OpenVINO raises RuntimeError
        pass
    return None


def _about(folder: Path, export: Path) -> dict[str, str]:
    """Returns the expected content of EXPORT_ABOUT.

    Args:
        folder: folder of the saved task.
        export: folder of the export that was made from this task.
    """
    files = [*(folder / name for name in (TASK, CONFIG, WEIGHTS)), export / EXPORT_GRAPH, export / EXPORT_WEIGHTS]
    return {"kbert_tasks": __version__} | {file.name: sha256(file) for file in files}


def _converted(task: "Task[Any]") -> "openvino.Model":
    """Converts the model of the task to OpenVINO, with Keras's names of inputs and outputs, for batches of any shape."""
    from .predict import by_keras

    read = by_keras(task).graph
    ours = {*read.structured_input_signature[0][0], *read.structured_outputs}
    # Copy the weights, because TensorFlow can free its arrays after this call.
    model = package().convert_model(read, share_weights=False)
    for port in (*model.inputs, *model.outputs):  # match by name, because the order of the inputs differs from Keras
        port.get_tensor().set_names(ours & {name.removesuffix(":0") for name in port.get_names()})
    return model


def _core() -> "openvino.Core":
    core = package().Core()
    # On Windows a memory-mapped file cannot be replaced, and on other systems it must not be truncated.
    core.set_property({"ENABLE_MMAP": False})
    return core


def _precision(setting: str) -> str:
    """Converts the setting `precision` to OpenVINO's name. float16 becomes f32, because it is only for GPUs."""
    return "bf16" if setting == "bfloat16" or (setting == "auto" and fast_bfloat16()) else "f32"


def _function(model: "openvino.Model", precision: str) -> "Run":
    compiled = _core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": _precision(precision)})
    ports = {port.get_any_name(): port for port in compiled.outputs}

    def run(x: "Arrays") -> "Arrays":
        found = compiled.infer_new_request(x)  # a separate request for each call, so threads can predict in parallel
        return {name: found[port] for name, port in ports.items()}

    return run


def _difference(task: "Task[Any]", run: "Run") -> float:
    """Returns the largest difference between the probabilities of OpenVINO and Keras on random tokens with padding."""
    from .predict import by_keras

    draw, keras = np.random.default_rng(0), by_keras(task)
    found: list[float] = []
    for time in LENGTHS:
        shape = 4, min(time, task.settings.max_length)
        ids = draw.integers(1, task.config["vocab_size"], shape, "int32")
        ids[np.arange(shape[1]) >= draw.integers(1, shape[1] + 1, (4, 1))] = 0
        segments = draw.integers(0, task.config.get("type_vocab_size", 2), shape, "int32")
        x = {"Input-Token": ids, "Input-Segment": segments}
        one, other = run(x), keras(x)
        for name in one.keys() & task.loss().keys():  # the other outputs are vectors
            found.append(np.abs(task.probabilities(one[name]) - task.probabilities(other[name])).max())
    # Without a common output, nothing shows that the conversion worked.
    return max(found, key=lambda each: (np.isnan(each), each), default=np.nan)


def _keep(model: "openvino.Model", folder: Path) -> None:
    """Writes the export to a temporary folder and renames it, which replaces an earlier export.

    Raises:
        OSError: the folder cannot be written, or EXPORT contains files of others.
        RuntimeError: OpenVINO cannot write the export or read it again, for example because the disk is full.
    """
    export = folder / EXPORT
    sweep(export)
    temporary = export.with_name(f".{EXPORT}.{os.getpid()}.writing")
    shutil.rmtree(temporary, ignore_errors=True)  # from an interrupted export of the same process
    try:
        temporary.mkdir()
        package().save_model(model, temporary / EXPORT_GRAPH, compress_to_fp16=False)
        _core().read_model(temporary / EXPORT_GRAPH)
        (temporary / EXPORT_ABOUT).write_text(
            json.dumps(_about(folder, temporary), indent=2) + "\n", encoding="utf-8", newline="\n"
        )
        if export.exists():
            for name in EXPORT_LAYOUT:
                (export / name).unlink(missing_ok=True)
            export.rmdir()
        temporary.rename(export)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
