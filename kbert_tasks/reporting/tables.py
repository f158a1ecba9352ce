"""Tables of the report, made from the contents of `report.json`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCORES = ("accuracy", "precision", "recall", "f1")  # endings of the names of scores between 0 and 1


@dataclass(frozen=True)
class Table:
    """The contents of a table.

    Attributes:
        name: description of the table for screen readers.
        columns: list of column names; the first column identifies the row.
        rows: list of lists of cells: str, int, float, None (not known) or bool.
    """

    name: str
    columns: list[str]
    rows: list[list[Any]]

    @property
    def numeric(self) -> list[bool]:
        """Whether each column contains no text: a list of bool."""
        return [not any(isinstance(row[i], str) for row in self.rows) for i in range(len(self.columns))]


def data(report: Mapping[str, Any]) -> Table:
    """Returns the Table of rows read, used and skipped for each file."""
    parts, files = report["examples"], report.get("files") or {}
    joined = any("joined" in counts for counts in parts.values())
    rows = [
        [part, *[files.get(part)] * bool(files), counts["read"], counts["used"], *[counts.get("joined", 0)] * joined]
        + [sum(counts["skipped"].values())]
        for part, counts in parts.items()
    ]
    columns = ["texts", *["file"] * bool(files), "rows read", "used", *["merged"] * joined, "skipped"]
    return Table("Rows read, used and skipped", columns, rows)


def reasons(report: Mapping[str, Any]) -> Table:
    """Returns the Table of reasons for skipped rows and of notes on used rows, with the counts for each set of texts."""
    parts = list(report["examples"])
    numbers: dict[str, dict[str, int]] = {}
    for part, counts in report["examples"].items():
        for reason, number in counts["skipped"].items():
            numbers.setdefault(f"skipped: {reason}", {})[part] = number
        for note, number in counts["notes"].items():
            numbers.setdefault(note, {})[part] = number
    rows = [[what, *(found.get(part) for part in parts)] for what, found in numbers.items()]
    return Table("Reasons and notes", ["what", *parts], rows)


def with_others(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the scores of each set of texts, followed by those of the baseline and the teacher, as input of `scores`."""
    others = {who: (report.get(who) or {}).get("scores", {}) for who in ("baseline", "teacher")}
    found: dict[str, dict[str, Any]] = {}
    for part, its in report["scores"].items():
        found |= {part: its} | {f"{part}, {who}": its[part] for who, its in others.items() if part in its}
    return found


def scores(scores: Mapping[str, Mapping[str, Any]]) -> Table:
    """Returns the Table of the scores that are single numbers, with a column for each set of texts."""
    names = dict.fromkeys(
        name for part in scores.values() for name, value in part.items() if value is None or _is_number(value)
    )
    rows = [[_said(name), *(part.get(name) for part in scores.values())] for name in names]
    if any("places" in part for part in scores.values()):
        places = [(part.get("places") or {}).get("f1") for part in scores.values()]
        rows.append(["F1 with correct spans", *places])
    return Table("Scores", ["score", *scores], rows)


def groups(name: str, first: str, values: Mapping[str, Mapping[str, Any]]) -> Table:
    """Returns a Table of the scores of groups, such as `per_class`.

    Args:
        name: description of the table.
        first: name of the first column.
        values: dict of group to a dict of score name to number.
    """
    names = [*dict.fromkeys(each for group in values.values() for each in group)]
    rows = [[group, *(its.get(each) for each in names)] for group, its in values.items()]
    return Table(name, [first, *map(_said, names)], rows)


def errors(counts: Mapping[str, int]) -> Table:
    """Returns the Table of the number of errors of each kind, such as `missed`."""
    return Table("Kinds of errors", ["kind", "errors"], [[kind, count] for kind, count in counts.items()])


