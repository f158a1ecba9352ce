"""Makes pairs of text parts for next-sentence prediction: in half of them the second part follows the first.

Source: Devlin et al. 2018 (arXiv 1810.04805) and Google's `create_pretraining_data.py`, with one difference. There, a wrong
second part is copied from another document and fills the pair. If documents are short, it is longer than a right second
part, so that the label can be guessed from the length; with documents of one sentence, most labels are "does not follow";
and text that does not fit is lost. Here, all text is first split into right pairs. Then half of the pairs exchange their
second parts with each other. Exchanged parts have the same length, and either both or none end at the end of a document.
So the label depends only on the content, half of the labels are right for any text, and an epoch contains each token once,
with few exceptions (0.1 % in a text of a million tokens).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from .corpus import Document

if TYPE_CHECKING:
    from .masking import Numbers

SHORT = 0.1  # share of shortened pairs, as in Google's code, because fine-tuning has short texts too
SPECIAL = 3  # [CLS], [SEP] and [SEP]
LEAST = SPECIAL + 3  # minimum length of a pair: a run of 3 tokens can leave one to the next run
ALIKE = 16  # minimum number of parts in an exchange: fewer give little choice of documents, more differ in length


class Pair(NamedTuple):
    """A pair of text parts: [CLS] a [SEP] b [SEP].

    Attributes:
        ids: int32 (tokens,).
        segments: int32 (tokens,), 0 up to the first [SEP] and 1 after it.
        joined: bool (tokens,), whether a token belongs to the same word as the previous one.
        next: Google's label: 0 if b follows a in the text, 1 if not.
    """

    ids: np.ndarray
    segments: np.ndarray
    joined: np.ndarray
    next: int


@dataclass(frozen=True, eq=False)
class Text:
    """Concatenated documents, which are the same in all epochs.

    A document with a single token cannot be split, so it is added to the start of the next document.

    Attributes:
        ids: int32 (tokens,).
        joined: bool (tokens,), never True at the start of a document.
        words: int32 (tokens,), index of the first token of the word of each token.
        sentences: int64 (sentences,), index after the last token of each sentence.
        ends: int64 (documents,), index after the last token of each document.
    """

    ids: np.ndarray
    joined: np.ndarray
    words: np.ndarray
    sentences: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, documents: Sequence[Document]) -> "Text":
        """Returns the Text of a list of `Document`."""
        documents = [document for document in documents if len(document.ids)]
        if not documents:
            nothing = np.zeros(0, np.int64)
            return cls(nothing.astype(np.int32), nothing.astype(bool), nothing, nothing, nothing)
        stops = np.cumsum([len(document.ids) for document in documents])
        starts = np.concatenate([[0], stops[:-1]])
        joined = np.concatenate([document.joined for document in documents]).astype(bool)
        joined[starts] = False
        sentences = [np.asarray(each.ends, np.int64) + start for each, start in zip(documents, starts, strict=True)]
        return cls(
            ids=np.concatenate([document.ids for document in documents]).astype(np.int32),
            joined=joined,
            words=np.maximum.accumulate(np.where(joined, 0, np.arange(len(joined), dtype=np.int32))),
            sentences=np.concatenate(sentences),
            ends=_document_ends(stops.tolist()),
        )


def _document_ends(stops: list[int]) -> np.ndarray:
    """Returns the ends of documents, without those that would leave a document with one token."""
    ends = [0]
    for stop in stops:
        if stop - ends[-1] > 1:
            ends.append(stop)
    if len(ends) > 1:
        ends[-1] = stops[-1]
    return np.array(ends[1:], np.int64)


class Pairs(Sequence[Pair]):
    """A sequence of the pairs of one text, which are made on access; their number and lengths are known in advance.

    Attributes:
        lengths: int64 (pairs,), number of tokens of each pair, including [CLS] and [SEP].
        next: int64 (pairs,), the labels.
        cut: number of tokens that are in no pair, because an exchanged part was shortened.
        repeated: number of tokens that are in two pairs, because an exchanged part was extended.
    """

    def __init__(
        self, text: Text, places: np.ndarray, following: np.ndarray, special: "Numbers", cut: int = 0, repeated: int = 0
    ) -> None:
        """Stores the text and `places`, int64 (pairs, 4): start and stop of a, start and stop of b."""
        self._text, self._places, self._special = text, places, special
        self.next, self.cut, self.repeated = following, cut, repeated
        self.lengths = places[:, 1] - places[:, 0] + places[:, 3] - places[:, 2] + SPECIAL

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, number: int) -> Pair:  # type: ignore[override]  # there are no slices
        text, (a, b, c, d) = self._text, self._places[number].tolist()
        middle, last = b - a + 1, b - a + d - c + 2  # positions of the two [SEP]
        ids = np.empty(last + 1, np.int32)
        ids[0], ids[middle], ids[last] = self._special.cls, self._special.sep, self._special.sep
        ids[1:middle], ids[middle + 1 : last] = text.ids[a:b], text.ids[c:d]
        segments = np.zeros(last + 1, np.int32)
        segments[middle + 1 :] = 1
        joined = np.zeros(last + 1, bool)
        joined[2:middle], joined[middle + 2 : last] = text.joined[a + 1 : b], text.joined[c + 1 : d]
        return Pair(ids, segments, joined, int(self.next[number]))


def pairs(documents: Sequence[Document] | Text, length: int, draw: np.random.Generator, special: "Numbers") -> Pairs:
    """Makes pairs of text parts; half of them get a second part from another place.

    Documents are split into runs that fill a pair; a tenth of the runs is shorter. Each run is split into two parts at the
    end of a sentence, or between two words if it contains no end of a sentence; only a run that is a single word is split
    within the word. Then half of the runs exchange their second parts, each with a part of the same length from another
    document or, if one document is most of the text, from a distant place in the same document. If the text is too short
    for equal lengths, the new part is shortened or extended to the length of the old one (`Pairs.cut`, `Pairs.repeated`).

    Args:
        documents: list of `Document`, or their `Text`.
        length: maximum number of tokens of a pair, including [CLS] and [SEP]; at least 6.
        draw: NumPy random generator.
        special: object with the token ids `cls` and `sep`, such as `Numbers`.

    Returns:
        `Pairs` in the order of the text. The numbers of pairs with label 0 and 1 differ by at most one. Of two or three
        pairs, either two or none exchange; a single pair has label 0.

    Raises:
        InputError: `length` is too small for a pair.
    """
    if length < LEAST:
        raise InputError(f"length is {length}; [CLS], [SEP] and two texts need at least {LEAST} tokens: increase it")
    text = documents if isinstance(documents, Text) else Text.of(documents)
    starts, stops, document = _runs(text, length - SPECIAL, draw)
    splits, between = _splits(text, starts, stops, draw)
    sizes, last = stops - splits, stops == text.ends[document]
    taking, giving = _exchange(sizes, 2 * last + between, document, draw)
    space = length - SPECIAL - (splits - starts)[taking]
    # A right second part at the end of a document has any length; elsewhere it fills the pair, so a wrong one must too.
    wanted = np.where(last[taking], np.minimum(sizes[giving], space), sizes[taking])
    ends = _fitted(text, splits[giving], stops[giving], wanted, text.ends[document[giving]], starts[taking])

    places = np.stack([starts, splits, splits, stops], axis=1)
    places[taking, 2], places[taking, 3] = splits[giving], ends
    following = np.zeros(len(places), np.int64)
    following[taking] = 1
    more = ends - stops[giving]
    return Pairs(text, places, following, special, int(-more.clip(max=0).sum()), int(more.clip(min=0).sum()))


def _runs(text: Text, space: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits the text into runs of 2 to `space` tokens; returns the starts, stops and document indices of the runs."""
    starts, stops, documents, start, words = [], [], [], 0, text.words
    for document, end in enumerate(text.ends.tolist()):
        while start < end:
            stop = start + (space if draw.random() >= SHORT else int(draw.integers(3, space + 1)))
            if stop >= end:
                stop = end
            else:
                stop -= stop == end - 1  # leave at least two tokens for the last run
                word = int(words[stop])
                stop = word if word - start > 1 else stop
            starts.append(start)
            stops.append(stop)
            documents.append(document)
            start = stop
    return np.array(starts, np.int64), np.array(stops, np.int64), np.array(documents, np.int64)


