"""Formats scores and counts as text for the console."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def scores_text(
    scores: Mapping[str, Any],
    examples: Mapping[str, Any] | None,
    others: Mapping[str, Mapping[str, float] | None] | None = None,
) -> str:
    """Formats the scores of one set of examples, with those of other models, such as a baseline, and the counts of its rows."""
    known = {who: its for who, its in (others or {}).items() if its}
    suffixes = {
        name: "   (" + ", ".join(f"{who} {its[name]:.4f}" for who, its in known.items() if name in its) + ")"
        for name in {name for its in known.values() for name in its}
    }
    lines = [counts_text(examples)] if examples and "read" in examples else []
    numbers = {name: value for name, value in scores.items() if isinstance(value, int | float)}
    lines += [f"  {name:<17} {value:.4f}{suffixes.get(name, '')}" for name, value in numbers.items()]
    lines += [f"  {name:<17} {NONE if name == 'precision' else '-'}" for name, value in scores.items() if value is None]
    if "places" in scores:
        places = scores["places"]
        lines.append(f"  f1 {_number(places['f1'])} on {places['texts']} texts if the spans must be correct too")
    if "errors" in scores:
        lines.append("  errors: " + ", ".join(f"{kind} {count:,}" for kind, count in scores["errors"].items()))
    for name in ("per_class", "per_overlap", "per_length"):
        if name in scores:
            lines.append(_table(_per_class(scores[name], scores.get("thresholds") if name == "per_class" else None)))
    matrix = scores.get("confusion_matrix")
    if matrix and len(matrix["labels"]) <= 15:
        lines.append("  confusion (rows: gold, columns: predicted)")
        lines.append(_table(_frame(matrix["rows_gold_columns_predicted"], matrix["labels"], matrix["labels"])))
    return "\n".join(lines)


def counts_text(examples: Mapping[str, Any]) -> str:
    """Formats the counts of the rows, such as "700 rows read, 698 used, 2 skipped (empty text 2)", and the notes."""
    skipped = ", ".join(f"{reason} {count}" for reason, count in examples["skipped"].items())
    joined = f"{examples['joined']} merged with an earlier row of the same text, " if "joined" in examples else ""
    line = f"{examples['read']} rows read, {examples['used']} used, {joined}{sum(examples['skipped'].values())} skipped"
    return "\n".join(
        [line + (f" ({skipped})" if skipped else ""), *(f"  {n}: {what}" for what, n in examples["notes"].items())]
    )


def run_text(report: Mapping[str, Any]) -> str:
    """Formats the summary of a training run."""
    lines: list[str] = []
    shared = _shared_notes(report["examples"])
    for name, examples in report["examples"].items():
        notes = {note: number for note, number in examples["notes"].items() if note not in shared}
        lines.append(f"{name}: {counts_text(examples | {'notes': notes})}")
    for note, numbers in shared.items():
        lines.append(f"{_list(f'{part} {number}' for part, number in numbers.items())}: {note}")
    lines.append(f"best epoch: {report['best_epoch']} of {len(report['history'])}")
    baseline, teacher = (report.get(who, {"scores": {}}) for who in ("baseline", "teacher"))
    for name, scores in report["scores"].items():
        others = {"baseline": baseline["scores"].get(name), "teacher": teacher["scores"].get(name)}
        lines += [f"scores on {name}", scores_text(scores, None, others)]
    if baseline["scores"]:
        lines.append(f"baseline: {baseline_text(baseline)}")
    if teacher["scores"]:
        lines.append(f"teacher: {teacher_text(teacher)}")
    lines += [line for name in ("seeds", "folds") if name in report for line in _several(name, report[name])]
    lines += learning_curve_lines(report["learning_curve"]) if "learning_curve" in report else []
    lines.append("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items()))
    return "\n".join(lines)


def _shared_notes(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Returns {note: {part: number}} of notes that several parts, such as dev and test, share; they are printed once."""
    found: dict[str, dict[str, int]] = {}
    for part, examples in parts.items():
        for note, number in examples["notes"].items():
            found.setdefault(note, {})[part] = number
    return {note: numbers for note, numbers in found.items() if len(numbers) > 1}


def baseline_text(baseline: Mapping[str, Any]) -> str:
    """Describes the baseline and the rows that it was fitted on."""
    of = f" of the {baseline['of']:,}" if baseline["rows"] < baseline["of"] else ""
    return f"{baseline['name']}, fitted on {baseline['rows']:,}{of} training rows"


