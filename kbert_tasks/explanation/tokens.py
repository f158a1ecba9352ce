"""Tokens as they appear in the original text."""

from collections.abc import Sequence

from ..text.tokenizer import Encoded, Tokenizer


def strings(tokenizer: Tokenizer, window: Encoded, texts: Sequence[str]) -> tuple[str, ...]:
    """Returns a str for each token of an Encoded: its characters in the text, or "[CLS]" and "[SEP]"."""
    return tuple(
        texts[segment][start:end] if end > start else tokenizer.vocabulary[number]
        for number, segment, (start, end) in zip(window.ids, window.segments, window.offsets, strict=True)
    )
