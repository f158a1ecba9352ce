"""From a text and what is asked about it to the answer and the windows where it can stand."""

from ..errors import InputError
from ..inference.predict import decoded
from ..tasks.classify.task import TextClassifier
from ..tasks.relation.task import RelationExtractor
from ..tasks.span_task import PointingTask
from ..tasks.subject.task import SubjectExtractor
from . import labels, subjects, triples

# Each a function (task, example, windows, possible, prediction, answer) to a list of Target, one for each window where the
# answer stands: `windows` are the example's Encoded, `possible` and `prediction` what the task says of it, and `answer` is
# as `explain` takes it.
KINDS = {TextClassifier: labels.targets, RelationExtractor: triples.targets, SubjectExtractor: subjects.targets}


def find(task, text, text_b, answer):
    """(texts as the model reads them, a list with a Target for each window where the answer can stand).

    Raises:
        InputError: as `explain`.
    """
    targets = next((found for kind, found in KINDS.items() if isinstance(task, kind)), None)
    if targets is None:
        raise InputError(f"explain knows {', '.join(kind.__name__ for kind in KINDS)}, not {type(task).__name__}")
    if task.model is None:
        raise InputError(f"this {type(task).__name__} is not trained: call fit, or kbert_tasks.load a saved folder")
    if task.paired and text_b is None:
        second = "the event's type" if isinstance(task, SubjectExtractor) else "the second text"
        raise InputError(f"this model reads pairs: give {second} as well, as text_b (--text-b)")
    if not task.paired and text_b is not None:
        raise InputError("this model reads single texts, not pairs: leave text_b (--text-b) out")
    examples = task.examples([(text, text_b)] if task.paired else [text], gold=False)
    if not examples.rows:
        raise InputError(f"there is nothing to explain: {', '.join(examples.skipped)}")
    (example,) = examples.rows
    windows = task.encode(example)
    (possible,) = decoded(task, [example], [windows])
    found = targets(task, example, windows, possible, task.choose(example, possible), answer)
    texts = task.parts(example) if isinstance(task, PointingTask) else (example.text, example.text_b)
    return tuple(part for part in texts if part is not None), found
