"""The console commands. Each function returns the exit status; invalid input prints one sentence and returns 2.

The entry points in setup.cfg refer to these functions. Each one imports its module when it runs, so that --help is fast.
"""

from collections.abc import Sequence

from . import command  # import it first: elapsed() counts from the time of this import

__all__ = [
    "audit", "checkpoint", "command", "compare", "evaluate", "explain", "export", "predict", "pretrain", "search", "serve",
    "train",
]  # fmt: skip


def train(argv: Sequence[str] | None = None) -> int:
    from .fit import train as run

    return run(argv)


def evaluate(argv: Sequence[str] | None = None) -> int:
    from .use import evaluate as run

    return run(argv)


def predict(argv: Sequence[str] | None = None) -> int:
    from .use import predict as run

    return run(argv)


def audit(argv: Sequence[str] | None = None) -> int:
    from .auditing import audit as run

    return run(argv)


def checkpoint(argv: Sequence[str] | None = None) -> int:
    from .checkpoints import checkpoint as run

    return run(argv)


def pretrain(argv: Sequence[str] | None = None) -> int:
    from .pretraining import pretrain as run

    return run(argv)


def explain(argv: Sequence[str] | None = None) -> int:
    from .explaining import explain as run

    return run(argv)


def compare(argv: Sequence[str] | None = None) -> int:
    from .comparing import compare as run

    return run(argv)


def serve(argv: Sequence[str] | None = None) -> int:
    from .serving import serve as run

    return run(argv)


def export(argv: Sequence[str] | None = None) -> int:
    from .exporting import export as run

    return run(argv)


def search(argv: Sequence[str] | None = None) -> int:
    from .searching import search as run

    return run(argv)
