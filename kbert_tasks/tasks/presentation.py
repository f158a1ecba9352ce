"""Presentation: names and keys that reports and comparisons use for the answers of a task."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Presentation:
    """Names and keys for pages about a task. The defaults suit a task with one answer per text.

    Attributes:
        title, title_zh: name of the task in English and in Chinese; if empty, the name of its folder is used.
        group, groups_zh: name of one class in `per_class`, such as "label", and a Chinese heading for all of them.
        kind_of, kinds_zh: what `per_overlap` groups, such as "text", and a Chinese heading for its groups.
        question: keys of the inputs in a record of `answers.jsonl`.
        about: the key in `question` whose value is shown next to the text, or None.
        keys: for answers that are lists of dicts, the keys that identify an answer, if it has them; () for other answers. A value that is
            a number is shown as a place in the text.
        keys_zh: Chinese names of `keys`, in the same order.
        entities: the keys in `keys` whose values are parts of the text.
        ranked: whether the first of several answers also has its own score, `accuracy`.
        hub_tag: the kind of task as Hugging Face names it (`pipeline_tag`), or "".
    """

    title: str = ""
    title_zh: str = ""
    group: str = "class"
    groups_zh: str = "各类别"
    kind_of: str = "text"
    kinds_zh: str = "按文本类型"
    question: tuple[str, ...] = ("text", "text_b")
    about: str | None = None
    keys: tuple[str, ...] = ()
    keys_zh: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    ranked: bool = False
    hub_tag: str = ""
