"""The second engine: Keras's answers, exported once, and never read from what is damaged or of another model."""

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
from kbert_tasks import cli, settings, tasks
from kbert_tasks.inference import openvino, predict
from kbert_tasks.samples import path
from kbert_tasks.saving import folder as layout

QUICK = {"epochs": 2, "max_length": 32, "learning_rate": 5e-3, "ema_decay": 0.0, "head_lr_multiplier": 1.0}
SAVED = [name for name in layout.LAYOUT if name != layout.PAGE]  # what `save` writes
KINDS = [
    ("classify", {}),
    ("classify", {"pooling": "mean", "encoder": "keras-bert"}),
    ("relation", {"threshold": 0.05, "epochs": 1, "learning_rate": 1e-4}),  # hardly trained, so that it answers
    ("subject", {}),
]


@pytest.fixture(scope="module", params=KINDS, ids=["classify", "keras-bert", "relation", "subject"])
def trained(request, checkpoint, tmp_path_factory):
    """(folder of a saved task, test rows)."""
    name, more = request.param
    train, test = (kb.read(path(name, "zh", part)).head(40) for part in ("train", "test"))
    folder = tmp_path_factory.mktemp("runs") / "run"
    tasks.find(name)(checkpoint, **QUICK | more).fit(train).save(folder)
    return folder, test


@pytest.fixture
def run(hotel, tmp_path):
    """The folder of a saved classifier, never exported."""
    return Path(shutil.copytree(hotel[1], tmp_path / "run"))


@pytest.fixture
def said(caplog):
    """What the package has logged of the engine since it was last asked."""
    caplog.set_level(logging.INFO, "kbert_tasks")

    def since():
        told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("openvino: ")]
        caplog.clear()
        return told

    return since


@pytest.fixture(scope="module")
def exported(hotel, tmp_path_factory):
    """The same folder with its export."""
    folder = Path(shutil.copytree(hotel[1], tmp_path_factory.mktemp("runs") / "exported"))
    kb.load(folder, engine="openvino")
    return folder


TEXTS = ["好", "早餐很好", "房间太坏了", "the food is good", "?" * 40]


def alike(one, other, least=1e-5):
    """Equal, but for the rounding of probabilities."""
    if isinstance(one, float):
        return one == pytest.approx(other, abs=least)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name], least) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(alike(*each, least) for each in zip(one, other, strict=True))
    return one == other


def answers(folder, engine="openvino"):
    return [dataclasses.asdict(each) for each in kb.load(folder, engine=engine).predict(TEXTS)]


# The same answers --------------------------------------------------------------------------------------------------


def test_both_engines_answer_the_same(trained):
    folder, test = trained
    one, other = kb.load(folder), kb.load(folder, engine="openvino")
    found, wanted = other.predict(test), one.predict(test)
    assert [one.to_dict(each).keys() for each in wanted] == [other.to_dict(each).keys() for each in found]
    for each in zip(found, wanted, strict=True):
        assert alike(*map(_sorted, each))
    assert any(getattr(each, "triples", True) for each in found)
    scores = other.evaluate(test).scores
    assert alike(scores, one.evaluate(test).scores)


def _sorted(prediction):
    """A prediction as a dict, its triples in an order that no rounding changes."""
    found = dataclasses.asdict(prediction)
    if "triples" in found:
        found["triples"] = sorted(found["triples"], key=lambda each: (each["subject_span"], str(each)))
    return found


def test_what_reads_the_texts_gives_the_same_arrays_for_any_shape(trained):
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


def test_the_commands_take_the_engine(run, tmp_path, capsys, said):
    file = tmp_path / "texts.csv"
    file.write_text("text,label\n" + "".join(f"{text},好\n" for text in TEXTS), encoding="utf-8")
    rows, scores = [], []
    for name in openvino.ENGINES:
        output = tmp_path / f"{name}.csv"
        assert cli.predict([str(run), str(file), "--output", str(output), "--engine", name]) == 0
        rows.append(list(csv.DictReader(output.read_text(encoding="utf-8").splitlines())))
        capsys.readouterr()
        assert cli.evaluate([str(run), str(file), "--json", "--engine", name]) == 0
        scores.append(json.loads(capsys.readouterr().out)["scores"])
    assert len(said()) == 1
    assert [row["label"] for row in rows[0]] == [row["label"] for row in rows[1]]
    assert alike(*([float(row["probability"]) for row in part] for part in rows))
    assert alike(*scores)


