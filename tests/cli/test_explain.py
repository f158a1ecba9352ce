"""The kbert-explain command."""

import json

import pytest

from kbert_tasks import cli

TEXT = "房间很<b>好</b>"


@pytest.fixture(scope="module")
def folder(hotel):
    return hotel[1]


def run(*words):
    return cli.explain([str(word) for word in words])


def test_explanation_is_printed_as_a_table(folder, capsys):
    assert run(folder, TEXT, "--answer", "坏", "--steps", 20) == 0
    out = capsys.readouterr().out
    assert out.startswith("坏: probability 0.") and "after 20 steps" in out
    assert [line.split()[0] for line in out.splitlines()[4:]] == ["[CLS]", *TEXT, "[SEP]"]


@pytest.mark.parametrize("text", ["-5度太冷", "-，好", "-3"])
def test_text_may_start_with_a_dash(folder, capsys, text):
    assert run(folder, text, "--json", "--steps", 2) == 0
    assert "".join(each["token"] for each in json.loads(capsys.readouterr().out)["tokens"][1:-1]) == text
    assert run(folder, "--json", "--steps", 2, "--", f"--{text}") == 0


@pytest.mark.parametrize("words", [["RUN", "-ab"], ["RUN", "--好"], ["--json", "RUN", "--好"]])
def test_a_text_that_looks_like_an_option_gets_advice_about_two_dashes(capsys, words):
    assert run(*words) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert f"required: TEXT; {words[-1]} was read as an option: put -- before a text" in error


def test_a_value_that_looks_like_an_option_gets_advice_about_the_equals_sign(capsys):
    assert run("RUN", "好", "--text-b", "-5", "--answer", "--好") == 2
    assert "--answer: expected one argument; put = between an option and a value" in capsys.readouterr().err


def test_json_option_prints_json(folder, capsys):
    assert run(folder, TEXT, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["answer"] in ("好", "坏") and result["predicted"] and result["steps"] == 50
    assert [each["token"] for each in result["tokens"]] == ["[CLS]", *TEXT, "[SEP]"]
    total = sum(each["attribution"] for each in result["tokens"])
    assert total == pytest.approx(result["score"] - result["baseline"] + result["delta"], abs=1e-4)


def test_output_option_writes_a_page(folder, tmp_path, capsys):
    page = tmp_path / "explain.html"
    page.write_text("of yesterday")
    assert run(folder, TEXT, "--output", page) == 0
    assert f"saved in {page}" in capsys.readouterr().out
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>") and "<b>好" not in html and "&lt;" in html
    assert [each.name for each in tmp_path.iterdir()] == ["explain.html"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere", TEXT], "does not exist"),
        (["RUN", " "], "there is nothing to explain: empty text"),
        (["RUN", TEXT, "--answer", "好评"], "'好评' is not a label of this model"),
        (["RUN", TEXT, "--text-b", "x"], "single texts, not pairs"),
        (["RUN", TEXT, "--steps", "0"], "steps should be a whole number, at least 1, not 0"),
        (["RUN", TEXT, "--steps", "many"], "invalid int value"),
        (["RUN", TEXT, "--output", "OUT/page.txt"], "--output should end in .html"),
        (["RUN", TEXT, "--output", "OUT/none/page.html"], "there is no folder"),
        (["RUN", "", "--output", "OUT/page.html"], "empty text"),
        (["RUN"], "the following arguments are required: TEXT"),
    ],
)
def test_bad_input_prints_one_sentence_and_writes_nothing(folder, tmp_path, capsys, words, message):
    words = [word.replace("RUN", str(folder)).replace("OUT", str(tmp_path)) for word in words]
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and err.startswith("kbert-explain: ") and message in err
    assert not list(tmp_path.iterdir())


def test_folder_without_a_saved_task_is_an_error(tmp_path, capsys):
    assert run(tmp_path, TEXT) == 2
    assert "is not a saved task" in capsys.readouterr().err


def test_failed_page_keeps_the_earlier_one(folder, tmp_path, capsys, monkeypatch):
    from kbert_tasks.explanation import page

    (tmp_path / "explain.html").write_text("of yesterday")
    monkeypatch.setattr(page, "html", lambda explanation: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(folder, TEXT, "--output", tmp_path / "explain.html")
    assert [each.read_text() for each in tmp_path.iterdir()] == ["of yesterday"]
