import argparse
import json

import pytest

from kbert_tasks.errors import InputError
from kbert_tasks.settings import Settings, add_options, said
from kbert_tasks.tasks import find, names


@pytest.mark.parametrize(
    "value, words",
    [
        ({"epochs": 0}, "epochs should be at least 1, not 0"),
        ({"epochs": 2.5}, "epochs should be a whole number, not 2.5"),
        ({"epochs": True}, "epochs should be a whole number, not True"),
        ({"learning_rate": 0}, "learning_rate should be above 0, not 0.0"),
        ({"learning_rate": "1e-5"}, "learning_rate should be a number, not '1e-5'"),
        ({"learning_rate": float("nan")}, "learning_rate should be above 0, not nan"),
        ({"dropout": 1.0}, "dropout should be below 1, not 1.0"),
        ({"encoder": "slow"}, "encoder should be one of fast, keras-bert, not 'slow'"),
        ({"max_length": 3}, "max_length should be at least 4, not 3"),
        ({"epoch": 3}, "no setting 'epoch'; did you mean 'epochs'?"),
        ({"zzz": 3}, "no setting 'zzz': epochs, batch_size"),
    ],
)
def test_unknown_and_impossible_values_are_refused_by_name(value, words):
    with pytest.raises(InputError) as caught:
        Settings.of(value)
    assert words in str(caught.value)


@pytest.mark.parametrize("task", names())
def test_json_and_command_line_round_trip(task):
    kind = find(task).Settings
    parser = argparse.ArgumentParser()
    add_options(parser, kind)
    assert said(parser.parse_args([]), kind) == {}
    words = "--epochs 7 --learning-rate 3e-5 --uncased --text-column t --patience 2 --encoder keras-bert"
    settings = kind.of(said(parser.parse_args(words.split()), kind))
    assert (settings.epochs, settings.learning_rate, settings.cased, settings.patience) == (7, 3e-5, False, 2)
    assert kind.of(json.loads(json.dumps(settings.as_dict()))) == settings


def test_settings_are_frozen_and_take_numpy_numbers():
    import numpy as np

    settings = Settings.of({"epochs": np.int64(4), "dropout": 0})
    assert type(settings.epochs) is int
    assert settings.dropout == 0.0
    with pytest.raises(AttributeError):
        settings.epochs = 5


def test_the_warm_up_goes_with_the_schedule():
    def told(**settings):
        made = Settings.of(settings)
        return made.schedule, made.learning_rate, made.warm_up

    assert told() == ("constant", 5e-5, 0.0)
    assert told(schedule="linear") == ("linear", 5e-5, 0.1)
    assert told(schedule="linear", warm_up=0) == ("linear", 5e-5, 0.0)
    assert told(learning_rate=2e-5, warm_up=0.2) == ("constant", 2e-5, 0.2)
    assert Settings.of(json.loads(json.dumps(Settings.of({"schedule": "linear"}).as_dict()))).warm_up == 0.1
