"""The space of a search: the default one contains the automatic values, and files and dicts are checked."""

import json

import pytest

import kbert_tasks as kb
from kbert_tasks.searching.space import Choices, Range, default_space, space_text
from kbert_tasks.searching.space_file import read_space, searchable, space_of

SETTINGS = kb.TextClassifier.Settings
AUTOMATIC = {
    "learning_rate": 4e-4, "epochs": 6, "warmup_ratio": 0.1, "ema_decay": 0.99, "fgm_epsilon": 1.0, "pooling": "mean"
}  # fmt: skip


def read(tmp_path, text, name="space.yaml"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_space(tmp_path / name, SETTINGS)


def test_default_space_contains_the_automatic_values():
    settings = SETTINGS(batch_size=24, dropout=0.5)
    space = default_space(settings, AUTOMATIC, {})
    values = settings.as_dict() | AUTOMATIC
    assert all(values[name] in each for name, each in space.items())
    assert space["batch_size"] == Choices((16, 24, 32, 64)) and space["dropout"] == Range(0.0, 0.5)
    assert space["learning_rate"] == Range(1e-4, 1.6e-3, log=True) and space["epochs"] == Range(3, 12)
    assert space.keys() <= searchable(SETTINGS).keys()


def test_default_space_leaves_out_what_is_not_possible():
    space = default_space(
        SETTINGS(), AUTOMATIC | {"ema_decay": 0.0}, {"pooling": ["pooler"], "ema_decay": [0.98, 0.99]}
    )
    assert "pooler" not in space["pooling"] and "cls" in space["pooling"] and "ema_decay" not in space
    assert "pooling" not in default_space(kb.EntityRecognizer.Settings(), AUTOMATIC, {})


def test_printed_space_is_read_back(tmp_path):
    space = default_space(SETTINGS(), AUTOMATIC, {})
    assert read(tmp_path, space_text(space)) == space


def test_space_in_yaml_json_and_python(tmp_path):
    wanted = {
        "learning_rate": Range(1e-5, 1e-3, log=True), "epochs": Range(2, 8, step=2), "batch_size": Choices((8, 16)),
        "global_clipnorm": Choices((None, 1.0)), "ema_decay": Choices(("auto", 0.0)), "calibrate": Choices((True, False)),
    }  # fmt: skip
    text = (
        "learning_rate: {low: 1e-5, high: 1e-3, log: true}  # a comment\nepochs:\n  low: 2\n  high: 8\n  step: 2\n"
        "batch-size: [8, 16]\nglobal_clipnorm: [null, 1]\nema_decay: [auto, 0]\ncalibrate: [true, false]\n"
    )
    assert read(tmp_path, text) == wanted
    plain = {
        "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "epochs": {"low": 2, "high": 8, "step": 2},
        "batch_size": (8, 16), "global_clipnorm": [None, 1], "ema_decay": ["auto", 0], "calibrate": [True, False],
    }  # fmt: skip
    assert space_of(plain, SETTINGS) == wanted
    assert read(tmp_path, json.dumps(plain), "space.json") == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "space.yaml contains no options: kbert-search --print-space prints an example"),
        ("- epochs", "space.yaml should contain lines such as 'batch_size: [16, 32]', found a list"),
        ("seed: [1, 2]", "line 1: 'seed' cannot be searched, because it does not only change the training"),
        ("text_column: [a, b]", "line 1: 'text_column' cannot be searched"),
        ("dropout: [0, 0.1]\nepoch: [1, 2]", "line 2: unknown setting 'epoch'; did you mean 'epochs'?"),
        ("xyz: [1, 2]", "line 1: unknown setting 'xyz': epochs, batch_size, "),
        (
            "epochs: 3",
            "line 1: epochs should be a list of values such as [8, 16], or a range such as {low: 8, high: 16}",
        ),
        ("epochs: [3]", "line 1: epochs should have at least two values, each only once"),
        ("epochs: [3, 3, 4]", "line 1: epochs should have at least two values, each only once"),
        ("epochs: [3, 4.5]", "line 1: epochs should be a whole number or 'auto', not '4.5'"),
        ("dropout: [0.1, 1.5]", "line 1: dropout should be below 1, not 1.5"),
        ("pooling: [cls, sum]", "line 1: pooling should be one of auto, cls, pooler, mean, max, not 'sum'"),
        ("pooling: {low: 1, high: 2}", "line 1: the values of pooling have no order: give a list of values"),
        ("dropout: {low: 0}", "line 1: the range of dropout needs low and high"),
        ("dropout: {low: 0, hihg: 1}", "line 1: a range has low, high, log, step, not 'hihg'"),
        ("dropout: {low: 0, high: 0.1, high: 0.2}", "line 1: high is given twice: keep one of them"),
        ("dropout: {low: 0.3, high: 0.1}", "line 1: low of dropout should be below high, found 0.3 and 0.1"),
        ("dropout: {low: 0, high: 0.3, log: true}", "line 1: log needs a low of dropout above 0, found 0.0"),
        ("dropout: {low: 0, high: 0.3, log: yes}", "line 1: log of dropout should be true or false, not 'yes'"),
        ("epochs: {low: 1, high: 9, step: 0}", "line 1: step of epochs should be above 0, at most high - low, and"),
        ("epochs: {low: auto, high: 9}", "line 1: low of epochs should be a whole number, not 'auto'"),
    ],
)
def test_invalid_space_is_an_error_with_its_line(tmp_path, text, message):
    with pytest.raises(kb.InputError) as error:
        read(tmp_path, text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "the space contains no settings"),
        ({"epochs": 3}, "space['epochs'] should be a list of values"),
        ({"epochs": [object(), 2]}, "space['epochs'] should be a list of values"),
        ({"epoch": [1, 2]}, "space['epoch']: unknown setting 'epoch'; did you mean 'epochs'?"),
    ],
)
def test_invalid_space_in_python_is_an_error(space, message):
    with pytest.raises(kb.InputError) as error:
        space_of(space, SETTINGS)
    assert message in str(error.value)
