"""Compares the client of an export with predictions by Keras, on the same texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..text.spans import FLOOR

if TYPE_CHECKING:
    from ..tasks.base import Task

TEXTS = 500  # maximum number of compared texts, evenly chosen from all
Answer = dict[str, Any]


def some(examples: Sequence[Any]) -> list[Any]:
    """Returns at most TEXTS examples, at equal distances."""
    step = max(1, -(-len(examples) // TEXTS))
    return list(examples[::step])


def answered(task: "Task[Any]", with_gold: bool = False) -> list[dict[str, Any]]:
    """Returns the texts of `answers.jsonl` as rows of a table, with their gold answers if asked."""
    settings = task.settings
    second = getattr(settings, task.SECOND) if task.SECOND else None
    columns = dict(zip(task.presentation.question, (settings.text_column, second), strict=False))
    return [
        {column: row[key] for key, column in columns.items() if column and key in row}
        | ({settings.label_column: row["gold"]} if with_gold else {})
        for row in task.answers_
    ]


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
            known = prediction.probabilities
            differences.append(np.max([abs(known[label] - p) for label, p in found["probabilities"].items()]))
            equal += _plain(found["label"]) == _plain(task.answer_of(prediction))
        else:
            keys = task.presentation.keys
            ours, theirs = (_keyed(one, keys) for one in (task.answer_of(each), predict(*question, threshold=FLOOR)))
            differences.append(_difference(ours, theirs))
            equal += _keyed(found, keys).keys() == _keyed(task.answer_of(prediction), keys).keys()
    return {
        "texts": len(examples),
        "largest_difference": float(np.max(differences)),  # NaN if one of them is
        "equal_answers": equal / len(examples),
    }


def _plain(answer: Any) -> Any:
    return list(answer) if isinstance(answer, tuple) else answer


def _keyed(answers: Sequence[Answer], keys: Sequence[str]) -> dict[tuple[Any, ...], float]:
    """Returns the probability of each answer; the keys that it has identify an answer."""
    return {tuple(each[key] for key in keys if key in each): each["probability"] for each in answers}


def _difference(one: Mapping[Any, float], other: Mapping[Any, float]) -> float:
    pairs = ((one.get(key, FLOOR), other.get(key, FLOOR)) for key in one.keys() | other.keys())
    return max((abs(max(p, FLOOR) - max(q, FLOOR)) for p, q in pairs), default=0.0)
