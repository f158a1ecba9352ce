"""Finds identical and nearly identical texts with different gold answers, and texts that are also in the test file."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..tasks.judging import Judging
from .findings import Finding
from .packages import needed

if TYPE_CHECKING:
    from ..data.examples import Examples

SIMILAR = 0.8  # minimum Jaccard similarity of the character n-grams of nearly identical texts
LENGTH = 3  # characters in an n-gram
PERMUTATIONS = 128  # hash functions of a MinHash; the default of datasketch
SEED = 1
NEIGHBOURS = 20  # maximum number of candidates for a text; files of texts made from a template have thousands
SHOWN = 5  # maximum number of rows that a reason names
WHY = "finds nearly identical texts"


def check_installed() -> None:
    """Raises InputError if datasketch is not installed."""
    needed("datasketch", WHY)


@dataclass(frozen=True)
class Text:
    """What a task reads of an example, normalized, its character n-grams, and their MinHash."""

    whole: str
    grams: frozenset[bytes]
    hash: Any


def texts_of(task: Any, examples: "Examples") -> list[Text]:
    """Returns the Text of each example; case, width and white space do not count."""
    parts = (task.texts_of(example) for example in examples.rows)
    whole = [_normalized("\0".join(part or "" for part in each)) for each in parts]
    grams = [_grams(each) for each in whole]
    hashes = needed("datasketch", WHY).MinHash.bulk(map(sorted, grams), num_perm=PERMUTATIONS, seed=SEED)
    return [Text(*each) for each in zip(whole, grams, hashes, strict=True)]


def _normalized(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _grams(text: str) -> frozenset[bytes]:
    grams = {text[i : i + LENGTH] for i in range(max(1, len(text) - LENGTH + 1))}
    return frozenset(gram.encode("utf-8", "surrogatepass") for gram in grams)


def similar(texts: Sequence[Text], others: Sequence[Text]) -> Iterator[tuple[int, int, float]]:
    """Yields (index in `texts`, index in `others`, similarity) of nearly identical texts that are not identical.

    MinHash finds candidates, and their similarity is then computed exactly. Identical texts are hashed once.
    """
    datasketch = needed("datasketch", WHY)
    # A missed pair is worse than a needless comparison.
    index = datasketch.MinHashLSH(threshold=SIMILAR, num_perm=PERMUTATIONS, weights=(0.2, 0.8))
    for place in _first_places(others).values():
        index.insert(place, others[place].hash)
    for text, place in _first_places(texts).items():
        one = texts[place]
        candidates = sorted(other for other in index.query(one.hash) if others[other].whole != text)
        for other in candidates[:NEIGHBOURS]:
            near = len(one.grams & others[other].grams) / len(one.grams | others[other].grams)
            if near >= SIMILAR:
                yield place, other, near


def _first_places(texts: Sequence[Text]) -> dict[str, int]:
    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        first.setdefault(text.whole, place)
    return first


def conflicts(judging: Judging, examples: "Examples", texts: Sequence[Text]) -> Iterator[Finding]:
    """Yields findings about texts whose gold answers differ although the texts are the same, or nearly."""
    for group in _by_text(texts).values():
        yield from _same(judging, examples, group)
    for place, other, near in similar(texts, texts):
        if differ(judging, examples.rows[place], examples.rows[other]):
            where = rows_shown(examples, [other])
            yield Finding("similar text", place, f"a nearly identical text ({near:.2f}) has another answer in {where}")


def _same(judging: Judging, examples: "Examples", group: Sequence[int]) -> Iterator[Finding]:
    answers = {place: frozenset(judging.answers(examples.rows[place])) for place in group}
    counted = Counter(answers.values())
    if len(counted) < 2:
        return
    (most, number), (_, second) = counted.most_common(2)
    for place in group:
        others = [other for other in group if answers[other] != answers[place]]
        usual = next(other for other in group if answers[other] == most)
        suggested = None
        if number > second and answers[place] != most:
            suggested = judging.task.gold_of(examples.rows[usual])
        reason = f"the same text has another answer in {rows_shown(examples, others)}"
        yield Finding("same text", place, reason, suggested)


def differ(judging: Judging, one: Any, two: Any) -> bool:
    """Returns whether an answer of one example is possible for the text of the other one, but is not there."""
    return any(
        all(string in other.text for string in strings)
        for example, other in ((one, two), (two, one))
        for strings in _missing(judging, example, other)
    )


def _missing(judging: Judging, example: Any, other: Any) -> list[tuple[str, ...]]:
    there = judging.answers(other)
    return [strings for answer, strings in judging.answers(example).items() if answer not in there]


def _by_text(texts: Sequence[Text]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        found[text.whole].append(place)
    return found


def in_test(
    judging: Judging, examples: "Examples", texts: Sequence[Text], test: "Examples", tests: Sequence[Text]
) -> Iterator[Finding]:
    """Yields findings about texts that are also in the test file, identical or nearly identical."""
    own, places = _by_text(texts), _by_text(tests)
    for place, text in enumerate(texts):
        if text.whole in places:
            others = places[text.whole]
            other = " with another answer" if _contradict(judging, examples, place, test, others) else ""
            yield Finding("in test", place, f"the same text is in {rows_shown(test, others)} of the test file{other}")
    for first, number, near in similar(texts, tests):
        for place in own[texts[first].whole]:
            others = places[tests[number].whole]
            other = " with another answer" if _contradict(judging, examples, place, test, others) else ""
            where = f"{rows_shown(test, others)} of the test file"
            yield Finding("in test", place, f"a nearly identical text ({near:.2f}) is in {where}{other}")


def _contradict(judging: Judging, examples: "Examples", place: int, test: "Examples", others: Sequence[int]) -> bool:
    return any(differ(judging, examples.rows[place], test.rows[other]) for other in others)


def rows_shown(examples: "Examples", places: Sequence[int]) -> str:
    """Returns the rows of examples as text, such as "rows 3, 17 and 2 more"."""
    rows = sorted({examples.sources[place][0] + 1 for place in places})
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:SHOWN]))}{more}"
