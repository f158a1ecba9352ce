"""Raw text files as documents, a document as a list of sentences; a file is streamed, however long it is."""

import codecs
import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..data import delimited, tables
from ..errors import InputError

log = logging.getLogger("kbert_tasks")

LONGEST = 10_000  # characters of a document, about a chapter; what is longer becomes several documents
LINE = 1_000_000  # characters; a longer line is read as several
BLOCK = 1 << 20  # bytes

_CLOSING = "”’」』】〗》〉）］)\\]\"'"
# The runs of dots and marks begin at their first (the lookbehinds), or a line of a million dots would take hours.
_END = re.compile(
    rf"(?:[。！？…]|．(?![0-9０-９]))+[。．！？…!?]*[{_CLOSING}]*"
    rf"|(?<![!?])[!?]+[{_CLOSING}]*(?=\s|$|[\u2e80-\uffef“‘])"
    rf"|(?<!\.)\.+[{_CLOSING}]*\s+(?=[\"'“‘(\[]*\s?[A-Z0-9À-Þ\u2e80-\uffef])"
)
_INITIALS = re.compile(r"[A-Z]|([A-Za-z]\.)+[A-Za-z]")  # J. R., U.S., e.g.
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st jr sr vs cf fig figs vol no nos pp ca al gen col sgt capt lt rev hon gov sen rep".split()
)


@dataclass
class Reading:
    """What was met in the files: documents as the files have them, how many of them were cut, what was left out."""

    documents: int = 0
    cut: int = 0
    skipped: Counter = field(default_factory=Counter)


def read(files, text_column="text", encoding=None, *, longest=LONGEST, reading=None):
    """Yields the documents of text files, each a list of sentences.

    In a `.txt` file a line is a sentence or a paragraph, which is cut into its sentences, and a blank line ends a
    document. In a table (JSONL, CSV, TSV, Excel, Parquet) a row is a document. All but Excel, Parquet and quoted TSV are streamed. A
    document longer than `longest` goes out as several: memory stays small, a share of it can be held out, and a novel
    without a blank line has other documents to draw false next sentences from.

    Args:
        files: paths, or one path.
        text_column: column of the text in tables.
        encoding: of text files; by default UTF-8 (a BOM is accepted), UTF-16 with BOM, or GBK where the bytes tell.
        longest: characters of a document; a single sentence may be longer.
        reading: a `Reading` to be filled.

    Raises:
        InputError: no file, no such file or column, a wrong encoding, a line that is not JSON.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "a.txt")
        >>> _ = path.write_text("他来了。“快走！”他说。\\n\\nOne day. Dr. Who came.\\n", encoding="utf-8")
        >>> list(read(path))
        [['他来了。', '“快走！”', '他说。'], ['One day.', 'Dr. Who came.']]
    """
    reading = Reading() if reading is None else reading
    for path in paths(files):
        document, length, cut = [], 0, False
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


