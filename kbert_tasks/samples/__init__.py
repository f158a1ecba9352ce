"""Small labelled sets written for this project, in Chinese and English: what a run without data options takes."""

from pathlib import Path

from ..errors import InputError


def path(task: str, language: str, part: str) -> Path:
    """The file of a task's sample, such as ("classify", "zh", "train")."""
    found = sorted(Path(__file__).parent.glob(f"{task}.{language}.{part}.*"))
    if not found:
        raise InputError(f"there is no {part} sample for the task {task} in {language}: give a file with --{part}")
    return found[0]
