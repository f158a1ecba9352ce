"""Automatic settings: they depend on sizes, have a reason, and can be overridden one by one."""

import dataclasses
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.settings import AUTO, Settings
from kbert_tasks.tasks.classify.pooling import pooling
from kbert_tasks.training import defaults

RECIPES = defaults.TEXTS, defaults.SPANS
AUTOMATIC = [
    e.name for e in dataclasses.fields(Settings) if e.default == AUTO and e.name not in ("precision", "device")
]


def resolved(hidden=768, windows=10_000, recipe=defaults.TEXTS, has_dev=True, on_tpu=False, **settings):
    return defaults.resolve(Settings(**settings), recipe, hidden, windows, has_dev, on_tpu)


def test_base_size_checkpoint_uses_adam_with_1e_5():
    for hidden in (768, 1024):
        settings, found = resolved(hidden)
        assert (settings.learning_rate, settings.schedule, settings.ema_decay, settings.warmup_ratio) == (
            1e-5,
            "constant",
            0.0,
            0.0,
        )
        assert (settings.head_lr_multiplier, settings.weight_decay, settings.global_clipnorm) == (1.0, 0.0, None)
        assert settings.epochs == 3
        assert "base size or larger" in found["learning_rate"].reason


@given(st.sampled_from(RECIPES), st.integers(64, 1024), st.integers(1, 100_000), st.booleans(), st.booleans())
def test_every_automatic_setting_has_a_value_and_a_reason(recipe, hidden, windows, has_dev, on_tpu):
    settings, found = resolved(hidden, windows, recipe, has_dev, on_tpu)
    assert {*found} == {*AUTOMATIC} - {"validation_split", "compile"}  # these two depend on the texts
    for name, each in found.items():
        assert getattr(settings, name) == each.value != AUTO and each.reason
    Settings.of(settings.as_dict())  # checks that each value is allowed for its setting


@given(st.sampled_from(RECIPES), st.integers(64, 1024), st.integers(64, 1024))
def test_smaller_checkpoint_never_has_a_lower_learning_rate(recipe, one, other):
    small, large = (resolved(hidden, recipe=recipe)[0].learning_rate for hidden in sorted((one, other)))
    assert recipe.base_rate <= large <= small <= recipe.highest_rate


@given(st.sampled_from(RECIPES), st.integers(64, 1024), st.integers(1, 5000), st.integers(1, 5000))
def test_smaller_file_never_has_fewer_epochs(recipe, hidden, one, other):
    few, many = (resolved(hidden, windows, recipe)[0].epochs for windows in sorted((one, other)))
    assert few >= many


@pytest.mark.parametrize(
    "name, value",
    [
        ("learning_rate", 3e-5),
        ("epochs", 7),
        ("warmup_ratio", 0.3),
        ("head_lr_multiplier", 2.5),
        ("ema_decay", 0.0),
        ("fgm_epsilon", 0.5),
        ("patience", 0),
    ],
)
def test_overriding_one_setting_keeps_the_others(name, value):
    default, found = resolved(256, 4000)[0], resolved(256, 4000, **{name: value})
    assert found[0] == dataclasses.replace(default, **{name: value} | ({"patience": 2} if name == "epochs" else {}))
    assert found[1][name] == defaults.Resolved(value, "as requested")


def test_linear_schedule_has_warmup_and_no_early_stopping():
    for hidden in (256, 768):
        settings, _ = resolved(hidden, schedule="linear")
        assert (settings.schedule, settings.warmup_ratio, settings.ema_decay, settings.patience) == (
            "linear",
            0.1,
            0.0,
            0,
        )


