"""The commands: parse, call, print. Each returns its exit status; bad input is one sentence and status 2.

The entry points in setup.cfg name these functions. Each loads its module when it runs, so that --help is quick.
"""

from . import command  # now, as its clock starts when it is imported: elapsed() counts from the start of the process

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
