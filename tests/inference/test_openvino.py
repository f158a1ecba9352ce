"""The OpenVINO engine: same answers as Keras, one export per model, and no use of damaged or outdated exports."""

import csv
import dataclasses
import json
import logging
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import cli, settings
from kbert_tasks.inference import exported as exported_module
from kbert_tasks.inference import openvino, predict
from kbert_tasks.saving import folder as layout

SAVED = [name for name in layout.LAYOUT if name != layout.PAGE]  # the files that `save` writes


@pytest.fixture
def engine_messages(caplog):
    """A function that returns the messages about the engine since its last call."""
    caplog.set_level(logging.INFO, "kbert_tasks")

    def new_messages():
        messages = [record.getMessage() for record in caplog.records if record.getMessage().startswith("openvino: ")]
        caplog.clear()
        return messages

    return new_messages


ENGINES = ("keras", "openvino")
TEXTS = ["好", "早餐很好", "房间太坏了", "the food is good", "?" * 40]


def almost_equal(one, other, tolerance=1e-5):
    """Whether two values are equal except for the rounding of probabilities."""
    if isinstance(one, float):
        return one == pytest.approx(other, abs=tolerance)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(almost_equal(one[name], other[name], tolerance) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(almost_equal(*each, tolerance) for each in zip(one, other, strict=True))
    return one == other


def answers(folder, engine="openvino"):
    return [dataclasses.asdict(each) for each in kb.load(folder, engine=engine).predict(TEXTS)]


# The same answers --------------------------------------------------------------------------------------------------


def test_both_engines_give_the_same_answers(trained):
    folder, test = trained
    one, other = kb.load(folder, engine="keras"), kb.load(folder, engine="openvino")
    if hasattr(one, "threshold_"):
        # Hardly trained models have answers only with a low threshold. With a lower one than this, an answer could depend
        # on which of several equally probable candidates are among the 48 that are kept of each window.
        one.threshold_ = 0.05
        answers = [answer for each in one.predict(test) for answer in getattr(each, one.ANSWERS)]
        one.threshold_ = other.threshold_ = 0.8 * max(answer.probability for answer in answers)
    found, wanted = other.predict(test), one.predict(test)
    assert [one.to_dict(each).keys() for each in wanted] == [other.to_dict(each).keys() for each in found]
    for each in zip(found, wanted, strict=True):
        assert almost_equal(*map(_sorted, each))
    assert any(getattr(each, getattr(one, "ANSWERS", ""), True) for each in found)
    scores = other.evaluate(test).scores
    assert almost_equal(scores, one.evaluate(test).scores)


def _sorted(prediction):
    """The prediction as a dict, with its triples in an order that does not depend on rounding."""
    found = dataclasses.asdict(prediction)
    if "triples" in found:
        found["triples"] = sorted(found["triples"], key=lambda each: (each["subject_span"], str(each)))
    return found


def test_both_engines_return_the_same_arrays_for_any_shape(trained):
    folder, _ = trained
    task = kb.load(folder, engine="openvino")
    assert predict.run(task) is task.engine_
    draw = np.random.default_rng(0)
    for shape in ((1, 4), (5, 32), (2, 17)):
        ids = draw.integers(1, task.config["vocab_size"], shape, "int32")
        ids[0, 3:] = 0
        x = {"Input-Segment": (np.arange(shape[1]) > 9) * np.ones_like(ids), "Input-Token": ids}
        found, wanted = task.engine_(x), predict.by_keras(task)(x)
        assert found.keys() == wanted.keys()
        for name in wanted:
            assert found[name].dtype == "float32"
            np.testing.assert_allclose(found[name], wanted[name], atol=2e-5)


def test_commands_accept_the_engine_option(run, tmp_path, capsys, engine_messages):
    file = tmp_path / "texts.csv"
    file.write_text("text,label\n" + "".join(f"{text},好\n" for text in TEXTS), encoding="utf-8")
    rows, scores = [], []
    for name in ENGINES:
        output = tmp_path / f"{name}.csv"
        assert cli.predict([str(run), str(file), "--output", str(output), "--engine", name]) == 0
        rows.append(list(csv.DictReader(output.read_text(encoding="utf-8").splitlines())))
        capsys.readouterr()
        assert cli.evaluate([str(run), str(file), "--json", "--engine", name]) == 0
        scores.append(json.loads(capsys.readouterr().out)["scores"])
    assert len(engine_messages()) == 1
    assert [row["label"] for row in rows[0]] == [row["label"] for row in rows[1]]
    assert almost_equal(*([float(row["probability"]) for row in part] for part in rows))
    assert almost_equal(*scores)


def test_pickled_task_keeps_its_engine(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "run")
    task = kb.load(folder, engine="openvino")
    wanted, pickled = task.predict(["房间很干净", "太吵"]), pickle.dumps(task)
    loaded = pickle.loads(pickled)
    assert loaded.predict(["房间很干净", "太吵"]) == wanted and loaded.engine_.folder == folder
    shutil.rmtree(folder)
    loaded = pickle.loads(pickled)  # converted in memory
    assert [each.label for each in loaded.predict(["房间很干净", "太吵"])] == [each.label for each in wanted]
    assert loaded.engine_ and not folder.exists()


def test_threads_can_predict_at_the_same_time(exported):
    task = kb.load(exported, engine="openvino")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: task.predict(TEXTS), range(8)))
    assert all(each == found[0] for each in found)


