"""Archives from the network to checkpoint folders: downloads that go on where they stopped, careful unzipping."""

import contextlib
import hashlib
import http.client
import json
import logging
import os
import re
import shutil
import ssl
import stat
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from . import official
from .errors import InputError

log = logging.getLogger("kbert_tasks")

GOOGLE = "https://storage.googleapis.com"
PAUSES = (1, 2, 4, 8)  # seconds before the second, third... try
TIMEOUT = 30  # seconds without a byte
BLOCK = 1 << 20
GAIN = 1 << 20  # a try that brought so many bytes is not counted as a failure
LIMIT = 8 << 30  # bytes unpacked; Google's largest archive holds less than 2 GB
WEIGHTS = re.compile(r".+\.(index|meta|data-\d{5}-of-\d{5})")
OTHER_WAYS = (
    f"--mirror URL (or KBERT_MIRROR in the environment) takes another server instead of {GOOGLE}, "
    "--proxy URL (or HTTPS_PROXY) goes through a proxy"
)


class _Cut(Exception):
    """A try that may go better the next time."""

    def __init__(self, reason, total=None, answered=True):
        super().__init__(reason)
        self.total, self.answered = total, answered


class _BadArchive(InputError):
    """The archive itself is at fault, and not the disk."""


def get(entry, into, mirror=None, proxy=None):
    """Downloads an entry of the catalogue, unpacks it and checks it. The folder appears only when it is whole.

    Args:
        entry: a `kbert_tasks.catalog.Entry`.
        into: the folder is made in here, under the name of the entry.
        mirror: address of a server to use instead of https://storage.googleapis.com; without it, KBERT_MIRROR in the
            environment. For what comes from Hugging Face: instead of https://huggingface.co; without it, HF_ENDPOINT.
        proxy: address of an HTTP proxy; without it, those that the environment names.

    Returns:
        The path of the folder.

    Raises:
        InputError: it could not be downloaded, or what came is not a usable checkpoint.
    """
    folder = Path(into) / entry.name
    if is_checkpoint(folder):
        return folder
    if entry.hub:
        from . import hub

        return hub.fetch(entry.hub, into, name=entry.name, cased=entry.cased, mirror=mirror, proxy=proxy)
    mirror = mirror or os.environ.get("KBERT_MIRROR")
    url = entry.url.replace(GOOGLE, mirror.rstrip("/"), 1) if mirror else entry.url
    archive = Path(into) / f"{entry.name}.zip"  # not the name in the URL: two of Google's archives share one
    make_room(folder)
    log.info("downloading %s to %s", url, folder)
    fetch(url, archive, proxy=proxy)
    with aside(folder) as fresh:
        try:
            unpack(archive, fresh)
            source = {"name": entry.name, "url": url, "sha256": _sha256(archive)}
            keep(fresh, folder, source, entry.cased)
        except _BadArchive as error:
            archive.unlink()  # or the next try would find it and stop at the same place
            raise InputError(f"{url} is of no use, and what came was deleted: {error}; {OTHER_WAYS}") from None
    archive.unlink()
    return folder


def is_checkpoint(folder):
    """Whether `bert_config.json` is in the folder, or one level down, as some archives have it."""
    return (folder / official.CONFIG).is_file() or any(folder.glob(f"*/{official.CONFIG}"))


def make_room(folder):
    """Makes the parent of `folder`.

    Raises:
        InputError: `folder` is there already, or its parent cannot be made.
    """
    if folder.exists():
        raise InputError(f"{folder} is there already and is not replaced: move it away, or take another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder.parent, error) from None


@contextlib.contextmanager
def aside(folder):
    """A path beside `folder`, of the same name, for what is to become `folder`; what is left there is deleted.

    Raises:
        InputError: as `make_room`, or the parent cannot be written to.
    """
    make_room(folder)
    try:
        place = tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent)
    except OSError as error:
        raise _unwritable(folder.parent, error) from None
    with place:
        yield Path(place.name) / folder.name


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
    from .checkpoint import Checkpoint
    from .inspection import SOURCE

    try:
        cased = Checkpoint.find(fresh, cased=cased).cased
    except InputError as error:
        # the place aside is gone when the sentence is read
        raise _BadArchive(str(error).replace(str(fresh), str(folder))) from None
    text = json.dumps(source | {"cased": cased}, indent=2, ensure_ascii=False)
    try:
        (fresh / SOURCE).write_text(text + "\n", encoding="utf-8")
        fresh.rename(folder)
    except OSError as error:
        if not is_checkpoint(folder):  # else another process was faster
            raise _unwritable(folder, error) from None
    log.info("checkpoint ready: %s", folder)


