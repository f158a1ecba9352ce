"""Reads text files as documents, each a list of sentences. Large files are streamed."""

import codecs
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..data import delimited, tables
from ..data.cells import blank, text_of, texts_of
from ..data.encodings import as_gbk
from ..data.json_files import json_rows
from ..errors import InputError

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("kbert_tasks")

LONGEST = 10_000  # maximum number of characters of a document, about a chapter; longer ones are split
LINE = 1_000_000  # maximum number of characters of a line; longer ones are split
BLOCK = 1 << 20  # bytes

_CLOSING = "”’」』】〗》〉）］)\\]\"'"
# The lookbehinds make runs of dots and marks match only at their start; otherwise a line of a million dots takes hours.
_END = re.compile(
    rf"(?:[。！？…]|．(?![0-9０-９]))+[。．！？…!?]*[{_CLOSING}]*"
    rf"|(?<![!?])[!?]+[{_CLOSING}]*(?=\s|$|[\u2e80-\uffef“‘])"
    rf"|(?<!\.)\.+[{_CLOSING}]*\s+(?=[\"'“‘(\[]*\s?[A-Z0-9À-Þ\u2e80-\uffef])"
)
_INITIALS = re.compile(r"[A-Z]|([A-Za-z]\.)+[A-Za-z]")  # J. R., U.S., e.g.
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st jr sr vs cf fig figs vol no nos pp ca al gen col sgt capt lt rev hon gov sen rep".split()
)

# Text files: one path, or several.
Files: TypeAlias = str | Path | Iterable[str | PathLike[str]]


@dataclass
class Reading:
    """Counts of a reading: documents in the files, documents that were split, and skipped rows and files by reason."""

    documents: int = 0
    cut: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def read(
    files: Files,
    text_column: str = "text",
    encoding: str | None = None,
    *,
    longest: int = LONGEST,
    reading: Reading | None = None,
) -> Iterator[list[str]]:
    """Yields the documents of text files, each a list of sentences.

    In a `.txt` file, each line is a sentence or a paragraph, and a blank line ends a document. Paragraphs are split into
    sentences. In a table (JSON, JSONL, CSV, TSV, Excel, Parquet), each row is a document. All formats except Excel, Parquet,
    quoted TSV and JSON arrays are streamed.

    A document longer than `longest` is split into several documents. This limits memory, allows holding out a part of a
    single long text, and gives a novel without blank lines other documents to sample wrong next sentences from.

    Args:
        files: list of paths, or one path.
        text_column: column of the text in tables.
        encoding: encoding of text files; by default UTF-8 with or without BOM, UTF-16 with BOM, or GBK if the bytes show it.
        longest: maximum number of characters of a document; a single sentence may be longer.
        reading: a `Reading` whose counts are updated, or None.

    Yields:
        Documents: lists of str.

    Raises:
        InputError: there are no files, a file or column does not exist, the encoding is wrong, or a line is not JSON.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "a.txt")
        >>> _ = path.write_text("他来了。“快走！”他说。\\n\\nOne day. Dr. Who came.\\n", encoding="utf-8")
        >>> list(read(path))
        [['他来了。', '“快走！”', '他说。'], ['One day.', 'Dr. Who came.']]
    """
    reading = Reading() if reading is None else reading
    for path in paths(files):
        document: list[str] = []
        length, cut = 0, False
        for line in _lines(path, text_column, encoding, reading.skipped):
            for sentence in () if line is None else sentences(line):
                if document and length + len(sentence) > longest:
                    yield document
                    document, length, cut = [], 0, True
                document.append(sentence)
                length += len(sentence)
            if line is None and document:
                reading.documents += 1
                reading.cut += cut
                yield document
                document, length, cut = [], 0, False


