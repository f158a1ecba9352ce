"""Compares saved runs: their table, and how the later ones differ from the first on the same test texts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from .. import tasks
from ..explanation.terminal import shown
from ..reporting import tables
from . import answers, bootstrap
from .runs import Run, read

if TYPE_CHECKING:
    import pandas as pd

SECONDS = "seconds of training"  # a row of the table
LEAST = 6  # texts: where fewer all speak for one run, chance would do so in more than one case of twenty
OTHER_SEED = (
    "The intervals are of chance in which texts stand in the test file. "
    "Another seed moves scores too: kbert-train --seeds N shows how far."
)


@dataclass(frozen=True)
class Difference:
    """A run beside the baseline.

    Attributes:
        baseline, run: their names.
        why_not: why they are not compared, in a sentence; else None, and there is the rest.
        scores: {name of a score: Interval}, the task's main score first.
        texts: their number.
        only_baseline, only_run: how many of them only the one, or only the other has wholly right.
        pairs: [(answer of the baseline, answer of the run)] where one is right and the other wrong, as in answers.jsonl.
    """

    baseline: str
    run: str
    why_not: str | None = None
    scores: dict[str, bootstrap.Interval] = field(default_factory=dict)
    texts: int = 0
    only_baseline: int = 0
    only_run: int = 0
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list, repr=False)

    def __str__(self):
        if self.why_not:
            return f"{self.run} is not compared with {self.baseline}: {self.why_not}."
        name, main = next(iter(self.scores.items()))
        size = f"{abs(points(main.difference)):.1f} points of {said(name)}"
        scores = f"{main.run:.4f} against {main.baseline:.4f}"
        enough = self.texts >= LEAST
        if enough and main.low > 0:
            told = f"{self.run} is better than {self.baseline} by {size} ({scores}), 95 % interval {span(main)}"
        elif enough and main.high < 0:
            told = f"{self.run} is worse than {self.baseline} by {size} ({scores}), 95 % interval {span(main, -1)}"
        else:
            sign = "+" if main.difference >= 0 else "-"
            told = (
                f"Between {self.run} and {self.baseline} there is no difference that this test file can show: "
                f"{sign}{size} ({scores}), 95 % interval {span(main)}"
            )
        return (
            f"{told}; not better in {main.not_better:,} of {main.resamples:,} resamples. Of {self.texts} texts, "
            f"{self.only_run} are right only with {self.run}, {self.only_baseline} only with {self.baseline}."
        )

    def as_dict(self) -> dict[str, Any]:
        told = {"run": self.run, "baseline": self.baseline, "told": str(self)}
        if self.why_not:
            return told | {"why_not": self.why_not}
        names = ("baseline", "run", "difference", "low", "high", "not_better", "resamples")
        scores = {score: {name: getattr(each, name) for name in names} for score, each in self.scores.items()}
        return told | {
            "texts": self.texts, "only_baseline": self.only_baseline, "only_run": self.only_run, "scores": scores
        }  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Runs beside one another; prints readably.

    Attributes:
        task: the name of their task.
        runs: the Runs, the baseline first.
        table: DataFrame, a column for each run; of settings, files and versions only those that differ.
        differences: a Difference for each run but the first.
    """

    task: str
    runs: list[Run]
    table: "pd.DataFrame" = field(repr=False)
    differences: list[Difference]

    def __str__(self):
        import pandas as pd

        cells = {
            shown(name): {shown(row): shown(cell(row, value)) for row, value in column.items()}
            for name, column in self.table.items()
        }
        with pd.option_context("display.unicode.east_asian_width", True):
            lines = [pd.DataFrame(cells).to_string(), ""]
        lines += [shown(str(each)) for each in self.differences]
        return "\n".join(lines + [OTHER_SEED] * any(not each.why_not for each in self.differences))

    def as_dict(self) -> dict[str, Any]:
        """What `kbert-compare --json` prints; the answers are left out."""
        return {
            "task": self.task,
            "runs": [{"name": run.name, "folder": str(run.folder)} for run in self.runs],
            "table": {row: dict(zip(self.table.columns, self.table.loc[row], strict=True)) for row in self.table.index},
            "differences": [each.as_dict() for each in self.differences],
        }


