"""How reports and comparisons name and show the answers of a task."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Presentation:
    """Names and keys for pages about a task; the defaults suit a task that gives one value for a text.

    Attributes:
        title, title_zh: the name of the task in English and in Chinese; "" stands for the name of its folder.
        group, groups_zh: what the scores in `per_class` belong to, such as "label", and a Chinese title for all of them.
        question: keys of a record in `answers.jsonl` that tell what was asked.
        about: the key of those that is shown beside the text, or None.
        keys: for answers that are lists of dicts, the keys that identify one of them; () for other answers.
        entities: those of `keys` whose values are parts of the text.
        ranked: whether the first of several answers is also scored by itself, as `accuracy`.
    """

    title: str = ""
    title_zh: str = ""
    group: str = "class"
    groups_zh: str = "各类别"
    question: tuple[str, ...] = ("text", "text_b")
    about: str | None = None
    keys: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    ranked: bool = False
