"""Reading valid configuration files: values, paths, and the command line, which takes precedence."""

import json

import pytest

import kbert_tasks as kb
from kbert_tasks.cli import train
from kbert_tasks.cli.arguments import arguments_of
from kbert_tasks.cli.options import given


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory; configuration files are in the folder `configs` in it."""
    (tmp_path / "configs" / "data").mkdir(parents=True)
    (tmp_path / "configs" / "data" / "train.csv").write_text("text,label\na,1\nb,2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arguments(text, *words, name="run.yaml", folder="configs"):
    with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
        file.write(text)
    return arguments_of(["--config", f"{folder}/{name}", *words])[1]


def test_values_are_read_by_the_type_of_the_option():
    found = arguments(
        "# comment\nlearning_rate: 1e-5\nbatch-size: 8\ncompile: off\ntext_column: no\nlabel_column: 007 # comment\n"
        "baseline: false\nsheet: 1\nepochs: auto\nmax_length: 64\ntoken_column: 2\nlabel_separator: '|'\ndropout: 0\n"
    )
    assert (found.learning_rate, found.batch_size, found.compile, found.text_column) == (1e-5, 8, "off", "no")
    assert (found.label_column, found.baseline, found.sheet, found.epochs) == ("007", False, "1", "auto")
    assert (found.max_length, found.token_column, found.label_separator) == (64, 2, "|")
    assert found.dropout == 0 and type(found.dropout) is float


def test_switches_have_the_names_of_the_command_line():
    found = arguments("no_header: true\nuncased: true\nno-calibrate: true\nno_resume: true\n")
    assert (found.header, found.cased, found.calibrate, found.no_resume) == (False, False, False, True)
    found = arguments("no_header: false\ncased: true\ncalibrate: true\n")
    assert (found.header, found.cased, found.calibrate, found.no_resume) == (True, True, True, False)
    assert arguments("task: entity\nflat: auto\n").flat == "auto"
    with pytest.raises(kb.InputError, match="no_flat should be true or false, not 'auto'"):
        arguments("task: entity\nno_flat: auto\n")


def test_options_without_a_value_are_not_set():
    found = arguments("dev:\ncheckpoint: null\nglobal_clipnorm: ~\nwindow_overlap:\nseed: 2\n")
    assert found.dev is found.checkpoint is None and given(found, kb.TextClassifier.Settings) == {"seed": 2}
    assert arguments("dev: 'null'\nin_memory: []\n", "--dev", "x").dev == "x"


def test_the_command_line_takes_precedence():
    found = arguments("epochs: 3\nseeds: 3\nseed: 5\ncased: true\n", "--epochs", "4", "--folds", "2", "--uncased")
    assert (found.epochs, found.seeds, found.folds, found.seed, found.cased) == (4, None, 2, 5, False)


def test_the_task_decides_which_options_there_are():
    assert arguments("task: entity\nflat: true\n").flat is True
    assert arguments("task: entity\nseed: 2\n", "--task", "relation").task == "relation"
    with pytest.raises(kb.InputError, match="'flat', which only the task entity has"):
        arguments("task: entity\nflat: true\n", "--task", "relation")
    with pytest.raises(kb.InputError, match="task should be a text, not a list or a mapping"):
        arguments("task: [entity]\n")


def test_paths_are_relative_to_the_folder_of_the_file(folder):
    found = arguments("train: data/train.csv\noutput: runs/a\ntensorboard: ../logs\n")
    assert (found.train, found.output) == ("configs/data/train.csv", "configs/runs/a")
    assert found.tensorboard == "configs/../logs"
    assert arguments(f"train: {folder}/configs/data/train.csv\n").train == f"{folder}/configs/data/train.csv"
    assert arguments("output: runs/a\n", "--output", "b").output == "b"


def test_lists_of_files(folder):
    for name in ("a.csv", "b.csv"):
        (folder / "configs" / name).touch()
    assert arguments("unlabelled: [a.csv, b.csv]\nteacher: big\n").unlabelled == ["configs/a.csv", "configs/b.csv"]
    for value, message in (
        ("[a.csv, c.csv]", "line 1: the file configs/c.csv does not exist: correct the path, or give --unlabelled"),
        ("a.csv", r"line 1: unlabelled should be a list such as \[more.csv\], not 'a.csv'"),
    ):
        with pytest.raises(kb.InputError, match=message):
            arguments(f"unlabelled: {value}\n")


def test_checkpoint_is_a_name_or_a_path(folder):
    (folder / "configs" / "mine").mkdir()
    (folder / "configs" / "bert_model.ckpt.index").touch()
    for written, expected in (
        ("bert-base-chinese", "bert-base-chinese"),
        ("hf:owner/name", "hf:owner/name"),
        ("mine", "configs/mine"),
        ("nowhere/mine", "configs/nowhere/mine"),
        ("bert_model.ckpt", "configs/bert_model.ckpt"),
    ):
        assert arguments(f"checkpoint: {written}\n").checkpoint == expected


def test_json(folder):
    text = json.dumps({"output": "a😀\t/b", "epochs": 3, "learning_rate": 1e-05, "cased": None}, indent="\t")
    found = arguments(text, name="run.json")
    assert found.output == "configs/a😀\t/b" and (found.epochs, found.learning_rate) == (3, 1e-5)
    assert "cased" not in found


def test_byte_order_mark_and_windows_line_ends():
    assert arguments("\ufeffepochs: 3\r\nseed: 2\r\n").seed == 2


def test_printed_configuration_can_be_used(capsys):
    words = ["--task", "entity", "--no-header", "--seeds", "3", "--uncased", "--flat", "--train", "x.csv"]
    with open("x.csv", "w") as file:
        file.write("text,label\n")
    assert train([*words, "--print-config"]) == 0
    text = capsys.readouterr().out
    assert "\n# number of passes over the training texts (default auto)\nepochs: auto\n" in text
    assert "\n# dev:\n" in text and "seeds: 3\n" in text
    again, direct = arguments(text, "--print-config", folder="."), arguments_of([*words, "--print-config"])[1]
    settings = kb.EntityRecognizer.Settings
    assert settings.of(given(again, settings)) == settings.of(given(direct, settings))
    names = ("task", "seeds", "header", "train", "no_resume", "checkpoint", "output")
    assert [vars(again)[name] for name in names] == [vars(direct)[name] for name in names]
    assert train(["--config", "run.yaml", "--print-config"]) == 0
    assert capsys.readouterr().out == text
