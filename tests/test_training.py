"""What training holds out, and which epoch it keeps."""

import collections
from types import SimpleNamespace

import pytest

from kbert_tasks.callbacks import DevScore
from kbert_tasks.examples import Examples
from kbert_tasks.metrics import Report
from kbert_tasks.training import hold_out


def test_a_text_that_stands_in_several_examples_is_held_out_in_all_of_them():
    rows = [SimpleNamespace(text=f"text {i // 3}") for i in range(90)]
    examples = Examples(rows, list(range(90)), 90, collections.Counter(), collections.Counter())
    task = SimpleNamespace(settings=SimpleNamespace(dev_share=0.1, seed=1), stratum=lambda example: None)
    train, dev = hold_out(task, examples)
    assert len(train.rows) + len(dev.rows) == 90 == train.read + dev.read
    assert not {e.text for e in train.rows} & {e.text for e in dev.rows}
    assert dev.positions == sorted(dev.positions) and dev.rows == [rows[i] for i in dev.positions]


@pytest.mark.parametrize(
    "scores, losses, best",
    [
        ([0.2, 0.5, 0.5, 0.4], [4, 3, 2, 1], 2),  # the first of equals
        ([0.0, 0.0, 0.0], [4, 2, 3], 2),  # as long as nothing is right, the lower loss
        ([0.0, 0.1, 0.0], [4, 3, 2], 2),
    ],
)
def test_the_epoch_that_is_kept(monkeypatch, scores, losses, best):
    reports = iter([Report({"f1": score}) for score in scores])
    task = SimpleNamespace(
        MAIN_SCORE="f1", LEARNED=("threshold_",), threshold_=None, tune=lambda *_: None, judge=lambda *_: next(reports)
    )
    monkeypatch.setattr("kbert_tasks.callbacks.decoded", lambda *_: [])
    callback, weights = DevScore(task, ["an example"], []), []
    callback.model = SimpleNamespace(get_weights=lambda: task.threshold_, set_weights=weights.append)
    callback.params = {"epochs": len(scores)}
    for epoch, loss in enumerate(losses):
        callback.on_epoch_begin(epoch)
        task.threshold_ = epoch + 1  # as tuned in that epoch
        callback.on_epoch_end(epoch, {"loss": loss})
    callback.on_train_end()
    assert callback.best_epoch == best and callback.best_report["f1"] == max(scores)
    assert weights == [best] and task.threshold_ == best
