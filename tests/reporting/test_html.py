import base64
import io
import math
import re
import warnings

import matplotlib
import pytest
from fontTools.ttLib import TTFont
from matplotlib.font_manager import FontEntry, fontManager

from kbert_tasks import tasks
from kbert_tasks.html import fonts
from kbert_tasks.html.fonts import HAN
from kbert_tasks.reporting import mistakes
from kbert_tasks.reporting.report import html

from . import made
from .reading import Page

ALWAYS = ["data", "training", "scores", "classes", "length", "errors", "repeat"]
SECTIONS = {
    "classify": [*ALWAYS[:4], "confusion", "calibration", *ALWAYS[4:]],
    "several": [*ALWAYS[:4], "calibration", *ALWAYS[4:]],
    "relation": ALWAYS,
    "subject": ALWAYS,
    "entity": ALWAYS,
}
HOSTILE = "<script>alert(1)</script></style></title><img src=//x onerror=alert(2)>\"'><!-- {{ 7*7 }} ]]> $x$ &amp;"


@pytest.mark.parametrize("task", made.TASKS)
def test_the_sections_of_each_task(task):
    page = Page(html(*made.TASKS[task]()))
    assert page.sections == SECTIONS[task]
    assert all("#" + section in page.links for section in page.sections)
    assert "tiny-zh" in page.words and "empty text" in page.words and "3 min 20 s" in page.words
    assert len(page.ids) == len(set(page.ids))


def test_optional_parts_of_a_report_are_shown():
    page = Page(html(*made.classify(**made.everything())))
    assert page.sections == [
        "data",
        "plan",
        "training",
        "scores",
        "seeds",
        "folds",
        "learning-curve",
        *SECTIONS["classify"][3:],
    ]
    for words in (
        "训练.csv",
        "30 texts of 5 to 44 tokens",
        "3 (kept)",
        "0.7200",
        "kbert-train --task classify",
    ):
        assert words in page.words


@pytest.mark.parametrize("task", ["classify", "relation"])
def test_nothing_is_loaded_from_elsewhere(task):
    page = html(*made.TASKS[task](**made.everything()))
    assert Page(page).loaded == []
    assert "http" not in page.replace("http-equiv", "")


def test_text_is_escaped():
    report, answers = made.classify(labels=("a", HOSTILE, "c"), text=HOSTILE, **made.everything())
    report["checkpoint"] = {"name": HOSTILE, "cased": True, "config": {HOSTILE: HOSTILE}}
    report["files"] = {"train": HOSTILE, "test": HOSTILE}
    report["plan"]["lines"] = [HOSTILE]
    report["examples"]["train"] = {"read": 2, "used": 1, "skipped": {HOSTILE: 1}, "notes": {HOSTILE: 1}}
    report |= {"command": HOSTILE, "settings": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}}
    relation, triples = made.relation(predicate=HOSTILE)
    triples[1]["text"] = HOSTILE + triples[1]["text"]
    for page in (
        html(report, answers),
        html(relation, triples),
        html(*made.subject(HOSTILE)),
        html(*made.entity(HOSTILE)),
    ):
        read = Page(page)
        assert (read.tags.count("script"), read.tags.count("img"), read.tags.count("style")) == (1, 0, 2)
        assert read.words.count(HOSTILE) > 2 and read.loaded == []


def test_calibration_is_shown_before_and_after():
    report, answers = made.classify()
    report["scores"]["test"] |= {"temperature": 1.25, "ece": 0.03, "ece_uncalibrated": 0.08}
    expected = "Temperature 1.2500, fitted on the development texts; error 0.0800 without it, 0.0300 with it."
    assert expected in Page(html(report, answers)).words
    assert "fitted on the development texts" not in Page(html(*made.relation())).words
    report["scores"]["test"] |= {"temperature": 1.0, "temperature_note": "30 development texts are too few"}
    words = Page(html(report, answers)).words
    assert "Temperature 1, so the probabilities are not changed: 30 development texts are too few." in words
    assert "the temperature. The test texts were not used" not in words
    del report["scores"]["test"]["temperature_note"]
    report["settings"] |= {"calibrate": False}
    assert "The probabilities are not calibrated: no temperature was fitted." in Page(html(report, answers)).words
    report["settings"] |= {"calibrate": True}
    del report["scores"]["dev"]
    assert "no temperature was fitted, because there were no development texts" in Page(html(report, answers)).words


