"""The usual forms of labels: columns, one-hot rows, lists in cells."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb

TEXTS = ["房间很干净", "太吵", "早餐好", "服务差"]
NAMES = ["good", "bad", "good", "bad"]
Y = np.array([0, 1, 0, 1])


def labels_of(labels, rows=None, **settings):
    task = kb.TextClassifier(**settings)
    examples = task.examples(TEXTS if rows is None else rows, labels)
    task.prepare(examples.rows)
    return [example.label for example in examples.rows]


def error_message(labels, rows=None, **settings):
    with pytest.raises(kb.InputError) as caught:
        labels_of(labels, rows, **settings)
    return str(caught.value)


@pytest.mark.parametrize(
    "labels",
    [
        NAMES,
        tuple(NAMES),
        np.array(NAMES),
        np.array(NAMES)[:, None],
        np.array(NAMES, dtype=object)[:, None].tolist(),
        np.array(NAMES, dtype="S"),
        pd.Series(NAMES, index=[9, 8, 7, 6]),
        pd.Series(NAMES, dtype="category"),
        pd.DataFrame({"label": NAMES}),
        pd.Index(NAMES),
        (name for name in NAMES),
        map(str, NAMES),
        dict(zip(TEXTS, NAMES, strict=True)).values(),
        np.ma.array(NAMES),
        [np.array([name]) for name in NAMES],
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_column_of_labels_gives_one_label_per_text(labels):
    assert labels_of(labels) == NAMES


def test_column_of_numbers_gives_labels_as_text():
    for labels in (
        Y[:, None],
        Y[:, None].tolist(),
        Y[:, None].astype(float),
        pd.DataFrame(Y),
        Y.astype(bool).astype(int),
    ):
        assert labels_of(labels) == ["0", "1", "0", "1"]


def test_lists_of_one_label_remain_lists_with_multi_label():
    lists = [[name] for name in NAMES]
    assert labels_of(lists, multi_label=True) == [(name,) for name in NAMES]
    rows = [{"text": text, "label": each} for text, each in zip(TEXTS, lists, strict=True)]
    assert labels_of(None, rows) == [(name,) for name in NAMES]
    task = kb.TextClassifier()
    task.prepare(task.examples(["a"], [["a|b", "c"]]).rows)
    assert task.examples(["a"], [["a|b"]]).rows[0].label == ("a|b",)


@pytest.mark.parametrize(
    "labels",
    [
        np.eye(2)[Y],
        np.eye(2, dtype=int)[Y],
        np.eye(2, dtype=bool)[Y],
        np.eye(2)[Y].tolist(),
        list(np.eye(2)[Y]),
        [(0, 1), (1, 0), (1, 1), (0, 0)],
        [[0, 1, 0]] * 4,
        [[-1, 1, -1], [1, -1, -1], [-1, 1, -1], [1, 1, -1]],
        [[0.3, 0.7], [0.6, 0.4], [0.5, 0.5], [1.0, 0.0]],
        [[0, 2, 0], [1, 0, 0], [2, 0, 0], [0, 0, 1]],
        [None, [0, 1], [1, 0], [1, 0]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_rows_of_numbers_are_rejected_with_a_suggestion(labels):
    for settings in ({}, {"multi_label": True}):
        message = error_message(labels, **settings)
        row = 2 if labels[0] is None else 1
        assert message.startswith(
            f"the table, row {row}: column 'label' contains a row of numbers, one for each label: ["
        )
        assert "[names[i] for i in numpy.argmax(labels, axis=1)]" in message


def test_suggestion_for_rows_of_numbers_works():
    names, labels = ["good", "bad"], np.eye(2)[Y]
    assert labels_of([names[i] for i in np.argmax(labels, axis=1)]) == NAMES
    assert labels_of(
        [[name for name, has in zip(names, row, strict=True) if has] for row in labels], multi_label=True
    ) == [(name,) for name in NAMES]


def test_rows_of_numbers_are_rejected_in_files_and_in_evaluate(tmp_path, hotel):
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps({"text": t, "label": [0, 1]}) + "\n" for t in TEXTS), encoding="utf-8")
    assert f"{file}, row 1: column 'label' contains a row of numbers" in error_message(None, kb.read(file))
    cells = pd.DataFrame({"text": TEXTS, "label": ["[0, 1]", "[1, 0]", "[1, 1]", "[0, 0]"]})
    assert "contains a row of numbers" in error_message(None, cells, multi_label=True)
    printed = cells.assign(label=["[0. 1.]", "[1. 0.]", "[1. 1.]", "[0. 0.]"])
    assert "contains a row of numbers" in error_message(None, printed, multi_label=True)
    with pytest.raises(kb.InputError, match="contains a row of numbers"):
        hotel[0].evaluate(TEXTS, np.eye(2)[Y])
    assert hotel[0].evaluate(TEXTS, np.array(["好", "坏", "好", "坏"])[:, None]).examples["used"] == 4


def test_numbers_that_are_label_names_are_accepted():
    assert labels_of([[1, 2], [2], [3], [1]]) == [("1", "2"), ("2",), ("3",), ("1",)]
    assert labels_of([["0", "1"], ["1", "0"], ["0", "1"], ["1", "1"]])[0] == ("0", "1")
    assert labels_of([[5, 7], [7, 9], [5, 9], [9, 7]])[0] == ("5", "7")
    assert labels_of([{0, 1}, {1, 0}, frozenset({0, 1}), {0, 1}])[0] == ("0", "1")


@pytest.mark.parametrize(
    "labels, expected",
    [
        (pd.DataFrame({"a": NAMES, "b": NAMES}), "the labels are a table of 2 columns (a, b): give one column"),
        (pd.DataFrame(np.eye(2, dtype=int)[Y], columns=["a", "b"]), "a table of 2 columns (a, b)"),
        ("gbgb", "expected a list of labels, one for each text, found str: gbgb"),
        (b"gbgb", "found bytes"),
        (set(NAMES), "found set"),
        (dict.fromkeys(TEXTS, "x"), "found dict"),
        (3, "found int: 3"),
        (np.array(3), "found ndarray: 3"),
        (np.eye(2)[Y][:, :, None], "row 1: column 'label': expected a text or a number, found list"),
        ((name for name in NAMES[:3]), "there are 4 texts and 3 labels"),
        ([{"good": 1}] * 4, "row 1: column 'label': expected a text or a number, found dict {'good': 1}"),
        ([iter(NAMES)] * 4, "row 1: column 'label': expected a text or a number, found list_iterator"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_other_types_of_labels_are_rejected(labels, expected):
    assert expected in error_message(labels)


def test_sparse_rows_are_rejected():
    sparse = pytest.importorskip("scipy.sparse")
    assert "csr_matrix" in error_message(sparse.csr_matrix(np.eye(2)[Y]))


def test_gold_of_other_tasks_may_be_a_generator():
    task = kb.SubjectExtractor()
    examples = task.examples(["甲公司停产", "乙公司停产"], (each for each in (["甲公司"], ["乙公司"])))
    assert [example.subjects[0].subject for example in examples.rows] == ["甲公司", "乙公司"]


# Several labels in one cell ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell, labels",
    [
        ("['好评', '酒店']", ("好评", "酒店")),
        ('["好评", "酒店"]', ("好评", "酒店")),
        (' ["a", null, "b"] ', ("a", "b")),
        ("('a', 'b')", ("a", "b")),
        ("{'a', 'b'}", ("a", "b")),
        ("['a' 'b']", ("a", "b")),
        ("['a'\n 'b' \"c's\"]", ("a", "b", "c's")),
        ("[1, 2]", ("1", "2")),
        ("[1 2]", ("1", "2")),
        ("[]", ()),
        ("['a']", ("a",)),
        ("['a|b', 'c']", ("a|b", "c")),
        ("a|b", ("a", "b")),
        ("", ()),
        (np.array(["a", "b"]), ("a", "b")),
        (frozenset("ab"), ("a", "b")),
        ("(a)", ("(a)",)),
        ("('a')", ("('a')",)),
        ("{'a': 1}", ("{'a': 1}",)),
        ("[a, b]", ("[a, b]",)),
        ("[" * 200, ("[" * 200,)),
        (b"a|b", ("a", "b")),
    ],
)
def test_lists_in_cells_are_read_as_several_labels(cell, labels):
    rows = pd.DataFrame({"text": ["x", "y"], "label": [cell, "z"]})
    assert kb.TextClassifier(multi_label=True).examples(rows).rows[0].label == labels


def test_csv_of_lists_written_by_pandas_is_restored(tmp_path):
    lists = [["好评", "酒店"], ["it's", 'a "b"'], [], ["x"]]
    pd.DataFrame({"text": TEXTS, "label": lists}).to_csv(tmp_path / "a.csv", index=False)
    arrays = [np.array(each, dtype=object) for each in lists]
    pd.DataFrame({"text": TEXTS, "label": arrays}).to_csv(tmp_path / "b.csv", index=False)
    for file in ("a.csv", "b.csv"):
        assert labels_of(None, kb.read(tmp_path / file), multi_label=True) == [tuple(sorted(each)) for each in lists]


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), max_size=4))
def test_lists_written_by_python_and_json_are_restored(names):
    wanted = tuple(sorted({name.strip() for name in names if kb.TextClassifier().examples([name], gold=False).rows}))
    for cell in (repr(names), json.dumps(names), json.dumps(names, ensure_ascii=False)):
        rows = pd.DataFrame({"text": ["x"], "label": [cell]})
        assert kb.TextClassifier(multi_label=True).examples(rows).rows[0].label == wanted


def test_without_multi_label_a_cell_is_one_label():
    rows = pd.DataFrame({"text": ["x", "y"], "label": ["['a', 'b']", "[0, 1]"]})
    assert labels_of(None, rows) == ["['a', 'b']", "[0, 1]"]


def test_lists_in_a_categorical_column_are_read():
    rows = pd.DataFrame({"text": TEXTS, "label": pd.Categorical(["['a', 'b']", "a", None, "a"])})
    examples = kb.TextClassifier(multi_label=True).examples(rows)
    assert [example.label for example in examples.rows] == [("a", "b"), ("a",), ("a",)]
