"""Rows and examples: tables with one answer per row."""

from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.data.cells import text_of
from kbert_tasks.data.examples import Skip, join_rows
from kbert_tasks.data.split import folds_of, hold_out
from kbert_tasks.metrics.formatting import run_text
from kbert_tasks.tasks.relation.triples import Triple, triples_of
from kbert_tasks.training.inputs import encode

NAMES = ["subject", "predicate", "object"]


def rows(table, column="spo_list"):
    return list(zip(table["text"], table[column], strict=True))


def test_rows_with_one_triple_each_are_joined_to_one_row_per_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "id,text,s,p,o\n1,b,b,x,NA\n2,a,a,x,007\n3,b,b,y,d\n4,c,,,\n5,a,,,\n6,,e,z,f\n7,,,,\n", encoding="utf-8"
    )
    joined, sources = join_rows(kb.read(path), ["text"], ("s", "p", "o"), "made")
    assert list(joined.columns) == ["id", "text", "made"]
    assert list(joined["id"]) == ["1", "2", "4", "6", "7"]  # from the first row of each text
    assert rows(joined, "made") == [
        ("b", [["b", "x", "NA"], ["b", "y", "d"]]),
        ("a", [["a", "x", "007"]]),
        ("c", []),
        ("", [["e", "z", "f"]]),
        ("", []),
    ]
    assert sources == [(0, 2), (1, 4), (3,), (5,), (6,)]
    assert joined.attrs["file"] == str(path)
    assert triples_of(joined["made"].iloc[0], "b") == (Triple("b", "x", "NA"), Triple("b", "y", "d"))
    assert triples_of(joined["made"].iloc[2], "c") == ()


def test_row_with_an_incomplete_triple_is_kept():
    table = pd.DataFrame([("a", "x", None, float("nan"))], columns=["text", *NAMES])
    ((text, (cells,)),) = rows(join_rows(table, ["text"], NAMES, "spo_list")[0])
    assert (text, [text_of(cell) for cell in cells]) == ("a", ["x", "", ""])


def test_joining_does_not_change_the_given_table():
    table = pd.DataFrame([("a", "x", "y", "z"), ("a", "x", "y", "w")], columns=["text", *NAMES], index=[7, 5])
    before = table.copy()
    joined, sources = join_rows(table, ["text"], NAMES, "spo_list")
    pd.testing.assert_frame_equal(table, before)
    assert list(joined.index) == [7] and sources == [(0, 1)]


cells = st.sampled_from(["", " ", "x", "y", None])


@given(st.lists(st.tuples(st.sampled_from(["a", "b", " ", "", None]), cells, cells, cells), min_size=1))
def test_joined_table_has_every_triple_in_the_row_of_its_text(table):
    joined, sources = join_rows(pd.DataFrame(table, columns=["text", *NAMES]), ["text"], NAMES, "spo_list")
    expected = {}  # in the order of the texts; each empty text is an example of its own
    for position, (text, *strings) in enumerate(table):
        found = expected.setdefault((text or "").strip() or position, [])
        if any(each and each.strip() for each in strings):
            found.append([text_of(each) for each in strings])
    texts = ["" if isinstance(key, int) else key for key in expected]
    assert [
        (text_of(text).strip(), [list(map(text_of, each)) for each in found]) for text, found in rows(joined)
    ] == list(zip(texts, expected.values(), strict=True))
    assert sorted(position for source in sources for position in source) == list(range(len(table)))


def test_rows_with_different_keys_are_not_joined():
    table = pd.DataFrame([("a", "k", "x"), ("a", "l", "y"), ("a", "k", "z")], columns=["text", "kind", "s"])
    joined, _ = join_rows(table, ["text", "kind"], ["s"], "all")
    assert joined.values.tolist() == [["a", "k", [["x"], ["z"]]], ["a", "l", [["y"]]]]


# Every row is counted once, in the part that contains its example --------------------------------------------------

TWO_ROWS_PER_TEXT = {
    "subject": [{"text": f"{a}和{b}", "event_type": "停产", "subject": one} for a, b in ("甲乙", "丙丁", "戊己", "庚辛") for one in (a, b)],
    "relation": [
        {"text": f"{a}和{b}", "subject": a, "predicate": "和", "object": one}
        for a, b in ("甲乙", "丙丁", "戊己", "庚辛")
        for one in (a, b)
    ],
}  # fmt: skip


def counts(examples):
    return len(examples.rows), examples.joined, examples.skipped.total()


@pytest.mark.parametrize("name", TWO_ROWS_PER_TEXT)
def test_joined_rows_are_held_out_together(name, checkpoint, tmp_path):
    file = tmp_path / "rows.csv"
    pd.DataFrame(TWO_ROWS_PER_TEXT[name]).to_csv(file, index=False)
    task = tasks.find(name)(checkpoint, validation_split=0.5, epochs=1, max_length=16).fit(kb.read(file))
    for part in ("train", "dev"):
        counted = task.report_["examples"][part]
        assert (counted["read"], counted["used"], counted["joined"]) == (4, 2, 2)
    printed = run_text(task.report_)
    for part in ("train", "dev"):
        assert f"{part}: 4 rows read, 2 used, 2 merged with an earlier row of the same text, 0 skipped" in printed


