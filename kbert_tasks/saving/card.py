"""The model card: the README.md of a saved task, made from its report.

Its first lines are the metadata that Hugging Face reads. It contains names of classes and numbers, but no texts.
"""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from .. import __version__
from ..checkpoint import catalog
from ..metrics.advice import weaknesses

if TYPE_CHECKING:
    from ..checkpoint.catalog import Entry
    from ..tasks.base import Task

SHOWN = 100  # maximum number of classes that are listed
REPOSITORY = "OWNER/NAME"  # stands for the name on Hugging Face, until the folder is pushed

MEANINGS = {
    "accuracy": "share of the texts that are answered correctly",
    "answered": "share of the texts that get an answer",
    "accuracy_answered": "accuracy on the texts that get an answer",
    "macro_f1": "mean of the F1 of the classes",
    "micro_f1": "F1 of all labels of all texts together",
    "precision": "share of the predicted answers that are correct",
    "recall": "share of the gold answers that are predicted",
    "f1": "harmonic mean of precision and recall",
    "f1_tolerant": "F1 if quotation marks and brackets around an answer do not count",
    "ece": "calibration error: mean difference between the probability and the share of correct answers; 0 is best",
    "ece_uncalibrated": "calibration error before calibration",
    "temperature": "not a score: the temperature of the calibration; 1 changes nothing",
    "threshold": "not a score: minimum probability of a predicted answer",
}
RANKED = "share of the texts whose most probable answer is correct"


def card(task: "Task[Any]", name: str) -> str:
    """Returns the model card of a trained task, as Markdown.

    Args:
        task: a trained task.
        name: name of the folder that the task is saved in.
    """
    report, presentation = task.report_, task.presentation
    entry = known_checkpoint(report["checkpoint"])
    classes = [str(each) for each in getattr(task, task.CLASSES or "", ())]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters |= {"code": _code, "yaml": json.dumps, "python": _literal, "shell": shlex.quote}
    return environment.get_template("card.md.jinja").render(
        report=report, settings=report["settings"], name=name, title=presentation.title or task.name, task=task.name,
        tag=presentation.hub_tag, group=presentation.group, classes=classes[:SHOWN], more=len(classes) - SHOWN,
        question=presentation.about, pairs=bool(task.paired) and not presentation.about, language=entry.language if entry else None,
        license=entry.license if entry else None, base=_base_model(report["checkpoint"], entry),
        version=__version__, repository=REPOSITORY,
        rows=_scores(report, presentation.ranked), weaknesses=weaknesses(report), calibrated=report["settings"].get("calibrate"),
    )  # fmt: skip


def known_checkpoint(about: Mapping[str, Any]) -> "Entry | None":
    """Returns the catalogue entry of the checkpoint that a report names, if the sizes agree with it.

    Args:
        about: the entry `checkpoint` of a report.
    """
    entry, config = catalog.find(about["name"]), about["config"]
    sizes = tuple(config[key] for key in ("num_hidden_layers", "hidden_size", "vocab_size"))
    return entry if entry and (entry.layers, entry.hidden, entry.vocab_size) == sizes else None


def _base_model(about: Mapping[str, Any], entry: "Entry | None") -> str | None:
    """Returns the name of the checkpoint on Hugging Face, without its revision, if it is known."""
    found = about.get("hub") or (entry.hub if entry else "")
    return found.removeprefix("hf:").split("@")[0] or None


def _scores(report: Mapping[str, Any], ranked: bool) -> list[tuple[str, list[str], str]]:
    """Returns (score, its value on each part of the data, its meaning) for each score that is a number."""
    parts = report["scores"]
    names = dict.fromkeys(
        name for scores in parts.values() for name, value in scores.items() if isinstance(value, int | float)
    )
    meanings = MEANINGS | ({"accuracy": RANKED} if ranked else {})
    return [(name, [_number(each.get(name)) for each in parts.values()], meanings.get(name, "")) for name in names]


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "–"


def _literal(text: str) -> str:
    """Returns a text as a literal of Python."""
    return json.dumps(text, ensure_ascii=False)


def _code(text: str) -> str:
    """Returns a text as inline code, also if it contains backticks or line breaks."""
    text, fence = " ".join(text.split()), "`"
    while fence in text:
        fence += "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"
