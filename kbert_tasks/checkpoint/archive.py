"""Unpacks zip archives of checkpoints safely."""

import re
import stat
import zipfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from ..disk import unwritable
from ..errors import InputError
from ..files import replacing_folder
from . import google_format

BLOCK = 1 << 20
LIMIT = 8 << 30  # maximum unpacked size in bytes; Google's largest archive has less than 2 GB
WEIGHTS = re.compile(r".+\.(index|meta|data-\d{5}-of-\d{5})")


class BadArchive(InputError):
    """The archive is unusable; errors of the disk have another class."""


def unpack(archive: str | PathLike[str], folder: str | PathLike[str]) -> None:
    """Unzips only the files of the one checkpoint in an archive, from any folder of the archive.

    Args:
        archive: path of a zip archive.
        folder: the folder to create; it appears only when all files are complete.

    Raises:
        InputError: the archive is damaged, contains no checkpoint or several, or has an unsafe name, link or size.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with _open(archive) as unzipped, replacing_folder(folder) as fresh:
            fresh.mkdir()
            for name, member in _members(archive, unzipped).items():
                _write(archive, unzipped, member, fresh / name)
            fresh.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from None


def _open(archive: Path) -> zipfile.ZipFile:
    if not archive.is_file():
        raise InputError(f"{archive} is not a file: give the path of a zip archive")
    try:
        return zipfile.ZipFile(archive)
    except Exception as error:  # BadZipFile, and errors of struct and of decoding names
        raise BadArchive(
            f"{archive} is not a valid zip archive ({error}): it may be an error page or incomplete"
        ) from None


def _members(archive: Path, unzipped: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Returns a dict from file name to the archive member to unpack."""
    for member in unzipped.infolist():
        if harm := _harm(member):
            raise BadArchive(f"{archive} contains {member.orig_filename!r}, {harm}: it was not unpacked")
    size = sum(member.file_size for member in unzipped.infolist())
    if size > LIMIT:
        raise BadArchive(f"{archive} unpacks to {size:,} bytes, the limit is {LIMIT:,}: it was not unpacked")
    names = unzipped.namelist()
    homes = [name[: -len(google_format.CONFIG)] for name in names if name.split("/")[-1] == google_format.CONFIG]
    if len(homes) != 1:
        found = f"{len(homes)} of them" if homes else ", ".join(names[:8]) or "nothing"
        raise BadArchive(f"{archive} should contain exactly one {google_format.CONFIG}; found: {found}")
    wanted = {}
    for member in unzipped.infolist():
        name = member.filename.removeprefix(homes[0])
        known = name in (google_format.CONFIG, google_format.VOCABULARY) or WEIGHTS.fullmatch(name)
        if known and "/" not in name and member.filename.startswith(homes[0]):
            wanted[name] = member
    return wanted


def _harm(member: zipfile.ZipInfo) -> str | None:
    name = member.orig_filename
    if re.match(r"[/\\]|[A-Za-z]:", name):
        return "an absolute path"
    if ".." in re.split(r"[/\\]", name):
        return "a path outside the target folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a symbolic link"
    return None


def _write(archive: Path, unzipped: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    with target.open("xb") as file:
        written = sum(file.write(piece) for piece in _pieces(archive, unzipped, member))
    if written != member.file_size:
        raise BadArchive(f"{archive}: {member.filename} has {written:,} bytes instead of {member.file_size:,}")


def _pieces(archive: Path, unzipped: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yields the bytes of a member; zipfile limits them to the declared size and verifies the checksum at the end."""
    try:
        with unzipped.open(member) as source:
            while piece := source.read(BLOCK):
                yield piece
    except Exception as error:  # zipfile and each compression raise their own errors
        raise BadArchive(f"{archive}: {member.filename} is damaged ({error})") from None
