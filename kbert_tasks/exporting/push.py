"""Uploads a trained task to the Hugging Face Hub, without the texts of its data."""

import json
import logging
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

from ..checkpoint.push import upload
from ..saving.card import REPOSITORY
from ..saving.folder import ANSWERS, CARD, ERRORS, LAYOUT, PAGE, REPORT, RUN, TASK, json_of
from ..tasks.base import Task
from ..tasks.loading import checked

log = logging.getLogger("kbert_tasks")
LOCAL = "command", "files", "run"  # entries of the report with paths of this machine


def push_to_hub(
    task: "Task[Any] | str | PathLike[str]",
    repo_id: str,
    *,
    private: bool = True,
    texts: bool = False,
    token: str | None = None,
    revision: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Uploads a trained task to a repository on the Hugging Face Hub, and creates the repository if it does not exist.

    `kbert_tasks.load(huggingface_hub.snapshot_download(repo_id))` loads it. Without `texts`, no text of the data and no path of
    this machine is uploaded: `errors.jsonl` and `answers.jsonl` are empty, and `report.html` and `run.yaml` are left out.
    `model.safetensors` contains a fingerprint of each training text, but not the text.

    Args:
        task: a trained task, or its saved folder.
        repo_id: `OWNER/NAME`.
        private: whether a new repository is private; an existing one does not change.
        texts: whether the evaluated texts are uploaded too, with `report.html`, which also contains names of files.
        token: the access token (default: HF_TOKEN in the environment, or the token of `hf auth login`).
        revision: an existing branch (default: main).
        endpoint: address of the server (default: HF_ENDPOINT, or https://huggingface.co).

    Returns:
        The address of the new commit.

    Raises:
        InputError: the task is not trained, the folder is not a saved task, or the upload failed.

    Example:
        >>> kb.push_to_hub("runs/hotel", "me/hotel")  # doctest: +SKIP
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / repo_id.rpartition("/")[2]
        if isinstance(task, Task):
            task.save(folder)
        else:
            folder = Path(task)
            checked(folder)
        files = _files(folder.resolve(), repo_id, texts)
        made = upload(files, repo_id, private=private, token=token, revision=revision, endpoint=endpoint)
    log.info("uploaded %s: %s", "with the evaluated texts" if texts else "without texts", made)
    return made


def _files(folder: Path, repo: str, texts: bool) -> dict[str, Path | bytes]:
    """Returns what is uploaded: a dict of file name to a path or the content."""
    files: dict[str, Path | bytes] = {name: folder / name for name in LAYOUT if (folder / name).is_file()}
    files.pop(RUN, None)  # paths of this machine
    if not texts:
        files.pop(PAGE, None)
        files |= {ERRORS: b"", ANSWERS: b""}
    report, about = json_of(folder / REPORT), json_of(folder / TASK)
    report = {name: value for name, value in report.items() if name not in LOCAL}
    for part in (report, about):
        part["settings"] |= {"tensorboard": None}
    if "lines" in report.get("plan", {}):  # they contain names of files, and quote cells of the data
        report["plan"]["lines"] = []
    files |= {REPORT: _json(report), TASK: _json(about)}
    if CARD in files:
        card = (folder / CARD).read_text(encoding="utf-8", errors="replace")
        files[CARD] = card.replace(f"From Hugging Face, replacing `{REPOSITORY}`:", "From Hugging Face:").replace(
            f'"{REPOSITORY}"', f'"{repo}"'
        ).encode()  # fmt: skip
    return files


def _json(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "backslashreplace")
