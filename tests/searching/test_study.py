"""Studies without trainings: claiming trials, interrupted trials, damaged and other studies, pruning, and the page."""

import contextlib
import threading

import pytest

import kbert_tasks as kb
from kbert_tasks.searching.space import Choices, Range

optuna = pytest.importorskip("optuna")
from kbert_tasks.searching import page, study, table, writing  # noqa: E402

SPACE = {"learning_rate": Range(1e-5, 1e-3, log=True), "epochs": Range(2, 8), "batch_size": Choices((16, 32))}
AUTOMATIC = {"learning_rate": 1e-4, "epochs": 12, "batch_size": 32}  # epochs is not in the space


def opened(folder, **identity):
    return study.Study(folder, SPACE, {"task": "a"} | identity, AUTOMATIC, seed=1)


def finish(made, score, most=None, epochs=()):
    """Runs a trial of a study without a training; returns its Claim."""
    with made.claim(most) as claim:
        if claim:
            for epoch, value in enumerate(epochs, 1):
                claim.trial.report(value, epoch)
            made.study.tell(claim.trial, score)
        return claim


def test_first_trial_has_the_automatic_settings(tmp_path):
    made = opened(tmp_path)
    first, second = finish(made, 0.5), finish(made, 0.7)
    assert first.is_default and first.values == {} and first.trial.params == {"learning_rate": 1e-4, "batch_size": 32}
    assert not second.is_default and second.values.keys() == SPACE.keys()
    assert second.values["learning_rate"] == float(f"{second.values['learning_rate']:.3g}")
    assert made.best().number == 1 and made.settings_of(made.best()) == second.values
    finish(made, 0.7)
    assert made.best().number == 1  # the first of equal scores
    finish(opened(tmp_path), 0.9)
    assert made.best().number == 3 and made.settings_of(made.trials()[0]) == {}


def test_number_of_trials_includes_those_of_other_processes(tmp_path):
    made, other = opened(tmp_path), opened(tmp_path)
    assert finish(made, 0.5, 2) and finish(other, 0.5, 2)
    assert finish(made, 0.5, 2) is None and finish(other, 0.5, 2) is None


def claimed_elsewhere(folder, reports):
    """Claims a trial in another thread, whose locks this thread does not hold; returns it and a function to end that."""
    began, end, found = threading.Event(), threading.Event(), []

    def run():
        with opened(folder).claim(None) as claim:
            for epoch, value in reports.items():
                claim.trial.report(value, epoch)
            found.append(claim)
            began.set()
            end.wait(60)

    thread = threading.Thread(target=run)
    thread.start()
    assert began.wait(60)

    def stop():
        end.set()
        thread.join()

    return found[0], stop


def test_interrupted_trial_is_continued_with_the_same_settings(tmp_path):
    made = opened(tmp_path)
    finish(made, 0.5)
    claim, stop = claimed_elsewhere(tmp_path, {1: 0.25})
    assert made.runs_elsewhere()
    assert finish(made, 0.6).trial.number == 2  # the running trial is left alone
    stop()
    assert not made.runs_elsewhere()
    with made.claim(3) as again:
        assert again.values == claim.values and again.folder == claim.folder and again.trial.number == 3
        assert made.trials()[-1].intermediate_values == {1: 0.25}
        made.study.tell(again.trial, 0.4)
    assert [each.number for each in made.trials()] == [0, 2, 3] and finish(made, 0.1, 3) is None
    assert table.rows(made)[-1]["note"] == "continues trial 1"


def test_interrupted_search_tries_the_same_settings(tmp_path):
    whole, cut = opened(tmp_path / "whole"), opened(tmp_path / "cut")
    values = [finish(whole, 0.5 + i / 100).values for i in range(4)]
    again = [finish(cut, 0.5 + i / 100).values for i in range(2)]
    claimed_elsewhere(tmp_path / "cut", {})[1]()
    cut = opened(tmp_path / "cut")
    assert again + [finish(cut, 0.5 + i / 100).values for i in (2, 3)] == values


