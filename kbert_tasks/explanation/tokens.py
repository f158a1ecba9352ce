"""Tokens as the user wrote them."""


def strings(tokenizer, window, texts):
    """A str for each token of an Encoded: its characters of the text, or the vocabulary's token for [CLS] and [SEP]."""
    return tuple(
        texts[segment][start:end] if end > start else tokenizer.vocabulary[number]
        for number, segment, (start, end) in zip(window.ids, window.segments, window.offsets, strict=True)
    )
