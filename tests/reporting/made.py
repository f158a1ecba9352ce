"""Small invented runs of each task: (report, answers), the arguments of `reporting.report.html`."""

from kbert_tasks.metrics import classification
from kbert_tasks.tasks.entity import scores as entity_scores
from kbert_tasks.tasks.entity.entities import Entity
from kbert_tasks.tasks.relation import scores as relation_scores
from kbert_tasks.tasks.relation.triples import Triple
from kbert_tasks.tasks.subject import scores as subject_scores

LABELS = ("好评", "差评", "中评")


def report(task, scores, history=3, **more):
    """A report.json that has only the required keys."""
    names = [name for name, value in scores.items() if isinstance(value, float)]
    epochs = [
        {"epoch": n, "loss": 1 / n, "dev": {name: 1 - 1 / (n + 1) for name in names}, "seconds": 1.5}
        for n in range(1, history + 1)
    ]
    counts = {"read": 12, "used": 10, "skipped": {"empty text": 2}, "notes": {"duplicate text": 1}}
    return {
        "task": task,
        "settings": {"epochs": history, "learning_rate": 1e-05, "max_length": 128, "patience": None, "calibrate": True},
        "versions": {"python": "3.12.1", "kbert-tasks": "0.1.0"},
        "precision": "float32",
        "checkpoint": {"name": "tiny-zh", "cased": False, "config": {"hidden_size": 128}},
        "scores": {"dev": scores, "test": scores},
        "examples": {"train": counts, "dev": counts, "test": counts},
        "history": epochs,
        "best_epoch": history,
        "seconds": {"load": 0.5, "train": 200.0},
    } | more


def classify(number=30, labels=LABELS, text="房间很干净，早餐也不错。", **more):
    """Every third answer is wrong, and the loss increases from answer to answer."""
    answers, share = [], 0.4 / max(1, len(labels) - 1)
    for n in range(number):
        gold, predicted = labels[n % len(labels)], labels[(n + (n % 3 == 0)) % len(labels)]
        answers.append(
            {"text": f"{text}{n}", "gold": gold, "predicted": predicted, "loss": n / 10, "right": gold == predicted}
            | {"probabilities": {label: 0.6 if label == predicted else share for label in labels}, "tokens": 5 + n % 40}
        )
    scores = classification.classification([a["gold"] for a in answers], [a["predicted"] for a in answers], labels)
    return report("classify", scores, **more), answers


def several(number=12, **more):
    """Pairs of texts with no, one or two labels each."""
    gold = [LABELS[: n % 3] for n in range(number)]
    predicted = [LABELS[: (n + n % 2) % 3] for n in range(number)]
    answers = [
        {"text": "一", "text_b": f"二{n}", "gold": list(g), "predicted": list(p), "loss": n / 10, "right": g == p}
        | {"probabilities": {label: 0.9 if label in p else 0.2 for label in LABELS}, "tokens": 4}
        for n, (g, p) in enumerate(zip(gold, predicted, strict=True))
    ]
    return report("classify", classification.multi_label(gold, predicted, LABELS), **more), answers


def relation(text="《雪的体重》的作者是方小雪。", predicate="作者", **more):
    """Three texts with two gold triples each; predicted: both, one right and one wrong, none."""
    right = Triple("雪的体重", predicate, "方小雪", (1, 5), (10, 13), 0.9)
    missed, wrong = Triple("雪的体重", "导演", "方小雪"), Triple("作者", predicate, "方小雪", (7, 9), (10, 13), 0.6)
    gold, found = [(right, missed)] * 3, [(right, missed), (right, wrong), ()]
    answers = [
        {"text": text, "gold": [t.as_dict() for t in g], "predicted": [t.as_dict() for t in p], "loss": n / 10}
        | {"right": n == 0, "tokens": 15}
        for n, (g, p) in enumerate(zip(gold, found, strict=True))
    ]
    made = report("relation", relation_scores.triples(gold, found) | {"threshold": 0.42}, **more)
    for epoch in made["history"]:
        epoch["losses"] = {"spans": epoch["loss"] * 0.75, "pairs": epoch["loss"] * 0.25}
    return made, answers


def subject(kind="产品召回", **more):
    text, gold = "欣蔬园召回即食沙拉，欣蔬园致歉。", ["欣蔬园"]
    found = [[("欣蔬园", (0, 3), 0.9)], [("即食沙拉", (5, 9), 0.7)], []]
    answers = [
        {
            "text": text,
            "event_type": kind,
            "gold": [{"subject": "欣蔬园"}],
            "loss": n / 10,
            "right": n == 0,
            "tokens": 18,
        }
        | {"predicted": [{"subject": s, "span": list(span), "probability": score} for s, span, score in each]}
        for n, each in enumerate(found)
    ]
    scores = subject_scores.subjects([gold] * 3, [[s for s, *_ in each] for each in found], [kind] * 3)
    return report("subject", scores | {"threshold": 0.35}, **more), answers


def entity(place="地点", **more):
    """Three texts with the same gold entities, two of them nested; predicted: all, one with two errors, none."""
    text = "上海交响乐团在青岛演出，<b>周山</b>指挥。"

    def found(start, end, kind, probability=None):
        return Entity(text[start:end], kind, start, end, probability)

    gold = found(0, 6, "机构"), found(0, 2, place), found(7, 9, place), found(15, 17, "人物")
    right = tuple(found(*each.key, 0.9) for each in gold)
    other = right[0], found(0, 3, place, 0.7), found(7, 9, "作品", 0.6), right[3]
    predicted = [right, other, ()]
    answers = [
        {"text": text, "gold": [e.as_dict() for e in gold], "predicted": [e.as_dict() for e in each], "loss": n / 10}
        | {"right": n == 0, "tokens": 23}
        for n, each in enumerate(predicted)
    ]
    return report("entity", entity_scores.entities([gold] * 3, predicted) | {"threshold": 0.42}, **more), answers


TASKS = {"classify": classify, "several": several, "relation": relation, "subject": subject, "entity": entity}


def curve(**more):
    """The value of `learning_curve` in a report."""
    each = [
        {"share": share, "texts": texts, "dev": {"accuracy": 0.6 + share / 5}, "test": {"accuracy": 0.5 + share / 5}}
        | {"baseline": {"test": {"accuracy": 0.55}}} | more
        for share, texts in ((0.1, 1000), (0.5, 5000), (1.0, 10000))
    ]  # fmt: skip
    gain = {"part": "test", "from": 5000, "to": 10000, "difference": 0.1, "per_doubling": 0.1}
    return {"score": "accuracy", "each": each, "gain": gain}


def seeds(kind="seed"):
    """The value of `seeds` or `folds` in a report."""
    each = [{kind: n, "dev": {"accuracy": 0.8 + n / 100}, "test": {"accuracy": 0.7 + n / 100}} for n in (1, 2, 3)]
    return {"each": each, "mean": {"test": {"accuracy": 0.72}}, "sd": {"test": {"accuracy": 0.01}}, "kept": 3}


def everything():
    """All optional keys of a report."""
    return {
        "files": {"train": "训练.csv", "dev": None, "test": "test.csv"},
        "command": "kbert-train --task classify --train 训练.csv",
        "plan": {"lines": ["30 texts of 5 to 44 tokens"]},
        "seeds": seeds(),
        "folds": seeds("fold"),
        "learning_curve": curve(),
        "run": {"options": {"task": "classify"}, "checksums": {}},
        "lengths": {"train": [5, 9, 9, 300]},
    }