def teacher_text(teacher: Mapping[str, Any]) -> str:
    """Describes the teacher, and says which of its scores are too good because it was trained on these texts."""
    size = f"{teacher['layers']} layers of {teacher['hidden']}, {teacher['parameters'] / 1e6:.1f} million weights"
    seen = ", ".join(f"{number:,} of the {part} texts" for part, number in teacher["seen"].items() if number)
    return f"{teacher['name']}, {size}" + (f"; it was trained on {seen}" if seen else "")


def advice_text(report: Mapping[str, Any]) -> str | None:
    """Formats the advice with one sentence per line; returns None if there is no advice."""
    sentences = report["advice"]
    return "\n".join(["advice", *(f"  - {sentence}" for sentence in sentences)]) if sentences else None


def _several(name: str, summary: Mapping[str, Any]) -> list[str]:
    """Formats the mean, the standard deviation and the single values of each score over several trainings."""
    kind = name.removesuffix("s")
    lines = [
        f"{len(summary['each'])} {name}, mean, standard deviation and each ({kind} {_list(e[kind] for e in summary['each'])})"
    ]
    for part, means in summary["mean"].items():
        for score, mean in means.items():
            each = _list(f"{one[part][score]:.4f}" for one in summary["each"])
            lines.append(f"  {part} {score:<12} {mean:.4f} ± {summary['sd'][part][score]:.4f}  ({each})")
    for part, means in summary.get("baseline", {"mean": {}})["mean"].items():
        for score, mean in means.items():
            lines.append(f"  {part} {score:<12} {mean:.4f} ± {summary['baseline']['sd'][part][score]:.4f}  (baseline)")
    if "kept" in summary:
        once = "; the test texts were used once per training, and nothing was selected by them"
        lines.append(
            f"seed {summary['kept']} is kept because it has the best development score{once if 'test' in summary['mean'] else ''}"
        )
    return lines


def learning_curve_lines(curve: Mapping[str, Any]) -> list[str]:
    """Formats the main score with each share of the training texts, and the gain from more texts."""
    score = curve["score"]
    lines = ["learning curve: scores with shares of the training texts"]
    for one in curve["each"]:
        shown = [f"  {one['share']:<5g} {one['texts']:>7,} texts"]
        for part in ("dev", "test"):
            if part in one:
                sd = one.get("sd", {}).get(part, {}).get(score)
                shown.append(
                    f"{part} {score} {_number(one[part].get(score))}" + (f" ± {sd:.4f}" if sd is not None else "")
                )
                simple = one.get("baseline", {}).get(part, {}).get(score)
                shown[-1] += "" if simple is None else f" (baseline {simple:.4f})"
        lines.append(", ".join(shown))
    if curve["gain"]:
        lines.append(f"  {gain_text(curve)}")
    return lines


def gain_text(curve: Mapping[str, Any]) -> str:
    """Describes the difference of the main score between the last two shares."""
    gain = curve["gain"]
    return (
        f"from {gain['from']:,} to {gain['to']:,} texts, {gain['part']} {curve['score']} changed by "
        f"{gain['difference']:+.4f}, which is {gain['per_doubling']:+.4f} per doubling"
    )


def _list(each: Iterable[object]) -> str:
    return ", ".join(map(str, each))


NONE = "no predictions"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _per_class(
    per_class: Mapping[str, Mapping[str, Any]], thresholds: Mapping[str, float] | None = None
) -> "pd.DataFrame":
    rows = []
    for values in per_class.values():
        precision = values["precision"]
        precision = NONE if precision is None else _number(precision)
        rows.append([precision, _number(values["recall"]), _number(values["f1"]), values["support"]])
    frame = _frame(rows, per_class, ["precision", "recall", "f1", "support"])
    if thresholds:
        frame["threshold"] = [_number(thresholds.get(label)) for label in per_class]
    return frame


def _frame(rows: Sequence[Sequence[Any]], index: Iterable[str], columns: Iterable[str]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows, index=list(index), columns=list(columns))


def _table(frame: "pd.DataFrame") -> str:
    import pandas as pd

    with pd.option_context("display.unicode.east_asian_width", True):
        text = frame.to_string(max_rows=60)
    return "\n".join("  " + line for line in text.splitlines())
