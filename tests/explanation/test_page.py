"""An explanation as a page and as plain text; the explanations are invented, so that no model is needed."""

import dataclasses
import html as markup
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kbert_tasks.explanation import page as page_module
from kbert_tasks.explanation.explanation import Explanation
from kbert_tasks.explanation.page import fragment, html
from kbert_tasks.explanation.terminal import LONGEST, cropped, shown, table, width
from kbert_tasks.html import fonts

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCRIPT, STYLE = (
    Path(page_module.__file__).with_name(name).read_text("utf-8").strip()
    for name in ("attention.js", "explanation.css")
)
HOSTILE = "<script>alert('x')</script> & \"q\" </p>"


def made(text="《雪》 的 author 是😀", spans=None, answer="好", places=None, values=None, layers=2, heads=3):
    """An Explanation of a text with the tokens `spans`, by default all characters except white space."""
    spans = spans or [(i, i + 1) for i, c in enumerate(text) if not c.isspace()]
    offsets = np.array([(0, 0), *spans, (0, 0)])
    size = len(offsets)
    rng = np.random.default_rng(0)
    values = rng.standard_normal(size - 2) if values is None else np.array(values)
    attention = rng.random((layers, heads, size, size)) ** 4
    return Explanation(
        texts=(text,), tokens=("[CLS]", *(text[start:end] for start, end in spans), "[SEP]"), offsets=offsets,
        segments=np.zeros(size, int), cut=0, answer=answer, shown=answer, record=answer, predicted=True,
        probability=0.75, places=places or {},
        score=float(values.sum()), baseline=0.0, steps=50, attributions=np.r_[0, values, 0], delta=0.0,
        attention=(attention / attention.sum(-1, keepdims=True)).astype("float32"),
    )  # fmt: skip


def plain(page):
    """The visible text of the words on a page."""
    words = re.search(r'<p class="words"[^>]*>(.*?)</p>', page, re.DOTALL)[1]
    return markup.unescape(re.sub("<small.*?</small>|<[^>]+>", "", words))


@pytest.mark.parametrize("text", ["《雪》 的 author 是😀", HOSTILE, "a\n\tb  c", "房间\u200d很好", "half \ud83d"])
def test_page_shows_the_text_and_escapes_it(text):
    page = html(made(text, answer=HOSTILE))
    assert plain(page) == text
    assert "<script>alert" not in page and page.count("<script") == page.count("</script>") == 2
    assert page.count("<h1>") == 1 and "http" not in page.replace("http-equiv", "")
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert data["tokens"] == list(made(text).tokens)


def test_signs_and_numbers_are_visible_without_colour():
    page = fragment(made("好坏了", values=[0.5, -1.0, 0.0]))
    assert '<span class="for" style="--share: 0.500" title="好  +0.5000">好</span>' in page
    assert '<span class="against" style="--share: 1.000" title="坏  -1.0000">坏</span>' in page
    assert '<span class="neither" style="--share: 0.000" title="了  +0.0000">了</span>' in page
    assert re.search(r"\.for, .*solid", STYLE) and re.search(r"\.against {.*dashed", STYLE)


def test_unread_text_is_marked():
    found = dataclasses.replace(made("很好的房间很好", spans=[(3, 4), (4, 5)]), cut=5)
    page = fragment(found)
    assert re.findall(r'class="unread"[^>]*>([^<]*)<', page) == ["很好的", "很好"]
    assert "5 more tokens are outside this window" in page and "5 more tokens" in str(found)


def test_tokens_of_the_same_character_are_shown_as_one():
    page = fragment(made("한국", spans=[(0, 1), (0, 1), (0, 2), (1, 2)], values=[0.25, 0.5, 0.125, 0.125]))
    assert plain(page) == "한국" and 'title="한국  +1.0000"' in page


def test_parts_of_the_answer_are_named():
    found = made("雪的作者", answer="雪 | 作者 | 者", places={"subject": (1, 1), "object": (4, 4)})
    assert re.findall(r"<small[^>]*>(\w+)</small>\s*<span[^>]*>(.)<", fragment(found)) == [
        ("subject", "雪"),
        ("object", "者"),
    ]
    assert [line.split()[0] for line in table(found).splitlines() if "(subject)" in line or "(object)" in line] == [
        "雪",
        "者",
    ]
    assert found.as_dict()["answer"] == found.record == "雪 | 作者 | 者"


def test_attention_maps_can_be_left_out():
    page = fragment(dataclasses.replace(made(), attention=None))
    assert "<script" not in page and "Attention" not in page and plain(page) == made().texts[0]


def test_brief_explanation_has_no_legend():
    found = dataclasses.replace(made(), attention=None)
    long, brief = fragment(found), fragment(found, brief=True)
    assert "solid line: supports the answer" in long and "solid line" not in brief and plain(brief) == plain(long)
    for page, inside in ((long, False), (brief, True)):
        numbers = page[page.index("<details") : page.index("</details>")]
        assert page.count("Integrated gradients, 50 steps") == 1 and ("Integrated" in numbers) == inside


