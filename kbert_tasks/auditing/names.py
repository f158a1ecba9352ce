"""Finds names of labels that are probably the same, and labels that hardly any text has."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..data.doubts import groups_alike, shown
from ..tasks.judging import Judging
from .findings import Finding

if TYPE_CHECKING:
    from ..data.examples import Examples

RARE = 2  # maximum number of texts of a rare label


def names(judging: Judging, examples: "Examples") -> Iterator[Finding]:
    """Yields findings about the names of labels, types or predicates."""
    of_example = [judging.names(example) for example in examples.rows]
    counted = Counter(name for each in of_example for name in each)
    usual: dict[str, str] = {}
    for group in groups_alike(counted):
        best = max(group, key=lambda name: counted[name])
        usual |= {name: best for name in group if name != best}
    for place, each in enumerate(of_example):
        for name in each:
            if name in usual:
                best = usual[name]
                yield Finding(
                    "name",
                    place,
                    f"{shown(name)} ({counted[name]:,}) differs from {shown(best)} ({counted[best]:,}) only by case, width, "
                    "white space or invisible characters",
                )
            if counted[name] <= RARE:
                texts = "1 text has" if counted[name] == 1 else f"{counted[name]} texts have"
                yield Finding("rare", place, f"only {texts} {shown(name)}")
