"""The model card of a saved task."""

import copy
import json
import re
import shutil

import kbert_tasks as kb
from kbert_tasks.checkpoint import catalog
from kbert_tasks.saving import folder as layout
from kbert_tasks.saving.card import card, known_checkpoint


def front_matter(text):
    """The lines between the two `---` as {key: value}; a list is the value of its key."""
    head, _ = text.removeprefix("---\n").split("\n---\n", 1)
    assert not re.search(r"^\s*$", head, re.M)
    found, key = {}, None
    for line in head.splitlines():
        if line.startswith("- "):
            found[key] = [*(found[key] or []), line[2:]]
        else:
            key, value = line.split(":", 1)
            found[key] = value.strip()
    return found


def with_report(task, **changes):
    other = copy.copy(task)
    other.report_ = task.report_ | changes
    return other


def test_card_names_the_task_labels_data_and_use(hotel):
    task, run = hotel
    text = (run / layout.CARD).read_text(encoding="utf-8")
    assert front_matter(text) == {
        "library_name": "kbert_tasks", "pipeline_tag": "text-classification", "tags": ["bert", "kbert_tasks"],
    }  # fmt: skip
    assert "2 labels: `坏`, `好`." in text
    assert "| train | 4 | 4 | 0 |" in text
    assert "The model was not scored" in text
    assert "The license of the checkpoint is not known" in text
    assert 'kb.load("run")' in text and "kbert-serve run" in text
    assert not any(each in text for each in ("房间很干净", "太吵", str(run.parent), "{", "\n\n\n"))


def test_card_explains_the_scores_and_says_what_the_development_texts_decided(hotel):
    scores = {"dev": {"accuracy": 0.5, "macro_f1": None, "per_class": {}}, "test": {"accuracy": 0.75, "f1": 1}}
    counts = {"dev": {"read": 1, "used": 1, "skipped": {}}, "test": {"read": 1, "used": 1, "skipped": {}}}
    baseline = {"name": "a simple model", "scores": {"test": {"accuracy": 0.9}}}
    text = card(with_report(hotel[0], scores=scores, baseline=baseline, examples=counts), "run")
    assert "| accuracy | 0.5000 | 0.7500 | share of the texts that are answered correctly |" in text
    assert "| f1 | – | 1.0000 | harmonic mean of precision and recall |" in text
    assert "scores on them are optimistic" in text and "had no influence" in text
    assert "- The model's accuracy on the test texts, 0.7500, is below the 0.9000 of a simple model.\n" in text
    assert "Label more texts" not in text  # which is advice for a training, and no property of the model


def test_names_with_special_characters_are_quoted(hotel):
    task = copy.copy(hotel[0])
    task.labels_ = ["a`b", "``", "x\n---\ny"]
    text = card(task, "my 'run'")
    assert "``a`b``" not in text and "`` a`b ``, ``` `` ```, `x --- y`" in text
    assert "kbert-predict 'my '\"'\"'run'\"'\"'' new.csv" in text
    assert "kb.load(\"my 'run'\")" in text


def test_many_labels_are_not_all_listed(hotel):
    task = copy.copy(hotel[0])
    task.labels_ = [f"label {i}" for i in range(150)]
    text = card(task, "run")
    assert "150 labels: " in text and "`label 99`, and 50 more, which are listed in `task.json`." in text


def test_license_and_language_of_a_known_checkpoint(hotel):
    task, entry = hotel[0], catalog.find("bert-base-chinese")
    config = {"num_hidden_layers": entry.layers, "hidden_size": entry.hidden, "vocab_size": entry.vocab_size}
    about = {"name": "bert-base-chinese", "cased": False, "config": config}
    text = card(with_report(task, checkpoint=about), "run")
    assert "License of the checkpoint: Apache-2.0." in text and front_matter(text)["language"] == "zh"
    assert known_checkpoint(about | {"config": config | {"hidden_size": 16}}) is None  # another one with this name
    text = card(with_report(task, checkpoint=about | {"name": "mine", "hub": "hf:owner/name@main"}), "run")
    assert json.loads(front_matter(text)["base_model"]) == "owner/name"


def test_folder_loads_without_its_card_and_a_saved_card_is_replaced(hotel, tmp_path):
    task, run = hotel[0], shutil.copytree(hotel[1], tmp_path / "run")
    written = (run / layout.CARD).read_text(encoding="utf-8")
    (run / layout.CARD).unlink()
    assert kb.load(run).predict(["好"])
    (run / layout.CARD).write_text("mine", encoding="utf-8")
    task.save(run)
    assert (run / layout.CARD).read_text(encoding="utf-8") == written


def test_readme_of_another_folder_is_not_replaced(hotel, tmp_path):
    (tmp_path / "README.md").write_text("about something else", encoding="utf-8")
    try:
        hotel[0].save(tmp_path)
    except kb.InputError as error:
        assert "contains other files (README.md)" in str(error)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "about something else"