def test_what_was_tuned_on_the_development_texts_is_shown():
    def tuned(report, answers):
        return re.search(
            r"whose scores are therefore optimistic: (.*?)\. The test texts", Page(html(report, answers)).words
        )[1]

    report, answers = made.relation()
    report["scores"]["test"] |= {"threshold": 0.4}
    assert tuned(report, answers) == "the best epoch, the threshold"
    report["settings"] |= {"threshold": 0.4}
    assert tuned(report, answers) == "the best epoch"
    report, answers = made.several()
    report["scores"]["test"] |= {"thresholds": dict.fromkeys(made.LABELS, 0.375), "temperature": 1.5}
    report["scores"]["test"] |= {"ece": 0.1, "ece_uncalibrated": 0.2}
    assert tuned(report, answers) == "the best epoch, the threshold of each label, the temperature"
    assert "0.3750" in Page(html(report, answers)).words


def test_explanation_is_shown_below_its_mistake():
    report, answers = made.classify()
    order = mistakes.places(answers)
    assert [answers[place]["loss"] for place in order] == sorted((answers[p]["loss"] for p in order), reverse=True)
    why = {order[0]: [("predicted", "<b>one</b>"), ("gold", "<b>two</b>")], order[2]: [("gold", "<b>three</b>")]}
    page = html(report, answers, why)
    items = page.split('<ol class="mistakes">')[1].split("<li>")[1:]
    assert [re.findall("<b>(.*?)</b>", item) for item in items[:4]] == [["one", "two"], [], ["three"], []]
    assert re.search("<h4>predicted .*one.*<h4>gold .*two", items[0], re.DOTALL)
    assert '<details class="why" open>' in items[0] and '<details class="why">' in items[2]
    assert "2 of them have an explanation" in Page(page).words and ".explanation" in Page(page).style
    assert ".explanation" not in html(report, answers)


def test_long_lists_of_answers_are_shortened():
    report, answers = made.relation()
    answers[1]["predicted"] += [answers[1]["predicted"][1] | {"subject": f"雪{n}"} for n in range(100)]
    words = Page(html(report, answers)).words
    assert "wrong 雪16 → 作者 → 方小雪 0.60" in words and "雪17" not in words and "and 83 more" in words


def test_hostile_labels_are_escaped_in_plots():
    report, answers = made.classify(60, [f"{HOSTILE}{n}" for n in range(30)])
    read = Page(html(report, answers))
    assert (read.tags.count("script"), read.tags.count("img")) == (1, 0)
    assert read.tags.count("image") == 1  # the confusion matrix


@pytest.mark.parametrize("task", ["classify", "subject"])
def test_report_without_answers(task):
    report, _ = made.TASKS[task]()
    page = Page(html(report, []))
    assert "No texts were evaluated" in page.words
    assert not {"calibration", "length"} & set(page.sections)


def test_report_without_test_and_development_texts():
    report, _ = made.classify()
    del report["examples"]["dev"], report["examples"]["test"]
    report["scores"] = {}
    for epoch in report["history"]:
        del epoch["dev"]
    page = Page(html(report, []))
    assert page.sections == ["data", "training", "scores", "errors", "repeat"]
    assert "There are no scores" in page.words


def test_report_with_development_texts_only():
    report, answers = made.classify()
    del report["scores"]["test"], report["examples"]["test"]
    assert "10 of 30 dev texts are answered wrongly" in Page(html(report, answers)).words


@pytest.mark.parametrize("task", ["several", "relation"])
@pytest.mark.parametrize("right", [True, False])
def test_all_answers_right_or_all_wrong(task, right):
    report, answers = made.TASKS[task]()
    page = Page(html(report, [answer | {"right": right} for answer in answers])).words
    number = len(answers)
    assert (f"All {number} test texts are answered correctly" in page) == right
    assert (f"{number} of {number} test texts are answered wrongly" in page) != right


def test_page_with_119_labels_and_5000_texts_stays_small():
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 1500)))
    report, answers = made.classify(5000, [f"类别{n}" for n in range(119)], text="房间")
    for n, answer in enumerate(answers):
        answer["text"] = characters[n % 1200 : n % 1200 + 300]
    page = html(report, answers)
    assert len(page.encode()) < 2e6
    read = Page(page)
    assert "119 labels" in read.words and "Most often confused" in read.words
    assert "类别118" in read.words  # in the table of all labels
    assert page.count('<ol class="mistakes">') == 1 and len(re.findall("loss [0-9]", read.words)) == mistakes.SHOWN


