"""Predict with OpenVINO instead of Keras.

The model is exported once into the saved folder, and its results are compared with those of Keras. If there is no valid
export, see `exported.py`, it is created again.
"""

import importlib.util
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..encoder.precision import fast_bfloat16
from ..errors import InputError
from ..saving.folder import EXPORT, EXPORT_GRAPH, EXPORT_SECOND
from ..settings import AUTO
from .accelerators import has_accelerator
from .engine import numbered
from .exported import Export, converted, core, keep, kept, package
from .predict import by_keras

if TYPE_CHECKING:
    import openvino

    from ..tasks.base import Task
    from .engine import Arrays, Axes, Run

log = logging.getLogger("kbert_tasks")

ENGINES = (AUTO, "keras", "openvino")
LENGTHS = 16, 64  # number of tokens in the texts that check an export
LIMIT = 0.05  # bfloat16 changes a probability by up to 0.011; a larger difference means that the conversion failed


@dataclass(frozen=True)
class OpenVinoEngine:
    """Computes the outputs of a batch from its inputs, as `KerasEngine` does. Several threads can use it at the same time.

    Attributes:
        token_axes: see `engine.Engine`.
        folder: folder of the saved task, from which an unpickled task starts the engine again.
    """

    token_axes: "Axes"
    folder: Path
    _runs: "Mapping[str, Run]"

    def __call__(self, x: "Arrays") -> "Arrays":
        return self._runs[EXPORT_GRAPH](x)

    def second(self, *inputs: np.ndarray) -> np.ndarray:
        (found,) = self._runs[EXPORT_SECOND](numbered(inputs)).values()
        return found


def check(engine: str) -> None:
    """Raises InputError if the engine does not exist or its package is not installed."""
    if engine not in ENGINES:
        raise InputError(f"engine should be one of {', '.join(ENGINES)}, not {engine!r}")
    if engine == "openvino":
        package()


def pays() -> bool:
    """Returns whether OpenVINO should compute predictions if the user does not choose: it is installed, and the CPU computes."""
    return importlib.util.find_spec("openvino") is not None and not has_accelerator()


def start(task: "Task[Any]", folder: Path, export: Export | None = None) -> OpenVinoEngine:
    """Returns the engine that replaces Keras in `predict.run`.

    Args:
        task: the loaded task. Its model is used only if there is no valid export.
        folder: the Path of the saved task. If there is no valid export in this folder, the function creates one there, or
            converts the model in memory if the folder cannot be written.
        export: the return value of `kept`, if it is known.

    Raises:
        InputError: the results of the converted model differ from those of Keras.
    """
    export = export or kept(folder)
    if export is not None:
        return _compiled(export, task, folder)
    export = converted(task)
    engine = _compiled(export, task, folder)
    difference = _difference(task, engine)
    if not difference <= LIMIT:  # also true for NaN
        raise InputError(
            f"OpenVINO {package().__version__} computes probabilities that differ by {difference:.2g} from those of Keras: "
            "use --engine keras, or another version of OpenVINO"
        )
    try:
        keep(export, folder)
        done = f"exported to {folder / EXPORT}"
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
        done = f"converted in memory, because {folder / EXPORT} cannot be written ({reason})"
    log.info("openvino: %s; probabilities differ from those of Keras by at most %.0e", done, difference)
    return engine


def _precision(setting: str, encoder: str = "fast") -> str:
    """Converts the setting `precision` to OpenVINO's name.

    float16 becomes f32, because it is only for GPUs. The graph of keras-bert always computes in f32, as with Keras: in bf16,
    the probabilities of a classifier differed by 0.25.
    """
    return "bf16" if encoder == "fast" and (setting == "bfloat16" or (setting == AUTO and fast_bfloat16())) else "f32"


def _compiled(export: Export, task: "Task[Any]", folder: Path) -> OpenVinoEngine:
    precision = _precision(task.settings.precision, task.settings.encoder)
    runs = {file: _function(model, precision) for file, model in export.graphs.items()}
    return OpenVinoEngine(export.token_axes, folder, runs)


def _function(model: "openvino.Model", precision: str) -> "Run":
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    ports = {port.get_any_name(): port for port in compiled.outputs}

    def run(x: "Arrays") -> "Arrays":
        found = compiled.infer_new_request(x)  # a separate request for each call, so threads can predict in parallel
        return {name: found[port] for name, port in ports.items()}

    return run


def _difference(task: "Task[Any]", engine: OpenVinoEngine) -> float:
    """Returns the largest difference between the probabilities of OpenVINO and Keras on random inputs."""
    found = [np.abs(one - other).max() for one, other in _both(task, engine)]
    # Without a common output, nothing shows that the conversion worked.
    return max(found, key=lambda each: (np.isnan(each), each), default=np.nan)


def _both(task: "Task[Any]", engine: OpenVinoEngine) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields probabilities of OpenVINO and of Keras for random tokens with padding, and for random inputs of a second stage."""
    draw, keras = np.random.default_rng(0), by_keras(task)
    for time in LENGTHS:
        shape = 4, min(time, task.settings.max_length)
        ids = draw.integers(1, task.config["vocab_size"], shape, "int32")
        ids[np.arange(shape[1]) >= draw.integers(1, shape[1] + 1, (4, 1))] = 0
        segments = draw.integers(0, task.config.get("type_vocab_size", 2), shape, "int32")
        x = {"Input-Token": ids, "Input-Segment": segments}
        one, other = engine(x), keras(x)
        for name in one.keys() & task.loss().keys():  # the other outputs are vectors
            yield task.probabilities(one[name]), task.probabilities(other[name])
    if task.SECOND_STAGE:
        inputs = [*_random(keras.second_graph.structured_input_signature[0][0], draw)]
        yield task.probabilities(engine.second(*inputs)), task.probabilities(keras.second(*inputs))


def _random(signature: Mapping[str, Any], draw: np.random.Generator) -> Iterator[np.ndarray]:
    for _, each in sorted(signature.items()):
        shape = [size or 4 for size in each.shape]
        is_index = each.dtype.is_integer
        yield draw.integers(0, 4, shape, "int32") if is_index else draw.standard_normal(shape, "float32")
