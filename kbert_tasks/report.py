"""What a person reads on the console: scores and counts as text."""


def scores_text(scores, examples):
    """Scores of one set of examples, and what became of its rows, in lines."""
    lines = [counts_text(examples)] if "read" in (examples or {}) else []
    lines += [f"  {name:<12} {value:.4f}" for name, value in scores.items() if isinstance(value, int | float)]
    lines += [f"  {name:<12} {NONE if name == 'precision' else '-'}" for name, value in scores.items() if value is None]
    if "places" in scores:
        places = scores["places"]
        lines.append(f"  f1 {_number(places['f1'])} on {places['texts']} texts where the places must be right too")
    for name in ("per_class", "per_overlap"):
        if name in scores:
            lines.append(_table(_per_class(scores[name])))
    matrix = scores.get("confusion_matrix")
    if matrix and len(matrix["labels"]) <= 15:
        lines.append("  confusion (rows: gold, columns: predicted)")
        lines.append(_table(_frame(matrix["rows_gold_columns_predicted"], matrix["labels"], matrix["labels"])))
    return "\n".join(lines)


def counts_text(examples):
    """What became of the rows, as in "700 rows read, 698 used, 2 skipped (empty text 2)", and the notes."""
    skipped = ", ".join(f"{reason} {count}" for reason, count in examples["skipped"].items())
    joined = f"{examples['joined']} joined to an earlier one of the same text, " if "joined" in examples else ""
    line = f"{examples['read']} rows read, {examples['used']} used, {joined}{sum(examples['skipped'].values())} skipped"
    return "\n".join(
        [line + (f" ({skipped})" if skipped else ""), *(f"  {n}: {what}" for what, n in examples["notes"].items())]
    )


def run_text(report):
    """The summary of a training run."""
    lines = []
    for name, examples in report["examples"].items():
        lines.append(f"{name}: {counts_text(examples)}")
    lines.append(f"best epoch: {report['best_epoch']} of {len(report['history'])}")
    for name, scores in report["scores"].items():
        lines += [f"scores on {name}", scores_text(scores, None)]
    lines.append("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items()))
    return "\n".join(lines)


NONE = "no predictions"


def _number(value):
    return "-" if value is None else f"{value:.4f}"


def _per_class(per_class):
    rows = []
    for values in per_class.values():
        precision = values["precision"]
        precision = NONE if precision is None else _number(precision)
        rows.append([precision, _number(values["recall"]), _number(values["f1"]), values["support"]])
    return _frame(rows, per_class, ["precision", "recall", "f1", "support"])


def _frame(rows, index, columns):
    import pandas as pd

    return pd.DataFrame(rows, index=list(index), columns=list(columns))


def _table(frame):
    import pandas as pd

    with pd.option_context("display.unicode.east_asian_width", True):
        text = frame.to_string(max_rows=60)
    return "\n".join("  " + line for line in text.splitlines())
