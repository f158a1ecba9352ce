"""Export a trained task: the model in another format, its tokenizer, a client, and a comparison with Keras."""

import json
import logging
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..disk import written
from ..errors import InputError
from ..files import replacing_folder
from ..inference.exported import without_telemetry
from ..saving.folder import VOCABULARY
from ..tasks.base import Task, check_trained
from ..tasks.client import Client
from .int8 import Plan, apply, said
from .int8 import check as check_int8
from .int8 import plan as int8_plan

if TYPE_CHECKING:
    from ..typing import Rows

log = logging.getLogger("kbert_tasks")

# The packages that an export needs: they write the format, or check what was written.
FORMATS: dict[str, tuple[str, ...]] = {
    "savedmodel": (),
    "openvino": ("openvino",),
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
    "huggingface": ("transformers", "torch"),
}
TOLERANCE = 1e-3  # float32 in another order of operations changes a probability by about 1e-6
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
ABOUT, PARITY, README, TOKENIZER = "export.json", "parity.json", "README.md", "tokenizer.json"
# For the example in the README, Chinese and English: labels suit any text, other answers are parts of a text.
TEXTS = "这家酒店的房间很干净。", "The room was clean and quiet."
NAMES = "方小雪1980年出生于青岛，毕业于北京大学。", "Anna Smith was born in Boston and works for Acme."


def export(
    task: "Task[Any] | str | PathLike[str]",
    folder: str | PathLike[str],
    format: str,
    *,
    compare: "Rows | None" = None,
    tolerance: float | None = None,
    name: str | None = None,
    int8: bool = False,
    calibrate: "Rows | None" = None,
) -> Path:
    """Writes a trained task to a folder that other programs can use without kbert_tasks.

    The folder contains the model, `tokenizer.json`, the vocabulary, `export.json` (labels, thresholds, temperature),
    `README.md` with a client in Python, and `parity.json`, the comparison of this client with Keras in float32.

    Args:
        task: a trained task, or its saved folder.
        folder: the folder to create. It appears only when it is complete and the comparison has succeeded.
        format: "savedmodel", "openvino", "onnx" or "huggingface".
        compare: the texts to compare: a table, a file or a list, as for `predict`. By default those of `answers.jsonl`.
        tolerance: the largest difference of a probability that is accepted (default: 0.001; with `int8`, any).
        name: name of the model, for the model servers (default: the name of the saved folder).
        int8: whether to quantise the OpenVINO model to 8 bits. `parity.json` then contains the scores before and after.
        calibrate: the texts for the calibration of the 8-bit model, in the same forms as `compare`, such as the training file.
            By default those that are compared.

    Returns:
        The path of the new folder.

    Raises:
        InputError: a package is missing, the task cannot be exported in this format, the folder exists, there are no texts
            to compare, or the exported model differs from Keras by more than `tolerance`.
    """
    tolerance = (1.0 if int8 else TOLERANCE) if tolerance is None else tolerance
    check(format, tolerance, int8, calibrate is not None)
    known = None
    if not isinstance(task, Task):
        from ..tasks.loading import load

        known, task = Path(task).resolve().name, load(task, "keras")
    check_trained(task)
    client = task.client()
    if client is None:
        raise InputError(f"the task {task.name} does not define client, which exports need: see Task.client")
    name = _name(name, known)
    from .graph import exact
    from .huggingface import without_triton

    task = exact(task)
    examples = _examples(task, compare)
    quantised = int8_plan(task, compare, calibrate, examples) if int8 else None
    folder = Path(folder)
    with replacing_folder(folder) as fresh, written(folder, "and run the same command again"), without_triton():
        fresh.mkdir()
        about = _write(task, client, format, fresh, name, examples, quantised)
        if not about["largest_difference"] <= tolerance:  # also true for NaN
            raise InputError(
                f"the exported model computes probabilities that differ by {about['largest_difference']:.2g} from those of "
                f"Keras on {about['texts']} texts, more than the tolerance {tolerance:g}: use another format, or another "
                "version of the packages"
            )
        fresh.rename(folder)
    log.info(
        "exported to %s; on %d texts, probabilities differ from those of Keras by at most %.0e, and %.2f %% of the answers are "
        "equal",
        folder, about["texts"], about["largest_difference"], 100 * about["equal_answers"],
    )  # fmt: skip
    if int8:
        log.info("%s", said(about["int8"], task.MAIN_SCORE))
    return folder