def test_texts_with_one_or_no_character():
    report, answers = made.classify(2, ("甲", "乙"), text="")
    answers = [answer | {"text": text, "tokens": 1} for answer, text in zip(answers, ("一", ""), strict=True)]
    assert Page(html(report, answers)).sections == SECTIONS["classify"]
    report, answers = made.subject()
    answers[1] |= {"text": "园", "gold": [{"subject": "园"}], "predicted": []}
    assert '<mark class="gold" title="gold">园</mark>' in html(report, answers)


def test_unknown_scores_are_shown_as_dashes():
    report, answers = made.relation()
    for part in report["scores"].values():
        part |= {"precision": None, "recall": None}
        part["per_class"]["作者"] = dict.fromkeys(part["per_class"]["作者"])
    for epoch in report["history"]:
        epoch["dev"] = {"f1": 0.0, "precision": None}
    report["history"][0] |= {"loss": math.nan, "dev": {}}
    report["seeds"] = {"each": [{"seed": 1, "dev": {"f1": None}, "test": None}]}
    page = Page(html(report, [answer | {"loss": None, "tokens": None} for answer in answers]))
    assert page.sections == ["data", "training", "scores", "seeds", "classes", "errors", "repeat"]
    assert "precision – –" in page.words and "loss –" in page.words and "nan" in page.words


def test_answer_below_min_confidence_is_shown_as_no_prediction():
    report, answers = made.classify()
    answers[0] |= {"predicted": None, "right": False}
    page = Page(html(report, answers)).words
    assert (
        "(1 without a prediction, because the probability was below min_confidence)" in page
        and "no prediction, below min_confidence" in page
    )


@pytest.mark.parametrize("odd", ["😀🀄\U000323af\ue000", "\ud83d", "\x00\x07a\nb\u2028c", "مرحبا $x_1$ \\frac{"])
def test_unusual_characters(odd):
    report, answers = made.classify(60, [f"{odd}{n}" for n in range(30)], text=odd, files={"train": odd, "test": odd})
    report["history"][0]["losses"] = {odd: 0.5}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = html(report, answers)
    assert odd in page or "\x00" in odd
    assert Page(page).sections == SECTIONS["classify"]


def test_long_text_is_shortened():
    report, answers = made.classify(3, text="长" * 5000)
    page = Page(html(report, answers)).words
    assert "长" * 1500 in page and "长" * 1501 not in page and "… 3,501 more characters" in page


def test_settings_are_shown_unchanged():
    page = Page(html(*made.classify())).words
    assert "learning_rate 1e-05" in page and "patience –" in page


def test_an_error_shows_its_row():
    report, answers = made.classify()
    assert "row 7" not in Page(html(report, answers)).words
    place = mistakes.places(answers)[0]
    assert (
        "row 7"
        in Page(html(report, [each | ({"row": 7} if i == place else {}) for i, each in enumerate(answers)])).words
    )


def test_the_errors_with_the_highest_loss_come_first():
    report, answers = made.classify(300)
    answers[3] |= {"loss": math.inf}
    answers[6] |= {"loss": math.nan}
    answers[9] |= {"loss": None}
    worst = mistakes.worst(tasks.find("classify").presentation, answers)
    assert len(worst) == 50
    assert [each["loss"] for each in worst[:3]] == [math.inf, 29.7, 29.4]
    assert worst[0]["gold"] == ("好评",) and worst[0]["predicted"] == ("差评",)
    assert worst[0]["probable"][0] == ("差评", 0.6)


def test_gold_and_predicted_are_distinguished_in_the_text():
    page = html(*made.relation())
    for kind, string in (("both", "雪的体重"), ("predicted", "作者"), ("gold", "方小雪")):
        assert re.search(f'<mark class="{kind}" [^>]*>{string}</mark>', page)
    words = Page(page).words
    assert "right 雪的体重 → 作者 → 方小雪 0.90" in words
    assert "missed 雪的体重 → 导演 → 方小雪" in words
    assert "wrong 作者 → 作者 → 方小雪 0.60" in words
    assert (
        html(*made.subject()).count('<mark class="gold" title="gold">欣蔬园</mark>') == 4
    )  # twice in each of two texts


