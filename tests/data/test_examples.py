"""Rows and examples: tables with an answer a row."""

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


def test_one_triple_a_row_becomes_one_row_a_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "id,text,s,p,o\n1,b,b,x,NA\n2,a,a,x,007\n3,b,b,y,d\n4,c,,,\n5,a,,,\n6,,e,z,f\n7,,,,\n", encoding="utf-8"
    )
    made, sources = join_rows(kb.read(path), ["text"], ("s", "p", "o"), "made")
    assert list(made.columns) == ["id", "text", "made"]
    assert list(made["id"]) == ["1", "2", "4", "6", "7"]  # of a text's first row
    assert rows(made, "made") == [
        ("b", [["b", "x", "NA"], ["b", "y", "d"]]),
        ("a", [["a", "x", "007"]]),
        ("c", []),
        ("", [["e", "z", "f"]]),
        ("", []),
    ]
    assert sources == [(0, 2), (1, 4), (3,), (5,), (6,)]
    assert made.attrs["file"] == str(path)
    assert triples_of(made["made"].iloc[0], "b") == (Triple("b", "x", "NA"), Triple("b", "y", "d"))
    assert triples_of(made["made"].iloc[2], "c") == ()


def test_a_row_that_holds_a_part_of_a_triple_is_not_lost():
    table = pd.DataFrame([("a", "x", None, float("nan"))], columns=["text", *NAMES])
    ((text, (cells,)),) = rows(join_rows(table, ["text"], NAMES, "spo_list")[0])
    assert (text, [text_of(cell) for cell in cells]) == ("a", ["x", "", ""])


def test_the_table_that_is_joined_stays_as_it_was():
    table = pd.DataFrame([("a", "x", "y", "z"), ("a", "x", "y", "w")], columns=["text", *NAMES], index=[7, 5])
    before = table.copy()
    made, sources = join_rows(table, ["text"], NAMES, "spo_list")
    pd.testing.assert_frame_equal(table, before)
    assert list(made.index) == [7] and sources == [(0, 1)]


cells = st.sampled_from(["", " ", "x", "y", None])


@given(st.lists(st.tuples(st.sampled_from(["a", "b", " ", "", None]), cells, cells, cells), min_size=1))
def test_a_joined_table_has_every_triple_at_its_text(table):
    made, sources = join_rows(pd.DataFrame(table, columns=["text", *NAMES]), ["text"], NAMES, "spo_list")
    expected = {}  # in the order of the texts; an empty text is one by itself
    for position, (text, *strings) in enumerate(table):
        found = expected.setdefault((text or "").strip() or position, [])
        if any(each and each.strip() for each in strings):
            found.append([text_of(each) for each in strings])
    texts = ["" if isinstance(key, int) else key for key in expected]
    assert [
        (text_of(text).strip(), [list(map(text_of, each)) for each in found]) for text, found in rows(made)
    ] == list(zip(texts, expected.values(), strict=True))
    assert sorted(position for source in sources for position in source) == list(range(len(table)))


def test_rows_that_differ_in_a_key_stay_apart():
    table = pd.DataFrame([("a", "k", "x"), ("a", "l", "y"), ("a", "k", "z")], columns=["text", "kind", "s"])
    made, _ = join_rows(table, ["text", "kind"], ["s"], "all")
    assert made.values.tolist() == [["a", "k", [["x"], ["z"]]], ["a", "l", [["y"]]]]


# Every row is counted once, in the part that its example went to --------------------------------------------------

TWO_ROWS_A_TEXT = {
    "subject": [{"text": f"{a}和{b}", "event_type": "停产", "subject": one} for a, b in ("甲乙", "丙丁", "戊己", "庚辛") for one in (a, b)],
    "relation": [
        {"text": f"{a}和{b}", "subject": a, "predicate": "和", "object": one}
        for a, b in ("甲乙", "丙丁", "戊己", "庚辛")
        for one in (a, b)
    ],
}  # fmt: skip


def counts(examples):
    return len(examples.rows), examples.joined, examples.skipped.total()


@pytest.mark.parametrize("name", TWO_ROWS_A_TEXT)
def test_rows_that_were_joined_go_to_development_with_their_example(name, checkpoint, tmp_path):
    file = tmp_path / "rows.csv"
    pd.DataFrame(TWO_ROWS_A_TEXT[name]).to_csv(file, index=False)
    task = tasks.find(name)(checkpoint, validation_split=0.5, epochs=1, max_length=16).fit(kb.read(file))
    for part in ("train", "dev"):
        counted = task.report_["examples"][part]
        assert (counted["read"], counted["used"], counted["joined"]) == (4, 2, 2)
    printed = run_text(task.report_)
    for part in ("train", "dev"):
        assert f"{part}: 4 rows read, 2 used, 2 merged with an earlier row of the same text, 0 skipped" in printed