def check(format: str, tolerance: float = TOLERANCE, int8: bool = False, calibrated: bool = False) -> None:
    """Checks the format and its packages, before any other work is done.

    Raises:
        InputError: the format does not exist, its packages are not installed, the tolerance is not valid, or another format
            than "openvino" should be quantised.
    """
    if format not in FORMATS:
        raise InputError(f"format should be one of {', '.join(FORMATS)}, not {format!r}")
    if not 0 <= tolerance <= 1:
        raise InputError(f"tolerance should be a number from 0 to 1, not {tolerance}")
    for package in FORMATS[format]:
        try:
            without_telemetry(package)
        except ImportError:
            raise InputError(
                f"--format {format} needs the package {package}: pip install 'kbert-tasks[{format}]'"
            ) from None
    if calibrated and not int8:
        raise InputError("--calibrate is for --int8: add it, or leave out the calibration texts")
    if int8:
        if format != "openvino":
            raise InputError(f"--int8 is for --format openvino, not {format}: leave it out, or export to openvino")
        check_int8()


def _name(name: str | None, folder: str | None) -> str:
    if name is None:
        return folder if folder and NAME.fullmatch(folder) else "model"
    if not NAME.fullmatch(name):
        raise InputError(
            f"the name of the model should have letters, digits, '.', '_' and '-', and start with a letter or digit, not {name!r}"
        )
    return name


def _examples(task: "Task[Any]", compare: "Rows | None") -> list[Any]:
    """Returns the examples to compare.

    Raises:
        InputError: there are none.
    """
    from .parity import answered, some

    if compare is None:
        compare = answered(task)
        if not compare:
            raise InputError(
                "the run has no development or test texts to compare the exported model with Keras: give a file with --compare"
            )
    examples = task.examples(compare, gold=False)
    if not examples.rows:
        raise InputError(f"there are no texts to compare the exported model with Keras: {examples.summary()}")
    return some(examples.rows)


def _write(
    task: "Task[Any]",
    client: Client,
    format: str,
    folder: Path,
    name: str,
    examples: Sequence[Any],
    int8: Plan | None,
) -> dict[str, Any]:
    """Writes all files and returns the contents of `parity.json`."""
    from . import parity, readme
    from . import tokenizer as tokenizers

    made = tokenizers.exported(task.tokenizer, task.settings.max_length if client.encoding == "whole" else None)
    made.save(str(folder / TOKENIZER))
    words = "".join(word + "\n" for word in task.tokenizer.vocabulary)
    (folder / VOCABULARY).write_text(words, encoding="utf-8", newline="\n")
    about = {"kbert_tasks": __version__, "task": task.name, "format": format, "max_length": task.settings.max_length}
    _json(folder / ABOUT, about | client.about)
    _model(task, client, format, folder, name)
    quantised = {"int8": apply(task, folder / name / "1", int8)} if int8 else {}
    predict = _client(readme.code(client, format, name, str(folder)))
    texts = [text for example in examples for text in task.texts_of(example) if text is not None]
    if others := tokenizers.different(task.tokenizer, made, texts):
        log.warning(
            "tokenizer.json gives other tokens for %d of %d texts, because they contain rare characters; the first is %.40r",
            len(others), len(texts), others[0],
        )  # fmt: skip
    found = (
        {"format": format} | parity.compare(task, examples, predict) | {"equal_tokens": 1 - len(others) / len(texts)}
    ) | quantised
    _json(folder / PARITY, found)
    question = _question(task, examples[0])
    call = ", ".join(json.dumps(each, ensure_ascii=False) for each in question.values())
    (window, *_) = task.encode(_example(task, question))
    inputs = {"input_ids": window.ids.tolist(), "token_type_ids": window.segments.tolist()}
    (folder / README).write_text(readme.readme(task, client, format, name, inputs, call, found), encoding="utf-8")
    return found


def _model(task: "Task[Any]", client: Client, format: str, folder: Path, name: str) -> None:
    if format == "huggingface":
        from . import huggingface

        return huggingface.write(task, client, folder)
    from .graph import functions

    made = functions(task, client)
    if format == "savedmodel":
        from . import savedmodel

        savedmodel.write(task, made, folder, name)
    elif format == "openvino":
        from . import openvino

        openvino.write(made, folder, name)
    else:
        from . import onnx

        onnx.write(made, folder)


def _client(code: str) -> Any:
    """Runs the code of the client and returns its function `predict`."""
    space: dict[str, Any] = {}
    exec(compile(code, "the client in README.md", "exec"), space)  # only names and numbers of ours are filled in
    return space["predict"]


def _json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _question(task: "Task[Any]", example: Any) -> dict[str, str]:
    """Returns the inputs for the example in the README, which contains no text of the data, except a type such as `about`."""
    texts = NAMES if task.presentation.entities else TEXTS
    text = texts["的" not in task.tokenizer.vocabulary]
    return {key: value if key == task.presentation.about else text for key, value in task.question(example).items()}


def _example(task: "Task[Any]", question: dict[str, str]) -> Any:
    texts = list(question.values())
    return task.examples([tuple(texts)] if len(texts) > 1 else texts, gold=False).rows[0]
