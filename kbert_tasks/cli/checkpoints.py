"""kbert-checkpoint: list, get, inspect, import, export, push."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .command import NO_OUTPUT, Parser, command, needs


@command
def checkpoint(argv: Sequence[str]) -> None:
    parser = Parser(
        prog="kbert-checkpoint", description="Released BERT checkpoints: list, get, check and convert them."
    )
    commands = parser.add_subparsers(dest="do", metavar="COMMAND")

    each = commands.add_parser("list", help="list the released checkpoints")
    each.add_argument("--language", choices=("zh", "en", "multilingual"))
    each = commands.add_parser("get", help="download, check and unpack a checkpoint")
    each.add_argument("name", metavar="NAME", help="a name that `list` shows, or hf:OWNER/NAME")
    each.add_argument(
        "--into", metavar="DIR", help="target folder (default: ./checkpoints if it exists, else a cache folder)"
    )
    each.add_argument(
        "--mirror", metavar="URL", help="server to download from (default: KBERT_MIRROR or HF_ENDPOINT, if set)"
    )
    each.add_argument("--proxy", metavar="URL", help="HTTP proxy (default: HTTPS_PROXY, if set)")
    each = commands.add_parser("inspect", help="run all checks on a checkpoint folder")
    each.add_argument("path", metavar="PATH")
    _casing(each)
    each = commands.add_parser("import", help="convert a Hugging Face BERT folder (safetensors) to Google's format")
    each.add_argument("source", metavar="HF_FOLDER")
    each.add_argument("target", metavar="OUT")
    each = commands.add_parser("export", help="convert a checkpoint to a Hugging Face folder")
    each.add_argument("source", metavar="PATH")
    each.add_argument("target", metavar="OUT")

    each = commands.add_parser("push", help="upload a trained task or a checkpoint to Hugging Face, without texts")
    each.add_argument("source", metavar="DIR", help="a folder written by kbert-train, or a checkpoint")
    each.add_argument("repo", metavar="OWNER/NAME", help="the repository; it is created if it does not exist")
    each.add_argument("--public", action="store_true", help="make a new repository public (default: private)")
    each.add_argument("--texts", action="store_true", help="also upload the evaluated texts of a trained task")
    each.add_argument("--revision", metavar="NAME", help="an existing branch (default: main)")
    each.add_argument("--endpoint", metavar="URL", help="server (default: HF_ENDPOINT, or https://huggingface.co)")

    arguments = parser.parse_args(argv)
    if arguments.do is None:
        raise InputError(
            "a command is missing: list, get, inspect, import, export or push; see kbert-checkpoint --help"
        )
    DO[arguments.do](arguments)


def _casing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cased", action="store_true", default=None, help="keep capital letters and accents")
    parser.add_argument(
        "--uncased", action="store_false", dest="cased", default=None, help="lower-case the text and remove accents"
    )


def _list(arguments: argparse.Namespace) -> None:
    from ..checkpoint.catalog import entries

    needs("stdout", NO_OUTPUT)
    rows = [each for each in entries() if arguments.language in (None, each.language)]
    print(f"{'name':<34} {'language':<13} {'casing':<8} {'layers':>6} {'hidden':>6} {'weights':>8}  where")
    for each in rows:
        size = f"{each.parameters / 1e6:.{each.parameters < 1e7:d}f}M"
        casing = "cased" if each.cased else "uncased"
        line = f"{each.name:<34} {each.language:<13} {casing:<8} {each.layers:>6} {each.hidden:>6} {size:>8}  "
        print(line + (each.hub or ("Google" if each.url else "part of the package")))
    print(f"{len(rows)} checkpoints; download one with kbert-checkpoint get NAME")


def _get(arguments: argparse.Namespace) -> None:
    from ..checkpoint.find import locate

    print(locate(arguments.name, into=arguments.into, mirror=arguments.mirror, proxy=arguments.proxy))


def _inspect(arguments: argparse.Namespace) -> None:
    from ..checkpoint.find import locate
    from ..checkpoint.validate import examine

    problems = 0
    for finding in examine(locate(arguments.path), arguments.cased):
        problems += finding.problem is not None
        print(
            f"{'WRONG' if finding.problem else 'ok':<6} {finding.check:<11} {finding.problem or finding.result}",
            flush=True,
        )
    if problems:
        raise InputError(f"{arguments.path}: {problems} of the checks above failed")


def _import(arguments: argparse.Namespace) -> None:
    from ..checkpoint.convert import import_folder

    print(import_folder(arguments.source, arguments.target))


def _export(arguments: argparse.Namespace) -> None:
    from ..checkpoint.convert import export_folder
    from ..checkpoint.find import locate

    print(export_folder(locate(arguments.source), arguments.target))


def _push(arguments: argparse.Namespace) -> None:
    from ..checkpoint.find import locate
    from ..checkpoint.push import push_checkpoint
    from ..exporting.push import push_to_hub
    from ..saving.folder import TASK

    options = {"private": not arguments.public, "revision": arguments.revision, "endpoint": arguments.endpoint}
    if (Path(arguments.source) / TASK).is_file():
        print(push_to_hub(arguments.source, arguments.repo, texts=arguments.texts, **options))
    elif arguments.texts:
        raise InputError(f"--texts is for trained tasks, and {arguments.source} is not one: leave it out")
    else:
        print(push_checkpoint(locate(arguments.source), arguments.repo, **options))


DO = {"list": _list, "get": _get, "inspect": _inspect, "import": _import, "export": _export, "push": _push}
