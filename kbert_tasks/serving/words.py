"""The words of the pages in English and Chinese."""

ENGLISH = {
    "title": "Models of this server", "language": "中文", "model": "Model", "key": "API key", "text": "Text",
    "second": "Second text", "submit": "Predict", "waiting": "Predicting ...", "explaining": "Explaining ...",
    "explain": "Explain", "explanation": "Explanation", "labels": "Labels",
    "none": "No answer is probable enough.", "skipped": "This text has no answer:", "more": "more labels",
    "options": "Options (JSON, such as {example})", "wrong_options": "The options should be a JSON object.",
    "lost": "The server cannot be reached.", "answer": "Answer", "api": "Use it from programs:",
    "ask_key": "This server needs an API key.", "script": "This page needs JavaScript.",
    "about_explain": "An explanation takes as long as a hundred predictions.",
}  # fmt: skip
CHINESE = {
    "title": "本服务器的模型", "language": "English", "model": "模型", "key": "API 密钥", "text": "文本",
    "second": "第二段文本", "submit": "预测", "waiting": "正在预测……", "explaining": "正在解释……",
    "explain": "解释", "explanation": "解释", "labels": "标签",
    "none": "没有概率足够高的答案。", "skipped": "这段文本没有答案：", "more": "个其他标签",
    "options": "选项（JSON，例如 {example}）", "wrong_options": "选项应为 JSON 对象。",
    "lost": "无法连接服务器。", "answer": "答案", "api": "在程序中使用：",
    "ask_key": "本服务器需要 API 密钥。", "script": "本页面需要 JavaScript。",
    "about_explain": "一次解释的耗时约等于一百次预测。",
}  # fmt: skip
# The name of the probability, and reasons without an answer; others are shown as they are.
NAMES: dict[str, dict[str, str]] = {
    "en": {},
    "zh": {
        "probability": "概率", "empty text": "文本为空", "empty second text": "第二段文本为空", "no event type": "没有事件类型",
    },
}  # fmt: skip
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


def language_of(asked: str | None, accepted: str) -> str:
    """Returns "en" or "zh".

    Args:
        asked: the language in the address, or None.
        accepted: the header Accept-Language, such as "zh-CN,zh;q=0.9,en;q=0.8"; its first known language counts.
    """
    for each in (asked or "", *accepted.split(",")):
        name = each.strip()[:2].lower()
        if name in LANGUAGES:
            return name
    return "en"
