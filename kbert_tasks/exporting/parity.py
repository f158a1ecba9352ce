"""Compares the client of an export with predictions by Keras, on the same texts."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..text.spans import FLOOR

if TYPE_CHECKING:
    from ..tasks.base import Task

TEXTS = 500  # maximum number of compared texts, evenly chosen from all
Answer = dict[str, Any]


def some(examples: Sequence[Any]) -> list[Any]:
    """Returns at most TEXTS examples, at equal distances."""
    step = max(1, -(-len(examples) // TEXTS))
    return list(examples[::step])


def compare(task: "Task[Any]", examples: Sequence[Any], predict: Callable[..., Any]) -> dict[str, Any]:
    """Compares the answers of a client with those of Keras.

    The difference of a text with labels is the largest difference of the probability of a label. For answers that are parts
    of a text, both return all candidates above FLOOR: the difference is the largest difference of the probability of a
    candidate. A candidate that only one of them has counts with the distance of its probability from FLOOR.

    Args:
        task: the task in float32.
        examples: the examples to compare.
        predict: the function `predict` of the client.

    Returns:
        The contents of `parity.json`.
    """
    from ..inference.predict import decoded

    candidates = decoded(task, examples, [task.encode(example) for example in examples])
    differences, equal = [], 0
    for example, each in zip(examples, candidates, strict=True):
        question, prediction = task.question(example).values(), task.decide(example, each)
        found = predict(*question)
        if isinstance(found, dict):
            ours = prediction.probabilities
            differences.append(max(abs(ours[label] - p) for label, p in found["probabilities"].items()))
            equal += _plain(found["label"]) == _plain(task.answer_of(prediction))
        else:
            differences.append(_difference(task.answer_of(each), predict(*question, threshold=FLOOR)))
            equal += _keyed(found).keys() == _keyed(task.answer_of(prediction)).keys()
    return {
        "texts": len(examples),
        "largest_difference": float(max(differences)),
        "equal_answers": equal / len(examples),
    }


def _plain(answer: Any) -> Any:
    return list(answer) if isinstance(answer, tuple) else answer


def _keyed(answers: Sequence[Answer]) -> dict[str, float]:
    """Returns the probability of each answer, by everything else that describes it."""
    return {
        repr(sorted((name, value) for name, value in each.items() if name != "probability")): each["probability"]
        for each in answers
    }


def _difference(ours: Sequence[Answer], others: Sequence[Answer]) -> float:
    one, other = _keyed(ours), _keyed(others)
    return max((abs(one.get(key, FLOOR) - other.get(key, FLOOR)) for key in one.keys() | other.keys()), default=0.0)
