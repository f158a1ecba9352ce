"""Downloads, unpacks and checks a released checkpoint, then moves it to its folder."""

import json
import logging
import os
from os import PathLike
from pathlib import Path
from typing import Any

from ..disk import unwritable
from ..errors import InputError
from ..files import make_room, replacing_folder, sha256
from ..lock import locked
from .archive import BadArchive, unpack
from .catalog import Entry
from .checkpoint import Checkpoint
from .download import GOOGLE, OTHER_WAYS, fetch
from .google_format import is_checkpoint
from .validate import SOURCE

log = logging.getLogger("kbert_tasks")


def get(entry: Entry, into: str | PathLike[str], mirror: str | None = None, proxy: str | None = None) -> Path:
    """Downloads, unpacks and checks an entry of the catalogue. The folder appears only when it is complete.

    Args:
        entry: a `kbert_tasks.checkpoint.catalog.Entry`.
        into: parent of the new folder, which has the name of the entry.
        mirror: address of a server that replaces https://storage.googleapis.com (default: KBERT_MIRROR in the environment).
        proxy: address of an HTTP proxy; by default the proxies that the environment defines.

    Returns:
        The path of the folder.

    Raises:
        InputError: the download failed, the archive is not a usable checkpoint, or another run is downloading it.
    """
    folder = Path(into) / entry.name
    if is_checkpoint(folder):
        return folder
    mirror = mirror or os.environ.get("KBERT_MIRROR")
    url = entry.url.replace(GOOGLE, mirror.rstrip("/"), 1) if mirror else entry.url
    archive = Path(into) / f"{entry.name}.zip"  # two of Google's archives have the same name in their URLs
    make_room(folder)
    with locked(folder):
        if is_checkpoint(folder):  # created by the run that held the lock before
            return folder
        log.info("downloading %s to %s", url, folder)
        fetch(url, archive, proxy=proxy)
        with replacing_folder(folder) as fresh:
            try:
                unpack(archive, fresh)
                source = {"name": entry.name, "url": url, "sha256": sha256(archive)}
                keep(fresh, folder, source, entry.cased)
            except BadArchive as error:
                archive.unlink(missing_ok=True)  # otherwise the next attempt would fail on the same file
                raise InputError(
                    f"{url} is not a usable checkpoint, the download was deleted: {error}; {OTHER_WAYS}"
                ) from None
        archive.unlink(missing_ok=True)
    return folder


def keep(fresh: Path, folder: Path, source: dict[str, Any], cased: bool | None = None) -> None:
    """Checks a new checkpoint, records its origin, and moves it to its folder.

    Args:
        fresh: the new checkpoint, on the same disk as `folder`.
        folder: the target folder.
        source: content of `kbert_source.json`; the casing is added.
        cased: the casing; None determines it from the files.

    Raises:
        InputError: the checkpoint is not usable.
    """
    try:
        cased = Checkpoint.open(fresh, cased=cased).cased
    except InputError as error:
        # The temporary folder no longer exists when the user reads the message.
        raise BadArchive(str(error).replace(str(fresh), str(folder))) from None
    text = json.dumps(source | {"cased": cased}, indent=2, ensure_ascii=False)
    try:
        (fresh / SOURCE).write_text(text + "\n", encoding="utf-8")
        fresh.rename(folder)
    except OSError as error:
        if not is_checkpoint(folder):  # otherwise another process has created it first
            raise unwritable(folder, error) from None
    log.info("checkpoint ready: %s", folder)
