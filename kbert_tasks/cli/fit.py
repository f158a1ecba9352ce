"""kbert-train"""

import shlex
import time

from .. import settings, tasks
from ..cluster import chief
from ..lock import locked_by_chief
from .command import Parser, command, elapsed, file_options, tables


@command
def train(argv):
    first = Parser(prog="kbert-train", add_help=False)
    first.add_argument("--task", default="classify")
    task = tasks.find(first.parse_known_args(argv)[0].task)
    arguments = _parser(task).parse_args(argv)
    output = arguments.output or f"runs/{arguments.task}"
    with locked_by_chief(output):
        _run(task, arguments, output, shlex.join(["kbert-train", *argv]))


def _parser(task):
    parser = Parser(
        prog="kbert-train",
        description="Fine-tune a BERT checkpoint on labelled texts; the trained task is saved in a folder.",
        epilog="kbert-train --task NAME --help shows what that task can be told.",
    )
    parser.add_argument("--task", default="classify", metavar="|".join(tasks.names()), help="(default classify)")
    parser.add_argument(
        "--checkpoint",
        metavar="C",
        help="a folder, a name of kbert-checkpoint list, or hf:OWNER/NAME "
        "(default tiny-zh, a small Chinese one that comes with the package)",
    )
    parser.add_argument("--train", metavar="F", help="labelled texts (without: the sample that comes with the package)")
    parser.add_argument("--dev", metavar="F", help="for choosing the epoch (without: a share of the training texts)")
    parser.add_argument("--test", metavar="F", help="for the scores at the end; nothing is tuned on it")
    parser.add_argument("--output", metavar="DIR", help="folder of the trained task (default runs/TASK)")
    several = parser.add_mutually_exclusive_group()
    several.add_argument("--seeds", type=int, metavar="N", help="train N times; the best by development score is saved")
    several.add_argument(
        "--folds", type=int, metavar="N", help="cross-validate on the training texts, then train on all of them"
    )
    parser.add_argument(
        "--no-resume",
        action="store_true",
        help="begin at the beginning, where an earlier such run was stopped before its end",
    )
    file_options(parser)
    settings.add_options(parser.add_argument_group("settings"), task.Settings)
    return parser


def _run(kind, arguments, output, command_line):
    from ..checkpoint import embedded
    from ..checkpoint.find import find_checkpoint
    from ..errors import InputError
    from ..metrics.formatting import advice_text, run_text
    from ..reporting.writing import update_seconds, write_into
    from ..saving.folder import progress_of, writable
    from ..training import distribution
    from ..training.resume import delete

    task = kind(arguments.checkpoint or embedded.NAME, **settings.said(arguments, kind.Settings))
    output, writes = writable(output), chief()
    if arguments.checkpoint is None:
        print(
            f"no --checkpoint: {embedded.NAME}, the small Chinese one that comes with the package, is taken", flush=True
        )
    if arguments.folds is not None and arguments.dev:
        raise InputError("--folds holds out its development texts itself: leave out --dev, or --folds")
    files = {"train": arguments.train, "dev": arguments.dev, "test": arguments.test}
    if arguments.train is None:
        if arguments.dev or arguments.test:
            raise InputError("--train is needed where --dev or --test is given")
        task.checkpoint = find_checkpoint(task.checkpoint, task.settings.cased)
        files = _samples(arguments.task, task.checkpoint.language)
    began = time.perf_counter()
    rows = tables(arguments, {name: file for name, file in files.items() if file})
    # What is wrong with any of the files is told before training, not after it.
    examples = {}
    for name, each in rows.items():
        examples[name] = task.examples(each)
        if not examples[name].rows:
            raise InputError(f"{files[name]} has no usable row: {examples[name].told()}")
        if name == "train":
            task.learn(examples[name].rows)
    reading = time.perf_counter() - began

    backup = progress_of(output)
    if arguments.anew:
        delete(backup)
    task = _trained(task, arguments, examples, backup)
    task.report_["seconds"]["load"] = round(task.report_["seconds"]["load"] + reading, 3)
    task.report_["command"] = command_line
    task.report_["files"] = {name: str(file) for name, file in files.items() if file}
    if "test" in examples and not arguments.seeds:
        if writes:
            task.save(output)  # whatever becomes of the test, the training is not lost
        began = time.perf_counter()
        report = task.evaluate(examples["test"])
        task.add_test(report, time.perf_counter() - began, examples["test"].rows)
    seconds = task.report_["seconds"]
    seconds["total"] = round(elapsed(), 3)
    if writes:
        task.save(output)
        write_into(task, output)
        delete(backup)
    distribution.meet(task.settings.device)
    seconds["total"] = round(elapsed(), 3)  # now with the time to write the report
    if writes:
        update_seconds(task.report_, output)
    print(run_text(task.report_))
    print(
        f"saved in {output}: report.html there shows it all" if writes else f"the first worker has saved it in {output}"
    )
    if text := advice_text(task.report_):
        print(text)


def _trained(task, arguments, examples, backup):
    from ..training.repeated import fit_folds, fit_seeds

    train, dev = examples["train"], examples.get("dev")
    if arguments.folds is not None:
        return fit_folds(task, train, folds=arguments.folds, resume_dir=backup)
    if arguments.seeds is not None:
        return fit_seeds(task, train, seeds=arguments.seeds, dev=dev, test=examples.get("test"), resume_dir=backup)
    return task.fit(train, dev=dev, resume_dir=backup)


def _samples(task, language):
    from .. import samples

    print(f"no --train: the {'Chinese' if language == 'zh' else 'English'} sample of the package is taken", flush=True)
    return {part: samples.path(task, language, part) for part in ("train", "test")} | {"dev": None}
