"""Zip archives of checkpoints, unpacked so that nothing in them can do harm."""

import re
import stat
import zipfile
from pathlib import Path

from ..errors import InputError
from ..files import aside, unwritable
from . import google_format

BLOCK = 1 << 20
LIMIT = 8 << 30  # bytes unpacked; Google's largest archive holds less than 2 GB
WEIGHTS = re.compile(r".+\.(index|meta|data-\d{5}-of-\d{5})")


class BadArchive(InputError):
    """The archive itself is at fault, and not the disk."""


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
        raise unwritable(folder, error) from None


def _open(archive):
    if not archive.is_file():
        raise InputError(f"{archive} is not a file: give the path of a zip archive")
    try:
        return zipfile.ZipFile(archive)
    except Exception as error:  # BadZipFile, but also what struct and the decoding of names raise
        raise BadArchive(f"{archive} is no whole zip archive ({error}), perhaps an error page or cut short") from None


def _members(archive, unzipped):
    """The members to write, by the name of their file."""
    for member in unzipped.infolist():
        if harm := _harm(member):
            raise BadArchive(f"{archive} holds {member.orig_filename!r}, {harm}: it is not unpacked")
    size = sum(member.file_size for member in unzipped.infolist())
    if size > LIMIT:
        raise BadArchive(f"{archive} unpacks to {size:,} bytes, more than any BERT ({LIMIT:,}): it is not unpacked")
    names = unzipped.namelist()
    homes = [name[: -len(google_format.CONFIG)] for name in names if name.split("/")[-1] == google_format.CONFIG]
    if len(homes) != 1:
        found = f"{len(homes)} of them" if homes else ", ".join(names[:8]) or "nothing"
        raise BadArchive(f"{archive} should hold one {google_format.CONFIG}; found: {found}")
    wanted = {}
    for member in unzipped.infolist():
        name = member.filename.removeprefix(homes[0])
        known = name in (google_format.CONFIG, google_format.VOCABULARY) or WEIGHTS.fullmatch(name)
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
        raise BadArchive(f"{archive}: {member.filename} has {came:,} bytes instead of {member.file_size:,}")


def _pieces(archive, unzipped, member):
    """The bytes of a member: never more than it declares, and compared with its checksum after the last of them."""
    try:
        with unzipped.open(member) as source:
            while piece := source.read(BLOCK):
                yield piece
    except Exception as error:  # zipfile and each compression raise their own
        raise BadArchive(f"{archive}: {member.filename} is damaged ({error})") from None
