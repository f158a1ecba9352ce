"""Exports OpenVINO IR in the layout of OpenVINO Model Server, NAME/1/model.xml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..inference.openvino import package
from .graph import MODEL


def write(functions: Mapping[str, Any], folder: Path, name: str) -> None:
    """Writes one model for each function, with float32 weights."""
    for part, function in functions.items():
        concrete = function.get_concrete_function()
        names = {*concrete.structured_outputs, *(each.name for each in function.input_signature)}
        # Copy the weights, because TensorFlow can free its arrays after this call.
        model = package().convert_model(concrete, share_weights=False)
        for port in (*model.inputs, *model.outputs):
            port.get_tensor().set_names(names & {each.removesuffix(":0") for each in port.get_names()})
        target = folder / (name if part == MODEL else f"{name}-{part}") / "1"
        target.mkdir(parents=True)
        package().save_model(model, target / "model.xml", compress_to_fp16=False)
