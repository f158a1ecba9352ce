"""Derives advice from the report of a training run with poor results.

The checks depend on the available scores (accuracy with a confusion matrix, several labels, F1), not on the task's name.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

SIGNIFICANCE = 0.05  # level of the binomial test against the most frequent label
LOW_F1 = 0.2
HIGH_LOSS = 0.7  # as a fraction of the loss of guessing by label frequency, or of the loss of the first epoch
FEW_STEPS, MOST_EPOCHS = 300, 100
MANY_CUT = 0.1  # share of truncated texts
MANY_LOST = 0.05  # share of gold answers that cannot be found
BASE = 768  # hidden size of a base model
FEW_TEXTS = 2000


def advice(report: Mapping[str, Any]) -> list[str]:
    """Returns sentences about the problems of a run and what to try; an empty list if there are no problems.

    Args:
        report: the content of report.json as a dict.
    """
    part, scores = _decisive(report)
    wrong = weaknesses(report)
    return wrong + _suggestions(report, part, scores) if wrong else []


def weaknesses(report: Mapping[str, Any]) -> list[str]:
    """Returns sentences about the problems of a run alone, without what to try.

    Args:
        report: the content of report.json as a dict.
    """
    part, scores = _decisive(report)
    given = (same_answer(f"{name} ", its, report["examples"][name]) for name, its in report["scores"].items())
    wrong = [*itertools.chain(*given), *_below_baseline(report, part, scores), *_at_chance(part, scores)]
    return [*wrong, *_low_f1(report, part, scores)]


def _decisive(report: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Returns the name of the part of the data whose scores count, and its scores."""
    part = "test" if "test" in report["scores"] else "dev"
    return part, report["scores"].get(part, {})


# Problems --------------------------------------------------------------------------------------------------------


