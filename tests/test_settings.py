"""Settings: validation, conversion to JSON, and command-line options."""

import argparse
import json

import pytest

from kbert_tasks.cli.options import add_options, given
from kbert_tasks.errors import InputError
from kbert_tasks.settings import Settings
from kbert_tasks.tasks import find, names


@pytest.mark.parametrize(
    "value, message",
    [
        ({"epochs": 0}, "epochs should be at least 1, not 0"),
        ({"epochs": 2.5}, "epochs should be a whole number or 'auto', not 2.5"),
        ({"epochs": True}, "epochs should be a whole number or 'auto', not True"),
        ({"learning_rate": 0}, "learning_rate should be above 0, not 0.0"),
        ({"learning_rate": "1e-5"}, "learning_rate should be a number or 'auto', not '1e-5'"),
        ({"learning_rate": float("nan")}, "learning_rate should be above 0, not nan"),
        ({"dropout": 1.0}, "dropout should be below 1, not 1.0"),
        ({"encoder": "slow"}, "encoder should be one of fast, keras-bert, not 'slow'"),
        ({"max_length": 3}, "max_length should be at least 4, not 3"),
        ({"epoch": 3}, "unknown setting 'epoch'; did you mean 'epochs'?"),
        ({"zzz": 3}, "unknown setting 'zzz': epochs, batch_size"),
    ],
)
def test_unknown_names_and_invalid_values_are_rejected(value, message):
    with pytest.raises(InputError) as error:
        Settings.of(value)
    assert message in str(error.value)


@pytest.mark.parametrize("task", names())
def test_settings_round_trip_through_json_and_the_command_line(task):
    kind = find(task).Settings
    parser = argparse.ArgumentParser()
    add_options(parser, kind)
    assert given(parser.parse_args([]), kind) == {}
    words = "--epochs 7 --learning-rate 3e-5 --uncased --text-column t --patience 2 --encoder keras-bert"
    settings = kind.of(given(parser.parse_args(words.split()), kind))
    assert (settings.epochs, settings.learning_rate, settings.cased, settings.patience) == (7, 3e-5, False, 2)
    assert kind.of(json.loads(json.dumps(settings.as_dict()))) == settings


def test_settings_are_frozen_and_take_numpy_numbers():
    import numpy as np

    settings = Settings.of({"epochs": np.int64(4), "dropout": 0})
    assert type(settings.epochs) is int
    assert settings.dropout == 0.0
    with pytest.raises(AttributeError):
        settings.epochs = 5


def test_auto_is_a_valid_value():
    parser = argparse.ArgumentParser()
    add_options(parser, Settings)
    assert Settings.of(given(parser.parse_args(["--epochs", "auto", "--patience", "auto"]), Settings)) == Settings()
    with pytest.raises(SystemExit):
        parser.parse_args(["--epochs", "many"])
