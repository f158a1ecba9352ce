"""The HTML pages: one to try the models, one with the interface, and the answer for one text."""

import dataclasses
import functools
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from .. import __version__
from ..explanation.explanation import Explanation
from ..explanation.page import fragment
from ..html import fonts
from ..html.templates import template
from ..tasks.base import Task
from .batching import Answered
from .marking import marks, pieces
from .words import LANGUAGES, NAMES

MOST_LABELS = 10  # maximum number of labels that are shown with their probabilities
COLOURS = 6  # number of colours of marks
# Nothing is loaded from another address, and the page sends requests to its own server only.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
EXPLANATION = Path(__file__).parents[1] / "explanation"  # contains explanation.css


def start(language: str, protected: bool) -> str:
    """Returns the page where a person enters a text.

    Args:
        language: "en" or "zh".
        protected: whether the server needs an API key.
    """
    return _template("start").render(
        t=LANGUAGES[language], language=language, other="en" if language == "zh" else "zh",
        protected=protected, family=fonts.FAMILY, version=__version__,
    )  # fmt: skip


def answer(task: Task[Any], text: str, answered: Answered, language: str) -> str:
    """Returns the HTML fragment with the answer for one text."""
    t, names_of = LANGUAGES[language], _names(task, language)
    (prediction,) = answered.predictions
    if prediction is None:
        return _template("answer").render(t=t, skipped=", ".join(names_of.get(each, each) for each in answered.skipped))
    given, shown = task.answer_of(prediction), task.presentation
    records = given if isinstance(given, list) and all(isinstance(each, dict) for each in given) else []
    found = marks(text, records, shown)
    marked = list(dict.fromkeys(name for *_, name in found))  # roles, or types of the data, which are not translated
    names = names_of | {name: name for name in marked if name not in shown.entities}
    # An event subject has its type only if the model finds types.
    columns = [key for key in shown.keys if not records or any(key in each for each in records)]
    columns += ["probability"] * bool(columns)
    explained = [json.dumps(each, ensure_ascii=False) for each in task.explained_answers(given)]
    return _template("answer").render(
        t=t, skipped=None, most=MOST_LABELS, pieces=pieces(text, found), colours={name: i % COLOURS for i, name in enumerate(marked)},
        columns=columns, titles=names_of, names=names, records=records, explained=explained,
        labels=_labels(task, prediction), other={} if shown.keys else task.to_json(prediction),
    )  # fmt: skip


def _labels(task: Task[Any], prediction: Any) -> list[tuple[str, float, bool]]:
    """Returns (label, probability, whether it is predicted) of all labels, the most probable first; [] without labels."""
    probabilities = getattr(prediction, "probabilities", None)
    if not isinstance(probabilities, Mapping):
        return []
    predicted = set(task.explained_answers(task.answer_of(prediction)))
    return [(name, p, name in predicted) for name, p in sorted(probabilities.items(), key=lambda each: -each[1])]


def _names(task: Task[Any], language: str) -> dict[str, str]:
    """Returns the names of the columns of answers, which are also roles of parts of the text, and of reasons."""
    shown = task.presentation
    if language == "zh":
        return NAMES[language] | dict(zip(shown.keys, shown.keys_zh, strict=False))
    return NAMES[language] | {key: key.replace("_", " ") for key in shown.keys}


def explanation(task: Task[Any], found: Explanation, language: str) -> str:
    """Returns the HTML fragment with an explanation."""
    names = _names(task, language)
    places = {names.get(name, name): place for name, place in found.places.items()}
    return fragment(dataclasses.replace(found, places=places), language=language)


def interface(schema: dict[str, Any]) -> str:
    """Returns the page that describes the endpoints of an OpenAPI schema."""
    return _template("interface").render(schema=schema, endpoints=_endpoints(schema), family=fonts.FAMILY)


def _endpoints(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for path, methods in schema["paths"].items():
        for method, about in methods.items():
            body = about.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            example = body.get("examples", [None])[0]
            found.append({"path": path, "method": method.upper(), "about": about, "body": body, "example": example})
    return found


def font() -> Path | None:
    """Returns the path of the Chinese font in the package pylopdf_fonts_zh_cn, for browsers without one, or None."""
    spec = importlib.util.find_spec(fonts.PACKAGE)
    file = Path(spec.origin).with_name(fonts.FILE) if spec and spec.origin else None
    return file if file and file.is_file() else None


@functools.cache
def _template(name: str) -> jinja2.Template:
    filters = {"json": lambda value: json.dumps(value, ensure_ascii=False), "type": _type}
    options: dict[str, Any] = {"undefined": jinja2.StrictUndefined, "filters": filters}
    return template(f"{name}.html.jinja", Path(__file__).parent, EXPLANATION, **options)


def _type(field: Mapping[str, Any]) -> str:
    """Returns the type of a field of a JSON schema, such as "list of texts"."""
    if "anyOf" in field:
        return " or ".join(map(_type, field["anyOf"]))
    if field.get("type") == "array":
        return f"array of {_type(field.get('items', {}))}"
    return str(field.get("type", "any value"))