@pytest.mark.parametrize(
    ("hidden", "windows", "recipe", "settings", "value", "reason"),
    [
        (256, 4000, defaults.TEXTS, {}, 1.0, "it improves small checkpoints"),
        (256, 4000, defaults.TEXTS, {"freeze_layers": 1}, 0.0, "freeze_layers freezes the embeddings"),
        (256, 40_000, defaults.TEXTS, {}, 0.0, "5,000 steps would take 1.6 times as long"),
        (256, 40_000, defaults.TEXTS, {"fgm_epsilon": 0.5}, 0.5, "as requested"),
        (256, 4000, defaults.SPANS, {}, 0.0, "nearly twice as long"),
        (384, 4000, defaults.TEXTS, {}, 0.0, "a clear gain was measured only for up to 256"),
        (768, 4000, defaults.TEXTS, {}, 0.0, "a clear gain was measured only for up to 256"),
    ],
)
def test_short_trainings_of_small_classifiers_use_fgm(hidden, windows, recipe, settings, value, reason):
    chosen, found = resolved(hidden, windows, recipe, **settings)
    assert chosen.fgm_epsilon == value and reason in found["fgm_epsilon"].reason


def test_small_files_have_no_held_out_texts():
    for texts, share in ((299, 0.0), (300, 0.1)):
        assert defaults.held_out_share(Settings(), texts).value == share
        assert defaults.held_out_share(Settings(validation_split=0.5), texts).value == 0.5
    assert "for a fixed number of steps" in defaults.held_out_share(Settings(), 20).reason
    assert "for the requested number of epochs, 3" in defaults.held_out_share(Settings(epochs=3), 20).reason


def test_no_early_stopping_without_development_texts():
    assert resolved(has_dev=False)[0].patience == 0


def test_tpu_uses_linear_schedule_instead_of_moving_average():
    settings, _ = resolved(256, on_tpu=True)
    assert (settings.ema_decay, settings.schedule) == (0.0, "linear")


def test_words_other_than_auto_are_rejected():
    with pytest.raises(kb.InputError, match="learning_rate should be a number or 'auto', not 'high'"):
        kb.TextClassifier(learning_rate="high")
    with pytest.raises(kb.InputError, match="epochs should be a whole number or 'auto', not 2.5"):
        kb.TextClassifier(epochs=2.5)


@pytest.fixture(scope="module")
def trained_task(checkpoint):
    rows = [{"text": f"房间{'很' * (i % 5)}{word}", "label": word} for i in range(20) for word in ("好", "坏")]
    return kb.TextClassifier(checkpoint, max_length=16, epochs=2).fit(rows)


def test_report_contains_requested_and_resolved_settings(trained_task):
    report = json.loads(json.dumps(trained_task.report_))
    assert trained_task.settings.learning_rate == report["settings"]["learning_rate"] == AUTO
    assert {*report["resolved"]} == {*AUTOMATIC, "pooling"}
    assert report["resolved"]["epochs"] == {"value": 2, "reason": "as requested"}
    assert report["resolved"]["learning_rate"]["value"] == defaults.TEXTS.highest_rate
    assert report["resolved"]["validation_split"]["value"] == 0.0
    assert len(report["history"]) == 2


def test_plan_contains_each_value_with_its_reason(trained_task):
    lines = trained_task.report_["plan"]["lines"]
    for name, each in trained_task.report_["resolved"].items():
        assert any(line.startswith(f"{name} = ") and each["reason"] in line for line in lines), name


def test_equal_scores_are_decided_by_development_loss(checkpoint, caplog):
    rows = [{"text": f"房间{word * 3}", "label": word} for word in ("好", "坏")] * 20
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        task = kb.TextClassifier(checkpoint, max_length=16, epochs=14, learning_rate=3e-3, patience=0).fit(
            rows, dev=rows
        )
    history = task.report_["history"]
    best = max(epoch["dev"]["accuracy"] for epoch in history)
    tied = [epoch for epoch in history if epoch["dev"]["accuracy"] == best]
    assert len(tied) > 1
    assert task.report_["best_epoch"] == min(tied, key=lambda epoch: epoch["dev_loss"])["epoch"]


def test_small_checkpoints_use_mean_pooling(trained_task):
    settings = kb.TextClassifier.Settings
    assert [pooling(settings(), hidden).value for hidden in (256, 768)] == ["mean", "cls"]
    assert pooling(settings(pooling="max"), 256).value == "max"
    assert trained_task.pooling == "mean" and not trained_task.first_only