def _splits(
    text: Text, starts: np.ndarray, stops: np.ndarray, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses where to split each run: at the end of a sentence, else between two words, else anywhere.

    Returns:
        (positions, between): int64 (runs,), and bool (runs,), whether the position is between two sentences.
    """
    chance = draw.random(len(starts))
    sentence, between = _inside(text.sentences, starts, stops, chance)
    word, whole = _inside(np.flatnonzero(~text.joined), starts, stops, chance)
    anywhere = starts + 1 + (chance * (stops - starts - 1)).astype(np.int64)
    return np.where(between, sentence, np.where(whole, word, anywhere)), between


def _inside(
    places: np.ndarray, starts: np.ndarray, stops: np.ndarray, chance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns for each run one of the sorted `places` inside it, and whether there is one."""
    first = np.searchsorted(places, starts, "right")
    number = np.searchsorted(places, stops, "left") - first
    return places[np.minimum(first + (chance * number).astype(np.int64), len(places) - 1)], number > 0


def _exchange(
    sizes: np.ndarray, kinds: np.ndarray, document: np.ndarray, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses the runs that exchange second parts.

    Runs with second parts of the same kind and size form a group; groups that are too small are merged with the next size.
    In a group, runs are sorted by document, with the documents in random order. Each run takes the second part of the run
    a fixed number of places later, so that no run takes a part of its own document, unless one document is more than half
    of the group.

    Returns:
        (taking, giving): two int arrays with the same runs; each run in `taking` gets the part of the one in `giving`.
    """
    number = len(sizes) // 2 + (len(sizes) % 2 and int(draw.integers(2)))
    if number == 1:  # a single run cannot exchange; two or none give the right share on average
        number = 2 * int(draw.integers(2)) if len(sizes) > 1 else 0
    if not number:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    taking = draw.permutation(len(sizes))[:number]
    taking = taking[np.lexsort((sizes[taking], kinds[taking]))]
    stops = [0]
    for stop in np.flatnonzero(np.diff(sizes[taking]) | np.diff(kinds[taking])) + 1:
        if stop - stops[-1] >= ALIKE:
            stops.append(int(stop))
    if len(stops) > 1 and number - stops[-1] < ALIKE:
        stops.pop()
    rank = draw.permutation(document[-1] + 1)[document]
    groups = [group[np.lexsort((group, rank[group]))] for group in np.split(taking, stops[1:])]
    giving = [np.roll(group, -_shift(document[group], draw)) for group in groups]
    return np.concatenate(groups), np.concatenate(giving)


def _shift(document: np.ndarray, draw: np.random.Generator) -> int:
    """Samples a shift that moves no document (block of equal numbers) onto itself, or if that is impossible, a large one."""
    number, most = len(document), np.unique(document, return_counts=True)[1].max()
    least = int(most) if most <= number // 2 else max(1, number // 4)
    return int(draw.integers(least, number - least + 1))


def _fitted(
    text: Text, begins: np.ndarray, stops: np.ndarray, sizes: np.ndarray, limits: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """Computes the ends of exchanged second parts with the given sizes.

    A part stays within its document, which ends at `limits`, and stops before the first part that it is paired with, which
    starts at `own`. It is shortened or extended by whole words.
    """
    ends = np.minimum(begins + sizes, limits)
    ends = np.where((stops <= own) & (own < ends), own, ends)
    words = text.words[np.minimum(ends, len(text.words) - 1)]
    return np.where((ends != stops) & (ends < limits) & (words > begins), words, ends)
