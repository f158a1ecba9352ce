"""The console commands. Each function returns the exit status; invalid input prints one sentence and returns 2.

The entry points in setup.cfg refer to these functions. Each one imports its module when it runs, so that --help is fast.
"""

from . import command  # import it first: elapsed() counts from the time of this import

__all__ = ["checkpoint", "command", "compare", "evaluate", "explain", "predict", "pretrain", "train"]


def train(argv=None):
    from .fit import train as run

    return run(argv)


def evaluate(argv=None):
    from .use import evaluate as run

    return run(argv)


def predict(argv=None):
    from .use import predict as run

    return run(argv)


def checkpoint(argv=None):
    from .checkpoints import checkpoint as run

    return run(argv)


def pretrain(argv=None):
    from .pretraining import pretrain as run

    return run(argv)


def explain(argv=None):
    from .explaining import explain as run

    return run(argv)


def compare(argv=None):
    from .comparing import compare as run

    return run(argv)
