"""Bad input of the commands: one sentence, exit status 2, no traceback, and no file is written."""

import json
import shutil

import pytest

from kbert_tasks import cli
from kbert_tasks.checkpoint import google_format

from .. import tiny

GOOD = "text,label\n房间很干净,好\n太吵,坏\n" * 3


@pytest.fixture(scope="module")
def inputs(two_layers, hotel, tmp_path_factory):
    """Folder with valid and invalid files, checkpoints and runs."""
    folder = tmp_path_factory.mktemp("world")
    files = {
        "good.csv": GOOD, "empty.csv": "", "header.csv": "text,label\n", "other.csv": "review,stars\na,1\n",
        "quotes.csv": 'text,label\na,1\n"b,2\n', "ragged.csv": "text,label\na,1\nb,2,3\n", "notes.doc": GOOD,
        "bad.jsonl": '{"text": "a", "label": "b"}\n{"text"\n', "list.jsonl": "[1]\n", "broken.xlsx": "x", "broken.parquet": "x",
        "triple.jsonl": '{"text": "a", "spo_list": []}\n{"text": "b", "spo_list": [{"subject": "b", "object": "b"}]}\n',
        "span.jsonl": '{"text": "ab", "spo_list": [{"subject": "a", "predicate": "p", "object": "b", "object_span": [0, 1]}]}\n',
        "untyped.jsonl": '{"text": "a", "entities": []}\n{"text": "ab", "entities": [{"start": 0, "end": 1}]}\n',
        "empty_span.jsonl": '{"text": "ab", "entities": [[1, 1, "t"]]}\n',
        "tags.jsonl": '{"text": "ab", "entities": "B-t I-t"}\n', "plain.jsonl": '{"text": "ab", "entities": []}\n',
        "string.jsonl": '{"text": "ab", "spo_list": "a p b"}\n', "none.jsonl": '{"text": "ab", "spo_list": []}\n',
        "onelabel.csv": "text,label\na,1\nb,1\n", "blank.csv": "text,label\n ,1\n,2\n",
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "latin.csv").write_bytes("text,label\ncafé très,1\nb,2\n".encode("latin-1"))
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.txt").write_text("precious")
    (folder / "nothing").mkdir()
    (folder / "hf").mkdir()
    (folder / "hf" / "config.json").write_text("{}")

    def copy(name, change):
        shutil.copytree(two_layers, folder / name)
        change(folder / name)

    def config(folder, **changes):
        file = folder / "bert_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    data = "bert_model.ckpt.data-00000-of-00001"
    copy("noindex", lambda f: (f / "bert_model.ckpt.index").unlink())
    copy("cut", lambda f: (f / data).write_bytes((f / data).read_bytes()[:5000]))
    copy("badindex", lambda f: (f / "bert_model.ckpt.index").write_bytes(b"x" * 300))
    copy("layers", lambda f: config(f, num_hidden_layers=5))
    copy("heads", lambda f: config(f, num_attention_heads=5))
    copy("notjson", lambda f: (f / "bert_config.json").write_text("{"))
    copy(
        "shortvocab", lambda f: (f / "vocab.txt").write_text("\n".join(tiny.vocabulary()[:-5]) + "\n", encoding="utf-8")
    )
    copy(
        "twice",
        lambda f: (f / "vocab.txt").write_text("\n".join([*tiny.vocabulary()[:-1], "好"]) + "\n", encoding="utf-8"),
    )
    copy("nocls", lambda f: (f / "vocab.txt").write_text(
        "\n".join(tiny.vocabulary()).replace("[CLS]", "[KLS]") + "\n", encoding="utf-8"))  # fmt: skip

    damaged = tiny.tensors(tiny.config())
    damaged["bert/encoder/layer_0/output/dense/bias"][3] = float("nan")
    google_format.write(folder / "nan", tiny.config(), tiny.vocabulary(), damaged)

    shutil.copytree(hotel[1], folder / "run")
    shutil.copytree(folder / "run", folder / "future")
    saved = json.loads((folder / "future" / "task.json").read_text(encoding="utf-8"))
    (folder / "future" / "task.json").write_text(json.dumps(saved | {"format": 99}), encoding="utf-8")
    shutil.copytree(folder / "run", folder / "halved")
    (folder / "halved" / "model.safetensors").unlink()
    return folder


