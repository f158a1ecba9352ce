"""Documents to pairs of text parts for next-sentence prediction: half of the second parts follow, half do not.

After Devlin et al. 2018 (arXiv 1810.04805) and Google's `create_pretraining_data.py`, with one difference. There a
wrong second part is a copy from another document, as much as fills the pair. It is longer than what follows where
documents are short, so that the label can be guessed without reading; with documents of one sentence most labels are
"does not follow"; and what no longer fits is lost. Here all text is cut into right pairs first, and then half of the
pairs exchange their second parts among themselves, like for like: equally long, and ending where a document ends or
not. Nothing but the content tells right from wrong, the labels are half and half for any text, and an epoch holds each
token once, but for a few (0.1 % of a text of a million tokens).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import InputError

SHORT = 0.1  # of the pairs are shorter than they might be, as in Google's code: fine-tuning sees short texts too
SPECIAL = 3  # [CLS], [SEP] and [SEP]
LEAST = SPECIAL + 3  # tokens; a shorter pair could not make way for a last token that has nothing to pair with
ALIKE = 16  # parts that exchange at least; fewer would leave little choice of documents, more would be less alike


class Pair(NamedTuple):
    """[CLS] a [SEP] b [SEP].

    Attributes:
        ids: int32 (tokens,).
        segments: int32 (tokens,), 0 up to the first [SEP] and 1 after it.
        joined: bool (tokens,), True where a token belongs to the same word as the one before.
        next: Google's label: 0 if b follows a in the text, 1 if it is from elsewhere.
    """

    ids: np.ndarray
    segments: np.ndarray
    joined: np.ndarray
    next: int


@dataclass(frozen=True, eq=False)
class Text:
    """Documents, one after the other, in one array: what does not change from epoch to epoch.

    A document of a single token has no two parts: it is read as the beginning of the next document.

    Attributes:
        ids: int32 (tokens,).
        joined: bool (tokens,), never True at the beginning of a document.
        words: int32 (tokens,), the place where the token's word begins.
        sentences: int64 (sentences,), the place after each sentence's last token.
        ends: int64 (documents,), the place after each document's last token.
    """

    ids: np.ndarray
    joined: np.ndarray
    words: np.ndarray
    sentences: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, documents):
        """Text of a list of `Document`s (`ids`, `ends`, `joined`)."""
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


def _document_ends(stops):
    """The ends of documents, without those that would leave a document of one token."""
    ends = [0]
    for stop in stops:
        if stop - ends[-1] > 1:
            ends.append(stop)
    if len(ends) > 1:
        ends[-1] = stops[-1]
    return np.array(ends[1:], np.int64)


class Pairs(Sequence):
    """Pairs of one text, made when they are asked for; to know how many there are, and how long, costs little.

    Attributes:
        lengths: int64 (pairs,), tokens of each with [CLS] and [SEP].
        next: int64 (pairs,), the label of each.
        cut: tokens that stand in no pair, because they found no room where their part went.
        repeated: tokens that stand in two pairs, because their part went where a longer one had been.
    """

    def __init__(self, text, places, following, special, cut=0, repeated=0):
        """Pairs of `text` whose parts lie at `places`, int64 (pairs, 4): start and stop of a, start and stop of b."""
        self._text, self._places, self._special = text, places, special
        self.next, self.cut, self.repeated = following, cut, repeated
        self.lengths = places[:, 1] - places[:, 0] + places[:, 3] - places[:, 2] + SPECIAL

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, number):
        text, (a, b, c, d) = self._text, self._places[number].tolist()
        middle, last = b - a + 1, b - a + d - c + 2  # the places of the two [SEP]
        ids = np.empty(last + 1, np.int32)
        ids[0], ids[middle], ids[last] = self._special.cls, self._special.sep, self._special.sep
        ids[1:middle], ids[middle + 1 : last] = text.ids[a:b], text.ids[c:d]
        segments = np.zeros(last + 1, np.int32)
        segments[middle + 1 :] = 1
        joined = np.zeros(last + 1, bool)
        joined[2:middle], joined[middle + 2 : last] = text.joined[a + 1 : b], text.joined[c + 1 : d]
        return Pair(ids, segments, joined, int(self.next[number]))


def pairs(documents, length, draw, special):
    """Pairs of text parts, half of them with a second part from elsewhere.

    A document is cut into runs that fill a pair (a tenth is shorter), each run in two at the end of a sentence, or
    within one where it holds no end; words stay whole, unless a run is a single word. Then half of the runs exchange
    their second parts, each with one of the same length of another document, or, where one document is most of the
    text, from far away in the same. Where the text is too short for that, the part that comes is made as long as the
    one that goes: cut, or drawn out (`Pairs.cut`, `Pairs.repeated`).

    Args:
        documents: list of `Document`s, or the `Text` of them.
        length: most tokens of a pair, [CLS] and [SEP] counted; 6 or more.
        draw: NumPy generator.
        special: has the ids of the vocabulary as `cls` and `sep`.

    Returns:
        `Pairs` in the order of the text: as many with label 0 as with 1, give or take one. Of three or less, two
        exchange or none; a single one has label 0.

    Raises:
        InputError: no pair fits into `length`.
    """
    if length < LEAST:
        raise InputError(f"length is {length}; [CLS], [SEP] and two texts take at least {LEAST} tokens: raise it")
    text = documents if isinstance(documents, Text) else Text.of(documents)
    starts, stops, document = _runs(text, length - SPECIAL, draw)
    splits, between = _splits(text, starts, stops, draw)
    sizes, last = stops - splits, stops == text.ends[document]
    taking, giving = _exchange(sizes, 2 * last + between, document, draw)
    room = length - SPECIAL - (splits - starts)[taking]
    # At the end of a document what follows is of any length. Elsewhere it fills the pair, and so must what does not.
    wanted = np.where(last[taking], np.minimum(sizes[giving], room), sizes[taking])
    ends = _fitted(text, splits[giving], stops[giving], wanted, text.ends[document[giving]], starts[taking])

    places = np.stack([starts, splits, splits, stops], axis=1)
    places[taking, 2], places[taking, 3] = splits[giving], ends
    following = np.zeros(len(places), np.int64)
    following[taking] = 1
    more = ends - stops[giving]
    return Pairs(text, places, following, special, int(-more.clip(max=0).sum()), int(more.clip(min=0).sum()))


def _runs(text, room, draw):
    """Starts, stops and documents of the runs that all the text is cut into, 2 to `room` tokens each."""
    starts, stops, documents, start, words = [], [], [], 0, text.words
    for document, end in enumerate(text.ends.tolist()):
        while start < end:
            stop = start + (room if draw.random() >= SHORT else int(draw.integers(3, room + 1)))
            if stop >= end:
                stop = end
            else:
                stop -= stop == end - 1  # a last token by itself would have nothing to pair with
                word = int(words[stop])
                stop = word if word - start > 1 else stop
            starts.append(start)
            stops.append(stop)
            documents.append(document)
            start = stop
    return np.array(starts, np.int64), np.array(stops, np.int64), np.array(documents, np.int64)


def _splits(text, starts, stops, draw):
    """Where each run is divided: at one of the sentence ends within it, else between two words, else anywhere.

    Returns:
        (int64 (runs,) places, bool (runs,) whether it is between two sentences).
    """
    chance = draw.random(len(starts))
    sentence, between = _inside(text.sentences, starts, stops, chance)
    word, whole = _inside(np.flatnonzero(~text.joined), starts, stops, chance)
    anywhere = starts + 1 + (chance * (stops - starts - 1)).astype(np.int64)
    return np.where(between, sentence, np.where(whole, word, anywhere)), between


def _inside(places, starts, stops, chance):
    """For each run one of the ascending `places` that lie inside it, and whether there is one."""
    first = np.searchsorted(places, starts, "right")
    number = np.searchsorted(places, stops, "left") - first
    return places[np.minimum(first + (chance * number).astype(np.int64), len(places) - 1)], number > 0


def _exchange(sizes, kinds, document, draw):
    """Which runs take their second part from which: two int arrays of the same runs in two orders.

    Runs of the same kind and size are put in the order of their documents (drawn anew) and each takes from the one so
    many places on that no document reaches to itself, as long as it is not more than half. Where there are too few of
    one size, the next one is taken in.
    """
    number = len(sizes) // 2 + (len(sizes) % 2 and int(draw.integers(2)))
    if number == 1:  # one by itself cannot exchange; two or none are right on average
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


def _shift(document, draw):
    """So many places that no document, a block of equal numbers, reaches to itself; if it must, then far."""
    number, most = len(document), np.unique(document, return_counts=True)[1].max()
    least = int(most) if most <= number // 2 else max(1, number // 4)
    return int(draw.integers(least, number - least + 1))


def _fitted(text, begins, stops, sizes, limits, own):
    """Where second parts end that are to be of these sizes.

    They stay in their documents, which end at `limits`, stop before the first part they go to, which begins at `own`,
    and are drawn out or cut by whole words.
    """
    ends = np.minimum(begins + sizes, limits)
    ends = np.where((stops <= own) & (own < ends), own, ends)
    words = text.words[np.minimum(ends, len(text.words) - 1)]
    return np.where((ends != stops) & (ends < limits) & (words > begins), words, ends)
