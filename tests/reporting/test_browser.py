"""The pages in headless Chromium, in a wide and a narrow window; skipped if there is no Chromium."""

import dataclasses
import html as markup
import json
import re
import shutil
import subprocess

import pytest

from kbert_tasks.explanation.page import fragment
from kbert_tasks.reporting.mistakes import places
from kbert_tasks.reporting.report import html

from ..explanation.test_page import made as explanation
from . import made
from .test_html import HOSTILE, SECTIONS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.slow
WIDTHS = (1400, 375)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom",
)  # fmt: skip
# The pages are shown in frames of two widths, since a window cannot be narrower than 500 px. This script measures them.
PROBE = """
const seen = (frame) => {
  const page = frame.contentDocument, root = page.documentElement, wide = [], narrow = [];
  for (const each of page.querySelectorAll("h2 [lang=zh], th, td, dd, .chip")) {
    const text = each.textContent, range = page.createRange();
    if (!/^[\\u4e00-\\u9fff]+$/.test(text) || each.childNodes.length > 1 || each.firstElementChild) continue;
    range.selectNodeContents(each.firstChild);
    const lines = [...range.getClientRects()], size = parseFloat(frame.contentWindow.getComputedStyle(each).fontSize);
    const width = lines.reduce((sum, line) => sum + line.width, 0) / text.length / size;
    (Math.abs(width - 1) < 0.02 ? wide : narrow).push(text);
  }
  const head = [...page.querySelectorAll("table.sortable th")].findIndex((th) => th.textContent === "support");
  const column = () => [...page.querySelectorAll("table.sortable tbody tr")].map((tr) => +tr.cells[head].textContent);
  const sorts = [];
  for (let i = 0; i < 2; i++) {
    page.querySelectorAll("table.sortable button")[head].click();
    sorts.push(column());
  }
  return {
    name: frame.title, sections: [...page.querySelectorAll("section")].map((section) => section.id), wide, narrow, sorts,
    overflow: root.scrollWidth - root.clientWidth, scripts: page.scripts.length,
    loaded: frame.contentWindow.performance.getEntriesByType("resource").map((each) => each.name)
      .filter((name) => !name.startsWith("data:")),
  };
};
addEventListener("load", async () => {
  const frames = [...document.querySelectorAll("iframe")];
  await Promise.all(frames.map((frame) => frame.contentDocument.fonts.ready));
  document.getElementById("result").textContent = JSON.stringify(frames.map(seen));
});
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """({(name of a page, width): result of PROBE}, messages of Chromium)."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    pages = {name: html(*task(**made.everything())) for name, task in made.TASKS.items()}
    pages["wide"] = html(*made.classify(60, [HOSTILE + "w" * 200 + str(n) for n in range(6)], text="w" * 400 + HOSTILE))
    pages["many"] = html(*made.classify(90, [f"类别{n}" for n in range(30)]))
    report, answers = made.classify()
    reason = dataclasses.replace(explanation(HOSTILE + "w" * 200), attention=None)
    reasons = [(name, fragment(reason, brief=True)) for name in ("predicted", "gold")]
    pages["why"] = html(report, answers, dict.fromkeys(places(answers)[:3], reasons))
    frames = "".join(
        f'<iframe title="{name} {width}" style="width: {width}px; height: 700px" srcdoc="{markup.escape(page)}"></iframe>'
        for name, page in pages.items()
        for width in WIDTHS
    )
    folder = tmp_path_factory.mktemp("browser")
    file = folder / "pages.html"
    outer = f'<!DOCTYPE html><meta charset="utf-8">{frames}<pre id="result"></pre><script>{PROBE}</script>'
    file.write_text(outer, encoding="utf-8")
    profile = f"--user-data-dir={folder / 'profile'}"
    run = subprocess.run([CHROMIUM, *OPTIONS, profile, file.as_uri()], capture_output=True, timeout=300)
    messages = run.stderr.decode(errors="replace")
    result = re.search(r'<pre id="result">(.+?)</pre>', run.stdout.decode(), re.DOTALL)
    assert result, messages
    found = json.loads(markup.unescape(result[1]))
    return {(each["name"].split()[0], int(each["name"].split()[1])): each for each in found}, messages


def test_console_of_the_browser_is_empty(rendered):
    assert [line for line in rendered[1].splitlines() if "CONSOLE" in line] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_page_is_not_wider_than_the_window(rendered, width):
    assert {
        name: each["overflow"]
        for (name, page_width), each in rendered[0].items()
        if page_width == width and each["overflow"]
    } == {}


def test_pages_have_all_sections_and_load_nothing(rendered):
    for (name, _), each in rendered[0].items():
        assert set(each["sections"]) >= set(SECTIONS.get(name, SECTIONS["classify"]))
        assert each["scripts"] == 1 and each["loaded"] == []


def test_chinese_characters_are_not_drawn_as_boxes(rendered):
    """A Chinese character is as wide as it is high; the box for a missing character is not."""
    for (name, _), each in rendered[0].items():
        assert each["narrow"] == [], name
        assert "数据" in each["wide"] and len(each["wide"]) > 7


def test_tables_can_be_sorted(rendered):
    for each in rendered[0].values():
        down, up = each["sorts"]
        assert len(down) > 0 and down == sorted(down, reverse=True) and up == sorted(up)
