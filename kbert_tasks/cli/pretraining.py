"""kbert-pretrain: vocab, data, train. Learns a vocabulary, prepares text, and pretrains a checkpoint."""

import argparse
import dataclasses
import string
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import replacing
from ..lock import locked
from ..pretraining.settings import DataSettings, TrainingSettings, VocabularySettings
from . import options
from .command import Parser, command

if TYPE_CHECKING:
    from ..checkpoint.checkpoint import Checkpoint
    from ..pretraining.corpus import Corpus

SHARED = ("seed", "whole_word_mask")  # settings of both DataSettings and TrainingSettings, added to the parser once


@command
def pretrain(argv: Sequence[str]) -> None:
    arguments = _parser().parse_args(argv)
    if arguments.do is None:
        raise InputError("a command is missing: vocab, data or train; see kbert-pretrain --help")
    DO[arguments.do](arguments)


def _parser() -> Parser:
    parser = Parser(
        prog="kbert-pretrain",
        description="Learn a vocabulary from raw text and pretrain a BERT checkpoint in Google's format.",
    )
    commands = parser.add_subparsers(dest="do", metavar="COMMAND")

    each = commands.add_parser("vocab", help="learn a WordPiece vocabulary from text, or extend a checkpoint's")
    _text(each)
    each.add_argument("--output", metavar="F", required=True, help="path of the new vocab.txt")
    each.add_argument(
        "--extend", metavar="C", help="fill the [unused] slots of this checkpoint's vocabulary with frequent words"
    )
    options.add_options(each.add_argument_group("settings"), VocabularySettings)

    each = commands.add_parser("data", help="tokenize text once, for several trainings")
    _text(each)
    each.add_argument("--vocab", metavar="F", required=True, help="a vocab.txt")
    each.add_argument("--output", metavar="DIR", required=True, help="path of the new folder")
    options.add_options(each.add_argument_group("settings"), DataSettings)

    each = commands.add_parser("train", help="pretrain; run the same command again to resume")
    each.add_argument("--text", metavar="F", nargs="+", help=TEXT)
    each.add_argument(
        "--vocab",
        metavar="F",
        help="vocabulary file of the model, such as one made by kbert-pretrain vocab (default: that of --checkpoint)",
    )
    each.add_argument(
        "--data", metavar="DIR", help="folder of prepared text, made by kbert-pretrain data; replaces --text"
    )
    each.add_argument(
        "--config",
        metavar="NAME",
        help="start from random weights; size of the model: tiny, mini, small, medium, base, or a bert_config.json",
    )
    each.add_argument(
        "--checkpoint",
        metavar="C",
        help="start from this checkpoint: a folder, a name from kbert-checkpoint list, or hf:OWNER/NAME",
    )
    each.add_argument(
        "--output", metavar="DIR", required=True, help="folder to write the new checkpoint and the training log to"
    )
    options.add_options(each.add_argument_group("settings"), TrainingSettings)
    options.add_options(
        each.add_argument_group("settings for preparing --text"),
        DataSettings,
        leave_out=SHARED,
    )
    return parser


TEXT = "text files: .txt (one sentence or paragraph per line, a blank line between documents), .jsonl, .csv, ..."


def _text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", metavar="F", nargs="+", required=True, help=TEXT)


def _vocab(arguments: argparse.Namespace) -> None:
    said = options.given(arguments, VocabularySettings)
    values = VocabularySettings(**said)
    output = Path(arguments.output)
    if not output.absolute().parent.is_dir():
        raise InputError(f"{output} cannot be written: there is no folder {output.parent}")
    with locked(output):
        if output.exists():
            raise InputError(f"{output} already exists and is not overwritten: move it, or choose another name")
        _write_vocab(arguments, output, said, values)


def _write_vocab(arguments: argparse.Namespace, output: Path, said: dict[str, Any], values: VocabularySettings) -> None:
    from ..checkpoint.find import find_checkpoint
    from ..pretraining import vocabulary

    reading: dict[str, Any] = {"text_column": values.text_column, "encoding": values.encoding}
    least: dict[str, Any] = {} if values.min_count is None else {"min_count": values.min_count}
    if arguments.extend is None:
        _refuse(said, ("most",), "without --extend")
        cased = values.cased
        tokens = vocabulary.learn(arguments.text, values.size, cased, unused=values.unused, **least, **reading)
    else:
        _refuse(said, ("size", "unused"), "with --extend")
        checkpoint = find_checkpoint(arguments.extend, said.get("cased"))
        cased = checkpoint.cased
        tokens, filled = vocabulary.extend(
            checkpoint.vocabulary, arguments.text, cased, most=values.most, **least, **reading
        )
        print(f"{len(filled)} slots filled: {' '.join(token for _, token in filled[:20])}{' ...' * (len(filled) > 20)}")
    with replacing(output) as file:
        file.writelines(token + "\n" for token in tokens)
    found = vocabulary.coverage(tokens, arguments.text, cased, **reading)
    print(
        f"{output}: {len(tokens):,} tokens, {'cased' if cased else 'uncased'}; on the text: {found['characters']:,} "
        f"characters in {found['tokens']:,} tokens ({found['tokens_per_character']:.3f} per character), "
        f"{found['unknown_share']:.4%} of them [UNK]; {found['vocabulary_used']:.1%} of the vocabulary is used"
    )
    if found["uncovered_characters"]:
        most = " ".join(f"{letter} {times}" for letter, times in found["most_frequent_uncovered"])
        print(
            f"{found['uncovered_characters']} of {found['distinct_characters']} characters are not in the vocabulary: {most}"
        )


