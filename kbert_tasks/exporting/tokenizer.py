"""Writes the tokenizer of a task as `tokenizer.json`, in the format of Hugging Face `tokenizers`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..text.tokenizer import Tokenizer
from ..text.windows import WHOLE

if TYPE_CHECKING:
    import tokenizers

# What Google's rules remove, and what they treat as white space. `BertNormalizer` would also remove private-use characters.
REMOVED = r"[[\p{Cc}\p{Cf}\x{FFFD}]&&[^\t\n\r]]"
SPACE = r"[\p{Z}\t\n\r]"
LAST_SIGMA = (
    r"(?<=\p{L})Σ(?!\p{L})"  # Python's lower() gives the final form of sigma, the lower-casing of tokenizers does not
)
# `tokenizers` has the marks and punctuation of an older Unicode. Its regular expressions are newer.
MARKS, PUNCTUATION = r"\p{Mn}", r"\p{P}"
LATER_CHINESE = "[\U0002b820-\U0002b91f]"  # Chinese characters that tokenizers does not know as such


def exported(tokenizer: Tokenizer, max_length: int | None) -> "tokenizers.Tokenizer":
    """Returns a tokenizer with the ids of `Tokenizer.encode`.

    It has no special tokens, so that "[SEP]" in a text is text. [CLS] and [SEP] are added around texts all the same.

    Args:
        tokenizer: the tokenizer of a task.
        max_length: where a single text is cut; None if the client cuts texts.
    """
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, processors

    from ..text.wordpiece import LONGEST

    ids = {token: number for number, token in enumerate(tokenizer.vocabulary)}
    made = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=LONGEST))
    uncased = not tokenizer.cased
    steps: list[normalizers.Normalizer] = [
        normalizers.Replace(tokenizers.Regex(REMOVED), ""),
        normalizers.Replace(tokenizers.Regex(SPACE), " "),
    ]
    if uncased:
        steps.append(normalizers.Replace(tokenizers.Regex(LAST_SIGMA), "ς"))
    steps.append(normalizers.BertNormalizer(False, True, strip_accents=uncased, lowercase=uncased))
    if uncased:
        steps.append(normalizers.Replace(tokenizers.Regex(MARKS), ""))
    made.normalizer = normalizers.Sequence(steps)
    splits: list[pre_tokenizers.PreTokenizer] = [
        pre_tokenizers.BertPreTokenizer(),
        pre_tokenizers.Split(tokenizers.Regex(f"{LATER_CHINESE}|{PUNCTUATION}"), "isolated"),
    ]
    if tokenizer.by_character:
        splits.append(pre_tokenizers.Split(tokenizers.Regex("."), "isolated"))
    made.pre_tokenizer = pre_tokenizers.Sequence(splits)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")],
    )
    made.enable_padding(pad_id=ids["[PAD]"], pad_token="[PAD]")
    if max_length is not None:
        made.enable_truncation(max_length)
    return made


def different(tokenizer: Tokenizer, other: "tokenizers.Tokenizer", texts: Sequence[str]) -> list[str]:
    """Returns the texts to which the exported tokenizer gives other ids, before they are cut."""
    parameters = other.truncation
    other.no_truncation()
    found = [text for text in texts if other.encode(text).ids != tokenizer.encode(text, None, WHOLE).ids.tolist()]
    if parameters:
        other.enable_truncation(**parameters)
    return found