@pytest.mark.parametrize("name", TWO_ROWS_PER_TEXT)
def test_joined_rows_are_in_the_same_fold(name):
    task = tasks.find(name)()
    examples = task.examples(TWO_ROWS_PER_TEXT[name])
    for places in folds_of(task, examples, 4):
        rest, part = map(examples.part, places)
        assert (rest.read, *counts(rest)) == (6, 3, 3, 0) and (part.read, *counts(part)) == (2, 1, 1, 0)


def test_joined_rows_without_a_target_are_skipped_together():
    class Picky(tasks.find("subject")):
        def encode(self, example):
            return [SimpleNamespace(ids=[], segments=[], whole=1, cut=0)]

        def target(self, example, window):
            return Skip("not wanted") if example.text == "丙和丁" else [(0, 0)]

        def notes_on(self, example, windows):
            return ()

    task = Picky()
    examples = task.examples(TWO_ROWS_PER_TEXT["subject"])
    found, _ = encode(task, examples)
    assert len(found) == 3 and examples.skipped == {"not wanted": 2}
    assert (examples.read, *counts(examples)) == (8, 3, 3, 2)


a_row = st.fixed_dictionaries(
    {
        "text": st.sampled_from(["甲和乙", "丙和丁", "戊", "己", "", " "]),
        "event_type": st.sampled_from(["停产", "召回", ""]),
        "subject": st.sampled_from(["甲", "丙", "戊", ""]),
        "predicate": st.just("和"),
        "object": st.sampled_from(["乙", "丁", ""]),
    }
)


@given(
    st.sampled_from(["relation", "subject"]),
    st.lists(a_row, min_size=1, max_size=30),
    st.floats(0, 0.9),
    st.integers(0, 99),
    st.sampled_from(["keep", "skip"]),
)
def test_every_row_is_counted_once_for_any_validation_split(name, table, share, seed, without_subject):
    settings = {"without_subject": without_subject} if name == "subject" else {}
    task = tasks.find(name)(validation_split=share, seed=seed, **settings)
    examples = task.examples(table)
    assert examples.read == len(table)
    train, dev = hold_out(task, examples, task.settings.validation_split)
    assert train.read + dev.read == len(table)
    assert train.skipped == examples.skipped and not dev.skipped
    assert train.joined + dev.joined == examples.joined
    for part in (train, dev):
        assert part.read == sum(counts(part))
        texts = [row["text"] for source in part.sources for row in (table[i] for i in source)]
        assert texts == [example.text for example, source in zip(part.rows, part.sources, strict=True) for _ in source]
    assert sorted(train.sources + dev.sources) == sorted(examples.sources)


# Repeated header lines -----------------------------------------------------------------------------------------


def test_repeated_header_line_is_counted_and_not_used(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("id,text,label\n1,a,x\nid,text,label\n2,b,y\n id ,text,label\n3,text,label\n", encoding="utf-8")
    examples = tasks.find("classify")().examples(kb.read(file))
    assert [(each.text, each.label) for each in examples.rows] == [("a", "x"), ("b", "y"), ("text", "label")]
    assert examples.sources == [(0,), (2,), (4,)]
    assert (examples.read, examples.skipped) == (5, {"repeated header line": 2})
    without_gold = tasks.find("classify")().examples(kb.read(file), gold=False)
    assert (without_gold.sources, without_gold.read) == ([(0,), (2,), (4,)], 5)


@pytest.mark.parametrize("name", TWO_ROWS_PER_TEXT)
def test_repeated_header_line_is_not_used_when_rows_are_joined(name, tmp_path):
    table = pd.DataFrame(TWO_ROWS_PER_TEXT[name])
    header = pd.DataFrame([[*table.columns]], columns=table.columns)
    rows = pd.concat([table[:3], header, table[3:]])
    examples = tasks.find(name)().examples(rows)
    assert examples.rows == tasks.find(name)().examples(table).rows
    assert examples.sources == [(0, 1), (2, 4), (5, 6), (7, 8)]
    assert examples.skipped == {"repeated header line": 1} and examples.read == 9


def test_text_equal_to_its_column_name_is_used(tmp_path):
    assert tasks.find("classify")().examples(pd.DataFrame({"text": ["text"]}), gold=False).skipped == {}
    (tmp_path / "a.csv").write_text("1,2\na,b\n", encoding="utf-8")
    task = tasks.find("classify")(text_column="1", label_column="2")
    assert len(task.examples(kb.read(tmp_path / "a.csv", header=False)).rows) == 2


def test_error_after_a_repeated_header_line_names_the_right_row():
    rows = pd.DataFrame({"text": ["a", "text", ["b"]], "label": ["x", "label", "y"]}, dtype=object)
    with pytest.raises(kb.InputError, match="the table, row 3: column 'text'"):
        tasks.find("classify")().examples(rows)
    rows = pd.DataFrame(
        {"text": ["a", "text", ["b"]], "event_type": ["e", "event_type", "e"], "subject": ["a", "subject", "b"]}
    )
    with pytest.raises(kb.InputError, match="the table, row 3: column 'text'"):
        tasks.find("subject")().examples(rows)


@pytest.mark.parametrize("header", ["text,label", '"text","label"', "text, label"])
def test_repeated_header_lines_with_a_byte_order_mark_are_not_used(tmp_path, header):
    path = tmp_path / "a.csv"
    path.write_text(f"\ufeff{header}\n好,x\n\ufeff{header}\n坏,y\n\ufeff吃,x\n", encoding="utf-8")
    examples = kb.TextClassifier().examples(kb.read(path))
    assert examples.skipped == {"repeated header line": 1}
    assert [each.label for each in examples.rows] == ["x", "y", "x"]