TRAIN = "train --checkpoint CHECKPOINT --train good.csv --output new "
RELATION = "train --task relation --checkpoint CHECKPOINT --output new --train "
ENTITY = RELATION.replace("relation", "entity")
CASES = [
    # files
    ("train --checkpoint CHECKPOINT --train absent.csv --output new", "absent.csv does not exist"),
    ("train --checkpoint CHECKPOINT --train nothing --output new", "nothing is a folder"),
    (
        "train --checkpoint CHECKPOINT --train notes.doc --output new",
        "notes.doc should end in one of .csv, .tsv, .jsonl",
    ),
    ("train --checkpoint CHECKPOINT --train empty.csv --output new", "empty.csv is empty"),
    ("train --checkpoint CHECKPOINT --train header.csv --output new", "header.csv has a header line and no rows"),
    ("train --checkpoint CHECKPOINT --train quotes.csv --output new", "check the quotation marks"),
    ("train --checkpoint CHECKPOINT --train ragged.csv --output new", "Expected 2 fields in line 3, saw 3"),
    ("train --checkpoint CHECKPOINT --train bad.jsonl --output new", "bad.jsonl, line 2 is not JSON"),
    ("train --checkpoint CHECKPOINT --train list.jsonl --output new", "list.jsonl, item 1: expected an object"),
    ("train --checkpoint CHECKPOINT --train broken.xlsx --output new", "broken.xlsx cannot be read as .xlsx"),
    ("train --checkpoint CHECKPOINT --train broken.parquet --output new", "broken.parquet cannot be read as .parquet"),
    # columns and rows
    ("train --checkpoint CHECKPOINT --train other.csv --output new", "no column 'text'; its columns: review, stars"),
    (TRAIN + "--label-column stars", "no column 'stars'; its columns: text, label"),
    (TRAIN + "--dev other.csv", "other.csv has no column 'text'"),
    (TRAIN + "--test blank.csv", "blank.csv has no usable row: 2 rows read, none used (empty text 2)"),
    (TRAIN + "--text-b-column second", "no column 'second'; its columns: text, label"),
    (TRAIN + "--multi-label --label-separator=", "label_separator should be at least one character"),
    (
        "train --checkpoint CHECKPOINT --train onelabel.csv --output new --max-length 32",
        "have 1 different labels (1): at least 2 are needed",
    ),
    (
        "train --checkpoint CHECKPOINT --train blank.csv --output new",
        "blank.csv has no usable row: 2 rows read, none used (empty text 2)",
    ),
    # triples
    (RELATION + "triple.jsonl", "triple.jsonl, row 2: a triple lacks predicate: "),
    (RELATION + "span.jsonl", "span.jsonl, row 1: characters 0 to 1 of the text are 'a', not 'b'"),
    (RELATION + "string.jsonl", "string.jsonl, row 1: expected a list of triples, found 'a p b'"),
    (RELATION + "none.jsonl", "the training texts have no triples: at least one is needed"),
    (RELATION + "good.csv", "good.csv has no column 'spo_list'; its columns: text, label"),
    (RELATION + "triple.jsonl --threshold 1.5", "threshold should be at most 1, not 1.5"),
    (RELATION + "triple.jsonl --threshold 0.04", "threshold should be at least 0.05, not 0.04"),
    (RELATION + "triple.jsonl --max-sampled-spans 0", "max_sampled_spans should be at least 1, not 0"),
    # entities
    (ENTITY + "untyped.jsonl", "the training texts have no entities: at least one is needed"),
    (ENTITY + "empty_span.jsonl", "empty_span.jsonl: 1 of 1 entities have start = end"),
    (ENTITY + "tags.jsonl", "tags.jsonl, row 1: expected a list of entities, found 'B-t I-t'"),
    (ENTITY + "plain.jsonl", "the training texts have no entities: at least one is needed"),
    (ENTITY + "good.csv", "good.csv has no column 'entities'; its columns: text, label"),
    (ENTITY + "plain.jsonl --flat auto", "unrecognized arguments: auto"),
    # encodings
    ("train --checkpoint CHECKPOINT --train latin.csv --output new", "latin.csv, line 2: byte 0xe9 is not utf-8"),
    (TRAIN + "--encoding klingon", "unknown encoding 'klingon'"),
    # checkpoints
    ("train --checkpoint bert-base-chines --train good.csv --output new", "similar names: bert-base-chinese"),
    ("train --checkpoint nothing --train good.csv --output new", "nothing has no bert_config.json"),
    ("train --checkpoint hf --train good.csv --output new", "convert it with `kbert-checkpoint import hf NEW_FOLDER`"),
    ("train --checkpoint run --train good.csv --output new", "run is a trained task, not a checkpoint"),
    ("checkpoint import run new", "run is already in Google's format (bert_config.json)"),
    ("train --checkpoint noindex --train good.csv --output new", "noindex lacks bert_model.ckpt.index; found:"),
    ("train --checkpoint cut --train good.csv --output new", "incomplete or damaged"),
    ("train --checkpoint badindex --train good.csv --output new", "bert_model.ckpt.index is damaged"),
    ("train --checkpoint layers --train good.csv --output new", "has no bert/encoder/layer_2"),
    ("train --checkpoint heads --train good.csv --output new", "is not a multiple of num_attention_heads, 5"),
    ("train --checkpoint notjson --train good.csv --output new", "bert_config.json is not JSON"),
    ("train --checkpoint shortvocab --train good.csv --output new", "use the vocabulary of these weights"),
    ("train --checkpoint twice --train good.csv --output new", "'好' is on line"),
    ("train --checkpoint nocls --train good.csv --output new", "lacks [CLS]"),
    (
        "train --checkpoint nan --train good.csv --output new",
        "bert/encoder/layer_0/output/dense/bias has values that are not finite",
    ),
    ("checkpoint inspect cut", "1 of the checks above failed"),
    ("checkpoint import nothing new", "nothing lacks config.json; found: nothing: download the whole model folder"),
    # options
    ("train --task translate", "there is no task 'translate'; tasks: classify, entity, relation"),
    (TRAIN + "--epoch 3", "unrecognized arguments: --epoch 3"),
    (TRAIN + "--epochs three", "argument --epochs: invalid int or auto value: 'three'"),
    (TRAIN + "--epochs 0", "epochs should be at least 1, not 0"),
    (TRAIN + "--learning-rate -1", "learning_rate should be above 0, not -1.0"),
    (TRAIN + "--pooling first", "pooling should be one of auto, cls, pooler, mean, max, not 'first'"),
    (TRAIN + "--max-length 65", "at most the checkpoint's 64 positions, not 65"),
    ("train --checkpoint CHECKPOINT --test good.csv", "--train is required with --dev or --test"),
    # folders
    (
        "train --checkpoint CHECKPOINT --train good.csv --output thesis",
        "thesis contains other files (chapter.txt) and is not replaced",
    ),
    ("train --checkpoint CHECKPOINT --train good.csv --output good.csv", "is a file: choose a folder"),
    ("evaluate absent good.csv", "absent does not exist: give a folder written by kbert-train"),
    ("evaluate thesis good.csv", "it has no task.json; found: chapter.txt"),
    ("evaluate future good.csv", "has format 99, this is kbert_tasks"),
    ("evaluate halved good.csv", "halved lacks model.safetensors: copy the whole folder again"),
    ("evaluate run other.csv", "other.csv has no column 'text'"),
    ("evaluate run blank.csv", "nothing to evaluate: 2 rows read, none used (empty text 2)"),
    ("evaluate run good.csv --threshold 0.5", "the task in run has no setting threshold"),
    ("evaluate run good.csv --errors wrong.txt", "--errors should end in .jsonl, not 'wrong.txt'"),
    ("evaluate run good.csv --errors absent/wrong.jsonl", "there is no folder absent"),
    ("predict run absent.csv", "absent.csv does not exist"),
    ("predict run good.csv --output=", "--output should end in .csv or .tsv or .jsonl, not ''"),
    ("predict run good.csv --output out.doc", "--output should end in .csv or .tsv or .jsonl, not 'out.doc'"),
    ("predict run good.csv --sheet 2", "--sheet is for Excel files, which end in .xlsx: leave it out"),
    ("predict run good.csv --output absent/out.csv", "absent/out.csv cannot be written: there is no folder absent"),
]


@pytest.mark.parametrize("words, sentence", CASES, ids=[words.replace(" ", "_") for words, _ in CASES])
def test_bad_input_prints_one_sentence_and_exits_with_status_2(
    inputs, checkpoint, monkeypatch, capsys, words, sentence
):
    monkeypatch.chdir(inputs)
    before = sorted(p.relative_to(inputs) for p in inputs.rglob("*"))
    command, *rest = words.replace("CHECKPOINT", checkpoint).split()
    assert getattr(cli, command)(rest) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"kbert-{command}: ")
    assert sentence in error
    assert "Traceback" not in error
    assert sorted(p.relative_to(inputs) for p in inputs.rglob("*")) == before
