"""Downloads BERT models from the Hugging Face Hub and converts them to official checkpoints."""

import contextlib
import os
import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from ..errors import InputError
from ..files import make_room, replacing_folder
from ..lock import locked
from .google_format import is_checkpoint
from .install import keep

SCHEME = "hf:"
NAME = re.compile(r"(?:hf:)?([\w.-]+/[\w.-]+)(?:@(.+))?")


def folder_name(repo: str) -> str:
    """Returns the folder name of `OWNER/NAME` or `OWNER/NAME@REVISION`, such as `hf_OWNER_NAME`."""
    return "hf_" + re.sub(r"[^\w.-]", "_", repo.removeprefix(SCHEME))


def fetch(
    repo: str,
    into: str | PathLike[str],
    *,
    name: str | None = None,
    cased: bool | None = None,
    mirror: str | None = None,
    proxy: str | None = None,
) -> Path:
    """Downloads a BERT from Hugging Face and converts it. The folder appears only when it is complete.

    Args:
        repo: `OWNER/NAME`, or `OWNER/NAME@REVISION` for a branch, a tag, a commit, or `refs/pr/1`.
        into: parent of the new folder.
        name: name of the new folder (default `hf_OWNER_NAME`).
        cased: the casing; None determines it from the files.
        mirror: address of a server that replaces https://huggingface.co (default: HF_ENDPOINT in the environment).
        proxy: address of an HTTP proxy; by default the proxies that the environment defines.

    Returns:
        The path of the folder; an existing checkpoint is returned unchanged.

    Raises:
        InputError: the repository or the network is not accessible, or there are no safetensors of a BERT.

    Examples:
        >>> fetch("google-bert/bert-base-german-cased", "checkpoints")  # doctest: +SKIP
    """
    match = NAME.fullmatch(repo)
    if not match:
        raise InputError(f"{repo!r} should be hf:OWNER/NAME, as in hf:google-bert/bert-base-german-cased")
    folder = Path(into) / (name or folder_name(repo))
    if is_checkpoint(folder):
        return folder
    from .convert import import_folder

    make_room(folder)
    with locked(folder):
        if is_checkpoint(folder):  # created by the run that held the lock before
            return folder
        with _through(proxy):
            source = _files(match[1], match[2], mirror)
        with replacing_folder(folder) as fresh:
            import_folder(source, fresh)
            origin = {"name": folder.name, "hub": SCHEME + match[1], "revision": source.name}
            keep(fresh, folder, origin, cased)
    return folder


def _files(repo: str, revision: str | None, mirror: str | None) -> Path:
    """Downloads the required files into Hugging Face's cache and returns their folder."""
    config = _file(repo, "config.json", revision, mirror)
    if config is None:
        raise InputError(f"hf:{repo} has no config.json: give a repository of a BERT model")
    commit = config.parent.name  # fixes the version of all other files
    if _file(repo, "model.safetensors", commit, mirror) is None:
        index = _file(repo, "model.safetensors.index.json", commit, mirror)
        if index is None:
            raise InputError(
                f"hf:{repo} has no model.safetensors, and a pickle such as pytorch_model.bin, which can run "
                f"code, is not loaded: try a revision with safetensors (often hf:{repo}@refs/pr/1), or save the "
                "model as safetensors with transformers and import that folder"
            )
        from .convert import shards

        try:
            names = shards(index.read_bytes())
        except (ValueError, AttributeError):
            raise InputError(f"hf:{repo}: {index.name} is not a list of weight files: use another revision") from None
        for shard in names:
            if _file(repo, shard, commit, mirror) is None:
                raise InputError(f"hf:{repo} has no {shard}, which {index.name} lists: use another revision")
    # tokenizer.json is also needed with vocab.txt, because it may define the casing.
    found = [_file(repo, n, commit, mirror) for n in ("vocab.txt", "tokenizer.json", "tokenizer_config.json")]
    if not any(found[:2]):
        raise InputError(f"hf:{repo} has no vocab.txt and no tokenizer.json: give a repository of a BERT model")
    return config.parent


def _file(repo: str, name: str, revision: str | None, mirror: str | None) -> Path | None:
    """Downloads one file and returns its path in the cache, or None if the repository does not have it."""
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub import utils as errors  # older versions lack huggingface_hub.errors

    server = (mirror or constants.ENDPOINT).rstrip("/")
    try:
        return Path(hf_hub_download(repo, name, revision=revision, endpoint=mirror and server))
    except errors.GatedRepoError:
        problem = f"requires that you accept its terms: accept them on {server}/{repo}, then set HF_TOKEN"
    except errors.RepositoryNotFoundError:
        problem = f"does not exist on {server}, or you have no access: check the name; if it is private, set HF_TOKEN"
    except errors.RevisionNotFoundError:
        problem = f"has no revision {revision}: check the part after the @"
    except errors.LocalEntryNotFoundError as error:  # a subclass of EntryNotFoundError: no usable answer
        cause = error.__cause__ or error
        if getattr(getattr(cause, "response", None), "status_code", None) == 404:
            return None  # a mirror that does not say what was not found
        problem = _unreachable(name, server, cause)
    except errors.EntryNotFoundError:
        return None
    except Exception as error:  # requests or httpx, depending on the version of huggingface_hub
        problem = _unreachable(name, server, error)
    raise InputError(f"hf:{repo} {problem}")


def _unreachable(name: str, server: str, error: BaseException) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (
        f"could not be downloaded: no {name} from {server} ({reason}); "
        "to use another server, give --mirror URL (or set HF_ENDPOINT), to use a proxy, --proxy URL (or set HTTPS_PROXY)"
    )


@contextlib.contextmanager
def _through(proxy: str | None) -> Iterator[None]:
    """Sets the proxy in the environment, the only place from which huggingface_hub reads it."""
    if not proxy:
        yield
        return
    import huggingface_hub

    renew = getattr(huggingface_hub, "close_session", lambda: None)  # open connections keep the old environment
    before = {key: os.environ.get(key) for key in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
    os.environ.update(dict.fromkeys(before, proxy))
    renew()
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value
        renew()