@pytest.mark.parametrize("name", TWO_ROWS_A_TEXT)
def test_rows_that_were_joined_go_to_a_fold_with_their_example(name):
    task = tasks.find(name)()
    examples = task.examples(TWO_ROWS_A_TEXT[name])
    for rest, part in folds_of(task, examples, 4):
        assert (rest.read, *counts(rest)) == (6, 3, 3, 0) and (part.read, *counts(part)) == (2, 1, 1, 0)


def test_rows_of_an_example_without_a_target_are_skipped_together():
    class Picky(tasks.find("subject")):
        def encode(self, example):
            return [SimpleNamespace(ids=[], segments=[], whole=1, cut=0)]

        def target(self, example, window):
            return Skip("not wanted") if example.text == "丙和丁" else [(0, 0)]

        def notes_on(self, example, windows):
            return ()

    task = Picky()
    examples = task.examples(TWO_ROWS_A_TEXT["subject"])
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
def test_every_row_is_counted_once_whatever_is_held_out(name, table, share, seed, without_subject):
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


# A header line within a file -----------------------------------------------------------------------------------------


def test_a_header_line_within_a_file_is_counted_and_not_used(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("id,text,label\n1,a,x\nid,text,label\n2,b,y\n id ,text,label\n3,text,label\n", encoding="utf-8")
    examples = tasks.find("classify")().examples(kb.read(file))
    assert [(each.text, each.label) for each in examples.rows] == [("a", "x"), ("b", "y"), ("text", "label")]
    assert examples.sources == [(0,), (2,), (4,)]
    assert (examples.read, examples.skipped) == (5, {"repeated header line": 2})
    again = tasks.find("classify")().examples(kb.read(file), gold=False)
    assert (again.sources, again.read) == ([(0,), (2,), (4,)], 5)


@pytest.mark.parametrize("name", TWO_ROWS_A_TEXT)
def test_so_it_is_where_rows_are_joined(name, tmp_path):
    table = pd.DataFrame(TWO_ROWS_A_TEXT[name])
    header = pd.DataFrame([[*table.columns]], columns=table.columns)
    rows = pd.concat([table[:3], header, table[3:]])
    examples = tasks.find(name)().examples(rows)
    assert examples.rows == tasks.find(name)().examples(table).rows
    assert examples.sources == [(0, 1), (2, 4), (5, 6), (7, 8)]
    assert examples.skipped == {"repeated header line": 1} and examples.read == 9


def test_a_word_that_is_the_name_of_its_column_is_a_text(tmp_path):
    assert tasks.find("classify")().examples(pd.DataFrame({"text": ["text"]}), gold=False).skipped == {}
    (tmp_path / "a.csv").write_text("1,2\na,b\n", encoding="utf-8")
    task = tasks.find("classify")(text_column="1", label_column="2")
    assert len(task.examples(kb.read(tmp_path / "a.csv", header=False)).rows) == 2


def test_an_error_after_such_a_line_names_the_row_of_the_table():
    rows = pd.DataFrame({"text": ["a", "text", ["b"]], "label": ["x", "label", "y"]}, dtype=object)
    with pytest.raises(kb.InputError, match="the table, row 3: column 'text'"):
        tasks.find("classify")().examples(rows)
    rows = pd.DataFrame(
        {"text": ["a", "text", ["b"]], "event_type": ["e", "event_type", "e"], "subject": ["a", "subject", "b"]}
    )
    with pytest.raises(kb.InputError, match="the table, row 3: column 'text'"):
        tasks.find("subject")().examples(rows)


@pytest.mark.parametrize("header", ["text,label", '"text","label"', "text, label"])
def test_header_lines_behind_a_byte_order_mark_within_a_file(tmp_path, header):
    path = tmp_path / "a.csv"
    path.write_text(f"\ufeff{header}\n好,x\n\ufeff{header}\n坏,y\n\ufeff吃,x\n", encoding="utf-8")
    examples = kb.TextClassifier().examples(kb.read(path))
    assert examples.skipped == {"repeated header line": 1}
    assert [each.label for each in examples.rows] == ["x", "y", "x"]
