"""Compares saved runs: a table of settings and scores, and differences from the first run on the same test texts."""

from collections.abc import Iterable, Mapping, Sequence
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

    from ..tasks.base import Task

SECONDS = "seconds of training"  # name of a table row
LEAST = 6  # minimum number of texts: with fewer, no difference can be significant at 5 %
OTHER_SEED = (
    "The intervals show how much the scores depend on the choice of test texts. "
    "Scores also depend on the seed: kbert-train --seeds N shows how much."
)


@dataclass(frozen=True)
class Difference:
    """The difference between a run and the baseline.

    Attributes:
        baseline, run: names of the two runs.
        why_not: the reason why they cannot be compared, as a sentence. If it is None, the other attributes are set.
        scores: dict of score name to Interval, the main score of the task first.
        texts: number of texts.
        only_baseline, only_run: number of texts that only the baseline, or only the run, answers completely right.
        pairs: list of (answer of the baseline, answer of the run), as in answers.jsonl, if only one of them is right.
    """

    baseline: str
    run: str
    why_not: str | None = None
    scores: dict[str, bootstrap.Interval] = field(default_factory=dict)
    texts: int = 0
    only_baseline: int = 0
    only_run: int = 0
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        if self.why_not:
            return f"{self.run} is not compared with {self.baseline}: {self.why_not}."
        name, main = next(iter(self.scores.items()))
        size = f"{abs(points(main.difference)):.1f} points of {said(name)}"
        scores = f"{main.run:.4f} against {main.baseline:.4f}"
        enough = self.texts >= LEAST
        if enough and main.low > 0:
            result = f"{self.run} is better than {self.baseline} by {size} ({scores}), 95 % interval {span(main)}"
        elif enough and main.high < 0:
            result = f"{self.run} is worse than {self.baseline} by {size} ({scores}), 95 % interval {span(main, -1)}"
        else:
            sign = "+" if main.difference >= 0 else "-"
            result = (
                f"This test file shows no significant difference between {self.run} and {self.baseline}: "
                f"{sign}{size} ({scores}), 95 % interval {span(main)}"
            )
        return (
            f"{result}; not better in {main.not_better:,} of {main.resamples:,} resamples. Of {self.texts} texts, "
            f"{self.only_run} are correct only with {self.run}, {self.only_baseline} only with {self.baseline}."
        )

    def as_dict(self) -> dict[str, Any]:
        made = {"run": self.run, "baseline": self.baseline, "summary": str(self)}
        if self.why_not:
            return made | {"why_not": self.why_not}
        names = ("baseline", "run", "difference", "low", "high", "not_better", "resamples")
        scores = {score: {name: getattr(each, name) for name in names} for score, each in self.scores.items()}
        return made | {
            "texts": self.texts, "only_baseline": self.only_baseline, "only_run": self.only_run, "scores": scores
        }  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A comparison of runs; `print` shows it as text.

    Attributes:
        task: name of the task.
        runs: list of Run, the baseline first.
        table: DataFrame with a column for each run. Settings, files and versions are included only if they differ.
        differences: list with a Difference for each run except the baseline.
    """

    task: str
    runs: list[Run]
    table: "pd.DataFrame" = field(repr=False)
    differences: list[Difference]

    def __str__(self) -> str:
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
        """Returns the comparison as JSON values without the answers, as printed by `kbert-compare --json`."""
        return {
            "task": self.task,
            "runs": [{"name": run.name, "folder": str(run.folder)} for run in self.runs],
            "table": {row: dict(zip(self.table.columns, self.table.loc[row], strict=True)) for row in self.table.index},
            "differences": [each.as_dict() for each in self.differences],
        }


def compare(folders: Iterable[str | PathLike[str]]) -> Comparison:
    """Compares the settings and scores of trained tasks. It reads their saved folders and does not load the models.

    Args:
        folders: two or more folders written by kbert-train or `save`, all of the same task. The others are
            compared with the first one.

    Returns:
        A Comparison; `print` shows it as text. It contains the 95 % interval of each difference in score, computed with a
        paired bootstrap over the test texts.

    Raises:
        InputError: there are fewer than two folders, a folder is given twice or was not written by kbert-train, or the tasks
            are different.

    Examples:
        >>> print(kb.compare(["runs/hotel", "runs/hotel-focal"]))
    """
    found = read(folders)
    task = found[0].report["task"]
    kind = tasks.find(task)
    differences = [_difference(kind, found[0], run) for run in found[1:]]
    return Comparison(task, found, table(found), differences)


def _difference(kind: "type[Task[Any]]", baseline: Run, run: Run) -> Difference:
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


def table(found: Sequence[Run]) -> "pd.DataFrame":
    """Returns the DataFrame of a Comparison for a list of Runs."""
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


def _settings(report: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings of a run; "auto" is replaced by the value that was used."""
    return report["settings"] | {name: each["value"] for name, each in report.get("resolved", {}).items()}


def _differing(parts: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Returns the entries in which dicts differ: a dict of name to a list of values, with None for missing ones."""
    rows = {name: [part.get(name) for part in parts] for name in dict.fromkeys(name for part in parts for name in part)}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def cell(row: str, value: Any) -> str:
    """Formats a cell of the table: four decimal places for scores, a dash for None.

    Args:
        row: name of the row.
        value: value of the cell.
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        places = ".4f" if row.startswith(("dev ", "test ")) else ".1f" if row == SECONDS else "g"
        return f"{value:{places}}"
    return str(value)


def said(name: str) -> str:
    """Returns the name of a score as text, such as "macro F1"."""
    return name.replace("_", " ").replace("f1", "F1")


def points(share: float) -> float:
    """Converts a difference of scores to percentage points, rounded to one decimal place; never returns -0."""
    return round(100 * share, 1) + 0.0


def span(interval: bootstrap.Interval, sign: int = 1) -> str:
    """Formats an Interval in percentage points, such as "-1.2 to 3.9"; `sign` -1 reverses the difference."""
    return " to ".join(f"{end:.1f}" for end in sorted(points(sign * end) for end in (interval.low, interval.high)))