def fetch(url, target, *, proxy=None):
    """Downloads a file; a download that stopped is continued, in this call and in later ones.

    Until it is whole, the file is called `target` + ".part". Beside it lies what the server said of its version (ETag
    or date), so that a file that has changed since is downloaded from its start.

    Args:
        url: http or https address.
        target: path of the file; nothing is downloaded if it is there.
        proxy: address of an HTTP proxy; without it, those that the environment names.

    Returns:
        The path `target`.

    Raises:
        InputError: the server was not reached, refused, or went silent too often; the disk is full.
    """
    target = Path(target)
    if target.is_file():
        return target
    opener = _opener(url, proxy)
    part, note = _beside(target, ".part"), _beside(target, ".part.json")
    failures, furthest, total = 0, _size(part), None
    try:
        while True:
            try:
                _receive(opener, url, part, note)
                break
            except _Cut as cut:
                if failures == 0 and not cut.answered:
                    raise InputError(f"{url} could not be reached ({cut}): {OTHER_WAYS}") from None
                total = cut.total or total
                failures = failures + 1 if _size(part) < furthest + GAIN else 1
                furthest = max(furthest, _size(part))
                if failures > len(PAUSES):
                    raise InputError(
                        f"{url}: {_size(part):,} of {f'{total:,}' if total else 'an unknown number of'} bytes came, "
                        f"then {cut}: the same command goes on where it stopped; {OTHER_WAYS}"
                    ) from None
                log.warning("%s: %s; trying again", url, cut)
                time.sleep(PAUSES[failures - 1])
        part.replace(target)
        note.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(part, error) from None
    return target


def _receive(opener, url, part, note):
    """One try to bring `part` to its full length; _Cut where a further try makes sense."""
    have, version = _size(part), _version(note, url)
    have = have if version else 0
    request = urllib.request.Request(url, headers={"User-Agent": "kbert_tasks"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", version)
    try:
        response = opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 416 or not have:
                raise _refusal(url, error) from None
            if error.headers.get("Content-Range", "") == f"bytes */{have}":
                return  # all had come, only the renaming had not
        part.unlink()
        raise _Cut("the file on the server had become shorter") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise InputError(
                f"{url}: the server's certificate is not trusted ({reason.verify_message}): if your network has "
                f"a certificate of its own, name its file in SSL_CERT_FILE; {OTHER_WAYS}"
            ) from None
        raise _Cut(_words(reason), answered=isinstance(error, http.client.RemoteDisconnected)) from None

    with response:
        start = have if response.status == 206 else 0
        if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink()
            raise _Cut("the server sent another part of the file than was asked for")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else None
        free = shutil.disk_usage(part.parent).free
        if total and free < total - start:
            raise InputError(f"{part.parent} has {free:,} bytes free, {url} needs {total - start:,}: make room there")
        came = start
        # Always at the place it belongs, never appended: a second process writes the same bytes to the same place.
        with part.open("r+b" if start else "wb") as file, _bar(part, start, total) as bar:
            if not start:
                _remember(note, url, response.headers)
            file.seek(start)
            while total is None or came < total:
                try:
                    piece = response.read1(BLOCK)  # what is there, so that nothing that came is lost when it breaks off
                except (OSError, http.client.HTTPException) as error:
                    raise _Cut(_words(error), total) from None
                if not piece:
                    break
                came += file.write(piece)
                bar.update(len(piece))
    if total is not None and came < total:
        raise _Cut("the connection was cut", total)


def _opener(url, proxy):
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise InputError(f"{url!r} is not an address to download from: it should begin with https:// (or http://)")
    proxies = {"http": proxy, "https": proxy} if proxy else urllib.request.getproxies()
    if proxies.get(scheme, "").startswith("socks"):
        raise InputError(f"{proxies[scheme]} is a SOCKS proxy: give the address of an HTTP proxy, http://HOST:PORT")
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies))


def _refusal(url, error):
    """What to raise on an HTTP status that means no."""
    if error.code in (408, 429) or error.code >= 500:
        return _Cut(f"the server answered {error.code} {error.reason}")
    meaning = {
        403: "the server does not give it to you",
        404: "it is not there",
        407: "the proxy wants a name and a password, as in http://NAME:PASSWORD@HOST:PORT",
    }.get(error.code, "that was not expected")
    return InputError(f"{url}: HTTP {error.code}, {meaning}; {OTHER_WAYS}")


