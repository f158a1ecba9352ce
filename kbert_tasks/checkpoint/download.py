"""Downloads files and resumes interrupted downloads."""

import http.client
import json
import logging
import shutil
import ssl
import time
import urllib.error
import urllib.request
from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from ..disk import unwritable
from ..errors import InputError

log = logging.getLogger("kbert_tasks")

GOOGLE = "https://storage.googleapis.com"
PAUSES = (1, 2, 4, 8)  # seconds before the second, third, ... attempt
TIMEOUT = 30  # seconds without data
BLOCK = 1 << 20
GAIN = 1 << 20  # an attempt that received at least this many bytes does not count as a failure
OTHER_WAYS = (
    f"to use another server than {GOOGLE}, give --mirror URL (or set KBERT_MIRROR), "
    "to use a proxy, give --proxy URL (or set HTTPS_PROXY)"
)


class _Cut(Exception):
    """A failed attempt; another attempt may succeed."""

    def __init__(self, reason: str, total: int | None = None, answered: bool = True) -> None:
        super().__init__(reason)
        self.total, self.answered = total, answered


def fetch(url: str, target: str | PathLike[str], *, proxy: str | None = None) -> Path:
    """Downloads a file and resumes an interrupted download, in the same call or in a later one.

    An incomplete file is named `target` + ".part". A second file next to it stores the version that the server reported
    (ETag or date). If the file on the server has changed since, the download starts from the beginning.

    Args:
        url: http or https address.
        target: path of the file; an existing file is not downloaded again.
        proxy: address of an HTTP proxy; by default the proxies that the environment defines.

    Returns:
        The path `target`.

    Raises:
        InputError: the server was unreachable, refused the request or stopped responding too often, or the disk is full.
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
                        f"{url}: received {_size(part):,} of {f'{total:,}' if total else 'an unknown number of'} bytes, "
                        f"then {cut}: run the same command again to continue the download; {OTHER_WAYS}"
                    ) from None
                log.warning("%s: %s; trying again", url, cut)
                time.sleep(PAUSES[failures - 1])
        part.replace(target)
        note.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and target.is_file():  # another process has finished it first
            return target
        raise unwritable(part, error) from None
    return target


def _receive(opener: urllib.request.OpenerDirector, url: str, part: Path, note: Path) -> None:
    """Makes one attempt to complete `part`; raises _Cut if another attempt may succeed."""
    have, version = _size(part), _version(note, url)
    have = have if version else 0
    request = urllib.request.Request(url, headers={"User-Agent": "kbert_tasks"})
    if version and have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", version)
    try:
        response = opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 416 or not have:
                raise _refusal(url, error) from None
            if error.headers.get("Content-Range", "") == f"bytes */{have}":
                return  # the download was complete, only the renaming was missing
        part.unlink()
        raise _Cut("the file on the server is now shorter than the part downloaded before") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise InputError(
                f"{url}: the server's certificate is not trusted ({reason.verify_message}): if your network uses "
                f"its own certificate, set SSL_CERT_FILE to its file; {OTHER_WAYS}"
            ) from None
        raise _Cut(_words(reason), answered=isinstance(error, http.client.RemoteDisconnected)) from None

    with response:
        start = have if response.status == 206 else 0
        if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink()
            raise _Cut("the server sent another part of the file than requested")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else None
        free = shutil.disk_usage(part.parent).free
        if total and free < total - start:
            raise InputError(
                f"{part.parent} has {free:,} bytes free, {url} needs {total - start:,}: free disk space there"
            )
        received = start
        # Each piece is written at its own offset and never appended, so that two processes write the same bytes.
        with part.open("r+b" if start else "wb") as file, _bar(part, start, total) as bar:
            if not start:
                _remember(note, url, response.headers)
            file.seek(start)
            while total is None or received < total:
                try:
                    piece = response.read1(BLOCK)  # read1 keeps data received before an error
                except (OSError, http.client.HTTPException) as error:
                    raise _Cut(_words(error), total) from None
                if not piece:
                    break
                received += file.write(piece)
                bar.update(len(piece))
    if total is not None and received < total:
        raise _Cut("the connection was closed", total)


def _opener(url: str, proxy: str | None) -> urllib.request.OpenerDirector:
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise InputError(f"{url!r} is not a download URL: it should begin with https:// (or http://)")
    proxies = {"http": proxy, "https": proxy} if proxy else urllib.request.getproxies()
    if proxies.get(scheme, "").startswith("socks"):
        raise InputError(
            f"{proxies[scheme]} is a SOCKS proxy, which is not supported: give an HTTP proxy, http://HOST:PORT"
        )
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies))


def _refusal(url: str, error: urllib.error.HTTPError) -> _Cut | InputError:
    """Returns the exception for an HTTP error status."""
    if error.code in (408, 429) or error.code >= 500:
        return _Cut(f"the server answered {error.code} {error.reason}")
    meaning = {
        403: "the server denies access",
        404: "the file does not exist",
        407: "the proxy requires a user name and a password, as in http://NAME:PASSWORD@HOST:PORT",
    }.get(error.code, "an unexpected answer")
    return InputError(f"{url}: HTTP {error.code}, {meaning}; {OTHER_WAYS}")


def _words(reason: object) -> str:
    """Returns a readable description of a network error."""
    if isinstance(reason, TimeoutError):
        return f"no answer for {TIMEOUT} seconds"
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _bar(part: Path, start: int, total: int | None) -> tqdm:
    name = part.name.removesuffix(".part")
    return tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, unit_divisor=1024, disable=None)


def _remember(note: Path, url: str, headers: http.client.HTTPMessage) -> None:
    """Stores the version of the file; without a version, a later attempt starts from the beginning."""
    etag = headers.get("ETag", "")
    version = etag if etag.startswith('"') else headers.get("Last-Modified")  # If-Range does not accept weak ETags
    note.write_text(json.dumps({"url": url, "version": version}), encoding="utf-8")


def _version(note: Path, url: str) -> str | None:
    try:
        remembered = json.loads(note.read_text(encoding="utf-8"))
        return remembered["version"] if remembered["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
