"""kbert-compare: the table of runs, the paired bootstrap, and the page. Most runs are invented and written as JSON."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks import cli, samples, tasks
from kbert_tasks.comparison import answers, bootstrap, runs
from kbert_tasks.comparison.page import html
from kbert_tasks.metrics import classification
from kbert_tasks.tasks.entity import scores as entity_scores
from kbert_tasks.tasks.entity.entities import Entity
from kbert_tasks.tasks.relation import scores as relation_scores
from kbert_tasks.tasks.relation.triples import Triple
from kbert_tasks.tasks.subject import scores as subject_scores

from ..reporting import made
from ..reporting.reading import Page

HOSTILE = "<script>alert(1)</script></style></title><img src=//x onerror=alert(2)>\"'><!-- {{ 7*7 }} \x1b[2J"
LABELS = made.LABELS
TRIPLES = [Triple(f"甲{n}", "作者", f"乙{n}") for n in range(4)]
ENTITIES = [Entity("文本"[:end], kind, 0, end) for end in (1, 2) for kind in ("人物", "地点")]


def written(folder, report, rows, **more):
    """Write the files of a saved folder that a comparison reads."""
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report | more), encoding="utf-8")
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows)
    (folder / "answers.jsonl").write_text(lines, encoding="utf-8", errors="backslashreplace")
    return folder


def random(task, seed, number=60):
    """(report, answers): the texts and gold are always the same, the predictions depend on `seed`."""
    gold, answer = np.random.default_rng(0), np.random.default_rng(seed)

    def subset(chance, values):
        return [value for value in values if chance.random() < 0.4]

    if task == "classify":
        truth, found = (list(chance.choice(LABELS, number)) for chance in (gold, answer))
        found = [str(each) if answer.random() < 0.9 else None for each in found]
        truth = [str(each) for each in truth]
        scores, pairs = classification.classification(truth, found, LABELS), list(zip(truth, found, strict=True))
    elif task == "several":
        truth, found = ([tuple(subset(chance, LABELS)) for _ in range(number)] for chance in (gold, answer))
        scores, pairs = classification.multi_label(truth, found, LABELS), list(zip(truth, found, strict=True))
    elif task == "relation":
        truth, found = ([subset(chance, TRIPLES) for _ in range(number)] for chance in (gold, answer))
        scores = relation_scores.triples(truth, found)
        pairs = [[[t.as_dict() for t in part] for part in each] for each in zip(truth, found, strict=True)]
    elif task == "entity":
        truth, found = ([tuple(subset(chance, ENTITIES)) for _ in range(number)] for chance in (gold, answer))
        scores = entity_scores.entities(truth, found)
        pairs = [[[e.as_dict() for e in part] for part in each] for each in zip(truth, found, strict=True)]
    else:
        truth, found = ([subset(chance, "甲乙丙") for _ in range(number)] for chance in (gold, answer))
        found = [each[::-1] for each in found]
        scores = subject_scores.subjects(truth, found, ["召回"] * number)
        pairs = [[[{"subject": s} for s in part] for part in each] for each in zip(truth, found, strict=True)]
    keys = () if task == "several" else tasks.find(task).presentation.keys
    rows = [
        {
            "text": f"文本{n}",
            "gold": g,
            "predicted": p,
            "right": answers.members(g, keys) == answers.members(p, keys),
            "loss": n / 9,
        }
        for n, (g, p) in enumerate(pairs)
    ]
    return made.report("classify" if task == "several" else task, scores), rows


@pytest.fixture
def pair(tmp_path):
    """Two saved folders of text classification."""
    one, other = random("classify", 1), random("classify", 2)
    other[0]["settings"] = other[0]["settings"] | {"learning_rate": 3e-5}
    other[0]["versions"] = other[0]["versions"] | {"python": "3.13.1"}
    return written(tmp_path / "a", *one), written(tmp_path / "b", *other)


def run(*words):
    return cli.compare([str(word) for word in words])


@pytest.mark.parametrize("task", ["classify", "several", "relation", "subject", "entity"])
def test_scores_equal_those_of_the_reports(task, tmp_path):
    reports = [random(task, seed) for seed in (1, 2, 3)]
    found = kb.compare([written(tmp_path / str(n), *each) for n, each in enumerate(reports)])
    assert [each.run for each in found.differences] == ["1", "2"]
    for each, (report, rows) in zip(found.differences, reports[1:], strict=True):
        assert next(iter(each.scores)) == tasks.find(report["task"]).MAIN_SCORE
        for name, interval in each.scores.items():
            assert interval.baseline == pytest.approx(reports[0][0]["scores"]["test"][name], abs=1e-12)
            assert interval.run == pytest.approx(report["scores"]["test"][name], abs=1e-12)
            assert interval.low < interval.difference < interval.high
        right = [[a["right"] for a in part] for part in (reports[0][1], rows)]
        assert each.only_run == sum(b > a for a, b in zip(*right, strict=True))
        assert each.only_baseline == sum(b < a for a, b in zip(*right, strict=True))
    assert set(found.differences[0].scores) == {
        "classify": {"accuracy", "macro_f1"}, "several": {"accuracy", "micro_f1", "macro_f1"}, "relation": {"f1"},
        "subject": {"f1", "accuracy"}, "entity": {"f1"},
    }[task]  # fmt: skip


@pytest.mark.parametrize("task", tasks.names())
def test_trained_runs_of_each_task(task, checkpoint, tmp_path):
    rows = kb.read(samples.path(task, "en", "train"))[:12]
    trained = tasks.find(task)
    one = trained(checkpoint, epochs=1, max_length=64, precision="float32").fit(rows, dev=rows)
    one.add_test(one.evaluate(rows), 0.1)
    one.save(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    found = kb.compare([tmp_path / "one", tmp_path / "two"])
    for name, interval in found.differences[0].scores.items():
        assert interval.baseline == pytest.approx(one.report_["scores"]["test"][name], abs=1e-12)
        assert (interval.low, interval.high, interval.not_better) == (0, 0, interval.resamples)
    assert "no significant difference" in str(found)
    assert list(found.table.index[:2]) == ["checkpoint", "training texts"]  # no setting, file or version differs


counted = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1)


def as_counts(rows):
    """Counts for texts with 3 gold answers, from rows of (right, right of the other, wrong, wrong of the other)."""
    return np.array([[[[a, a + c + 3]] for a, _, c, _ in rows], [[[b, b + d + 3]] for _, b, _, d in rows]])


@settings(max_examples=25)
@given(counted, st.randoms())
def test_interval_does_not_depend_on_the_order_of_texts(rows, shuffled):
    before = bootstrap.interval(as_counts(rows), 500)
    other = list(rows)
    shuffled.shuffle(other)
    assert bootstrap.interval(as_counts(other), 500) == before
    assert before.low <= before.high and -1 <= before.low and before.high <= 1
    same = bootstrap.interval(as_counts(rows)[[0, 0]], 500)
    assert (same.low, same.difference, same.high, same.not_better) == (0, 0, 0, 500)


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=1))
def test_run_with_only_right_answers_is_never_worse(right):
    worse = np.array([[[int(each), 2]] for each in right])
    best = np.array([[[1, 2]] for _ in right])
    found = bootstrap.interval(np.stack([worse, best]), 500)
    assert 0 <= found.low <= found.difference <= 1
    if not any(right):
        assert (found.low, found.high, found.not_better) == (1, 1, 0)


def test_interval_equals_a_simple_bootstrap():
    """The simple bootstrap: draw texts, compute the score, take percentiles."""
    _, one = random("relation", 1, 200)
    _, other = random("relation", 2, 200)
    counts = answers.counts(tasks.find("relation").presentation, list(zip(one, other, strict=True)))["f1"]
    chance, found = np.random.default_rng(3), []
    for _ in range(4000):
        drawn = counts[:, chance.integers(0, 200, 200)].sum(1)[:, 0]  # (runs, 2)
        f1 = 2 * drawn[:, 0] / drawn[:, 1]
        found.append(f1[1] - f1[0])
    simple, ours = np.quantile(found, (0.025, 0.975)), bootstrap.interval(counts)
    np.testing.assert_allclose((ours.low, ours.high), simple, atol=0.006)
    assert ours.not_better / ours.resamples == pytest.approx(np.mean(np.array(found) <= 0), abs=0.03)


def test_interval_of_accuracy_is_close_to_the_normal_approximation():
    """The standard error of a paired difference is known; the interval is 1.96 standard errors to each side."""
    counts = np.array([[[[n % 5 != 0, 2]] for n in range(2000)], [[[n % 7 != 0, 2]] for n in range(2000)]])
    each = counts[1, :, 0, 0] - counts[0, :, 0, 0]
    found, error = bootstrap.interval(counts), 1.96 * each.std() / np.sqrt(2000)
    np.testing.assert_allclose((found.low, found.high), each.mean() + np.array([-error, error]), atol=0.0015)


def test_table_contains_only_settings_that_differ(pair):
    table = kb.compare(pair).table
    assert list(table.columns) == ["a", "b"] and table.index.is_unique
    assert table.loc["learning_rate"].tolist() == [1e-05, 3e-05]
    assert table.loc["python"].tolist() == ["3.12.1", "3.13.1"]
    assert table.loc["training texts"].tolist() == [10, 10] and table.loc["best epoch"].tolist() == [3, 3]
    assert {"checkpoint", "dev accuracy", "test macro F1", "seconds of training"} <= {*table.index}
    assert not {"max_length", "kbert-tasks", "computed in"} & {*table.index}


def test_comparison_is_printed_as_text_and_json(pair, capsys):
    assert run(*pair) == 0
    out = capsys.readouterr().out
    assert re.search(r"learning_rate +1e-05 +3e-05", out) and re.search(r"test accuracy +0\.\d{4} +0\.\d{4}\n", out)
    assert re.search(r"95 % interval -?\d+\.\d to -?\d+\.\d; not better in [\d,]+ of 10,000 resamples", out)
    assert "depend on the seed" in out
    assert run(*pair, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in result["runs"]] == ["a", "b"] and result["table"]["learning_rate"]["b"] == 3e-05
    (difference,) = result["differences"]
    accuracy = difference["scores"]["accuracy"]
    assert accuracy["difference"] == pytest.approx(accuracy["run"] - accuracy["baseline"])
    assert accuracy["low"] < accuracy["difference"] < accuracy["high"]


def test_sentence_states_which_run_is_better(tmp_path):
    report, good = random("classify", 1)
    good = [each | {"predicted": each["gold"], "right": True} for each in good]
    bad = [each | {"predicted": "?", "right": False} for each in good]
    folders = written(tmp_path / "good", report, good), written(tmp_path / "bad", report, bad)
    assert str(kb.compare(folders).differences[0]) == (
        "bad is worse than good by 100.0 points of accuracy (0.0000 against 1.0000), 95 % interval 100.0 to 100.0; "
        "not better in 10,000 of 10,000 resamples. Of 60 texts, 0 are correct only with bad, 60 only with good."
    )
    assert "good is better than bad by 100.0 points" in str(kb.compare(folders[::-1]))
    few = written(tmp_path / "few", report, good[:5]), written(tmp_path / "none", report, bad[:5])
    assert "no significant difference" in str(kb.compare(few[::-1]))


def test_texts_in_another_order_are_matched_by_content(pair, tmp_path):
    report, given = random("classify", 2)
    shuffled = written(tmp_path / "c", report, given[30:] + given[:30])
    one, other = kb.compare([pair[0], pair[1], shuffled]).differences
    assert one.scores == other.scores and one.only_run == other.only_run


def test_reasons_why_runs_are_not_compared(pair, tmp_path):
    report, given = random("classify", 2)
    untested = written(tmp_path / "c", report | {"scores": {"dev": report["scores"]["dev"]}}, given)
    gold = written(tmp_path / "d", report, [given[0] | {"gold": "?"}, *given[1:]])
    texts = written(tmp_path / "e", report, given[:50])
    found = kb.compare([pair[0], untested, gold, texts, pair[1]])
    assert [each.why_not for each in found.differences] == [
        "c has no predictions for test texts: train it with a test file",
        "a and d have the same test texts, but 1 of 60 gold answers differ",
        "a and e have different test texts: 50 are in both, of 60 and 50",
        None,
    ]
    assert "c is not compared with a: c has no predictions" in str(found)
    read = Page(html(found))
    assert "c is not compared with a" in read.words and "texts" in read.sections
    assert "texts" not in Page(html(kb.compare([untested, pair[0]]))).sections


def test_names_are_unique(tmp_path):
    paths = [tmp_path / each for each in ("x/a", "y/a", "b", "y/c/a")]
    assert runs.names(paths) == ["x/a", "y/a", "b", "c/a"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["A"], "give at least two saved folders to compare, found 1"),
        (["A", "A"], "is given twice"),
        (["A", "OUT/nowhere"], "does not exist"),
        (["A", "OUT"], "it has no report.json and no answers.jsonl"),
        (["A", "RELATION"], "only runs of the same task can be compared; found: a is classify, relation is relation"),
        (["A", "DAMAGED"], "report.json is damaged"),
        (["A", "OTHER"], "answers.jsonl is damaged or of another version"),
        (["A", "B", "--output", "OUT/page.txt"], "--output should end in .html"),
        (["A", "B", "--output", "OUT/none/page.html"], "there is no folder"),
        ([], "the following arguments are required: DIR"),
    ],
)
def test_bad_input_prints_one_sentence_and_writes_nothing(pair, tmp_path, capsys, words, message):
    out = tmp_path / "out"
    out.mkdir()
    written(tmp_path / "relation", *random("relation", 1))
    shutil.copytree(pair[0], tmp_path / "damaged")
    (tmp_path / "damaged" / "report.json").write_text('{"task": ')
    written(tmp_path / "other", random("classify", 1)[0], [{"text": "好"}])
    places = {"A": pair[0], "B": pair[1], "OUT": out} | {
        n: tmp_path / n.lower() for n in ("RELATION", "DAMAGED", "OTHER")
    }
    words = [re.sub(r"^[A-Z]+", lambda found: str(places[found[0]]), word) for word in words]
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert (
        not captured.out
        and captured.err.count("\n") == 1
        and captured.err.startswith("kbert-compare: ")
        and message in captured.err
    )
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    "task, number", [("classify", 6), ("several", 2), ("relation", 2), ("subject", 2), ("entity", 2)]
)
def test_page_of_a_comparison(task, number, tmp_path, capsys):
    folders = [written(tmp_path / f"{n}", *random(task, n)) for n in range(number)]
    page = tmp_path / "compare.html"
    page.write_text("of yesterday")
    assert run(*folders, "--output", page) == 0
    assert f"saved in {page}" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    read = Page(text)
    assert read.sections == ["difference", "table", "training", "texts"] and read.loaded == []
    assert "http:" not in text and "https:" not in text and "script" not in read.tags
    assert (
        len(read.ids) == len(set(read.ids)) and read.tags.count("svg") == 1 + (number + 1) // 3
    )  # six runs: five differences in two plots
    assert "Between" in read.words or "better" in read.words or "worse" in read.words
    assert not list(tmp_path.glob(".*"))


def test_text_is_escaped(tmp_path, capsys):
    folders = []
    for n, name in enumerate((HOSTILE.replace("/", "|"), "b" * 60, "c" + "b" * 60)):
        report, given = random("classify", n)
        report["settings"] = {HOSTILE: f"{HOSTILE}{n}"}
        report["checkpoint"] = {"name": HOSTILE}
        given = [each | {"text": HOSTILE + str(i) + " half \ud83d", "gold": HOSTILE} for i, each in enumerate(given)]
        given = [each | {"predicted": HOSTILE if each["right"] else "x" + HOSTILE} for each in given]
        folders.append(written(tmp_path / name, report, given))
    assert run(*folders, "--output", tmp_path / "page.html") == 0
    assert "\x1b" not in capsys.readouterr().out
    read = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert not {"script", "img"} & {*read.tags} and read.words.count("<script>alert(1)") > 20 and read.loaded == []


def test_page_shows_as_many_texts_of_each_run(tmp_path):
    report, given = random("classify", 1, 200)
    sides = [
        [each | {"right": (n % 2 == side), "predicted": each["gold"] if n % 2 == side else "?"} for n, each in enumerate(given)]
        for side in (0, 1)
    ]  # fmt: skip
    read = Page(html(kb.compare([written(tmp_path / str(n), report, each) for n, each in enumerate(sides)])))
    assert read.words.count("100, 25 shown") == 2 and read.words.count("loss with") == 50


def test_comparison_loads_neither_tensorflow_nor_a_model(pair):
    program = f"import sys; from kbert_tasks.cli import compare; compare({[str(each) for each in pair]!r})\n"
    program += "print([m for m in ('tensorflow', 'matplotlib', 'sklearn', 'tokenizers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and done.stderr == ""
    program = (
        "import sys\nfrom kbert_tasks.cli import compare\ntry:\n    compare(['--help'])\nexcept SystemExit:\n    pass\n"
    )
    program += "print([m for m in ('numpy', 'pandas', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