def test_a_pickled_task_reads_with_the_same_engine(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "run")
    task = kb.load(folder, engine="openvino")
    wanted, kept = task.predict(["房间很干净", "太吵"]), pickle.dumps(task)
    again = pickle.loads(kept)
    assert again.predict(["房间很干净", "太吵"]) == wanted and again.engine_.folder == folder
    shutil.rmtree(folder)
    again = pickle.loads(kept)  # converted in memory
    assert [each.label for each in again.predict(["房间很干净", "太吵"])] == [each.label for each in wanted]
    assert again.engine_ and not folder.exists()


def test_threads_may_predict_at_once(exported):
    task = kb.load(exported, engine="openvino")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: task.predict(TEXTS), range(8)))
    assert all(each == found[0] for each in found)


def test_where_bfloat16_is_fast_it_is_used_and_near(exported, monkeypatch):
    monkeypatch.setattr(openvino, "fast_bfloat16", lambda: True)
    assert alike(answers(exported), answers(exported, "keras"), 2e-2)


@pytest.mark.parametrize("fast", [True, False])
def test_the_precision_can_be_set(fast, monkeypatch):
    monkeypatch.setattr(openvino, "fast_bfloat16", lambda: fast)
    told = {name: openvino._precision(name) for name in settings.PRECISIONS}
    assert told == {"auto": "bf16" if fast else "f32", "float32": "f32", "bfloat16": "bf16", "float16": "f32"}


def test_what_was_trained_in_16_bits_is_exported_in_32(run):
    about = json.loads((run / layout.TASK).read_text(encoding="utf-8"))
    about["settings"]["precision"] = "bfloat16"
    (run / layout.TASK).write_text(json.dumps(about), encoding="utf-8")
    assert alike(answers(run), answers(run, "keras"), 2e-2)
    layers = [kb.load(run, engine=name).model.get_layer("Encoder-1-FeedForward") for name in openvino.ENGINES]
    assert [layer.compute_dtype for layer in layers] == ["bfloat16", "float32"]


# The export --------------------------------------------------------------------------------------------------------


def test_it_is_exported_once_and_the_difference_is_logged(run, said):
    first = answers(run)
    assert [text[: text.index("Keras ")] for text in said()] == [
        f"openvino: exported to {run / 'openvino'}; probabilities differ from those of "
    ]
    assert sorted(p.name for p in (run / "openvino").iterdir()) == sorted(layout.EXPORT_LAYOUT)
    made = (run / "openvino" / "model.xml").stat().st_mtime_ns
    assert answers(run) == first and said() == []
    assert (run / "openvino" / "model.xml").stat().st_mtime_ns == made
    assert sorted(p.name for p in run.iterdir()) == sorted([*SAVED, layout.EXPORT])


def test_a_changed_model_is_exported_again(exported, tmp_path, said):
    run = Path(shutil.copytree(exported, tmp_path / "run"))
    task = kb.load(run)
    task.model.get_layer("label").set_weights([w[..., ::-1] for w in task.model.get_layer("label").get_weights()])
    task.save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / layout.WEIGHTS, run)
    assert alike(answers(run), answers(run, "keras")) and len(said()) == 1
    # The same weights mean something else with other settings or sizes.
    for file, change in ((layout.TASK, {"pooling": "max"}), (layout.CONFIG, {"num_attention_heads": 4})):
        about = json.loads((run / file).read_text(encoding="utf-8"))
        (about["settings"] if file == layout.TASK else about).update(change)
        (run / file).write_text(json.dumps(about), encoding="utf-8")
        assert alike(answers(run), answers(run, "keras")) and len(said()) == 1


def _cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def _forged(folder):
    """An export whose sums are right and which no OpenVINO can read."""
    (folder / "openvino" / "model.xml").write_text("<net>", encoding="utf-8")
    about = openvino._about(folder, folder / "openvino")
    (folder / "openvino" / "export.json").write_text(json.dumps(about), encoding="utf-8")


