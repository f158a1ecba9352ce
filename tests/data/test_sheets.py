"""Sheets of Excel files: which one is read, and how the others are reported."""

import types

import pandas as pd
import pytest

import kbert_tasks as kb
from kbert_tasks.cli import command as cli
from kbert_tasks.data import cells
from kbert_tasks.data.examples import Examples, examples_of
from kbert_tasks.training import plan

pytest.importorskip("openpyxl")

GOOD = pd.DataFrame({"text": ["很好", "不错"], "label": ["好评", "好评"]})
BAD = pd.DataFrame({"text": ["太吵"], "label": ["差评"]})


def book(path, **sheets):
    with pd.ExcelWriter(path) as writer:
        for name, rows in sheets.items():
            rows.to_excel(writer, sheet_name=name, index=False)
    return path


@pytest.fixture(scope="module")
def months(tmp_path_factory):
    return book(tmp_path_factory.mktemp("sheets") / "months.xlsx", 一月=GOOD, 二月=BAD, **{"1": BAD})


def test_log_names_the_sheet_that_is_read_and_counts_the_others(months, caplog):
    caplog.set_level("INFO", "kbert_tasks")
    table = kb.read(months)
    assert list(table["text"]) == ["很好", "不错"]
    assert table.attrs["about"] == f"{months}: sheet '一月' is read, 2 others are not (二月, 1)"
    assert caplog.messages == [table.attrs["about"]]


def test_nothing_is_logged_for_a_single_sheet(tmp_path, caplog):
    caplog.set_level("INFO", "kbert_tasks")
    assert "about" not in kb.read(book(tmp_path / "a.xlsx", Sheet1=GOOD)).attrs and caplog.messages == []


@pytest.mark.parametrize("sheet, text", [("二月", "太吵"), (2, "太吵"), ("2", "太吵"), (1, "很好"), ("1", "太吵")])
def test_sheet_is_chosen_by_name_or_number(months, sheet, text):
    assert kb.read(months, sheet=sheet)["text"][0] == text


@pytest.mark.parametrize("sheet", ["三月", 0, 4, "9", -1, True])
def test_missing_sheet_is_rejected(months, sheet):
    with pytest.raises(kb.InputError, match="has no sheet .*; its sheets: 1 一月, 2 二月, 3 1"):
        kb.read(months, sheet=sheet)


def test_sheet_of_another_file_type_is_rejected(tmp_path):
    GOOD.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(kb.InputError, match="a.csv has no sheets"):
        kb.read(tmp_path / "a.csv", sheet=1)


def test_first_sheet_without_rows_is_rejected(tmp_path):
    for first in (pd.DataFrame(), GOOD[:0]):
        path = book(tmp_path / "a.xlsx", 说明=first, 数据=GOOD, 空=GOOD[:0])
        with pytest.raises(
            kb.InputError, match="the first sheet, '说明', has no rows; sheets with rows: 数据: move one"
        ):
            kb.read(path)
        assert len(kb.read(path, sheet="数据")) == 2
        with pytest.raises(kb.InputError, match="has a header line and no rows"):
            kb.read(path, sheet="说明")


def test_sheet_is_in_the_plan_and_in_every_part_of_the_rows(months):
    settings = types.SimpleNamespace(text_column="text", label_column="label")
    task = types.SimpleNamespace(
        settings=settings, SECOND=None, reads_second=lambda with_answer: False,
        name_columns=lambda rows: rows.rename(columns=str), columns=lambda with_answer: (),
        group_rows=lambda rows: (rows, [(i,) for i in range(len(rows))]), read_row=lambda row, with_answer: row["text"],
    )  # fmt: skip
    examples = examples_of(task, kb.read(months))
    about = f"{months}: sheet '一月' is read, 2 others are not (二月, 1)"
    parts = examples, examples.copy(), examples.part([0]), examples.without([0])
    assert [each.about for each in parts] == [about] * 4
    assert plan.about(examples, examples.part([1])) == [about] and plan.about(Examples([], []), Examples([], [])) == []


def test_sheet_option_applies_only_to_excel_files(months, tmp_path):
    GOOD.to_csv(tmp_path / "dev.csv", index=False)
    arguments = types.SimpleNamespace(
        header=True, encoding=None, sheet="二月", input_format=None, token_column=None, tag_column=None
    )
    found = cli.tables(arguments, {"train": str(months), "dev": str(tmp_path / "dev.csv")})
    assert [cells.text_of(table["text"][0]) for table in found.values()] == ["太吵", "很好"]


@pytest.fixture
def with_chart(tmp_path):
    """A function that writes a workbook with the chart sheet `Chart` first."""
    import openpyxl
    import openpyxl.chart

    def write(chart=True, rows=True):
        made = openpyxl.Workbook()
        sheet = made.create_chartsheet("Chart", 0)
        if chart:
            sheet.add_chart(openpyxl.chart.BarChart())
        made.active = 1
        made.worksheets[0].title = "Rows"
        for row in (("text", "label"), ("很好", "好评")):
            made.worksheets[0].append(row)
        if not rows:
            made.remove(made["Rows"])
            made.active = 0
        made.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"

    return write


def test_chart_sheet_is_rejected_in_one_sentence(with_chart):
    path = with_chart()
    assert [*kb.read(path)["text"]] == [*kb.read(path, sheet=1)["text"]] == ["很好"]
    with pytest.raises(kb.InputError, match="sheet 'Chart' has only a chart; sheets with cells: Rows: choose a sheet"):
        kb.read(path, sheet="Chart")
    path = with_chart(rows=False)
    for sheet in (None, "Chart", 1):
        with pytest.raises(kb.InputError, match="sheet 'Chart' has only a chart; sheets with cells: none: choose"):
            kb.read(path, sheet=sheet)


def test_chart_sheet_that_openpyxl_cannot_read_is_rejected(with_chart):
    with pytest.raises(
        kb.InputError, match="a.xlsx has a chart sheet that cannot be read: delete this sheet, and save"
    ):
        kb.read(with_chart(chart=False))
