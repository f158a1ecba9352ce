"""Writes the client of an export and its README.md."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from .. import __version__
from ..tasks.client import Client
from .graph import MODEL
from .huggingface import CLASSIFIER, architecture

if TYPE_CHECKING:
    from ..tasks.base import Task

CODE = "client.py.jinja"
PACKAGES = {
    "savedmodel": "tensorflow",
    "openvino": "openvino",
    "onnx": "onnxruntime",
    "huggingface": "transformers torch safetensors",
}


def _environment(client: Client) -> jinja2.Environment:
    """Returns the templates. They are Python and Markdown, so nothing is escaped as HTML."""
    here = jinja2.FileSystemLoader(Path(__file__).parent)
    loader = jinja2.ChoiceLoader([here, jinja2.DictLoader({"predict": client.template})])
    return jinja2.Environment(
        loader=loader, trim_blocks=True, lstrip_blocks=True, autoescape=False, undefined=jinja2.StrictUndefined
    )


def code(client: Client, kind: str, name: str, folder: str = ".") -> str:
    """Returns the Python code of the client.

    Args:
        client: the Client of the task.
        kind: the format of the export.
        name: name of the model.
        folder: path of the export.
    """
    known = architecture(client)
    encoder_only = kind == "huggingface" and known != CLASSIFIER
    context = dict.fromkeys(("min_confidence", "multi_label", "window_pooling"), None) | {"temperature": 1.0}
    context |= client.about | {
        "format": kind, "name": name, "folder": json.dumps(folder), "encoding": client.encoding, "pairs": client.pairs,
        "architecture": known, "head": client.head if encoder_only else None,
        "outputs": ["logits", "hidden"] if client.second else ["logits"], "second": client.second,
        "second_head": client.second_head, "offsets": client.offsets,
    }  # fmt: skip
    made = _environment(client)
    text = made.get_template(CODE).render(context) + made.get_template("predict").render(context)
    return text.rstrip() + "\n"


def readme(
    task: "Task[Any]",
    client: Client,
    kind: str,
    name: str,
    inputs: dict[str, list[int]],
    call: str,
    about: dict[str, Any],
) -> str:
    """Returns the README.md of an export.

    Args:
        task: the exported task.
        client: its Client.
        kind: the format.
        name: name of the model.
        inputs: the inputs of the model for the text of the example.
        call: Python code of the arguments of `predict` for the same text.
        about: the contents of `parity.json`.
    """
    template = _environment(client).get_template("readme.md.jinja")
    rows = {key: [value] for key, value in inputs.items()}
    tensors = [
        {"name": key, "shape": [1, len(value)], "datatype": "INT64", "data": value} for key, value in inputs.items()
    ]
    return template.render(
        client=code(client, kind, name), title=task.presentation.title or task.name, format=kind, name=name, call=call,
        packages=PACKAGES[kind], version=__version__, parity=about, architecture=architecture(client), part=MODEL,
        labels=client.about.get("labels"), encoding=client.encoding, temperature=client.about.get("temperature", 1.0),
        activation=client.activation, second=client.second,
        serving=json.dumps({"inputs": rows}), inference=json.dumps({"inputs": tensors}),
    )  # fmt: skip