def by_class(scores: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns `per_class` of scores, with the decision threshold of each label if labels have their own thresholds."""
    limits, found = scores.get("thresholds") or {}, scores.get("per_class") or {}
    return {name: its | ({"threshold": limits[name]} if name in limits else {}) for name, its in found.items()}


def epochs(history: Sequence[Mapping[str, Any]]) -> Table:
    """Returns the Table of losses and scores of each epoch, the values of the curves."""
    losses, dev = (
        [*dict.fromkeys(name for epoch in history for name in epoch.get(of) or {})] for of in ("losses", "dev")
    )
    rows = [
        [str(epoch["epoch"]), epoch["loss"], *((epoch.get("losses") or {}).get(name) for name in losses)]
        + [*((epoch.get("dev") or {}).get(name) for name in dev), epoch.get("seconds")]
        for epoch in history
    ]
    columns = [
        "epoch",
        "loss",
        *(f"loss: {name}" for name in losses),
        *(f"dev {_said(name)}" for name in dev),
        "seconds",
    ]
    return Table("Losses and scores of each epoch", columns, rows)


def runs(repeated: Mapping[str, Any], kind: str) -> Table:
    """Returns the Table of the scores of each seed or fold.

    Args:
        repeated: `seeds` or `folds` of report.json.
        kind: "seed" or "fold".
    """
    each = repeated["each"]
    given = dict.fromkeys((part, name) for run in each for part in ("dev", "test") for name in run.get(part) or {})
    names, rows = [(part, name) for part, name in given if name.endswith(SCORES)], []
    for run in each:
        kept = " (kept)" if run[kind] == repeated.get("kept") else ""
        rows.append([f"{run[kind]}{kept}", *((run.get(part) or {}).get(name) for part, name in names)])
    for key, row in (("mean", "mean"), ("sd", "standard deviation")):
        if repeated.get(key):
            rows.append([row, *((repeated[key].get(part) or {}).get(name) for part, name in names)])
    for key, row in (("mean", "baseline: mean"), ("sd", "baseline: standard deviation")):
        if repeated.get("baseline"):
            rows.append([row, *((repeated["baseline"][key].get(part) or {}).get(name) for part, name in names)])
    return Table(f"Scores of each {kind}", [kind, *(f"{part} {_said(name)}" for part, name in names)], rows)


def learning_curve(curve: Mapping[str, Any]) -> Table:
    """Returns the Table of the scores with each share of the training texts; `curve` is an entry of report.json."""
    each = curve["each"]
    given = dict.fromkeys((part, name) for one in each for part in ("dev", "test") for name in one.get(part) or {})
    names = [(part, name) for part, name in given if name.endswith(SCORES)]
    columns = ["share", "texts"]
    rows: list[list[Any]] = [[f"{one['share']:g}", one["texts"]] for one in each]
    for part, name in names:
        for key, words in ((None, ""), ("sd", ", standard deviation"), ("baseline", ", baseline")):
            values = [((one.get(key, {}) if key else one).get(part) or {}).get(name) for one in each]
            if key is None or any(value is not None for value in values):
                columns.append(f"{part} {_said(name)}{words}")
                for row, value in zip(rows, values, strict=True):
                    row.append(value)
    return Table("Scores with shares of the training texts", columns, rows)


def confused(pairs: Iterable[tuple[str, str, int, float]]) -> Table:
    """Returns the Table of confused labels; `pairs` is the return value of `counting.confused`."""
    columns = ["gold", "predicted", "texts", "share of the gold label"]
    return Table("Labels most often confused", columns, [list(pair) for pair in pairs])


def bins(counts: Sequence[int], sure: Sequence[float], right: Sequence[float]) -> Table:
    """Returns the Table of the values of the calibration plot; Args as returned by `calibration.reliability`."""
    rows = [[f"{p:.3f}", share, count] for p, share, count in zip(sure, right, counts, strict=True)]
    return Table("Bins of probability", ["mean probability", "accuracy", "predictions"], rows)


def lengths(groups: Iterable[Mapping[str, float]]) -> Table:
    """Returns the Table of scores by length; `groups` is the return value of `counting.by_length`."""
    rows = [[f"{g['from']} to {g['to']}", g["texts"], g["right"], g["low"], g["high"]] for g in groups]
    return Table("Accuracy by length", ["tokens", "texts", "accuracy", "95 % from", "to"], rows)


def curves(history: Sequence[Mapping[str, Any]]) -> tuple[dict[str, list[float | None]], dict[str, list[float | None]]]:
    """Returns (losses, development scores) for plotting, each a dict of name to a list with a value for each epoch."""
    losses = {"total" if any(e.get("losses") for e in history) else "loss": [epoch["loss"] for epoch in history]}
    for name in dict.fromkeys(name for epoch in history for name in epoch.get("losses") or {}):
        losses[name] = [(epoch.get("losses") or {}).get(name) for epoch in history]
    names = dict.fromkeys(n for epoch in history for n in epoch.get("dev") or {} if n.endswith(SCORES))
    return losses, {_said(name): [(epoch.get("dev") or {}).get(name) for epoch in history] for name in names}


def main_score(scores: Mapping[str, Any]) -> tuple[str, float] | None:
    """Returns (name, value) of the main score, or None: F1, else accuracy, else the first number."""
    for name in ("f1", "accuracy", *scores):
        if _is_number(scores.get(name)):
            return _said(name), scores[name]
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(name: str) -> str:
    return " ".join("F1" if word == "f1" else "ECE" if word == "ece" else word for word in str(name).split("_"))
