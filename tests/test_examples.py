"""Rows and examples: tables with an answer a row."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.data import text_of
from kbert_tasks.examples import joined
from kbert_tasks.triples import Triple, triples_of

NAMES = ["subject", "predicate", "object"]


def rows(table, column="spo_list"):
    return list(zip(table["text"], table[column], strict=True))


def test_one_triple_a_row_becomes_one_row_a_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "id,text,s,p,o\n1,b,b,x,NA\n2,a,a,x,007\n3,b,b,y,d\n4,c,,,\n5,a,,,\n6,,e,z,f\n7,,,,\n", encoding="utf-8"
    )
    made = joined(kb.read(path), ["text"], ("s", "p", "o"), "made")
    assert list(made.columns) == ["id", "text", "made"]
    assert list(made["id"]) == ["1", "2", "4", "6", "7"]  # of a text's first row
    assert rows(made, "made") == [
        ("b", [["b", "x", "NA"], ["b", "y", "d"]]),
        ("a", [["a", "x", "007"]]),
        ("c", []),
        ("", [["e", "z", "f"]]),
        ("", []),
    ]
    assert made.attrs["file"] == str(path)
    assert triples_of(made["made"].iloc[0], "b") == (Triple("b", "x", "NA"), Triple("b", "y", "d"))
    assert triples_of(made["made"].iloc[2], "c") == ()


def test_a_row_that_holds_a_part_of_a_triple_is_not_lost():
    table = pd.DataFrame([("a", "x", None, float("nan"))], columns=["text", *NAMES])
    ((text, (cells,)),) = rows(joined(table, ["text"], NAMES, "spo_list"))
    assert (text, [text_of(cell) for cell in cells]) == ("a", ["x", "", ""])


def test_the_table_that_is_joined_stays_as_it_was():
    table = pd.DataFrame([("a", "x", "y", "z"), ("a", "x", "y", "w")], columns=["text", *NAMES], index=[7, 5])
    before = table.copy()
    made = joined(table, ["text"], NAMES, "spo_list")
    pd.testing.assert_frame_equal(table, before)
    assert list(made.index) == [7]


cells = st.sampled_from(["", " ", "x", "y", None])


@given(st.lists(st.tuples(st.sampled_from(["a", "b", " ", "", None]), cells, cells, cells), min_size=1))
def test_a_joined_table_has_every_triple_at_its_text(table):
    made = joined(pd.DataFrame(table, columns=["text", *NAMES]), ["text"], NAMES, "spo_list")
    expected = {}  # in the order of the texts; an empty text is one by itself
    for position, (text, *strings) in enumerate(table):
        found = expected.setdefault((text or "").strip() or position, [])
        if any(each and each.strip() for each in strings):
            found.append([text_of(each) for each in strings])
    texts = ["" if isinstance(key, int) else key for key in expected]
    assert [
        (text_of(text).strip(), [list(map(text_of, each)) for each in found]) for text, found in rows(made)
    ] == list(zip(texts, expected.values(), strict=True))


def test_rows_that_differ_in_a_key_stay_apart():
    table = pd.DataFrame([("a", "k", "x"), ("a", "l", "y"), ("a", "k", "z")], columns=["text", "kind", "s"])
    made = joined(table, ["text", "kind"], ["s"], "all")
    assert made.values.tolist() == [["a", "k", [["x"], ["z"]]], ["a", "l", [["y"]]]]