def test_explanation_without_any_attribution():
    found = made("好坏", values=[0, 0])
    assert "--share: 0.000" in fragment(found) and "+0.000" in table(found) and found.close


def test_font_is_embedded_in_the_head(monkeypatch):
    page = html(made("</head> 好坏"))
    monkeypatch.setattr(fonts, "face", lambda font, text: "@font-face { x }")
    found = fonts.embedded(page, fonts.Font("a file", "a name", True))
    assert found.index("@font-face { x }</style>\n</head>") < found.index("<body>")
    assert found.replace("<style>@font-face { x }</style>\n", "", 1) == page
    # A font without a free licence is not embedded.
    assert page == fonts.embedded(page, fonts.Font("a file", "a name", False)) == fonts.embedded(page, None)


def test_bars_and_columns_in_a_terminal():
    lines = table(made("好a坏", values=[1, 0.5, -0.5])).splitlines()
    bars = lines[-4:-1]
    assert [line.split()[-1] for line in bars] == ["+" * 30, "+" * 15, "-" * 15]
    assert len({width(line[: line.index(sign)]) for line, sign in zip(bars, ("+1", "+0", "-0"), strict=True)}) == 1
    assert "probability 0.7500, as predicted" in lines[0]


def test_large_delta_recommends_more_steps():
    found = dataclasses.replace(made("好坏", values=[1, 1]), delta=0.5)
    assert "use more steps" in table(found) and "use more steps" in fragment(found)


@pytest.mark.parametrize(
    "text, columns", [("", 0), ("abc", 3), ("房间", 4), ("，", 2), ("é", 1), ("e\u0301", 1), ("😀", 2)]
)
def test_width_of_a_text_in_columns(text, columns):
    assert width(text) == columns


def test_terminal_output_has_no_control_characters_and_no_long_words():
    assert shown("a\x1b[2Jb\n房") == "a\\x1b[2Jb\\n房"
    assert cropped("房" * 12) == "房" * 12 and width(cropped("房" * 13)) <= LONGEST
    assert "\x1b" not in table(made("\x1b[31m好"))


PROBE = """
addEventListener("load", () => {
  const seen = [...document.querySelectorAll(".explanation")].map((root) => {
    const buttons = [...root.querySelectorAll(".heads button")];
    const pressed = () => buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
    const before = pressed(), canvas = root.querySelector(".board canvas");
    buttons[1].click();
    const box = canvas.getBoundingClientRect(), cell = box.width / canvas.width;
    const at = { clientX: box.left + 2.5 * cell, clientY: box.top + 1.5 * cell, bubbles: true };
    canvas.dispatchEvent(new PointerEvent("pointermove", at));
    const alpha = [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.width).data].filter((_, i) => i % 4 === 3);
    return {
      heads: buttons.length, before, after: pressed(), name: root.querySelector(".chosen").textContent, alpha,
      rows: [...root.querySelectorAll(".down span")].map((each) => each.textContent),
      on: [...root.querySelectorAll(".on")].map((each) => each.textContent),
      square: Math.abs(box.width - box.height), cell, beside: root.querySelector(".down").offsetHeight - box.height,
    };
  });
  const root = document.documentElement;
  const result = { seen, overflow: root.scrollWidth - root.clientWidth };
  document.body.append(Object.assign(document.createElement("pre"), { id: "result", textContent: JSON.stringify(result) }));
});
"""


@pytest.mark.slow
def test_page_in_a_browser(tmp_path):
    """Two explanations in one page: buttons for all heads, a large map, and the number at the mouse pointer."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    found = [made(HOSTILE), made("《雪》 的 author 是😀" * 9)]
    page = html(found[0]).replace("</body>", f"<script>{PROBE}</script></body>")
    start = page.rindex("<script>\n", 0, page.rindex(SCRIPT))
    page = page[:start] + fragment(found[1]) + page[start:]
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    options = (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--dump-dom",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
        "--window-size=600,900", "--virtual-time-budget=20000", f"--user-data-dir={tmp_path / 'profile'}",
    )  # fmt: skip
    run = subprocess.run([CHROMIUM, *options, (tmp_path / "page.html").as_uri()], capture_output=True, timeout=300)
    messages = run.stderr.decode(errors="replace")
    assert "CONSOLE" not in messages, messages
    result = json.loads(markup.unescape(re.search(r'<pre id="result">(.+?)</pre>', run.stdout.decode(), re.DOTALL)[1]))
    assert result["overflow"] <= 0
    for each, one in zip(result["seen"], found, strict=True):
        p = one.attention[0, 1]
        assert (each["heads"], each["before"], each["after"]) == (6, 3, 1)
        assert each["rows"] == list(one.tokens) and each["on"] == [one.tokens[2], one.tokens[1]]
        assert f"Layer 1, head 2{one.tokens[1]} (2) attends to {one.tokens[2]} (3): " in each["name"]
        assert float(each["name"].split()[-2]) == pytest.approx(100 * p[1, 2], abs=0.5)
        np.testing.assert_allclose(np.square(np.array(each["alpha"]) / 255), p.ravel(), atol=0.005)
        assert each["square"] < 0.1 and abs(each["beside"]) < 1 and each["cell"] >= 12
