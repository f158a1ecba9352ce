"""Checks a checkpoint before training.

Each check reads and fills `parts`, the fields of a Checkpoint, and returns a description of what it found. `examine` runs
all checks.
"""

import json
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..text.tokenizer import read_vocabulary
from . import catalog, google_format
from .config import read_config

TRAINED_TASK = "task.json"  # a file in the folder of a trained task, see saving/folder.py
SOURCE = "kbert_source.json"  # a file in the folder of a downloaded checkpoint: its origin and casing


class Finding(NamedTuple):
    """The result of a check.

    Attributes:
        check: name of the check.
        result: description of what was found, or None if the check failed.
        problem: the error message, or None.
    """

    check: str
    result: str | None
    problem: str | None


def examine(
    path: str | PathLike[str], cased: bool | None = None, parts: dict[str, Any] | None = None
) -> Iterator[Finding]:
    """Yields a Finding for each check, including checks that cannot run because an earlier one failed.

    Args:
        path: a folder, or a path prefix such as `DIR/bert_model.ckpt`.
        cased: the casing set by the user, or None.
        parts: an empty dict that receives the fields of a Checkpoint.
    """
    parts = {} if parts is None else parts
    for name, check in CHECKS.items():
        try:
            yield Finding(name, check(Path(path), parts, cased), None)
        except InputError as problem:
            yield Finding(name, None, str(problem))
        except KeyError as missing:
            yield Finding(name, None, f"not checked, because the {missing.args[0].replace('_', ' ')} is missing")


def _files(path: Path, parts: dict[str, Any], cased: bool | None) -> str:
    here = path if path.is_dir() else path.parent
    prefix = None if path.is_dir() else path.name.removesuffix(".index")
    folders = [here, *sorted(p for p in here.iterdir() if p.is_dir())] if here.is_dir() else []
    found = next((f for f in folders if (f / google_format.CONFIG).is_file()), None)
    listing = ", ".join(sorted(p.name for p in here.iterdir())[:8]) if here.is_dir() else ""
    if found is None:
        if (here / "config.json").is_file():
            raise InputError(
                f"{here} is a Hugging Face model (config.json), not a checkpoint in Google's format: convert it with "
                f"`kbert-checkpoint import {here} NEW_FOLDER`, then give the new folder"
            )
        raise InputError(f"{path} has no {google_format.CONFIG} (nor has a subfolder); found: {listing or 'nothing'}")
    if prefix is None:
        prefixes = sorted(p.name.removesuffix(".index") for p in found.glob("*.index"))
        if len(prefixes) > 1 and google_format.PREFIX not in prefixes:
            raise InputError(
                f"{found} contains several checkpoints ({', '.join(prefixes)}): name one, such as {found / prefixes[0]}"
            )
        prefix = google_format.PREFIX if google_format.PREFIX in prefixes or not prefixes else prefixes[0]
    wanted = [google_format.VOCABULARY, f"{prefix}.index"]
    lacking = [name for name in wanted if not (found / name).is_file()]
    if not list(found.glob(f"{prefix}.data-?????-of-?????")):
        lacking.append(f"{prefix}.data-00000-of-00001")
    if lacking:
        if (found / TRAINED_TASK).is_file():
            raise InputError(
                f"{found} is a trained task, not a checkpoint: give the checkpoint that it was trained from"
            )
        names = ", ".join(sorted(p.name for p in found.iterdir()))
        raise InputError(f"{found} lacks {', '.join(lacking)}; found: {names}")
    parts |= {
        "folder": found,
        "config_file": found / google_format.CONFIG,
        "vocabulary_file": found / google_format.VOCABULARY,
    }
    parts["checkpoint_file"] = str(found / prefix)
    return f"{google_format.CONFIG}, {google_format.VOCABULARY}, {prefix}.* in {found}"


def _config(path: Path, parts: dict[str, Any], cased: bool | None) -> str:
    config = parts["config"] = read_config(parts["config_file"])
    sizes = "{num_hidden_layers} layers of {hidden_size}, {num_attention_heads} heads, {vocab_size} tokens".format(
        **config
    )
    return f"{sizes}, {config['max_position_embeddings']} positions"


def _vocabulary(path: Path, parts: dict[str, Any], cased: bool | None) -> str:
    file = parts["vocabulary_file"]
    vocabulary = read_vocabulary(file)
    if "config" in parts and len(vocabulary) != parts["config"]["vocab_size"]:
        rows = parts["config"]["vocab_size"]
        raise InputError(
            f"{file} has {len(vocabulary)} tokens, {google_format.CONFIG} has vocab_size {rows}: use the vocabulary of these weights"
        )
    parts["vocabulary"] = vocabulary
    return f"{len(vocabulary)} different tokens, including the special tokens"


