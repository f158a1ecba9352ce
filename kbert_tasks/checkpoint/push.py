"""Uploads files, and checkpoints as Hugging Face folders, to a repository on the Hugging Face Hub."""

import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from ..errors import InputError
from .convert import export_folder
from .hub import NAME, SCHEME

README = "README.md"


def push_checkpoint(
    folder: str | PathLike[str],
    repo: str,
    *,
    private: bool = True,
    token: str | None = None,
    revision: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Uploads a checkpoint, so that `hf:OWNER/NAME` and transformers load it.

    Args:
        folder: folder of a checkpoint; its README.md is uploaded too, if it has one.
        repo, private, token, revision, endpoint: as for `upload`.

    Returns:
        The address of the new commit.

    Raises:
        InputError: the folder is not a checkpoint, or the upload failed.
    """
    with tempfile.TemporaryDirectory() as place:
        made = export_folder(folder, Path(place) / "checkpoint")
        files: dict[str, Path | bytes] = {file.name: file for file in sorted(Path(made).iterdir())}
        if (own := Path(folder) / README).is_file():
            files[README] = own
        return upload(files, repo, private=private, token=token, revision=revision, endpoint=endpoint)


def upload(
    files: Mapping[str, Path | bytes],
    repo: str,
    *,
    private: bool = True,
    token: str | None = None,
    revision: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Uploads files to a repository in one commit, and creates the repository if it does not exist.

    Args:
        files: dict of name in the repository to a path or the content.
        repo: `OWNER/NAME`.
        private: whether a new repository is private; an existing one does not change.
        token: the access token (default: HF_TOKEN in the environment, or the token of `hf auth login`).
        revision: an existing branch (default: main).
        endpoint: address of the server (default: HF_ENDPOINT, or https://huggingface.co).

    Returns:
        The address of the new commit.

    Raises:
        InputError: the name is not valid, there is no token, or the server refuses the files or cannot be reached.
    """
    match = NAME.fullmatch(repo)
    if not match or match[2]:
        raise InputError(f"{repo!r} should be OWNER/NAME, the name of a repository on Hugging Face, such as me/hotel")
    import huggingface_hub
    from huggingface_hub import constants

    repo = repo.removeprefix(SCHEME)
    server = (endpoint or constants.ENDPOINT).rstrip("/")
    token = token or huggingface_hub.get_token()
    if token is None:
        raise InputError(
            f"{server} needs a token that may write: create one in the settings of your account, then run hf auth login, "
            "or set HF_TOKEN"
        )
    api = huggingface_hub.HfApi(endpoint=server, token=token)
    added = [
        huggingface_hub.CommitOperationAdd(name, content if isinstance(content, bytes) else str(content))
        for name, content in files.items()
    ]
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        made = api.create_commit(repo, added, commit_message="Upload with kbert_tasks", revision=revision)
    except Exception as error:  # requests or httpx, depending on the version of huggingface_hub
        raise InputError(f"{repo} could not be uploaded to {server}: {_reason(error, revision)}") from None
    return str(made.commit_url)


def _reason(error: Exception, revision: str | None) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return "the token is not valid: create a new one, and run hf auth login, or set HF_TOKEN"
    if status == 403:
        return "the token may not write there: use a token with write access, or another OWNER"
    if status == 404:
        return (
            f"the repository has no branch {revision}: create it first" if revision else "there is no such repository"
        )
    return (str(error).strip() or type(error).__name__).splitlines()[0]