def _words(reason):
    """A network error as a reader knows it."""
    if isinstance(reason, TimeoutError):
        return f"no answer for {TIMEOUT} seconds"
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def _beside(path, ending):
    return path.with_name(path.name + ending)


def _size(path):
    return path.stat().st_size if path.is_file() else 0


def _bar(part, start, total):
    name = part.name.removesuffix(".part")
    return tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, unit_divisor=1024, disable=None)


def _remember(note, url, headers):
    """Writes down which version of the file this is; without that, a later try starts anew."""
    etag = headers.get("ETag", "")
    version = etag if etag.startswith('"') else headers.get("Last-Modified")  # If-Range takes no weak ETag
    note.write_text(json.dumps({"url": url, "version": version}), encoding="utf-8")


def _version(note, url):
    try:
        remembered = json.loads(note.read_text(encoding="utf-8"))
        return remembered["version"] if remembered["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _unwritable(path, error):
    return InputError(
        f"{path} could not be written ({error.strerror}): make room, or name another folder "
        "with KBERT_CHECKPOINTS in the environment"
    )


def _sha256(path):
    total = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(BLOCK):
            total.update(piece)
    return total.hexdigest()


def unpack(archive, folder):
    """Unzips the files of one checkpoint, wherever in the archive they lie, and nothing else.

    Args:
        archive: path of a zip archive.
        folder: is made, and appears only when all files are in it.

    Raises:
        InputError: the archive is damaged, holds no checkpoint or several, or a name, link or size that could do harm.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with _open(archive) as unzipped, aside(folder) as fresh:
            fresh.mkdir()
            for name, member in _members(archive, unzipped).items():
                _write(archive, unzipped, member, fresh / name)
            fresh.rename(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _open(archive):
    if not archive.is_file():
        raise InputError(f"{archive} is not a file: give the path of a zip archive")
    try:
        return zipfile.ZipFile(archive)
    except Exception as error:  # BadZipFile, but also what struct and the decoding of names raise
        raise _BadArchive(f"{archive} is no whole zip archive ({error}), perhaps an error page or cut short") from None


def _members(archive, unzipped):
    """The members to write, by the name of their file."""
    for member in unzipped.infolist():
        if harm := _harm(member):
            raise _BadArchive(f"{archive} holds {member.orig_filename!r}, {harm}: it is not unpacked")
    size = sum(member.file_size for member in unzipped.infolist())
    if size > LIMIT:
        raise _BadArchive(f"{archive} unpacks to {size:,} bytes, more than any BERT ({LIMIT:,}): it is not unpacked")
    names = unzipped.namelist()
    homes = [name[: -len(official.CONFIG)] for name in names if name.split("/")[-1] == official.CONFIG]
    if len(homes) != 1:
        found = f"{len(homes)} of them" if homes else ", ".join(names[:8]) or "nothing"
        raise _BadArchive(f"{archive} should hold one {official.CONFIG}; found: {found}")
    wanted = {}
    for member in unzipped.infolist():
        name = member.filename.removeprefix(homes[0])
        known = name in (official.CONFIG, official.VOCABULARY) or WEIGHTS.fullmatch(name)
        if known and "/" not in name and member.filename.startswith(homes[0]):
            wanted[name] = member
    return wanted


def _harm(member):
    name = member.orig_filename
    if re.match(r"[/\\]|[A-Za-z]:", name):
        return "an absolute name"
    if ".." in re.split(r"[/\\]", name):
        return "a name that leads out of the folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a symbolic link"
    return None


def _write(archive, unzipped, member, target):
    with target.open("xb") as file:
        came = sum(file.write(piece) for piece in _pieces(archive, unzipped, member))
    if came != member.file_size:
        raise _BadArchive(f"{archive}: {member.filename} has {came:,} bytes instead of {member.file_size:,}")


def _pieces(archive, unzipped, member):
    """The bytes of a member: never more than it declares, and compared with its checksum after the last of them."""
    try:
        with unzipped.open(member) as source:
            while piece := source.read(BLOCK):
                yield piece
    except Exception as error:  # zipfile and each compression raise their own
        raise _BadArchive(f"{archive}: {member.filename} is damaged ({error})") from None
