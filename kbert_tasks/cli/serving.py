"""kbert-serve: answers requests over HTTP."""

import argparse
import importlib.util
from collections.abc import Sequence

from ..errors import InputError
from ..serving import hangups
from ..serving.limits import Limits
from . import options
from .command import Parser, command

PACKAGES = ("fastapi", "uvicorn", "prometheus_client")
ENGINES = ("auto", "openvino", "keras")


@command
def serve(argv: Sequence[str]) -> None:
    arguments = _parser().parse_args(argv)
    limits = Limits.of(options.given(arguments, Limits))
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise InputError(f"kbert-serve needs the package {missing[0]}: pip install 'kbert-tasks[serve]'")
    with hangups.held():
        _serve(arguments, limits)


def _serve(arguments: argparse.Namespace, limits: Limits) -> None:
    from ..serving import access, models, running

    key, folders = access.key_of_environment(), models.folders_of(arguments.run)
    with running.opened(arguments.host, arguments.port) as listening:
        running.serve(models.Models(folders, arguments.engine), limits, listening, key, arguments.log)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="kbert-serve",
        description="Answer requests over HTTP with one or more trained tasks. SIGTERM finishes the accepted requests; "
        "SIGHUP loads folders that have changed. If the environment variable KBERT_API_KEY is set, requests need this key.",
    )
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="+",
        help="a folder written by kbert-train, or NAME=FOLDER; the name of the model in addresses is NAME or that of the folder",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: only this machine)"
    )
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="port (default 8000); 0 chooses a free one")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="software that runs the models (default auto: OpenVINO if it is installed and there is no GPU or TPU, otherwise Keras)",
    )
    parser.add_argument(
        "--log",
        choices=("errors", "requests", "texts"),
        default="errors",
        help="also write a line of JSON to standard error for each request, without (requests) or with its texts and answers "
        "(texts); default errors",
    )
    options.add_options(parser.add_argument_group("limits and batches"), Limits)
    return parser
