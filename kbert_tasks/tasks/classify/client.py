"""How clients of an exported model get labels."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..client import Client

if TYPE_CHECKING:
    from .task import TextClassifier

# Token vectors to logits, for formats that contain only the encoder. Clients encode one text at a time, without padding.
HEADS = {
    "cls": "logits = hidden[0] @ head['label/kernel'] + head['label/bias']",
    "mean": "logits = hidden.mean(0) @ head['label/kernel'] + head['label/bias']",
    "max": "logits = hidden.max(0) @ head['label/kernel'] + head['label/bias']",
    "pooler": (
        "logits = np.tanh(hidden[0] @ head['Pooler/kernel'] + head['Pooler/bias']) @ head['label/kernel'] "
        "+ head['label/bias']"
    ),
}


def client(task: "TextClassifier") -> Client:
    """Returns the Client of a trained TextClassifier."""
    settings, pairs = task.settings, bool(task.pairs_)
    about = {
        "labels": task.labels_,
        "multi_label": bool(task.multi_label_),
        "temperature": task.temperature_,
        "thresholds": task.thresholds_,
        "min_confidence": None if task.multi_label_ else settings.min_confidence,
        "pooling": task.pooling,
    }
    if settings.truncation == "windows":
        overlap = settings.window_overlap
        about["window_overlap"] = (settings.max_length - 2) // 4 if overlap is None else overlap
        about["window_pooling"] = settings.window_pooling
    whole = settings.truncation == "cut" and not pairs
    return Client(
        template=Path(__file__).with_name("client.py.jinja").read_text(encoding="utf-8"),
        about=about,
        encoding="whole" if whole else settings.truncation,
        pairs=pairs,
        head=HEADS[task.pooling],
        activation="sigmoid" if task.multi_label_ else "softmax",
    )