DAMAGE = {
    "graph cut": lambda run: _cut(run / "openvino" / "model.xml"),
    "weights cut": lambda run: _cut(run / "openvino" / "model.bin"),
    "weights lost": lambda run: (run / "openvino" / "model.bin").unlink(),
    "sums lost": lambda run: (run / "openvino" / "export.json").unlink(),
    "sums no JSON": lambda run: (run / "openvino" / "export.json").write_bytes(b"\xff{"),
    "sums no dict": lambda run: (run / "openvino" / "export.json").write_text("[]"),
    "unreadable": _forged,
    "empty": lambda run: [file.unlink() for file in (run / "openvino").iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_export_is_made_again(exported, tmp_path, said, damage):
    run = Path(shutil.copytree(exported, tmp_path / "moved"))
    wanted = answers(run)
    assert said() == []
    damage(run)
    assert answers(run) == wanted and len(said()) == 1
    assert answers(run) == wanted and said() == []


def _refuses(*args, **kwargs):
    raise PermissionError(13, "Permission denied")


def _runs_full(model, file, **kwargs):
    """A file that came out short, and no error."""
    openvino.package().serialize(model, file)
    _cut(Path(file).with_suffix(".bin"))


@pytest.mark.parametrize("reason", ["not allowed", "disk full", "another's file", "a file of the name"])
def test_a_folder_that_cannot_be_written_is_no_hindrance(run, said, monkeypatch, reason):
    if reason == "not allowed":
        monkeypatch.setattr(Path, "mkdir", _refuses)
    elif reason == "disk full":
        monkeypatch.setattr(openvino.package(), "save_model", _runs_full)
    elif reason == "another's file":
        (run / "openvino").mkdir()
        (run / "openvino" / "notes.txt").write_text("precious")
    else:
        (run / "openvino").write_text("precious")
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    assert alike(answers(run), answers(run, "keras"))
    (told,) = said()
    assert told.startswith(f"openvino: converted in memory, because {run / 'openvino'} cannot be written (")
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


def test_an_export_that_is_stopped_leaves_nothing(run, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", stop)
        with pytest.raises(KeyboardInterrupt):
            kb.load(run, engine="openvino")
    assert sorted(p.name for p in run.iterdir()) == sorted(SAVED)


def test_a_conversion_that_says_something_else_is_refused(run, monkeypatch):
    function = openvino._function
    for wrong in (lambda scores: scores + 1, lambda scores: scores * np.nan):
        changed = lambda *a, w=wrong: lambda x: {"label": w(function(*a)(x)["label"]) * [1, 0]}  # noqa: E731
        monkeypatch.setattr(openvino, "_function", changed)
        with pytest.raises(kb.InputError, match="differ by .* from those of Keras: use --engine keras"):
            kb.load(run, engine="openvino")
    assert not (run / "openvino").exists()


# The saved folder with an export -----------------------------------------------------------------------------------


def test_it_loads_is_moved_and_saved_over(exported, tmp_path, said):
    run = Path(shutil.move(shutil.copytree(exported, tmp_path / "run"), tmp_path / "moved"))
    wanted = answers(run)
    assert alike(answers(run, "keras"), wanted) and said() == []
    (run / ".openvino.17.writing").mkdir()  # of an export that was killed
    kb.load(run, engine="openvino").save(run)
    assert sorted(p.name for p in run.iterdir()) == sorted(SAVED)
    assert answers(run) == wanted and len(said()) == 1


def test_files_next_to_the_export_are_not_deleted(exported, tmp_path):
    run = Path(shutil.copytree(exported, tmp_path / "run"))
    (run / "openvino" / "notes.txt").write_text("precious")
    with pytest.raises(kb.InputError, match=r"contains other files \(openvino/notes.txt\)"):
        kb.load(run).save(run)
    assert (run / "openvino" / "notes.txt").read_text() == "precious"


def test_a_task_that_is_trained_again_uses_keras(exported, checkpoint):
    task = kb.load(exported, engine="openvino")
    task.checkpoint = checkpoint
    task.fit(["好", "坏", "很好", "太坏"], list("abab"))
    assert {each.label for each in task.predict(TEXTS)} <= {"a", "b"}


# The package -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_missing_package_is_reported(run, tmp_path, monkeypatch, capsys, command):
    (tmp_path / "texts.csv").write_text("text,label\n好,好\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert getattr(cli, command)([str(run), str(tmp_path / "texts.csv"), "--engine", "openvino"]) == 2
    assert capsys.readouterr().err == (
        f"kbert-{command}: --engine openvino needs the package openvino: pip install 'kbert-tasks[openvino]'\n"
    )
    assert kb.load(run).predict(["好"])


def test_an_engine_that_is_not_there(run):
    with pytest.raises(kb.InputError, match="engine should be one of keras, openvino, not 'tpu'"):
        kb.load(run, engine="tpu")


def test_it_is_imported_only_when_asked_and_reports_to_nobody(exported):
    program = (
        "import sys, kbert_tasks as kb; kb.load(sys.argv[1]).predict(['a']); assert 'openvino' not in sys.modules;"
        "kb.load(sys.argv[1], engine='openvino').predict(['a']); assert 'openvino' in sys.modules;"
        "assert 'openvino_telemetry' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program, exported], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
