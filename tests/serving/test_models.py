"""Names of models, and reloading changed folders."""

import shutil

import pytest

import kbert_tasks as kb
from kbert_tasks.errors import InputError
from kbert_tasks.saving.folder import WEIGHTS
from kbert_tasks.serving.models import Models, folders_of


def test_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    assert {name: str(folder) for name, folder in folders_of(["runs/x", "y=runs/x", "a=b", "."]).items()} == {
        "x": "runs/x", "y": "runs/x", "a=b": "a=b", tmp_path.name: "."
    }  # fmt: skip
    with pytest.raises(InputError, match="two models have the name x"):
        folders_of(["runs/x", "other/x"])
    for run in ("=runs/x", "a/b=runs/x", "/"):
        with pytest.raises(InputError, match="needs a name without /"):
            folders_of([run])


def swapped(folder):
    """Saves the classifier in a folder again, with its two labels swapped."""
    task = kb.load(folder)
    layer = task.model.get_layer("label")
    layer.set_weights([each[..., ::-1] for each in layer.get_weights()])
    task.save(folder)


def test_reloading(hotel, started, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(hotel[1], folder)
    models = Models({"hotel": folder}, "keras")
    earlier = models.find("hotel")
    assert models.reload() == {"hotel": "unchanged"} and models.find("hotel") is earlier
    with started(served=models) as client:

        def answer():
            return client.post("/models/hotel/predict", json={"texts": ["好"]}).json()["answers"][0]["label"]

        before = answer()
        swapped(folder)
        assert models.reload() == {"hotel": "reloaded"}
        assert answer() != before
        (folder / WEIGHTS).write_bytes(b"damaged")
        assert models.reload() == {"hotel": "failed"} and answer() != before
        shutil.rmtree(folder)
        assert models.reload() == {"hotel": "failed"} and answer() != before


def test_any_error_in_a_new_folder_leaves_the_earlier_model(hotel, tmp_path, monkeypatch, caplog):
    for name in ("one", "two"):
        shutil.copytree(hotel[1], tmp_path / name)
    models = Models({name: tmp_path / name for name in ("one", "two")}, "keras")
    earlier, real = models.find("one"), models._load
    for name in ("one", "two"):
        swapped(tmp_path / name)

    def failing(name, folder):
        if name == "one":
            raise RuntimeError("an error of OpenVINO")
        return real(name, folder)

    monkeypatch.setattr(models, "_load", failing)
    assert models.reload() == {"one": "failed", "two": "reloaded"} and models.find("one") is earlier
    assert "RuntimeError: an error of OpenVINO" in caplog.text


def test_same_options_give_the_same_task(models):
    model = models.find("hotel")
    assert model.with_options({}) is model.task
    one = model.with_options({"min_confidence": 0.5, "text_column": "t"})
    assert one is model.with_options({"text_column": "t", "min_confidence": 0.5}) is not model.task
    assert one.model is model.task.model and one.settings.min_confidence == 0.5
    for i in range(100):
        model.with_options({"min_confidence": i / 100})
    assert len(model._variants) <= 64
