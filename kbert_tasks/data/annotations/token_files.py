"""Files with one token and its tag per line, and a blank line after each sentence."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import InputError
from ..encodings import lines as split_lines
from . import tags, tokens
from .entities import ENTITIES, LEFT_OUT, OVERLAPPING, TEXT, TOKENS, TRIPLES, Annotated, Entity, Row

EXTENSIONS = {".bio": "bio", ".conll": "bio", ".bioes": "bioes", ".bmes": "bmes"}  # extension to the format for writing
DOCUMENT = "-DOCSTART-"
WITH_SPACE = "tokens that contain a space"
MISFIT = LEFT_OUT + "they do not begin and end with a token"
OTHER_SPACES = "texts whose spaces change, because a token file does not contain them"
HAS_DOCUMENT = f"texts with a token that begins with {DOCUMENT}, which is not read again"
NO_TEXT = "texts left out: no token"
NOT_ANNOTATED = "texts that are not annotated are written as texts without entities"
BREAKS = "tokens and types whose line breaks and tabs are written as spaces"
BREAK = re.compile("[\t\r\n]")
NO_TRIPLES = "triples left out: a token file contains entities only"


class Line(NamedTuple):
    """A line with its number and its columns."""

    number: int
    columns: list[str]


def read(path: Path, text: str, token_column: int = 1, tag_column: int | None = None) -> Annotated:
    """Reads a token file; a file with one column contains texts that are not annotated.

    Args:
        path: path of the file, for messages.
        text: its content.
        token_column: number of the column of the tokens, from 1.
        tag_column: number of the column of the tags, from 1; None is the last column.
    """
    sentences = _sentences(text)
    width = _width(path, sentences, token_column, tag_column)
    words = [[line.columns[token_column - 1] or " " for line in lines] for lines in sentences]
    tagged = None if width == 1 else [_tags(path, lines, (tag_column or width) - 1) for lines in sentences]
    characters = tokens.by_character(words)
    made = Annotated(about=[*_about(width, token_column, tag_column, tagged)])
    iob1, closing = tags.is_iob1(tagged or ()), tags.closes(tagged or ())
    for number, sentence in enumerate(words):
        joined, places = tokens.join(sentence, characters)
        problems = [WITH_SPACE for token in sentence if " " in token and token != " "]
        row: dict[str, Any] = {TEXT: joined, TOKENS: sentence}
        if tagged is not None:
            spans = tags.decode(tagged[number], iob1, closing, problems)
            row[ENTITIES] = [
                {"start": places[first][0], "end": places[last][1], "type": kind} for first, last, kind in spans
            ]
        made.rows.append(row)
        made.problems.append(problems)
    return made


def _sentences(text: str) -> list[list[Line]]:
    """Splits a file into sentences: lists of lines that are no comments."""
    lines = split_lines(text)
    mark = "\t" if any("\t" in line.rstrip(" \t") for line in lines) else " "
    sentences: list[list[Line]] = []
    inside = False
    for number, line in enumerate(lines, 1):
        if not line.strip(" \t"):
            inside = False
            continue
        columns = line.rstrip(" \t").split("\t") if mark == "\t" else re.split(" +", line.rstrip(" \t"))
        if line.startswith(DOCUMENT) or (not inside and _is_comment(line, columns)):
            continue
        if not inside:
            sentences.append([])
        inside = True
        sentences[-1].append(Line(number, columns))
    return sentences


def _is_comment(line: str, columns: Sequence[str]) -> bool:
    return line.startswith("# ") and tags.parse(columns[-1]) is None


def _width(path: Path, sentences: Sequence[Sequence[Line]], token_column: int, tag_column: int | None) -> int:
    """Returns the number of columns; raises InputError if the lines differ, or if a column does not exist."""
    lines = [line for sentence in sentences for line in sentence]
    if not lines:
        raise InputError(f"{path} has no tokens: expected one token and its tag per line")
    width = len(lines[0].columns)
    if other := next((line for line in lines if len(line.columns) != width), None):
        raise InputError(
            f"{path}, line {other.number} has {len(other.columns)} columns, line {lines[0].number} has {width}: each line should "
            "have one token and its tag, separated by spaces, or by tabs if tokens contain spaces"
        )
    for option, column in (("token_column", token_column), ("tag_column", tag_column)):
        if column is not None and not 1 <= column <= width:
            raise InputError(
                f"{path} has {width} columns: {option} (--{option.replace('_', '-')}) should be from 1 to {width}, not {column}"
            )
    return width


def _tags(path: Path, lines: Sequence[Line], column: int) -> list[tags.Tag]:
    made = []
    for line in lines:
        tag = tags.parse(line.columns[column])
        if tag is None:
            raise InputError(
                f"{path}, line {line.number}: {line.columns[column][:40]!r} is not a tag, expected O, or B-, I-, E-, S-, M-, L- or U- "
                "with a type: choose the columns with --token-column and --tag-column (in Python token_column= and tag_column=)"
            )
        made.append(tag)
    return made


def _about(
    width: int, token_column: int, tag_column: int | None, tagged: Sequence[Sequence[tags.Tag]] | None
) -> Iterator[str]:
    if tagged is None:
        yield "one column, read as tokens of texts that are not annotated"
        return
    unread = width - len({token_column, tag_column or width})
    columns = f", {unread} other{'s are' if unread > 1 else ' is'} not" if unread else ""
    yield (
        f"tags {tags.schemes_of(tagged, tags.is_iob1(tagged))}; columns {token_column} (tokens) and {tag_column or width} "
        f"(tags) are read{columns}"
    )


def lines(rows: Iterable[Row], problems: Counter[str], scheme: str) -> Iterator[str]:
    """Yields the lines of a token file; all rows are read first, because the form of the tokens depends on all of them."""
    rows = [*rows]
    characters = tokens.mostly_chinese(row[TEXT] for row in rows)
    spans = [_own_tokens(row) or tokens.split(row[TEXT], characters, _borders(row)) for row in rows]
    words = [[row[TEXT][start:end] for start, end in each] for row, each in zip(rows, spans, strict=True)]
    joined = tokens.by_character(words)
    kinds = [[*_spans(row, each, problems)] for row, each in zip(rows, spans, strict=True)]
    texts = [token for each in words for token in each] + [kind for each in kinds for _, _, kind in each]
    mark = "\t" if any(" " in each or tokens.SPACES.search(each) for each in texts) else " "
    if texts and texts[0].startswith("\ufeff"):
        yield "\ufeff"  # otherwise the character of the text would be read as the byte order mark of the file
    for row, sentence, each in zip(rows, words, kinds, strict=True):
        problems[NO_TRIPLES] += len(row[TRIPLES] or ())
        if not sentence:
            problems[NO_TEXT] += 1
            continue
        problems[NOT_ANNOTATED] += row[ENTITIES] is None
        problems[HAS_DOCUMENT] += any(token.startswith(DOCUMENT) for token in sentence)
        problems[OTHER_SPACES] += tokens.join(sentence, joined)[0] != row[TEXT]
        for token, tag in zip(sentence, tags.encode(each, len(sentence), scheme), strict=True):
            yield f"{_flat(token, problems)}{mark}{_flat(tag, problems)}\n"
        yield "\n"


def _own_tokens(row: Row) -> list[tuple[int, int]] | None:
    """Returns the spans of the tokens that a row has from a token file, if its text consists of them."""
    own = row.get(TOKENS)
    if not isinstance(own, list | tuple) or not own or not all(isinstance(token, str) and token for token in own):
        return None
    for characters in (False, True):
        text, spans = tokens.join(own, characters)
        if text == row[TEXT]:
            return spans
    return None


def _borders(row: Row) -> set[int]:
    return {each[name] for each in row[ENTITIES] or () for name in ("start", "end")}


def _spans(row: Row, places: Sequence[tuple[int, int]], problems: Counter[str]) -> Iterator[tags.TokenSpan]:
    """Yields the spans of entities that begin and end with tokens and do not overlap a more probable or longer one."""
    first = {start: place for place, (start, _) in enumerate(places)}
    last = {end: place for place, (_, end) in enumerate(places)}
    taken: set[int] = set()
    for each in sorted(row[ENTITIES] or (), key=_rank):
        if each["start"] not in first or each["end"] not in last:
            problems[MISFIT] += 1
            continue
        span = range(first[each["start"]], last[each["end"]] + 1)
        if taken & {*span}:
            problems[OVERLAPPING] += 1
            continue
        taken |= {*span}
        yield span[0], span[-1], each["type"]


def _rank(entity: Entity) -> tuple[float, int, int]:
    return -entity.get("probability", 1.0), entity["start"] - entity["end"], entity["start"]


def _flat(cell: str, problems: Counter[str]) -> str:
    """Replaces line breaks and tabs, which would be other lines or columns, by spaces."""
    flat, number = BREAK.subn(" ", cell)
    if number:
        problems[BREAKS] += 1
    return flat
