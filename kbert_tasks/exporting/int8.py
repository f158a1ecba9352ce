"""Post-training quantisation of an exported OpenVINO model with NNCF: 8-bit weights and activations.

The ranges of the activations are found on calibration texts, which need no labels. The scores before and after show what the
quantisation costs.
"""

import contextlib
import copy
import io
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..data.examples import Examples
from ..errors import InputError
from ..inference import exported
from ..inference.predict import by_keras
from .parity import answered

if TYPE_CHECKING:
    from ..inference.engine import Arrays, Axes, Run
    from ..tasks.base import Task
    from ..typing import Rows

log = logging.getLogger("kbert_tasks")

SAMPLES = 300  # number of calibration texts, NNCF's default; more take longer
GRAPH, WEIGHTS = "model.xml", "model.bin"


def check() -> None:
    """Raises InputError if NNCF is not installed."""
    try:
        exported.without_telemetry("nncf")
    except ImportError:
        raise InputError("--int8 needs the package nncf: pip install 'kbert-tasks[int8]'") from None


class Plan(NamedTuple):
    """What a quantisation needs: calibration examples, and Examples with gold answers to score, or None."""

    texts: Sequence[Any]
    gold: Examples | None


def plan(task: "Task[Any]", compare: "Rows | None", calibrate: "Rows | None", examples: Sequence[Any]) -> Plan:
    """Returns the Plan of a quantisation.

    Args:
        task: the task to export.
        compare: the rows to compare, which are also scored if they have gold answers; None means those of `answers.jsonl`.
        calibrate: the rows for the calibration; None means `examples`.
        examples: the examples of `compare`.

    Raises:
        InputError: there is no text in `calibrate`.
    """
    if calibrate is not None:
        found = task.examples(calibrate, gold=False)
        if not found.rows:
            raise InputError(f"there are no texts to calibrate the 8-bit model: {found.summary()}")
        examples = found.rows
    try:
        gold = task.examples(answered(task, with_gold=True) if compare is None else compare)
    except InputError as error:  # such as a file without gold answers
        log.info("the 8-bit model is not scored: %s", error)
        gold = None
    return Plan(examples, gold if gold and gold.rows else None)


def apply(task: "Task[Any]", folder: Path, asked: Plan) -> dict[str, Any]:
    """Quantises the model in a folder; returns the entry `int8` of `parity.json`."""
    about = quantize(task, folder, asked.texts) | {"scored_texts": 0, "scores": None}
    if asked.gold:
        about |= {"scored_texts": len(asked.gold.rows), "scores": scores(task, folder, asked.gold)}
    return about


def quantize(task: "Task[Any]", folder: Path, examples: Sequence[Any]) -> dict[str, Any]:
    """Replaces a float32 model in a folder by an 8-bit one.

    Args:
        task: the task, for its encoding.
        folder: folder with the files GRAPH and WEIGHTS.
        examples: the calibration examples; at most SAMPLES of them are used, at equal distances.

    Returns:
        The number of calibration texts, the sizes of both models, and the duration.
    """
    check()
    nncf, package, began = exported.without_telemetry("nncf"), exported.package(), time.perf_counter()
    some = examples[:: max(1, -(-len(examples) // SAMPLES))]
    windows = (window for example in some for window in task.encode(example))
    samples = [_inputs({"Input-Token": each.ids[None], "Input-Segment": each.segments[None]}) for each in windows]
    core = package.Core()
    core.set_property({"ENABLE_MMAP": False})  # the file is replaced below
    model = core.read_model(folder / GRAPH)
    before = (folder / WEIGHTS).stat().st_size
    with _quiet():
        made = nncf.quantize(
            model, nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples)
        )
    temporary = folder / "writing"
    temporary.mkdir()
    package.save_model(made, temporary / GRAPH, compress_to_fp16=False)
    for file in (GRAPH, WEIGHTS):
        (temporary / file).replace(folder / file)
    shutil.rmtree(temporary)
    sizes = {"float32": before, "int8": (folder / WEIGHTS).stat().st_size}
    return {"calibration_texts": len(some), "bytes": sizes, "seconds": round(time.perf_counter() - began, 1)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the messages and progress bars of NNCF, which it prints on standard output."""
    logger = logging.getLogger("nncf")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _inputs(x: "Arrays") -> "Arrays":
    """Returns inputs of the Keras model with the names and types of the exported model."""
    from .graph import INPUTS

    return {name: x[ours].astype("int64") for name, ours in INPUTS.items()}


def scores(task: "Task[Any]", folder: Path, examples: Examples) -> dict[str, dict[str, Any]]:
    """Returns the scores of a task with Keras in float32, and with the 8-bit model in a folder, on the same examples."""
    other = copy.copy(task)
    other._made, other.engine_ = {}, engine(task, folder)
    return {name: each.evaluate(examples).numbers() for name, each in (("float32", task), ("int8", other))}


@dataclass(frozen=True)
class Int8Engine:
    """Computes the first stage of a task with a quantised model; the second stage, if there is one, stays in Keras."""

    token_axes: "Axes"
    second: Callable[..., Any]
    _run: "Run"

    def __call__(self, x: "Arrays") -> "Arrays":
        return self._run(x)


def engine(task: "Task[Any]", folder: Path, precision: str = "f32") -> Int8Engine:
    """Returns the model in a folder as an engine, with the names of inputs and outputs in Keras.

    Args:
        task: the task.
        folder: folder with the files GRAPH and WEIGHTS.
        precision: OpenVINO's name of the precision of all numbers that are not quantised: "f32" or "bf16".
    """
    compiled = exported.package().Core().compile_model(folder / GRAPH, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    keras = by_keras(task)
    names = {name: "logits" if name in task.loss() else name for name in keras.token_axes}
    ports = {port.get_any_name(): port for port in compiled.outputs}

    def run(x: "Arrays") -> "Arrays":
        found = compiled.infer_new_request(_inputs(x))
        return {ours: found[ports[name]] for ours, name in names.items()}

    return Int8Engine(keras.token_axes, keras.second, run)


def said(about: Mapping[str, Any], main: str) -> str:
    """Describes what the quantisation changed, in one sentence.

    Args:
        about: what `quantize` returned, with the `scores` of both models, or None.
        main: name of the main score.
    """
    sizes = " instead of ".join(f"{about['bytes'][kind] / 1e6:.1f} MB" for kind in ("int8", "float32"))
    text = f"int8: {sizes}, calibrated on {about['calibration_texts']} texts"
    if about["scores"]:
        numbers = " instead of ".join(f"{about['scores'][kind][main]:.4f}" for kind in ("int8", "float32"))
        text += f"; {main} {numbers} on {about['scored_texts']} texts"
    return text
