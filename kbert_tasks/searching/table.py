"""The trials of a search as a table: trials.csv, and text for the console."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..data.output import Delimited
from ..files import replacing
from .study import CONTINUES, PROBLEM, is_default

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from .study import Study

TABLE = "trials.csv"
SHOWN = 10  # number of trials in the console
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


def rows(study: "Study") -> list[dict[str, Any]]:
    """Returns a dict for each trial: its number, state, development score, epochs, seconds, settings and a note.

    The score of a pruned trial is its best one until it was pruned.
    """
    return [_row(study, each) for each in study.trials()]


def _row(study: "Study", trial: "FrozenTrial") -> dict[str, Any]:
    attributes, reached = trial.user_attrs, trial.intermediate_values
    score = trial.value if trial.value is not None else max(reached.values(), default=None)
    notes = ["automatic settings"] if is_default(trial) else []
    notes += [f"continues trial {attributes[CONTINUES]}"] if CONTINUES in attributes else []
    notes += [attributes[PROBLEM]] if PROBLEM in attributes else []
    values = study.automatic if is_default(trial) else attributes.get("values", {})
    return {
        "trial": trial.number,
        "state": STATES.get(trial.state.name, trial.state.name.lower()),
        "dev": None if score is None else round(score, 6),
        "best_epoch": attributes.get("best_epoch"),
        "trained_epochs": attributes.get("epochs", len(reached)),
        "seconds": attributes.get("seconds"),
        **{name: values.get(name) for name in study.space},
        "note": "; ".join(notes),
    }


def ranked(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows with the complete trials first, by score; trials with equal scores keep their order."""
    return sorted(found, key=lambda row: (row["state"] != "complete", -(row["dev"] or 0.0)))


def values_text(values: Mapping[str, Any]) -> str:
    """Formats settings in one line."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def console_text(study: "Study") -> str:
    """Formats the best trials, and the trial with the automatic settings, as a table."""
    import pandas as pd

    found = ranked(rows(study))
    shown = [row for i, row in enumerate(found) if i < SHOWN or row["note"].startswith("automatic")]
    kept = ["trial", "state", "dev", *study.space, "note"]
    cells = [[_cell(row[name]) for name in kept] for row in shown]
    text = pd.DataFrame(cells, columns=kept, dtype=object).to_string(index=False, na_rep="", max_colwidth=40)
    more = f"\n... and {len(found) - len(shown)} more in {study.folder / TABLE}" if len(found) > len(shown) else ""
    return text + more


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def write_table(study: "Study") -> None:
    """Writes trials.csv."""
    found = rows(study)
    if found:
        with study.alone(), replacing(study.folder / TABLE) as stream:
            table = Delimited(stream, "csv", [*found[0]])
            for row in found:
                table.add(row)