def same_answer(part: str, scores: Mapping[str, Any], examples: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence if the model gives all texts the same label, or gives no labels.

    Args:
        part: name of the set of texts followed by a space, or "".
        scores: scores of these texts.
        examples: counts of the examples, as in report.json.
    """
    texts = examples.get("used")
    if not (texts and {"confusion_matrix", "micro_f1"} & scores.keys() and len(_gold(scores)) > 1):
        return
    given = _predicted(scores)
    if not given:
        yield f"The model predicts no label for any of the {texts:,} {part}texts."
    if [*given.values()] == [texts]:
        yield f"The model predicts the same label for all {texts:,} {part}texts: {', '.join(given)}."


def _below_baseline(report: Mapping[str, Any], part: str, scores: Mapping[str, Any]) -> Iterator[str]:
    baseline = report.get("baseline") or {}
    other = baseline.get("scores", {}).get(part, {}).get("accuracy")
    if other is None or "answered" in scores or scores.get("accuracy", other) >= other:
        return
    yield f"The model's accuracy on the {part} texts, {scores['accuracy']:.4f}, is below the {other:.4f} of {baseline['name']}."


def _at_chance(part: str, scores: Mapping[str, Any]) -> Iterator[str]:
    texts, most = sum(_gold(scores).values()), max(_gold(scores).values(), default=0)
    if "confusion_matrix" not in scores or "answered" in scores or most == texts:
        return
    from scipy.stats import binomtest

    share = most / texts
    p = binomtest(round(scores["accuracy"] * texts), texts, share, alternative="greater").pvalue
    if p > SIGNIFICANCE:
        yield (
            f"An accuracy of {scores['accuracy']:.4f} on {texts:,} {part} texts is not significantly above {share:.4f}, "
            f"the share of the most frequent label (binomial test, p = {p:.2f})."
        )


def _low_f1(report: Mapping[str, Any], part: str, scores: Mapping[str, Any]) -> Iterator[str]:
    if scores.get("f1") is not None and scores["f1"] < LOW_F1:
        nothing = ", because the model predicts nothing" if scores.get("precision") is None else ""
        yield f"F1 on the {report['examples'][part]['used']:,} {part} texts is only {scores['f1']:.4f}{nothing}."


# Suggestions -----------------------------------------------------------------------------------------------------


def _suggestions(report: Mapping[str, Any], part: str, scores: Mapping[str, Any]) -> list[str]:
    made = [*_epochs(report), *_learning_rate(report, scores), *_length(report, part), *_lost(report, part, scores)]
    made += [*_checkpoint(report), *_data(report)]
    return made or [
        f"The training loss fell to {report['history'][-1]['loss']:.4f}, and no setting is an obvious cause: check the worst mistakes "
        "in report.html for wrong labels, and for texts that do not contain the answer."
    ]


def _used(report: Mapping[str, Any], name: str) -> Any:
    """Returns the value of a setting that the run used, with "auto" resolved."""
    return report.get("resolved", {}).get(name, {"value": report["settings"][name]})["value"]


def _epochs(report: Mapping[str, Any]) -> Iterator[str]:
    epochs, steps = _used(report, "epochs"), report["plan"]["steps"]
    more = min(math.ceil(FEW_STEPS / steps * epochs), MOST_EPOCHS)
    if more > epochs:
        yield f"Train longer, for example --epochs {more}: there were {steps} steps, and BERT often needs a few hundred."
    elif "dev" in report["scores"] and report["best_epoch"] == epochs:
        yield f"Train longer, for example --epochs {2 * epochs}: the last of {epochs} epochs was the best one."


def _learning_rate(report: Mapping[str, Any], scores: Mapping[str, Any]) -> Iterator[str]:
    used, hidden = _used(report, "learning_rate"), report["checkpoint"]["config"]["hidden_size"]
    first, last = (report["history"][i]["loss"] for i in (0, -1))
    guessing = _loss_of_guessing(report, scores)
    if last < HIGH_LOSS * (guessing or first) or (not guessing and len(report["history"]) == 1):
        return
    reference = (
        f"guessing by label frequency gives {guessing:.4f}" if guessing else f"the first epoch's was {first:.4f}"
    )
    reason = f"the training loss of the last epoch is still {last:.4f} ({reference})"
    most = min(1e-3, 5e-5 * (BASE / hidden) ** 2)  # 5e-5 for base models, 4.5e-4 for a hidden size of 256
    if 2 * used <= most and last < 1.05 * first:
        yield f"Raise the learning rate, for example --learning-rate {min(4 * used, most):.1g} (used: {used:g}): {reason}."
    else:
        yield f"Lower the learning rate, for example --learning-rate {used / 3:.1g} (used: {used:g}): {reason}."


def _length(report: Mapping[str, Any], part: str) -> Iterator[str]:
    """Yields a suggestion if many training texts or many evaluated texts are truncated."""
    settings, longest = report["settings"], report["checkpoint"]["config"]["max_position_embeddings"]
    length = min(report["plan"]["lengths"]["95 %"], longest)
    ways = [f"--max-length {length}"] * (length > settings["max_length"])
    ways += ["--truncation windows"] * ("truncation" in settings)
    for name in ("train", part):
        examples = report["examples"][name]
        share = examples["notes"].get("cut to max_length", 0) / examples["used"]
        if ways and share >= MANY_CUT:
            yield f"Read more of each text, with {' or '.join(ways)}: {share:.0%} of the {name} texts are truncated."
            return


def _lost(report: Mapping[str, Any], part: str, scores: Mapping[str, Any]) -> Iterator[str]:
    """Yields suggestions if many gold answers of a span task cannot be found in the texts."""
    used, longest = report["settings"]["max_length"], report["checkpoint"]["config"]["max_position_embeddings"]
    notes, gold = report["examples"][part]["notes"], sum(_gold(scores).values())
    cures = {  # part of the note to suggestion
        "is not in the text": "Correct the gold answers",
        "does not begin and end with tokens": "Use --tokenization characters",
    }
    if used < longest:
        cures["in no window"] = f"Use a higher --max-length, for example {min(2 * used, longest)} (used: {used})"
    for reason, cure in cures.items():
        lost = sum(number for note, number in notes.items() if "cannot be found" in note and reason in note)
        if lost and lost >= MANY_LOST * gold:
            yield f"{cure}: {lost:,} of {gold:,} answers in the {part} texts cannot be found."


def _checkpoint(report: Mapping[str, Any]) -> Iterator[str]:
    name, config = report["checkpoint"]["name"], report["checkpoint"]["config"]
    if config["hidden_size"] < BASE:
        size = f"{config['num_hidden_layers']} layers of {config['hidden_size']}"
        yield f"Use a larger checkpoint than {name} ({size}): kbert-checkpoint list shows what can be downloaded."


def _data(report: Mapping[str, Any]) -> Iterator[str]:
    texts = report["examples"]["train"]["used"]
    if texts < FEW_TEXTS:
        yield f"Label more texts: there are only {texts:,} training texts."


# Facts -----------------------------------------------------------------------------------------------------------


def _gold(scores: Mapping[str, Any]) -> dict[str, int]:
    """Returns a dict from class to its number of gold answers."""
    return {name: its["support"] for name, its in scores.get("per_class", {}).items() if its.get("support")}


def _predicted(scores: Mapping[str, Any]) -> dict[str, int]:
    """Returns a dict from predicted label to the number of texts with this prediction."""
    if "confusion_matrix" in scores:
        matrix = scores["confusion_matrix"]
        columns = zip(matrix["labels"], zip(*matrix["rows_gold_columns_predicted"], strict=True), strict=True)
        return {label: sum(column) for label, column in columns if sum(column)}
    given = {name: its for name, its in scores.get("per_class", {}).items() if its.get("precision") is not None}
    # If no prediction is right, the number cannot be derived and is 0.
    return {
        n: round(its["recall"] * its["support"] / its["precision"]) if its["precision"] else 0
        for n, its in given.items()
    }


def _loss_of_guessing(report: Mapping[str, Any], scores: Mapping[str, Any]) -> float | None:
    """Returns the entropy of the gold labels if it equals the loss of guessing by label frequency; otherwise None."""
    from scipy.stats import entropy

    settings = report["settings"]
    weighted = (
        report.get("teacher")
        or settings.get("class_weight", "none") != "none"
        or settings.get("focal_gamma")
        or settings.get("label_smoothing")
    )
    if weighted or "confusion_matrix" not in scores:
        return None
    return float(entropy([*_gold(scores).values()]))
