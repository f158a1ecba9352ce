"""Chooses how a text classifier pools the token vectors into one vector."""

from ...training.defaults import BASE_HIDDEN, Resolved, chosen
from .types import ClassifySettings


def pooling(settings: ClassifySettings, hidden: int) -> Resolved[str]:
    """Returns the pooling as a Resolved; "auto" depends on the hidden size of the checkpoint."""
    if hidden >= BASE_HIDDEN:
        found = Resolved("cls", "base size or larger")
    else:
        found = Resolved("mean", "in small checkpoints, the [CLS] vector carries little information before fine-tuning")
    return chosen(settings.pooling, found)