def test_study_of_other_data_is_refused(tmp_path):
    finish(opened(tmp_path, rows="1"), 0.5, epochs=(0.5,))
    with pytest.raises(kb.InputError, match="contains a search with other values of rows: use the same files"):
        opened(tmp_path, rows="2")
    opened(tmp_path, rows="1")


def test_search_without_a_score_is_replaced(tmp_path):
    with pytest.raises(kb.InputError), opened(tmp_path, rows="1").claim(None):
        raise kb.InputError("the data cannot be used")
    made = opened(tmp_path, rows="2")
    assert made.trials() == [] and finish(made, 0.5).is_default


def test_other_files_are_refused(tmp_path, hotel):
    (tmp_path / "study.db").write_text("no database, but longer than a header of SQLite" * 9)
    with pytest.raises(kb.InputError, match=r"study.db cannot be opened as a study \(.*\): delete it, or choose"):
        opened(tmp_path)
    with pytest.raises(kb.InputError, match="contains a trained task: choose another folder"):
        opened(hotel[1])
    (tmp_path / "file").touch()
    with pytest.raises(kb.InputError):
        opened(tmp_path / "file" / "folder")


def test_folder_name_may_have_special_characters(tmp_path):
    finish(opened(tmp_path / "a?b={c}#d%20中"), 0.5)
    assert (tmp_path / "a?b={c}#d%20中" / "study.db").is_file()


def test_optuna_is_left_as_it_was(tmp_path):
    before = optuna.logging.get_verbosity()
    made = opened(tmp_path)
    for score in range(6):
        finish(made, score / 10)
    assert page.importances(made).keys() == SPACE.keys() and optuna.logging.get_verbosity() == before


@pytest.mark.parametrize("prunes", [True, False])
def test_trial_that_falls_behind_is_pruned_from_the_second_epoch(tmp_path, prunes):
    from kbert_tasks.searching.trial import Pruning

    made = opened(tmp_path)
    for _ in range(study.COMPARED):
        finish(made, 0.8, epochs=(0.5, 0.7, 0.8))
    with made.claim(None) as claim:
        callback = Pruning(claim.trial, "dev_accuracy", prunes)
        callback.set_params({"epochs": 3})
        callback.set_model(type("Model", (), {"stop_training": False})())
        callback.on_epoch_end(0, {"dev_accuracy": 0.1})
        with pytest.raises(optuna.TrialPruned) if prunes else contextlib.nullcontext():
            callback.on_epoch_end(1, {"dev_accuracy": 0.2})
        callback.on_epoch_end(2, {"dev_accuracy": 0.2})  # to end after the last epoch would save nothing


def test_table_and_page(tmp_path):
    made = opened(tmp_path)
    for i in range(6):
        finish(made, 0.5 + i / 100, epochs=(0.4, 0.5))
    with made.claim(None) as claim:
        claim.trial.report(0.3, 1)
        claim.trial.set_user_attr("problem", "<b>too high</b>")
        made.study.tell(claim.trial, state=optuna.trial.TrialState.FAIL)
    rows = table.rows(made)
    assert [row["state"] for row in rows] == ["complete"] * 6 + ["failed"]
    assert rows[0]["note"] == "automatic settings" and rows[0]["epochs"] == 12 and rows[-1]["dev"] == 0.3
    assert table.ranked(rows)[0]["trial"] == 5 and table.ranked(rows)[-1]["trial"] == 6
    assert "automatic settings" in table.console_text(made)
    task = kb.TextClassifier("checkpoint")
    part = type("Part", (), {"rows": range(5)})
    prepared = type("Prepared", (), {"task": task, "train": part, "dev": part})
    writing.write(made, prepared)
    assert len((tmp_path / "trials.csv").read_text(encoding="utf-8").splitlines()) == 8
    text = (tmp_path / "search.html").read_text(encoding="utf-8")
    assert (
        text.count("<svg") == 5
        and "<b>too high" not in text
        and "http:" not in text
        and "https:" not in text
        and "0.5500" in text
    )