def test_bfloat16_is_used_if_it_is_fast_and_gives_similar_answers(exported, monkeypatch):
    monkeypatch.setattr(openvino, "fast_bfloat16", lambda: True)
    assert almost_equal(answers(exported), answers(exported, "keras"), 2e-2)


@pytest.mark.parametrize("fast", [True, False])
def test_precision_can_be_set(fast, monkeypatch):
    monkeypatch.setattr(openvino, "fast_bfloat16", lambda: fast)
    messages = {name: openvino._precision(name) for name in settings.PRECISIONS}
    assert messages == {"auto": "bf16" if fast else "f32", "float32": "f32", "bfloat16": "bf16", "float16": "f32"}
    assert openvino._precision("auto", "keras-bert") == "f32"


def test_model_trained_in_16_bits_is_exported_in_32_bits(run):
    about = json.loads((run / layout.TASK).read_text(encoding="utf-8"))
    about["settings"]["precision"] = "bfloat16"
    (run / layout.TASK).write_text(json.dumps(about), encoding="utf-8")
    assert almost_equal(answers(run), answers(run, "keras"), 2e-2)
    layers = [kb.load(run, engine=name).model.get_layer("Encoder-1-FeedForward") for name in ENGINES]
    assert [layer.compute_dtype for layer in layers] == ["bfloat16", "float32"]


# The export --------------------------------------------------------------------------------------------------------


def test_model_is_exported_once_and_the_difference_is_logged(run, engine_messages):
    first = answers(run)
    assert [text[: text.index("Keras ")] for text in engine_messages()] == [
        f"openvino: exported to {run / 'openvino'}; probabilities differ from those of "
    ]
    second = {layout.EXPORT_SECOND, layout.EXPORT_SECOND_WEIGHTS}  # only relations have a second stage
    assert {p.name for p in (run / "openvino").iterdir()} == layout.EXPORT_LAYOUT.keys() - second
    written_at = (run / "openvino" / "model.xml").stat().st_mtime_ns
    assert answers(run) == first and engine_messages() == []
    assert (run / "openvino" / "model.xml").stat().st_mtime_ns == written_at
    assert sorted(p.name for p in run.iterdir()) == sorted([*SAVED, layout.EXPORT])


def test_changed_model_is_exported_again(exported, tmp_path, engine_messages):
    run = Path(shutil.copytree(exported, tmp_path / "run"))
    task = kb.load(run)
    task.model.get_layer("label").set_weights([w[..., ::-1] for w in task.model.get_layer("label").get_weights()])
    task.save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / layout.WEIGHTS, run)
    assert almost_equal(answers(run), answers(run, "keras")) and len(engine_messages()) == 1
    # The same weights give other results with other settings or sizes.
    for file, change in ((layout.TASK, {"pooling": "max"}), (layout.CONFIG, {"num_attention_heads": 4})):
        about = json.loads((run / file).read_text(encoding="utf-8"))
        (about["settings"] if file == layout.TASK else about).update(change)
        (run / file).write_text(json.dumps(about), encoding="utf-8")
        assert almost_equal(answers(run), answers(run, "keras")) and len(engine_messages()) == 1


def _truncate(file):
    file.write_bytes(file.read_bytes()[:-100])


def _make_unreadable(folder):
    """Writes an export with right checksums that OpenVINO cannot read."""
    (folder / "openvino" / "model.xml").write_text("<net>", encoding="utf-8")
    about = exported_module._about(folder, folder / "openvino") | {exported_module.AXES: {"label": [False]}}
    (folder / "openvino" / "export.json").write_text(json.dumps(about), encoding="utf-8")


def _without_axes(file):
    about = json.loads(file.read_text(encoding="utf-8"))
    del about[exported_module.AXES]
    file.write_text(json.dumps(about), encoding="utf-8")