def _data(arguments: argparse.Namespace) -> None:
    from ..pretraining.preparing import prepare
    from ..text.tokenizer import read_vocabulary

    values = dataclasses.asdict(DataSettings(**options.given(arguments, DataSettings)))
    tokens = read_vocabulary(_file(arguments.vocab))
    cased = _casing(tokens, values.pop("cased"))
    print(_counts(prepare(arguments.text, arguments.output, tokens, cased, **values)))


def _train(arguments: argparse.Namespace) -> None:
    values = options.given(arguments, TrainingSettings)
    said = options.given(arguments, DataSettings)
    # Check the values before downloading a checkpoint or preparing a long text.
    training, _ = TrainingSettings(**values), DataSettings(**said)
    with locked(arguments.output):
        _pretrain(arguments, training, values, said)


def _pretrain(
    arguments: argparse.Namespace, training: TrainingSettings, values: dict[str, Any], said: dict[str, Any]
) -> None:
    from ..checkpoint.find import find_checkpoint
    from ..pretraining.corpus import Corpus
    from ..pretraining.model import shape
    from ..pretraining.start import check, fits
    from ..pretraining.training import train
    from ..pretraining.writing import DATA, writable

    output = writable(arguments.output)
    if (arguments.data is None) == (arguments.text is None):
        raise InputError(
            "the training text is missing: give either --text FILES, or --data DIR made by kbert-pretrain data"
        )
    checkpoint = arguments.checkpoint
    check(arguments.config, checkpoint)
    if arguments.data is not None:
        of_use = (*SHARED, "cased") if checkpoint is not None else SHARED  # `cased` is the casing of the checkpoint
        _refuse(said, [name for name in said if name not in of_use], "with --data, which is already tokenized")
        if arguments.vocab is not None:
            raise InputError("--vocab cannot be used with --data, which contains its own vocabulary: leave it out")
    if checkpoint is not None:
        checkpoint = find_checkpoint(checkpoint, said.get("cased"))
    fits(training, shape(arguments.config) if checkpoint is None else checkpoint.config)
    if arguments.data is not None:
        corpus = Corpus.open(arguments.data)
    else:
        corpus = _prepared(arguments, output / DATA, checkpoint, said)
    print(_counts(corpus), flush=True)
    report = train(corpus, output, arguments.config, checkpoint, **values)
    last = report["history"][-1]
    print(f"{report['step']} steps, {report['tokens']:,} tokens, {report['tokens_per_second'] or 0:,} tokens/s")
    for part, words in (("", "training since the last save"), ("held_out_", "held-out text")):
        if f"{part}loss" in last:
            print(
                f"{words}: masked words loss {last[f'{part}mlm_loss']:.4f}, accuracy {last[f'{part}mlm_accuracy']:.4f}; "
                f"next sentence loss {last[f'{part}nsp_loss']:.4f}, accuracy {last[f'{part}nsp_accuracy']:.4f}"
            )
    print(f"saved in {output}")


def _prepared(
    arguments: argparse.Namespace, folder: Path, checkpoint: "Checkpoint | None", said: dict[str, Any]
) -> "Corpus":
    """Returns the corpus of --text from the output folder; prepares it, unless an interrupted run has done so."""
    from ..files import sha256
    from ..pretraining.corpus import Corpus
    from ..pretraining.documents import paths
    from ..pretraining.preparing import prepare
    from ..text.tokenizer import read_vocabulary

    if arguments.vocab is not None:
        tokens = read_vocabulary(_file(arguments.vocab))
    elif checkpoint is not None:
        tokens = checkpoint.vocabulary
    else:
        raise InputError("--vocab is required: a vocab.txt, for example one made by kbert-pretrain vocab")
    values = dataclasses.asdict(DataSettings(**said))
    cased = values.pop("cased")
    cased = checkpoint.cased if checkpoint is not None and cased is None else _casing(tokens, cased)
    if not folder.exists():
        return prepare(arguments.text, folder, tokens, cased, **values)
    corpus = Corpus.open(folder)
    sources = [{"name": p.name, "bytes": p.stat().st_size, "sha256": sha256(p)} for p in paths(arguments.text)]
    wanted = values | {"cased": cased, "sources": sources}
    before = {name: corpus.manifest.get(name, value) for name, value in wanted.items()}
    different = [name for name in wanted if before[name] != wanted[name]]
    if tokens != corpus.vocabulary:
        different.append("vocabulary")
    if different:
        raise InputError(
            f"{folder} was prepared with different {' and '.join(different)}: use the same values as before, delete "
            "the output folder, or choose a new one"
        )
    return corpus


def _counts(corpus: "Corpus") -> str:
    parts = corpus.manifest["parts"]
    counts = [f"{p['tokens']:,} tokens of {p['documents']:,} documents ({name})" for name, p in parts.items()]
    skipped = "".join(f"; {reason}: {count:,}" for reason, count in corpus.manifest["skipped"].items())
    return f"{corpus.folder}: {', '.join(counts)}{skipped}"


def _casing(tokens: Iterable[str], said: bool | None) -> bool:
    """Returns the given casing, or whether the vocabulary contains all capital letters, as cased vocabularies do."""
    return set(string.ascii_uppercase) <= set(tokens) if said is None else said


def _file(path: str) -> str:
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: give a vocab.txt")
    return path


def _refuse(said: dict[str, Any], names: Iterable[str], where: str) -> None:
    for name in names:
        if name in said:
            raise InputError(f"--{name.replace('_', '-')} has no effect {where}: leave it out")


DO = {"vocab": _vocab, "data": _data, "train": _train}
