"""The pages: both languages, nothing from another address, and the texts of users escaped."""

import re

import pytest

from kbert_tasks.serving.words import LANGUAGES, language_of

HOSTILE = "<script>alert('好')</script>&\"房"


@pytest.mark.parametrize("language, word", [("en", "Predict"), ("zh", "预测")])
def test_page_to_try_the_models(client, language, word):
    page = client.get("/", params={"lang": language})
    assert f">{word}</button>" in page.text and f'<html lang="{language}">' in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert client.get("/", headers={"Accept-Language": f"{language}-X,fr;q=0.5"}).text == page.text


def test_pages_load_nothing_from_other_addresses(client):
    for path in ("/", "/docs"):
        assert re.findall(r"(?:https?:)?//(?!localhost)[a-z][\w.-]+\.\w+", client.get(path).text) == []
    assert client.get("/font.otf").status_code == 200


def test_key_field_is_shown_only_if_it_is_needed(client, started):
    assert '<label id="key" hidden>' in client.get("/").text
    with started(key="k") as protected:
        assert '<label id="key">' in protected.get("/").text


def test_both_languages_have_the_same_words():
    english, chinese = LANGUAGES.values()
    assert english.keys() == chinese.keys()


@pytest.mark.parametrize(
    "asked, accepted, language",
    [
        (None, "", "en"),
        ("zh", "en", "zh"),
        ("xx", "zh-TW", "zh"),
        (None, "fr, zh-CN;q=0.8, en;q=0.7", "zh"),
        (None, "de", "en"),
    ],
)
def test_language(asked, accepted, language):
    assert language_of(asked, accepted) == language


def test_answer_shows_labels_with_probabilities(client):
    answer = client.post("/page/hotel/answer", json={"text": HOSTILE, "language": "zh"}).text
    assert answer.count('<th scope="row">') == 2 and answer.count('class="predicted"') == 1 and "<script" not in answer
    (label,) = re.findall(r'data-answer="&#34;(.)&#34;"', answer)
    explained = client.post("/page/hotel/explanation", json={"text": HOSTILE, "answer": label, "steps": 2})
    assert "as predicted" in explained.text and "&lt;" in explained.text and "<script" not in explained.text


def test_explanation_is_in_the_language_of_the_page(client):
    asked = {"text": "房间 was clean", "steps": 2}
    english, chinese = (
        client.post("/page/hotel/explanation", json=asked | {"language": language}).text for language in ("en", "zh")
    )
    assert "supports the answer" in english and set(re.findall("[一-龥]", english)) <= set("房间好坏")
    words = set(re.findall(r"[A-Za-z]{3,}", re.sub(r"<[^>]*>", " ", chinese)))
    assert words <= {"was", "clean", "MASK", "CLS", "SEP"} and "支持该答案" in chinese


def test_reason_without_an_answer_is_translated(client):
    assert "文本为空" in client.post("/page/hotel/answer", json={"text": " ", "language": "zh"}).text


def test_answer_without_a_label(client):
    asked = {"text": "好", "options": {"min_confidence": 1}}
    answer = client.post("/page/hotel/answer", json=asked).text
    assert 'class="predicted"' not in answer and 'data-answer="null"' in answer
    assert "empty text" in client.post("/page/hotel/answer", json={"text": " "}).text


def test_interface_describes_fields_and_shows_requests(client):
    page = client.get("/docs").text
    assert "POST /models/{name}/predict" in page and "curl -H" in page and "all_probabilities" in page
