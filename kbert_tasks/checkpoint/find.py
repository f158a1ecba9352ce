"""Finding a checkpoint by the name or path that a user gave; one that is not on this machine yet is downloaded."""

import difflib
import os
from os import PathLike
from pathlib import Path

import platformdirs

from ..errors import InputError
from . import catalog, embedded, google_format, hub, install
from .checkpoint import Checkpoint
from .google_format import is_checkpoint

HERE = "checkpoints"


def find_checkpoint(path: str | PathLike[str] | Checkpoint, cased: bool | None = None) -> Checkpoint:
    """Opens the checkpoint that a user named, after downloading it if necessary.

    Args:
        path: a folder (its files may lie one level down), a path prefix such as `DIR/bert_model.ckpt`, a name in the
            catalogue (`kbert-checkpoint list`), `hf:OWNER/NAME`, or a Checkpoint, which is returned unchanged.
        cased: True or False overrules what the names and files say.

    Raises:
        InputError: there is no such checkpoint, the download failed, or a check of `Checkpoint.open` failed.
    """
    return path if isinstance(path, Checkpoint) else Checkpoint.open(locate(path), cased)


def locate(name_or_path, *, into=None, mirror=None, proxy=None):
    """The folder meant by a name or a path; what is not on this machine yet is downloaded.

    tiny-zh comes with the package and is there. Any other name is looked for in the folder that the environment variable
    KBERT_CHECKPOINTS names, in `./checkpoints` and in the user's cache, under its aliases too. What is missing goes to
    the first of them that is set or exists.

    Args:
        name_or_path: a folder, a path prefix such as `DIR/bert_model.ckpt`, a name of the catalogue, or
            `hf:OWNER/NAME`, a BERT on Hugging Face (`hf:OWNER/NAME@REVISION` for a certain version of it).
        into: the one folder to look in and to download to; tiny-zh is copied there.
        mirror: address of a server to use instead of https://storage.googleapis.com (without it, KBERT_MIRROR in the
            environment) or, for what comes from Hugging Face, of https://huggingface.co (without it, HF_ENDPOINT).
        proxy: address of an HTTP proxy; without it, those that the environment names.

    Returns:
        A path; a path that was given comes back as it is, unchecked.

    Raises:
        InputError: it is neither a path nor a known name, the download failed, or this installation lacks tiny-zh.

    Examples:
        >>> locate("bert-base-chinese")  # doctest: +SKIP
        PosixPath('checkpoints/bert-base-chinese')
    """
    given, path = str(name_or_path), Path(name_or_path).expanduser()
    if path.suffix.lower() == ".zip" and path.is_file():
        raise InputError(f"{given} is an archive: unzip it, and give the folder that holds {google_format.CONFIG}")
    if path.exists():
        return path
    if given.casefold() == embedded.NAME:
        return embedded.copied(into) if into else embedded.folder()
    entry = catalog.find(given)
    if entry:
        names = [entry.name, *entry.aliases]
    elif given.startswith(hub.SCHEME):
        names = [hub.folder_name(given)]
    elif Path(f"{path}.index").is_file() or (path.parent / google_format.CONFIG).is_file():
        return path
    else:
        raise InputError(f"{given!r} is neither a folder nor the name of a checkpoint; {_advice(given)}")

    set_by_user = into or os.environ.get("KBERT_CHECKPOINTS")
    here, cache = Path(HERE), Path(platformdirs.user_cache_dir("kbert_tasks", appauthor=False)) / HERE
    target = Path(set_by_user).expanduser() if set_by_user else here if here.is_dir() else cache
    for place in [target] if into else [target, here, cache]:
        for name in names:
            if is_checkpoint(place / name):
                return place / name
    if entry and entry.hub:
        return hub.fetch(entry.hub, target, name=entry.name, cased=entry.cased, mirror=mirror, proxy=proxy)
    if entry:
        return install.get(entry, target, mirror, proxy)
    return hub.fetch(given, target, mirror=mirror, proxy=proxy)


def _advice(given):
    known = [embedded.NAME] + [name for entry in catalog.entries() for name in (entry.name, *entry.aliases)]
    close = difflib.get_close_matches(Path(given).name.lower(), known, n=3)
    return (f"close to it: {', '.join(close)}; " if close else "") + (
        "`kbert-checkpoint list` shows all names, and hf:OWNER/NAME takes a BERT from Hugging Face"
    )