def paths(files: Files) -> list[Path]:
    """Returns the files as a list of Path.

    Raises:
        InputError: there are no files, or one does not exist or has an unknown ending.
    """
    found = [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
    if not found:
        raise InputError("no text file is given: give at least one, such as --text a.txt b.jsonl")
    for path in found:
        if path.is_dir():
            raise InputError(f"{path} is a folder: give the files in it, such as {path / '*.txt'}")
        if not path.is_file():
            raise InputError(f"{path} does not exist: give a text file")
        if path.suffix.lower() not in tables.KINDS:
            raise InputError(
                f"{path} should end in one of {', '.join(tables.KINDS)}: the extension determines the format"
            )
    return found


def sentences(text: str) -> list[str]:
    """Splits a paragraph into sentences and strips white space from each.

    A sentence ends after 。！？… and following closing quotes, after ! and ? before a space or a Chinese character, and
    after a dot before a space and a capital letter, a digit or a Chinese character, unless the dot belongs to an
    abbreviation, an initial or the number of a list item.
    """
    found, start = [], 0
    for end in _END.finditer(text):
        if end[0][0] in ".．" and _goes_on(text, start, end.start()):
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def _goes_on(text: str, start: int, dot: int) -> bool:
    """Returns whether a sentence that starts at `start` continues after the dot."""
    if dot - start < 12 and re.fullmatch(r"[\s\d.．]*", text[start:dot]):
        return True
    before = text[max(start, dot - 12) : dot]
    word = "" if before[-1:].isspace() else before.split()[-1].lstrip("\"'“‘([")
    return bool(_INITIALS.fullmatch(word)) or word.lower() in _ABBREVIATIONS


def _lines(path: Path, text_column: str, encoding: str | None, skipped: Counter[str]) -> Iterator[str | None]:
    """Yields lines of text, and None after the last line of each document."""
    if path.stat().st_size == 0:
        skipped["empty file"] += 1
        return
    kind = path.suffix.lower()
    if kind == ".txt":
        ended = True
        for _, line in _streamed(path, encoding, LINE):
            if not blank(line):
                yield line
            elif ended:  # not the line feed at the end of a line that was read in parts
                yield None
            ended = line.endswith("\n")
        yield None
        return
    streamed = kind in tables.JSON and not _array(path, encoding)
    for text in _rows(path, text_column, encoding) if streamed else _table(path, text_column, encoding):
        if blank(text):
            skipped["row without text"] += 1
            continue
        yield from text.splitlines()
        yield None


def _array(path: Path, encoding: str | None) -> bool:
    """Returns whether a JSON file is an array, which cannot be streamed, instead of one object per line."""
    return next((line for _, line in _streamed(path, encoding, LINE) if line.strip()), "").lstrip().startswith("[")


def _table(path: Path, text_column: str, encoding: str | None) -> Iterator[str]:
    for table in [tables.read(path, encoding=encoding)] if _whole(path, encoding) else _parts(path, encoding):
        tables.column(table, text_column, "text_column")
        yield from texts_of(table, text_column)


def _whole(path: Path, encoding: str | None) -> bool:
    """Returns whether a table cannot be streamed: Excel, Parquet, JSON arrays, and TSV with quoted cells."""
    kind = path.suffix.lower()
    return kind != ".csv" and not (kind == ".tsv" and delimited.bare(line for _, line in _streamed(path, encoding)))


def _parts(path: Path, encoding: str | None) -> "Iterator[pd.DataFrame]":
    rows = 0
    try:
        for table in delimited.parts(path, _encoding(path, encoding), delimited.MARKS[path.suffix.lower()]):
            rows += len(table)
            yield tables.named(table, path)
    except UnicodeError as error:
        raise _undecodable(f"{path}, after row {rows}", error) from None
    if not rows:
        raise InputError(f"{path} has a header line and no rows")


def _rows(path: Path, text_column: str, encoding: str | None) -> Iterator[str]:
    for number, row in json_rows(path, _streamed(path, encoding)):
        if text_column not in row:
            raise InputError(
                f"{path}, line {number} has no {text_column!r}; found: {', '.join(map(str, list(row)[:12]))}; "
                "choose one with --text-column"
            )
        if isinstance(row[text_column], list | dict):
            found = type(row[text_column]).__name__
            raise InputError(f"{path}, line {number}: {text_column!r} should be one text, found a {found}")
        yield text_of(row[text_column])


def _streamed(path: Path, encoding: str | None, limit: int = -1) -> Iterator[tuple[int, str]]:
    """Yields (number from 1, line); lines end at LF, CRLF or CR, as in `data.lines`."""
    number = 0
    with open(path, encoding=_encoding(path, encoding)) as file:
        try:
            while line := file.readline(limit):
                number += 1
                yield number, line
        except UnicodeError as error:
            raise _undecodable(f"{path}, after line {number}", error) from None


def _encoding(path: Path, given: str | None) -> str:
    """Returns the encoding of a text file: `given`, or the detected one if that is None.

    The detection reads the whole file, so that a wrong encoding is found before any other work.
    """
    try:
        if given:
            b"a".decode(given, "ignore")  # fails for codecs that are not text encodings, such as hex
            return given
    except LookupError:
        raise InputError(f"unknown encoding {given!r}; common ones: utf-8, gb18030, big5, latin-1") from None
    lines, decoder = 0, codecs.getincrementaldecoder("utf-8-sig")()
    with open(path, "rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        file.seek(0)
        while True:
            block = file.read(BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                lines += error.object[: error.start].count(b"\n")
                problem = _undecodable(f"{path}, line {lines + 1}", error)
                break
            if not block:
                return "utf-8-sig"
            lines += block.count(b"\n")
        file.seek(0)
        foreign = b""  # only lines with non-ASCII bytes are informative
        while len(foreign) < BLOCK and (line := file.readline(BLOCK)):
            foreign += b"" if line.isascii() else line
    # The last line may end within a character of up to four bytes.
    cuts = range(4) if len(foreign) >= BLOCK else (0,)
    if all(as_gbk(foreign[: len(foreign) - cut]) is None for cut in cuts):
        raise problem
    log.info("%s is not UTF-8 and is read as GBK (gb18030); if it is not Chinese, set its encoding", path)
    return "gb18030"


def _undecodable(where: str, error: UnicodeError) -> InputError:
    if not isinstance(error, UnicodeDecodeError):  # UTF-16 without a byte order mark
        return InputError(f"{where}: {error}: set the file's encoding, such as --encoding utf-16-le")
    byte = error.object[error.start]
    return InputError(
        f"{where}: byte 0x{byte:02x} is not {error.encoding}: set the file's encoding, such as --encoding gb18030"
    )
