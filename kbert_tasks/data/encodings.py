"""Decodes the bytes of text files and splits text into lines."""

import logging

from ..errors import InputError

log = logging.getLogger("kbert_tasks")


def decoded(raw: bytes, name: str, encoding: str | None = None) -> str:
    """Decodes bytes to text.

    Args:
        raw: the bytes.
        name: name of the file in messages.
        encoding: the encoding; None tries UTF-8 (with or without BOM), UTF-16 with BOM, and GBK for clearly Chinese text.
    """
    if encoding is None and raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    try:
        text = raw.decode(encoding or "utf-8-sig")
    except LookupError:
        raise InputError(f"unknown encoding {encoding!r}; common ones: utf-8, gb18030, big5, latin-1") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        where = f"{name}, line {line}: byte 0x{error.object[error.start]:02x} is not {error.encoding}"
        if encoding is None and (chinese := as_gbk(raw)) is not None:
            text = chinese
            log.info("%s; read as GBK (gb18030); if it is not Chinese, set the encoding with --encoding", where)
        else:
            raise InputError(f"{where}: set the file's encoding, such as --encoding gb18030, big5 or latin-1") from None
    return text


def lines(text: str) -> list[str]:
    """Splits a text at LF, CRLF and CR; a line break at the end of the text does not start another line."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def as_gbk(raw: bytes) -> str | None:
    """Decodes bytes as GB18030; returns None if the result is not Chinese text."""
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return None
    foreign = [c for c in text if ord(c) > 127]
    # Count common Chinese characters and punctuation. Bytes of another encoding decode to rare characters.
    common = sum(c in "，。！？、：；（）“”《》…　—" or len(c.encode("gb2312", "ignore")) == 2 for c in foreign)
    return text if common >= 0.95 * len(foreign) else None
