"""Finds a checkpoint by its name or path, and downloads it if it is not on this machine."""

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
    """Opens a checkpoint by name or path and downloads it first if necessary.

    Args:
        path: a folder (the files may be one level below), a path prefix such as `DIR/bert_model.ckpt`, a name in the
            catalogue (`kbert-checkpoint list`), `hf:OWNER/NAME`, or a Checkpoint, which is returned unchanged.
        cased: True or False overrides the casing found in names and files.

    Raises:
        InputError: the checkpoint does not exist, the download failed, or a check of `Checkpoint.open` failed.
    """
    return path if isinstance(path, Checkpoint) else Checkpoint.open(locate(path), cased)


def locate(
    name_or_path: str | PathLike[str],
    *,
    into: str | PathLike[str] | None = None,
    mirror: str | None = None,
    proxy: str | None = None,
) -> Path:
    """Returns the folder of a checkpoint given by name or path, and downloads it if it is not on this machine.

    The package includes tiny-zh. The function searches for any other name and its aliases in the folder of the
    environment variable KBERT_CHECKPOINTS, in `./checkpoints` and in the user's cache. It downloads a missing checkpoint to
    the first of these folders that is set or exists.

    Args:
        name_or_path: a folder, a path prefix such as `DIR/bert_model.ckpt`, a name of the catalogue, or
            `hf:OWNER/NAME`, a BERT on Hugging Face (`hf:OWNER/NAME@REVISION` selects a version).
        into: the only folder to search in and to download to; tiny-zh is copied there.
        mirror: address of a server that replaces https://storage.googleapis.com (default: KBERT_MIRROR in the
            environment) or, for downloads from Hugging Face, https://huggingface.co (default: HF_ENDPOINT).
        proxy: address of an HTTP proxy; by default the proxies that the environment defines.

    Returns:
        A path; an existing path is returned unchanged and is not checked.

    Raises:
        InputError: the value is neither a path nor a known name, the download failed, or tiny-zh is not installed.

    Examples:
        >>> locate("bert-base-chinese")  # doctest: +SKIP
        PosixPath('checkpoints/bert-base-chinese')
    """
    given, path = str(name_or_path), Path(name_or_path).expanduser()
    if path.suffix.lower() == ".zip" and path.is_file():
        raise InputError(f"{given} is an archive: unzip it, and give the folder that contains {google_format.CONFIG}")
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


def _advice(given: str) -> str:
    known = [embedded.NAME] + [name for entry in catalog.entries() for name in (entry.name, *entry.aliases)]
    close = difflib.get_close_matches(Path(given).name.lower(), known, n=3)
    return (f"similar names: {', '.join(close)}; " if close else "") + (
        "`kbert-checkpoint list` shows all names, and hf:OWNER/NAME downloads a BERT from Hugging Face"
    )
