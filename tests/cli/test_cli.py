"""The commands, run in this process if possible and otherwise in new processes."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time

import pandas as pd
import pytest

from kbert_tasks import cli, samples
from kbert_tasks.cli import command
from kbert_tasks.training import halves

QUICK = ["--epochs", "1", "--max-length", "32"]


def run(command, *words):
    return getattr(cli, command)([str(word) for word in words])


@pytest.fixture(scope="module")
def folder(checkpoint, tmp_path_factory):
    """A task that the command trained on the sample data of the package."""
    output = tmp_path_factory.mktemp("runs") / "hotel"
    assert run("train", "--checkpoint", checkpoint, "--output", output, *QUICK) == 0
    return output


def report_of(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_sample_data_is_used_without_data_options(folder):
    report = report_of(folder)
    assert report["examples"]["train"]["read"] + report["examples"]["dev"]["read"] == 480
    assert report["examples"]["test"]["read"] == 120
    assert {"accuracy", "macro_f1"} <= report["scores"]["test"].keys()
    assert {"accuracy", "macro_f1"} <= report["scores"]["dev"].keys()


def test_summary_shows_data_scores_and_advice(checkpoint, tmp_path, capsys):
    train, test = samples.path("classify", "zh", "train"), samples.path("classify", "zh", "test")
    words = [
        "--task",
        "classify",
        "--train",
        train,
        "--dev",
        test,
        "--test",
        test,
        "--output",
        tmp_path / "run",
        *QUICK,
    ]
    assert run("train", "--checkpoint", checkpoint, *words) == 0
    out = capsys.readouterr().out
    report = report_of(tmp_path / "run")
    compared = f"  accuracy          {report['scores']['test']['accuracy']:.4f}   (baseline "
    compared += f"{report['baseline']['scores']['test']['accuracy']:.4f})"
    for line in (
        "train: 5198 rows read, 5198 used, 0 skipped", "scores on dev", "scores on test", "best epoch: 1 of 1",
        compared, "baseline: TF-IDF with logistic regression, fitted on 5,198 training rows",
    ):  # fmt: skip
        assert line in out
    # After one epoch, the tiny checkpoint is far below the baseline, so the output ends with advice.
    assert any("is below the" in sentence for sentence in report["advice"])
    assert out.endswith("".join(f"  - {sentence}\n" for sentence in report["advice"]))
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert '<section id="advice"' in page and "test, baseline" in page
    assert f"saved in {tmp_path / 'run'}" in out
    assert report_of(tmp_path / "run")["files"]["test"] == str(test)


def test_total_time_includes_writing_the_report(checkpoint, tmp_path, capsys, monkeypatch):
    from kbert_tasks.cli import fit

    def elapsed():
        written = (tmp_path / "run" / "report.html").is_file() and report_of(tmp_path / "run")["seconds"].get("total")
        return 75.25 if written else 60.5

    monkeypatch.setattr(fit, "elapsed", elapsed)
    words = ["--train", samples.path("classify", "zh", "test"), "--output", tmp_path / "run", *QUICK]
    assert run("train", "--checkpoint", checkpoint, *words) == 0
    assert report_of(tmp_path / "run")["seconds"].keys() == {
        "load",
        "tokenize",
        "baseline",
        "train",
        "evaluate",
        "total",
    }
    assert report_of(tmp_path / "run")["seconds"]["total"] == 75.25
    assert ", total 75.2" in capsys.readouterr().out
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'class="total-time">([^<]*)<', page) == ["1 min 15 s"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_command_is_timed_from_the_start_of_the_process_or_from_the_call(folder, monkeypatch):
    times = []

    @command.command
    def measured(argv):
        times.append(command.elapsed())

    monkeypatch.setattr(command, "_IMPORTED", time.perf_counter() - 1000)
    monkeypatch.setattr(command, "_began", 0.0)  # so that monkeypatch restores it after the test
    assert measured() == measured([]) == 0
    assert times[0] >= 1000 > times[1]
    seconds = report_of(folder)["seconds"]
    assert seconds["total"] > sum(value for name, value in seconds.items() if name != "total")


def test_options_change_the_settings(checkpoint, tmp_path):
    file = tmp_path / "a.tsv"
    file.write_text("".join(f"{'好坏'[i % 2]}\tx {i}\n" for i in range(20)), encoding="utf-8")
    words = (
        "--no-header --text-column 2 --label-column 1 --epochs 2 --batch-size 4 --learning-rate 2e-5 --max-length 20"
    )
    words += " --seed 7 --patience 1 --encoder keras-bert --pooling mean --dropout 0.2 --validation-split 0.2 --cased --no-baseline"
    assert run("train", "--checkpoint", checkpoint, "--train", file, "--output", tmp_path / "run", *words.split()) == 0
    report = report_of(tmp_path / "run")
    settings = report["settings"]
    expected = {
        "text_column": "2", "label_column": "1", "epochs": 2, "batch_size": 4, "learning_rate": 2e-5, "max_length": 20,
        "seed": 7, "patience": 1, "encoder": "keras-bert", "pooling": "mean", "dropout": 0.2, "validation_split": 0.2, "cased": True,
    }  # fmt: skip
    assert settings.items() >= expected.items()
    assert not settings["baseline"] and "baseline" not in report and "baseline" not in report["seconds"]


def test_evaluate_prints_the_scores_of_the_report(folder, capsys):
    test = samples.path("classify", "en", "test")
    assert run("evaluate", folder, test) == 0
    assert "120 rows read, 120 used" in capsys.readouterr().out
    assert run("evaluate", folder, test, "--json") == 0
    assert json.loads(capsys.readouterr().out)["scores"] == report_of(folder)["scores"]["test"]


def test_errors_file_contains_rows_and_probabilities(folder, tmp_path):
    lines = ["text,label", "good,positive", ",positive", "good,negative", "bad,unknown"]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run("evaluate", folder, tmp_path / "in.csv", "--errors", tmp_path / "errors.jsonl") == 0
    errors = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [each["row"] for each in errors][-1] == 4 and errors[0]["row"] in (1, 3) and len(errors) == 2
    for each in errors:
        assert 0.5 <= each["probability"] <= 1
        assert each["gold_probability"] == (
            pytest.approx(1 - each["probability"], abs=2e-6) if each["row"] < 4 else None
        )


def test_predict_keeps_order_and_columns(folder, tmp_path, capsys):
    file = tmp_path / "in.csv"
    pd.DataFrame({"id": [3, 1, 2], "text": ["very good", "", 'bad, "really"'], "label": "g"}).to_csv(file, index=False)
    assert run("predict", folder, file, "--output", tmp_path / "out.csv") == 0
    assert "1 of 3 rows have no answer (empty text 1)" in capsys.readouterr().err
    out = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert list(out.columns) == ["id", "text", "input_label", "label", "probability"]
    assert list(out["id"]) == ["3", "1", "2"] and list(out["input_label"]) == ["g"] * 3
    assert out["label"][1] == out["probability"][1] == ""
    assert out["label"][0] in ("positive", "negative") and 0.5 <= float(out["probability"][0]) <= 1
    assert run("predict", folder, file, "--format", "jsonl") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == ["very good", "", 'bad, "really"']
    assert lines[1]["label"] is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_predicting_on_predictions_keeps_all_columns(folder, tmp_path, monkeypatch):
    from kbert_tasks.cli import use

    monkeypatch.setattr(use, "SLICE", 2)
    (tmp_path / "in.jsonl").write_text(
        '{"text": "good", "label": "x", "input_label": "y"}\n{"text": "half \\ud83d"}\n{"text": "", "n": NaN}\n'
    )
    assert run("predict", folder, tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl") == 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0].keys() == {"text", "input_input_label", "input_label", "n", "label", "probability"}
    assert (lines[0]["input_input_label"], lines[0]["input_label"], lines[1]["input_label"]) == ("x", "y", None)
    assert lines[1]["text"] == r"half \ud83d" and lines[2]["n"] is None  # a file that pandas can read too
    with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink):
        assert run("predict", folder, tmp_path / "in.jsonl", "--format", "csv", "--output", os.devnull) == 0
    assert not os.path.isfile(os.devnull)


def test_predict_reads_lines_from_standard_input(folder, capsys, monkeypatch):
    class Input:
        buffer = io.BytesIO("\ufeff很好\nnot good\n\n".encode())

        def isatty(self):
            return False

    monkeypatch.setattr(sys, "stdin", Input())
    assert run("predict", folder, "-") == 0
    captured = capsys.readouterr()
    assert [line.split(",")[0] for line in captured.out.splitlines()] == ["text", "很好", "not good", ""]
    assert "1 of 3 rows have no answer (empty text 1)" in captured.err


COMMANDS = [("train",), ("evaluate",), ("predict",), ("explain",), ("compare",), ("checkpoint",), ("checkpoint", "list"),
          ("pretrain",), ("pretrain", "train")]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_word_that_starts_like_an_option_is_not_read_as_the_option(words, capsys):
    name, *more = words
    assert getattr(cli, name)([*more, "-h好"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "-h好" in err


@pytest.mark.parametrize("number, reported", [(19, False), (20, True)])
def test_predict_reports_that_all_answers_are_the_same(folder, tmp_path, capsys, number, reported):
    (tmp_path / "in.txt").write_text("好\n" * number, encoding="utf-8")
    assert run("predict", folder, tmp_path / "in.txt") == 0
    captured = capsys.readouterr()
    label = captured.out.splitlines()[1].split(",")[1]
    assert (f"all {number} answers are the same: label {label!r}" in captured.err) == reported


def test_predict_reads_plain_text_files(folder, tmp_path, capsys):
    (tmp_path / "in.txt").write_text("good\n很差\n", encoding="utf-8")
    assert run("predict", folder, tmp_path / "in.txt") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_checkpoint_command_lists_inspects_exports_and_imports(checkpoint, tmp_path, capsys):
    assert run("checkpoint", "list") == 0
    assert "bert-base-chinese" in capsys.readouterr().out
    assert run("checkpoint", "list", "--language", "zh") == 0
    assert "bert-base-uncased" not in capsys.readouterr().out
    assert run("checkpoint", "inspect", checkpoint) == 0
    out = capsys.readouterr().out
    assert out.count("ok ") == 6 and "uncased (from the name uncased_tiny)" in out
    assert run("checkpoint", "export", checkpoint, tmp_path / "hf") == 0
    assert run("checkpoint", "import", tmp_path / "hf", tmp_path / "back") == 0
    capsys.readouterr()
    assert run("checkpoint", "inspect", tmp_path / "back") == 0
    (tmp_path / "back" / "vocab.txt").write_text("[PAD]\n")
    assert run("checkpoint", "inspect", tmp_path / "back") == 2
    captured = capsys.readouterr()
    assert "WRONG  vocabulary" in captured.out and "1 of the checks above failed" in captured.err


def in_new_process(program, **options):
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, **options)
    return done, time.perf_counter() - start


@pytest.mark.parametrize("statement", ["import kbert_tasks", "from kbert_tasks.cli import train; train(['--help'])"])
def test_help_and_import_do_not_load_tensorflow_or_pandas(statement):
    program = f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\n"
    done, _ = in_new_process(
        program + "print([m for m in ('tensorflow', 'pandas', 'sklearn', 'tokenizers') if m in sys.modules])"
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stderr == ""


def test_console_shows_only_messages_of_the_package(checkpoint, tmp_path):
    """During a whole training, the console shows only messages of the package."""
    words = ["--checkpoint", checkpoint, "--output", str(tmp_path / "run"), *QUICK]
    done, _ = in_new_process(f"from kbert_tasks.cli import train; raise SystemExit(train({words!r}))")
    patterns = [
        r"no development file: 48 of 480 training examples are held out \(seed 1\)",
        r"training on the (CPU|GPU).+",
        r"checkpoint uncased_tiny: uncased \(from the name uncased_tiny\)",
        *[r"computing the two halves of each batch at the same time, .+"] * (halves.cores() > 1),
        r"computing in (float32|bfloat16): the processor .+",
        r"plan: 432 training texts; tokens per text: .+",
        r"plan: (of the training texts: .+|nothing is truncated: .+)",
        r"plan: (of the development texts: .+|epochs 1, .+)",
        r"plan: epochs 1, .+",
        r"plan: about [0-9.]+ GiB of memory at the peak.*",
        *[r"plan: [a-z_]+ = [a-z0-9.]+ \(.+\)"] * 11,
        r"baseline: TF-IDF with logistic regression(, dev [a-z0-9_]+ [0-9.]+)+, [0-9.]+ s",
        r"[0-9,]+ trainable weights in 21 arrays",
        r"training 101 of 157 token embeddings: the other tokens do not occur in the texts",
        r"training on 432 texts or windows of texts, 14 steps per epoch",
        r"epoch 1: loss [0-9.]+(, dev [a-z0-9_]+ [0-9.]+)+, [0-9.]+ s",
        r"probabilities are not calibrated \(temperature 1\): .+",
    ]
    lines = done.stderr.splitlines()
    assert len(lines) == len(patterns), done.stderr
    for pattern, line in zip(patterns, lines, strict=True):
        assert re.fullmatch(pattern, line), line


@pytest.mark.slow  # tests/saving/test_saving.py interrupts a save at every step, in this process
def test_killed_run_keeps_the_earlier_one(folder, checkpoint):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    words = ["--checkpoint", checkpoint, "--output", str(folder), "--epochs", "500", "--max-length", "32"]
    program = f"from kbert_tasks.cli import train; train({words!r})"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr:
            if line.startswith("epoch 2"):
                break
        running.kill()
    assert running.returncode != 0
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
