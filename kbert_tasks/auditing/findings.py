"""Finding: one reason to look at a row again."""

from dataclasses import dataclass
from typing import Any

# Names of the kinds of findings, in the order of the page, with their headings in English and Chinese.
KINDS = {
    "answer": ("Improbable answers", "可疑标注"),
    "same text": ("Identical texts with different answers", "文本相同、标注不同"),
    "similar text": ("Nearly identical texts with different answers", "文本相近、标注不同"),
    "unlabelled": ("Strings that are labelled in other texts", "别处已标注、此处未标注"),
    "name": ("Names that differ only by case, width, spaces or invisible characters", "仅大小写、全半角、空白或不可见字符不同的名称"),
    "rare": ("Labels with one or two texts", "只有一两条文本的标签"),
    "in test": ("Texts that are also in the test file", "同时出现在测试集中的文本"),
    "truncated": ("Truncated texts", "被截断的文本"),
    "empty": ("Texts without letters", "没有文字的文本"),
    "script": ("Texts in another script", "文字种类不同的文本"),
    "not used": ("Rows that are not used", "未使用的行"),
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One reason to look at an example again.

    Attributes:
        kind: a key of KINDS.
        place: index of the example.
        reason: one sentence.
        suggested: the suggested answer, in the form of the task's gold answers; None if there is no suggestion.
    """

    kind: str
    place: int
    reason: str
    suggested: Any = None