def _casing(path: Path, parts: dict[str, Any], cased: bool | None) -> str:
    parts["cased"], parts["casing"] = _known_casing(parts, cased)
    return f"{'cased' if parts['cased'] else 'uncased'} ({parts['casing']})"


def _known_casing(parts: Mapping[str, Any], asked: bool | None) -> tuple[bool, str]:
    if asked is not None:
        return asked, "as requested"
    source = parts["folder"] / SOURCE
    if source.is_file():
        try:
            return bool(json.loads(source.read_text(encoding="utf-8"))["cased"]), f"from {SOURCE}"
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{source} is damaged: delete it, and give --cased or --uncased") from None
    if isinstance(parts["config"].get("do_lower_case"), bool):
        return not parts["config"]["do_lower_case"], f"from do_lower_case in {google_format.CONFIG}"
    for folder in (parts["folder"].resolve(), parts["folder"].resolve().parent):
        if entry := catalog.find(folder.name):
            return entry.cased, f"as {entry.title}"
        if "uncased" in folder.name.lower():
            return False, f"from the name {folder.name}"
        if "cased" in folder.name.lower():
            return True, f"from the name {folder.name}"
    words = [word for token in parts["vocabulary"] if (word := token.removeprefix("##")).isalpha()]
    capitals = sum(word != word.lower() for word in words)
    if capitals > len(words) / 100:  # ignores a few tokens added by hand
        return True, f"its vocabulary has {capitals} tokens with capital letters"
    return False, "its vocabulary has no capital letters"


def _tensors(path: Path, parts: dict[str, Any], cased: bool | None) -> str:
    prefix, config = parts["checkpoint_file"], parts["config"]
    reader = _reader(prefix)
    shapes = reader.shapes
    for name, shape in google_format.variables(config, pooler=False).items():
        if name not in shapes and reader.object_based:
            raise InputError(_unknown_objects(prefix, name, shapes))
        if name not in shapes:
            raise InputError(
                f"{prefix} has no {name}, which {google_format.CONFIG} requires: use the config of these weights"
            )
        if shapes[name] != shape:
            raise InputError(f"{prefix}: {name} has shape {shapes[name]}, {google_format.CONFIG} requires {shape}")
    layers = {int(n.split("/")[2].removeprefix("layer_")) for n in shapes if n.startswith("bert/encoder/layer_")}
    if max(layers) + 1 != config["num_hidden_layers"]:
        raise InputError(
            f"{prefix} has {max(layers) + 1} layers, {google_format.CONFIG} requires {config['num_hidden_layers']}"
        )
    heads = [word for word, name in (("pooler", google_format.POOLER[0]), ("masked-word head", "cls/predictions/output_bias"),
             ("next-sentence head", "cls/seq_relationship/output_bias")) if name in shapes]  # fmt: skip
    kind = " in this object-based TensorFlow 2 checkpoint" if reader.object_based else ""
    return f"all tensors of the config found{kind}; also: {', '.join(heads) or 'no heads'}"


def _unknown_objects(prefix: str, missing: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Returns the error message for an object-based checkpoint that lacks a variable of the config."""
    found = ", ".join(sorted(shapes)[:3]) or "no tensors"
    return (
        f"{prefix} is an object-based TensorFlow 2 checkpoint in which {missing} is not found under the names of "
        f"TensorFlow's model garden; found: {found}: use a checkpoint with Google's variable names, or save the model "
        "as a Hugging Face folder and convert it with kbert-checkpoint import"
    )


def _data(path: Path, parts: dict[str, Any], cased: bool | None) -> str:
    prefix = parts["checkpoint_file"]
    reader = _reader(prefix)
    names = sorted(reader.shapes)
    for name in names:
        try:
            tensor = reader.tensor(name)
        except Exception as error:
            raise InputError(
                f"{prefix}.data-* is incomplete or damaged at {name}: copy or download it again ({_first_line(error)})"
            ) from None
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise InputError(
                f"{prefix}: {name} has values that are not finite: the weights are damaged, use another copy"
            )
    skipped = f"; {len(reader.skipped)} not numeric, skipped" if reader.skipped else ""
    return f"{len(names)} tensors read, checksums correct, all values finite{skipped}"


def _reader(prefix: str) -> google_format.Reader:
    try:
        return google_format.Reader(prefix)
    except Exception as error:  # TensorFlow raises RuntimeError, ValueError or its own errors
        raise InputError(f"{prefix}.index is damaged: copy or download it again ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:160]


CHECKS = {
    "files": _files, "config": _config, "vocabulary": _vocabulary, "casing": _casing, "tensors": _tensors, "data": _data,
}  # fmt: skip
