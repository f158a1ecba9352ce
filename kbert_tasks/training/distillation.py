"""Knowledge distillation: a small model, the student, learns from the answers of a trained model, the teacher.

The teacher answers the training texts and the unlabelled texts once, before the training. Only its answers are kept: the
probabilities of the labels, or the answers that are parts of the text, with their probabilities.

Source: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015 (arXiv 1503.02531).
"""

import logging
import weakref
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import overlap
from ..data.examples import Examples
from ..errors import InputError
from . import inputs

if TYPE_CHECKING:
    from ..tasks.base import Task
    from ..typing import Rows

log = logging.getLogger("kbert_tasks")

SLICE = 10_000  # number of texts whose tokens are in memory at the same time
KNOWN = "also a training or development text"

# The answers of a teacher to the last examples that it answered, by their checksum, for trainings with several seeds.
_answered: "weakref.WeakKeyDictionary[Task[Any], dict[str, list[Any]]]" = weakref.WeakKeyDictionary()


class Distillation:
    """The teacher of a training, and the unlabelled texts.

    Args:
        task: the student, whose `prepare` has been called.
        teacher: a trained task of the same kind with the same labels.
        unlabelled: texts without gold answers, or None.
        train, dev: the labelled Examples; unlabelled texts that occur in them are skipped.

    Attributes:
        unlabelled: the unlabelled Examples, or None.

    Raises:
        InputError: the student cannot learn from this teacher, or there is no text in `unlabelled`.
    """

    def __init__(
        self,
        task: "Task[Any]",
        teacher: "Task[Any]",
        unlabelled: "Rows | Examples | None",
        train: Examples,
        dev: Examples,
    ) -> None:
        check(task, teacher)
        self.task, self.teacher = task, teacher
        self.unlabelled = None if unlabelled is None else task.examples(unlabelled, gold=False)
        if self.unlabelled is None:
            return
        known = np.concatenate([overlap.fingerprints(task, each.rows) for each in (train, dev)])
        again = np.isin(overlap.fingerprints(task, self.unlabelled.rows), known)
        self.unlabelled.skip({int(place): KNOWN for place in np.flatnonzero(again)})
        if not self.unlabelled.rows:
            raise InputError(f"there are no unlabelled texts to learn from: {self.unlabelled.summary()}")

    def encode(self, examples: Examples) -> tuple[list[inputs.Window], list[int]]:
        """Encodes the training examples and the unlabelled ones, as `inputs.encode` does, with the answers of the teacher."""
        task = self.task
        windows, lengths = inputs.encode(task, examples, self._lessons(examples, task.settings.distillation_weight))
        if self.unlabelled:
            more = inputs.encode(task, self.unlabelled, self._lessons(self.unlabelled, 1.0), check=False)
            windows, lengths = windows + more[0], lengths + more[1]
        return windows, lengths

    def _lessons(self, examples: Examples, share: float) -> list[Any]:
        """Returns the examples with the answers of the teacher; see `Hooks.taught`."""
        answers = answered(self.teacher, examples.rows)
        return [self.task.taught(*each, share) for each in zip(examples.rows, answers, strict=True)]

    def identity(self) -> dict[str, str]:
        """Returns what a resumed training must have in common with the interrupted one."""
        from ..saving.model import arrays_of

        weights = sha256()
        for _, array in sorted(arrays_of(self.teacher.model).items()):
            weights.update(array.tobytes())
        return {
            "teacher": weights.hexdigest(),
            "unlabelled": inputs.checksum_of_rows(self.unlabelled or Examples([], [])),
        }

    def about(self, dev: Examples) -> dict[str, Any]:
        """Returns the entry `teacher` of the report, with the scores on the development examples."""
        config, name = self.teacher.config, self.teacher.report_["checkpoint"]["name"]
        sizes = {"layers": config["num_hidden_layers"], "hidden": config["hidden_size"]}
        parts = {"dev": scored(self.teacher, dev.rows)} if dev.rows else {}
        return {"name": name, **sizes, "parameters": self.teacher.model.count_params()} | together(parts)


def check(task: "Task[Any]", teacher: "Task[Any]") -> None:
    """Checks that a task can learn from a teacher.

    Raises:
        InputError: the teacher is another kind of task, has other classes of answers, or reads other inputs.
    """
    if task.name != teacher.name:
        raise InputError(
            f"the teacher is a model for the task {teacher.name}, not {task.name}: use a teacher of this task"
        )
    if bool(task.paired) != bool(teacher.paired):
        reads = [f"{'pairs of texts' if each.paired else 'single texts'}" for each in (teacher, task)]
        raise InputError(f"the teacher reads {reads[0]}, and the training rows are {reads[1]}: use another teacher")
    if task.CLASSES is None:
        return
    ours, theirs = (set(getattr(each, each.CLASSES or "")) for each in (task, teacher))
    if ours != theirs:
        parts = {"only the teacher has": theirs - ours, "only the training rows have": ours - theirs}
        listed = "; ".join(f"{who} {', '.join(sorted(map(str, some))[:5])}" for who, some in parts.items() if some)
        raise InputError(
            f"the teacher and the training rows have different {task.presentation.group}s: {listed}; train the teacher on "
            "rows with the same ones"
        )


def answered(teacher: "Task[Any]", examples: Sequence[Any]) -> list[Any]:
    """Returns the candidate answers of a teacher for each example, as `Task.decode` returns them."""
    from ..inference.predict import decoded

    known = _answered.setdefault(teacher, {})
    rows = inputs.checksum_of_rows(Examples([*examples], []))
    if rows not in known:
        found: list[Any] = []
        for start in range(0, len(examples), SLICE):
            some = examples[start : start + SLICE]
            found += decoded(teacher, some, [teacher.encode(example) for example in some])
        while len(known) >= 2:  # the labelled and the unlabelled examples
            del known[next(iter(known))]
        known[rows] = found
        log.info("the teacher answered %d texts", len(examples))
    return known[rows]


def scored(teacher: "Task[Any]", examples: Sequence[Any]) -> dict[str, Any]:
    """Returns the `scores` (numbers) of a teacher on examples with gold answers, and `seen`: how many it was trained on."""
    from ..inference.predict import decoded

    encoded = [teacher.encode(example) for example in examples]
    report = teacher.score_candidates(examples, encoded, decoded(teacher, examples, encoded))
    seen = int(np.isin(overlap.fingerprints(teacher, examples), teacher.seen_).sum())
    return {"scores": report.numbers(), "seen": seen}


def together(parts: "dict[str, dict[str, Any]]") -> dict[str, Any]:
    """Returns {"scores": {part: scores}, "seen": {part: number}} of the values that `scored` returned for each part."""
    return {key: {part: its[key] for part, its in parts.items()} for key in ("scores", "seen")}