def compare(folders: Iterable[str | PathLike[str]]) -> Comparison:
    """Compares runs by what lies in their folders; no model is loaded.

    Args:
        folders: two or more that kbert-train or `save` wrote, all of one task. The first is the baseline.

    Returns:
        A Comparison. Differences are found by a paired bootstrap of the test texts: see `bootstrap`.

    Raises:
        InputError: see `runs.read`.

    Examples:
        >>> print(kb.compare(["runs/hotel", "runs/hotel-focal"]))
    """
    found = read(folders)
    task = found[0].report["task"]
    kind = tasks.find(task)
    differences = [_difference(kind, found[0], run) for run in found[1:]]
    return Comparison(task, found, table(found), differences)


def _difference(kind, baseline, run):
    presentation = kind.presentation
    if why_not := answers.why_not(presentation, baseline, run):
        return Difference(baseline.name, run.name, why_not)
    pairs = answers.paired(presentation, baseline, run)
    counts = answers.counts(presentation, pairs)
    scores = {
        name: bootstrap.interval(counts[name]) for name in sorted(counts, key=lambda name: name != kind.MAIN_SCORE)
    }
    apart = [(one, other) for one, other in pairs if one["right"] != other["right"]]
    only = sum(one["right"] for one, _ in apart)
    return Difference(baseline.name, run.name, None, scores, len(pairs), only, len(apart) - only, apart)


def table(found):
    """The DataFrame of a Comparison, of Runs."""
    import pandas as pd

    reports = [run.report for run in found]
    rows = {"checkpoint": [report["checkpoint"].get("name") for report in reports]}
    rows |= _differing([_settings(report) for report in reports])
    files = [{f"{part} file": file for part, file in (report.get("files") or {}).items()} for report in reports]
    rows |= _differing(files)
    rows["training texts"] = [(report["examples"].get("train") or {}).get("used") for report in reports]
    rows["epochs trained"] = [len(report["history"]) for report in reports]
    rows["best epoch"] = [report["best_epoch"] for report in reports]
    rows[SECONDS] = [report["seconds"].get("train") for report in reports]
    rows |= _differing([report["versions"] | {"computed in": report.get("precision")} for report in reports])
    for part in ("dev", "test"):
        scores = tables.scores({run.name: run.report["scores"].get(part, {}) for run in found})
        rows |= {f"{part} {name}": values for name, *values in scores.rows}
    return pd.DataFrame.from_dict(rows, "index", dtype=object, columns=[run.name for run in found])


def _settings(report):
    """The settings of a run, with the value that was used where "auto" was requested."""
    return report["settings"] | {name: each["value"] for name, each in report.get("resolved", {}).items()}


def _differing(parts):
    """{name: its values}, of dicts, where the values are not all the same; None where one has none."""
    rows = {name: [part.get(name) for part in parts] for name in dict.fromkeys(name for part in parts for name in part)}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def cell(row, value):
    """A cell of the table as text, by the name of its row: scores to four places, what is not there as a dash."""
    if value is None:
        return "–"
    if isinstance(value, float):
        places = ".4f" if row.startswith(("dev ", "test ")) else ".1f" if row == SECONDS else "g"
        return f"{value:{places}}"
    return str(value)


def said(name):
    """A score's name as it is spoken."""
    return name.replace("_", " ").replace("f1", "F1")


def points(share):
    """A difference of shares in points, hundredths; to one place, and never -0."""
    return round(100 * share, 1) + 0.0


def span(interval, sign=1):
    """As in "0.3 to 3.9", or "-1.2 to 3.9"."""
    return " to ".join(f"{end:.1f}" for end in sorted(points(sign * end) for end in (interval.low, interval.high)))