DAMAGE = {
    "graph cut": lambda run: _truncate(run / "openvino" / "model.xml"),
    "weights cut": lambda run: _truncate(run / "openvino" / "model.bin"),
    "weights lost": lambda run: (run / "openvino" / "model.bin").unlink(),
    "sums lost": lambda run: (run / "openvino" / "export.json").unlink(),
    "sums no JSON": lambda run: (run / "openvino" / "export.json").write_bytes(b"\xff{"),
    "sums no dict": lambda run: (run / "openvino" / "export.json").write_text("[]"),
    "axes lost": lambda run: _without_axes(run / "openvino" / "export.json"),
    "unreadable": _make_unreadable,
    "empty": lambda run: [file.unlink() for file in (run / "openvino").iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_export_is_replaced(exported, tmp_path, engine_messages, damage):
    run = Path(shutil.copytree(exported, tmp_path / "moved"))
    wanted = answers(run)
    assert engine_messages() == []
    damage(run)
    assert answers(run) == wanted and len(engine_messages()) == 1
    assert answers(run) == wanted and engine_messages() == []


def _raise_permission_error(*args, **kwargs):
    raise PermissionError(13, "Permission denied")


def _write_incomplete_file(model, file, **kwargs):
    """Writes an incomplete file without raising an error."""
    openvino.package().serialize(model, file)
    _truncate(Path(file).with_suffix(".bin"))


@pytest.mark.parametrize("reason", ["not allowed", "disk full", "another's file", "a file of the name"])
def test_model_is_converted_in_memory_if_the_folder_cannot_be_written(run, engine_messages, monkeypatch, reason):
    if reason == "not allowed":
        monkeypatch.setattr(Path, "mkdir", _raise_permission_error)
    elif reason == "disk full":
        monkeypatch.setattr(openvino.package(), "save_model", _write_incomplete_file)
    elif reason == "another's file":
        (run / "openvino").mkdir()
        (run / "openvino" / "notes.txt").write_text("precious")
    else:
        (run / "openvino").write_text("precious")
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    assert almost_equal(answers(run), answers(run, "keras"))
    (messages,) = engine_messages()
    assert messages.startswith(f"openvino: converted in memory, because {run / 'openvino'} cannot be written (")
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


def test_interrupted_export_leaves_no_files(run, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", stop)
        with pytest.raises(KeyboardInterrupt):
            kb.load(run, engine="openvino")
    assert sorted(p.name for p in run.iterdir()) == sorted(SAVED)


def test_conversion_with_other_results_is_rejected(run, monkeypatch):
    function = openvino._function
    for wrong in (lambda scores: scores + 1, lambda scores: scores * np.nan):
        changed = lambda *a, w=wrong: lambda x: {"label": w(function(*a)(x)["label"]) * [1, 0]}  # noqa: E731
        monkeypatch.setattr(openvino, "_function", changed)
        with pytest.raises(kb.InputError, match="differ by .* from those of Keras: use --engine keras"):
            kb.load(run, engine="openvino")
    assert not (run / "openvino").exists()


# The saved folder with an export -----------------------------------------------------------------------------------


def test_exported_folder_can_be_loaded_moved_and_overwritten(exported, tmp_path, engine_messages):
    run = Path(shutil.move(shutil.copytree(exported, tmp_path / "run"), tmp_path / "moved"))
    wanted = answers(run)
    assert almost_equal(answers(run, "keras"), wanted) and engine_messages() == []
    (run / ".openvino.17.writing").mkdir()  # left by an export that was killed
    kb.load(run, engine="openvino").save(run)
    assert sorted(p.name for p in run.iterdir()) == sorted(SAVED)
    assert answers(run) == wanted and len(engine_messages()) == 1


def test_other_files_in_the_export_folder_are_not_deleted(exported, tmp_path):
    run = Path(shutil.copytree(exported, tmp_path / "run"))
    (run / "openvino" / "notes.txt").write_text("precious")
    with pytest.raises(kb.InputError, match=r"contains other files \(openvino/notes.txt\)"):
        kb.load(run).save(run)
    assert (run / "openvino" / "notes.txt").read_text() == "precious"


def test_task_uses_keras_after_another_training(exported, checkpoint):
    task = kb.load(exported, engine="openvino")
    task.checkpoint = checkpoint
    task.fit(["好", "坏", "很好", "太坏"], list("abab"))
    assert {each.label for each in task.predict(TEXTS)} <= {"a", "b"}


# The package -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_missing_package_is_reported(run, tmp_path, monkeypatch, capsys, command):
    (tmp_path / "texts.csv").write_text("text,label\n好,好\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert getattr(cli, command)([str(run), str(tmp_path / "texts.csv"), "--engine", "openvino"]) == 2
    assert capsys.readouterr().err == (
        f"kbert-{command}: --engine openvino needs the package openvino: pip install 'kbert-tasks[openvino]'\n"
    )
    assert kb.load(run).predict(["好"])


def test_unknown_engine_is_rejected(run):
    with pytest.raises(kb.InputError, match="engine should be one of auto, keras, openvino, not 'tpu'"):
        kb.load(run, engine="tpu")


def test_openvino_is_imported_only_if_requested_and_without_telemetry(exported):
    program = (
        "import sys, kbert_tasks as kb; kb.load(sys.argv[1], 'keras').predict(['a']); assert 'openvino' not in sys.modules;"
        "kb.load(sys.argv[1], engine='openvino').predict(['a']); assert 'openvino' in sys.modules;"
        "assert 'openvino_telemetry' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", program, exported], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