def marks(page):
    """The highlighted strings in the text of each mistake, as (kind, string)."""
    texts = re.findall(r'<p class="text"[^>]*>(.*?)</p>', page, re.DOTALL)
    return [re.findall(r'<mark class="(\w+)" [^>]*>(.*?)</mark>', text) for text in texts]


def test_nested_entities_are_highlighted_at_their_places():
    page = html(*made.entity())
    assert marks(page) == [  # the highest loss first: nothing is predicted in the last text
        [("gold", "上海"), ("gold", "交响乐团"), ("gold", "青岛"), ("gold", "周山")],
        [("both", "上海"), ("both", "交"), ("both", "响乐团"), ("both", "青岛"), ("both", "周山")],
    ]
    assert "&lt;b&gt;<mark" in page and "<b>周山" not in page
    words = Page(page).words
    for verdict in (
        "right 上海交响乐团 → 机构 at 0 0.90",
        "missed 上海 → 地点 at 0",
        "wrong 上海交 → 地点 at 0 0.70",
        "wrong 青岛 → 作品 at 7 0.60",
    ):
        assert verdict in words


def test_entities_are_scored_by_type_length_and_nesting():
    words = Page(html(*made.entity())).words
    for row in (
        "By type",
        "人物 1.0000 0.6667 0.8000 3 2",
        "By length of the answer, test 按答案长度 length precision recall F1 support predicted 1-2 characters",
        "By kind of entity, test 按是否嵌套 kind precision recall F1 support predicted flat 0.7500 0.5000 0.6000 6 4",
        "nested 0.7500 0.5000 0.6000 6 4",
        "Kinds of errors, test 错误类型 kind errors boundary 1 type 1 missed 4 spurious 0",
        "the best epoch, the threshold",
    ):
        assert row in words
    assert "By kind of text, test 按文本类型 kind" in Page(html(*made.relation())).words


def test_page_embeds_the_chinese_characters_that_it_uses():
    page = html(*made.classify(text="龘靐齉爩"))
    data = re.search(r"base64,([^)]*)\) format", page)[1]
    font = TTFont(io.BytesIO(base64.b64decode(data)))
    text = Page(page).text
    assert "龘" in text and "混淆矩阵" in text
    assert {ord(c) for c in text if ord(c) >= HAN} == font.getBestCmap().keys()
    assert "SIL Open Font License" in font["name"].getDebugName(13)
    assert fonts.PACKAGE.replace("_", "-") not in page


def test_page_without_a_chinese_font(monkeypatch):
    monkeypatch.setattr(fonts, "PACKAGE", "no_such_package")
    latin = [entry for entry in fontManager.ttflist if entry.name == "DejaVu Sans"]
    monkeypatch.setattr(fontManager, "ttflist", latin)
    assert fonts.chinese() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = html(*made.classify(60, [f"类别{n}" for n in range(30)]))
    assert "@font-face" not in page and "pip install no-such-package" in page
    assert Page(page).sections == SECTIONS["classify"]


def test_system_font_is_used_but_not_embedded(monkeypatch):
    file = fonts.chinese().file
    monkeypatch.setattr(fonts, "PACKAGE", "no_such_package")
    entry = FontEntry(fname=file, name="WenQuanYi Zen Hei", style="normal", variant="normal", weight=400)
    monkeypatch.setattr(fontManager, "ttflist", [*fontManager.ttflist, entry])
    monkeypatch.setattr(fonts, "SYSTEM", ("No Such", "WenQuanYi"))
    font = fonts.chinese()
    assert (font.file, font.free) == (file, False)
    page = html(*made.classify())
    assert "@font-face" not in page and "To embed a font" in page


def test_matplotlib_style_of_the_user_does_not_change_the_page():
    report, answers = made.classify()
    before = html(report, answers)
    with matplotlib.rc_context({"svg.fonttype": "none", "axes.facecolor": "red", "font.size": 30, "text.usetex": True}):
        inside = dict(matplotlib.rcParams)
        assert html(report, answers) == before
        assert dict(matplotlib.rcParams) == inside


def test_plots_use_the_colours_of_the_page_and_contain_no_text():
    page = html(*made.classify(40, [f"标签{n}" for n in range(25)]))
    for picture in re.findall("<svg.*?</svg>", page, re.DOTALL):
        assert "var(--ink)" in picture and "<text" not in picture and "<!--" not in picture and "标签" not in picture