def paths(files):
    """The files as a list of Path, each of a known kind and there; InputError for the first that is not."""
    found = [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
    if not found:
        raise InputError("no text file is named: give at least one, such as --text a.txt b.jsonl")
    for path in found:
        if path.is_dir():
            raise InputError(f"{path} is a folder: name the files in it, such as {path / '*.txt'}")
        if not path.is_file():
            raise InputError(f"{path} is not there: name a file of text")
        if path.suffix.lower() not in tables.KINDS:
            raise InputError(f"{path} should end in one of {', '.join(tables.KINDS)}: by its ending its kind is known")
    return found


def sentences(text):
    """The sentences of a paragraph, in order, without white space around them; nothing else of it is lost.

    Cut is after 。！？… and the quotes that close behind them, after ! and ? before a space or Chinese, and after a dot
    before a space and a capital letter, a digit or Chinese, unless the dot belongs to an abbreviation, an initial or
    the number of a list item.
    """
    found, start = [], 0
    for end in _END.finditer(text):
        if end[0][0] in ".．" and _goes_on(text, start, end.start()):
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def _goes_on(text, start, dot):
    """Whether a sentence that began at `start` goes on after the dot."""
    if dot - start < 12 and re.fullmatch(r"[\s\d.．]*", text[start:dot]):
        return True
    before = text[max(start, dot - 12) : dot]
    word = "" if before[-1:].isspace() else before.split()[-1].lstrip("\"'“‘([")
    return bool(_INITIALS.fullmatch(word)) or word.lower() in _ABBREVIATIONS


def _lines(path, text_column, encoding, skipped):
    """Yields lines of text, and None after the last line of each document."""
    if path.stat().st_size == 0:
        skipped["empty file"] += 1
        return
    kind = path.suffix.lower()
    if kind == ".txt":
        ended = True
        for _, line in _streamed(path, encoding, LINE):
            if line.strip():
                yield line
            elif ended:  # and not the line feed of a line that was read as several
                yield None
            ended = line.endswith("\n")
        yield None
        return
    for text in _rows(path, text_column, encoding) if kind == ".jsonl" else _table(path, text_column, encoding):
        if not text.strip():
            skipped["row without text"] += 1
            continue
        yield from text.splitlines()
        yield None


def _table(path, text_column, encoding):
    for table in [tables.read(path, encoding=encoding)] if _whole(path, encoding) else _parts(path, encoding):
        yield from map(tables.text_of, tables.column(table, text_column, "text_column"))


def _whole(path, encoding):
    """Whether a table is read at once: Excel, Parquet, and TSV with quotation marks around its cells."""
    kind = path.suffix.lower()
    return kind != ".csv" and not (kind == ".tsv" and delimited.bare(line for _, line in _streamed(path, encoding)))


def _parts(path, encoding):
    rows = 0
    try:
        for table in delimited.parts(path, _encoding(path, encoding), delimited.MARKS[path.suffix.lower()]):
            rows += len(table)
            yield tables.named(table, path)
    except UnicodeError as error:
        raise _undecodable(f"{path}, after row {rows}", error) from None
    if not rows:
        raise InputError(f"{path} has a header line and no rows")


def _rows(path, text_column, encoding):
    for number, row in tables.json_rows(path, _streamed(path, encoding)):
        if text_column not in row:
            raise InputError(
                f"{path}, line {number} has no {text_column!r}; it has: {', '.join(map(str, list(row)[:12]))}; "
                "name the right one with --text-column"
            )
        if isinstance(row[text_column], list | dict):
            found = type(row[text_column]).__name__
            raise InputError(f"{path}, line {number}: {text_column!r} should be one text, found a {found}")
        yield tables.text_of(row[text_column])


def _streamed(path, encoding, limit=-1):
    """Yields (number from 1, line); lines end at LF, CRLF or CR, as in `data.decoded`."""
    number = 0
    with open(path, encoding=_encoding(path, encoding)) as file:
        try:
            while line := file.readline(limit):
                number += 1
                yield number, line
        except UnicodeError as error:
            raise _undecodable(f"{path}, after line {number}", error) from None


def _encoding(path, told):
    """The encoding of a text file, as told or by all of its bytes, so that no work is begun that could not be finished."""
    try:
        if told:
            b"a".decode(told, "ignore")  # which Python refuses for what is no encoding of text, such as hex
            return told
    except LookupError:
        raise InputError(f"there is no encoding {told!r}; usual ones: utf-8, gb18030, big5, latin-1") from None
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
        foreign = b""  # only lines with such bytes say something
        while len(foreign) < BLOCK and (line := file.readline(BLOCK)):
            foreign += b"" if line.isascii() else line
    # The last line may be cut, within a character of up to four bytes.
    cuts = range(4) if len(foreign) >= BLOCK else (0,)
    if all(tables._as_gbk(foreign[: len(foreign) - cut]) is None for cut in cuts):
        raise problem
    log.info("%s is not UTF-8 and is read as GBK (gb18030); if it is not Chinese, name its encoding", path)
    return "gb18030"


def _undecodable(where, error):
    if not isinstance(error, UnicodeDecodeError):  # UTF-16 that does not say which end comes first
        return InputError(f"{where}: {error}: name the file's encoding, such as --encoding utf-16-le")
    byte = error.object[error.start]
    return InputError(
        f"{where}: byte 0x{byte:02x} is not {error.encoding}: name the file's encoding, such as --encoding gb18030"
    )
