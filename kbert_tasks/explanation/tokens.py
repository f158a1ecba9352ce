"""Tokens as they appear in the original text."""


def strings(tokenizer, window, texts):
    """Returns a str for each token of an Encoded: its characters in the text, or "[CLS]" and "[SEP]"."""
    return tuple(
        texts[segment][start:end] if end > start else tokenizer.vocabulary[number]
        for number, segment, (start, end) in zip(window.ids, window.segments, window.offsets, strict=True)
    )
