"""What becomes of rows: examples, with every row accounted for."""

import collections
from dataclasses import dataclass


@dataclass(frozen=True)
class Skip:
    """Why a row or an example is not used; counted under that reason."""

    reason: str


@dataclass
class Examples:
    """Examples of one table, their rows' numbers in it, and the count of all that was read."""

    rows: list
    positions: list
    read: int
    skipped: collections.Counter
    notes: collections.Counter

    def told(self):
        """For a sentence: "2 rows read, none used (empty text 2)"."""
        skipped = ", ".join(f"{reason} {count}" for reason, count in self.skipped.items())
        return f"{self.read} rows read, {len(self.rows) or 'none'} used" + (f" ({skipped})" if skipped else "")

    def count(self):
        """As in report.json: read = used + the sum of skipped. Notes are about examples that are used."""
        return {"read": self.read, "used": len(self.rows), "skipped": dict(self.skipped), "notes": dict(self.notes)}

    def note(self, task, encoded):
        """Counts what the task has to say of the examples as they are encoded."""
        remarks = (task.remarks(example, windows) for example, windows in zip(self.rows, encoded, strict=True))
        self.notes.update(remark for each in remarks for remark in each)
