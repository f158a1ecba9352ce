"""The export of a task for OpenVINO in its saved folder.

An export is valid only for the model files in the same folder. If these files changed, or the export is damaged, it does not
count.
"""

import importlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import InputError
from ..files import sha256
from ..saving.folder import (
    CONFIG,
    EXPORT,
    EXPORT_ABOUT,
    EXPORT_GRAPH,
    EXPORT_LAYOUT,
    EXPORT_SECOND,
    TASK,
    WEIGHTS,
    sweep,
)
from .predict import by_keras

if TYPE_CHECKING:
    import openvino

    from ..tasks.base import Task
    from .engine import Axes

AXES = "token_axes"


@dataclass(frozen=True)
class Export:
    """A task in OpenVINO's format.

    Attributes:
        graphs: dict of file name, EXPORT_GRAPH or EXPORT_SECOND, to the model of this stage.
        token_axes: see `engine.Engine`.
    """

    graphs: "dict[str, openvino.Model]"
    token_axes: "Axes"


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


def core() -> "openvino.Core":
    core = package().Core()
    # On Windows a memory-mapped file cannot be replaced, and on other systems it must not be truncated.
    core.set_property({"ENABLE_MMAP": False})
    return core


def kept(folder: Path) -> Export | None:
    """Returns the export in the folder, or None if it is missing, damaged, or made from other files."""
    export = folder / EXPORT
    try:
        about = json.loads((export / EXPORT_ABOUT).read_text(encoding="utf-8"))
        axes = {name: tuple(each) for name, each in about.pop(AXES).items()}
        if about == _about(folder, export):
            files = [file for file in (EXPORT_GRAPH, EXPORT_SECOND) if file in about]
            return Export({file: core().read_model(export / file) for file in files}, axes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):  # OpenVINO raises RuntimeError
        pass
    return None


def _about(folder: Path, export: Path) -> dict[str, str]:
    """Returns the expected content of EXPORT_ABOUT, except AXES.

    Args:
        folder: folder of the saved task.
        export: folder of the export that was made from this task.
    """
    files = [folder / name for name in (TASK, CONFIG, WEIGHTS)]
    files += [export / name for name in EXPORT_LAYOUT if name != EXPORT_ABOUT and (export / name).exists()]
    return {"kbert_tasks": __version__} | {file.name: sha256(file) for file in files}


def converted(task: "Task[Any]") -> Export:
    """Converts the model of the task to OpenVINO, with Keras's names of inputs and outputs, for batches of any shape."""
    keras = by_keras(task)
    graphs = {EXPORT_GRAPH: keras.graph} | ({EXPORT_SECOND: keras.second_graph} if task.SECOND_STAGE else {})
    models = {}
    for file, graph in graphs.items():
        ours = {*graph.structured_input_signature[0][0], *graph.structured_outputs}
        # Copy the weights, because TensorFlow can free its arrays after this call.
        models[file] = model = package().convert_model(graph, share_weights=False)
        # Match by name, because the order of the inputs differs from Keras.
        for port in (*model.inputs, *model.outputs):
            port.get_tensor().set_names(ours & {name.removesuffix(":0") for name in port.get_names()})
    return Export(models, keras.token_axes)


def keep(export: Export, folder: Path) -> None:
    """Writes the export to a temporary folder and renames it, which replaces an earlier export.

    Raises:
        OSError: the folder cannot be written, or EXPORT contains files of others.
        RuntimeError: OpenVINO cannot write the export or read it again, for example because the disk is full.
    """
    target = folder / EXPORT
    sweep(target)
    temporary = target.with_name(f".{EXPORT}.{os.getpid()}.writing")
    shutil.rmtree(temporary, ignore_errors=True)  # from an interrupted export of the same process
    try:
        temporary.mkdir()
        for file, model in export.graphs.items():
            package().save_model(model, temporary / file, compress_to_fp16=False)
            core().read_model(temporary / file)
        about = _about(folder, temporary) | {AXES: export.token_axes}
        (temporary / EXPORT_ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8", newline="\n")
        if target.exists():
            for name in EXPORT_LAYOUT:
                (target / name).unlink(missing_ok=True)
            target.rmdir()
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
