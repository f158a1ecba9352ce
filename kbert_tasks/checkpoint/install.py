"""How a released checkpoint arrives: downloaded, unpacked, checked, and only then in its place."""

import json
import logging
import os
from pathlib import Path

from ..disk import unwritable
from ..errors import InputError
from ..files import aside, make_room, sha256
from ..lock import locked
from .archive import BadArchive, unpack
from .checkpoint import Checkpoint
from .download import GOOGLE, OTHER_WAYS, fetch
from .google_format import is_checkpoint
from .validate import SOURCE

log = logging.getLogger("kbert_tasks")


def get(entry, into, mirror=None, proxy=None):
    """Downloads an entry of the catalogue, unpacks it and checks it. The folder appears only when it is whole.

    Args:
        entry: a `kbert_tasks.checkpoint.catalog.Entry`.
        into: the folder is made in here, under the name of the entry.
        mirror: address of a server to use instead of https://storage.googleapis.com; without it, KBERT_MIRROR in the
            environment.
        proxy: address of an HTTP proxy; without it, those that the environment names.

    Returns:
        The path of the folder.

    Raises:
        InputError: it could not be downloaded, what came is not a usable checkpoint, or another run is downloading it.
    """
    folder = Path(into) / entry.name
    if is_checkpoint(folder):
        return folder
    mirror = mirror or os.environ.get("KBERT_MIRROR")
    url = entry.url.replace(GOOGLE, mirror.rstrip("/"), 1) if mirror else entry.url
    archive = Path(into) / f"{entry.name}.zip"  # not the name in the URL: two of Google's archives share one
    make_room(folder)
    with locked(folder):
        if is_checkpoint(folder):  # the run that had the lock has made it meanwhile
            return folder
        log.info("downloading %s to %s", url, folder)
        fetch(url, archive, proxy=proxy)
        with aside(folder) as fresh:
            try:
                unpack(archive, fresh)
                source = {"name": entry.name, "url": url, "sha256": sha256(archive)}
                keep(fresh, folder, source, entry.cased)
            except BadArchive as error:
                archive.unlink(missing_ok=True)  # or the next try would find it and stop at the same place
                raise InputError(f"{url} is of no use, and what came was deleted: {error}; {OTHER_WAYS}") from None
        archive.unlink(missing_ok=True)
    return folder


def keep(fresh, folder, source, cased=None):
    """Checks a new checkpoint, writes down where it came from, and moves it to its place.

    Args:
        fresh: the new checkpoint, on the same disk as `folder`.
        folder: where it belongs.
        source: dict for `kbert_source.json`; the casing is added.
        cased: casing where it is known; otherwise what the files say.

    Raises:
        InputError: it is not a usable checkpoint.
    """
    try:
        cased = Checkpoint.open(fresh, cased=cased).cased
    except InputError as error:
        # the place aside is gone when the sentence is read
        raise BadArchive(str(error).replace(str(fresh), str(folder))) from None
    text = json.dumps(source | {"cased": cased}, indent=2, ensure_ascii=False)
    try:
        (fresh / SOURCE).write_text(text + "\n", encoding="utf-8")
        fresh.rename(folder)
    except OSError as error:
        if not is_checkpoint(folder):  # else another process was faster
            raise unwritable(folder, error) from None
    log.info("checkpoint ready: %s", folder)
