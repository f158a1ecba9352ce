"""BERT models of the Hugging Face Hub as official checkpoints."""

import contextlib
import os
import re
from pathlib import Path

from ..errors import InputError
from ..files import aside, make_room
from ..lock import locked
from .google_format import is_checkpoint
from .install import keep

SCHEME = "hf:"
NAME = re.compile(r"(?:hf:)?([\w.-]+/[\w.-]+)(?:@(.+))?")


def folder_name(repo):
    """The folder of `OWNER/NAME` or `OWNER/NAME@REVISION`: `hf_OWNER_NAME`."""
    return "hf_" + re.sub(r"[^\w.-]", "_", repo.removeprefix(SCHEME))


def fetch(repo, into, *, name=None, cased=None, mirror=None, proxy=None):
    """Downloads a BERT from Hugging Face and converts it. The folder appears only when it is whole.

    Args:
        repo: `OWNER/NAME`, or `OWNER/NAME@REVISION` for a branch, a tag, a commit, or `refs/pr/1`.
        into: the folder is made in here.
        name: its name, when it should not be `hf_OWNER_NAME`.
        cased: the casing, where it is known better than by the files.
        mirror: address of a server instead of https://huggingface.co; without it, HF_ENDPOINT in the environment.
        proxy: address of an HTTP proxy; without it, those that the environment names.

    Returns:
        The path of the folder; one that is there already is taken as it is.

    Raises:
        InputError: no such repository, no access, no network, no safetensors, not a BERT.

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
        if is_checkpoint(folder):  # the run that had the lock has made it meanwhile
            return folder
        with _through(proxy):
            source = _files(*match.groups(), mirror)
        with aside(folder) as fresh:
            import_folder(source, fresh)
            origin = {"name": folder.name, "hub": SCHEME + match[1], "revision": source.name}
            keep(fresh, folder, origin, cased)
    return folder


def _files(repo, revision, mirror):
    """Downloads what is needed into Hugging Face's own cache; returns the folder."""
    config = _file(repo, "config.json", revision, mirror)
    if config is None:
        raise InputError(f"hf:{repo} has no config.json: give a repository that holds a BERT model")
    commit = config.parent.name  # all other files of the same version, whatever happens meanwhile
    if _file(repo, "model.safetensors", commit, mirror) is None:
        index = _file(repo, "model.safetensors.index.json", commit, mirror)
        if index is None:
            raise InputError(
                f"hf:{repo} has no model.safetensors, and a pickle such as pytorch_model.bin, which could run any "
                f"program, is not read: try a version with safetensors (often hf:{repo}@refs/pr/1), or save the "
                "model as safetensors with transformers and import that folder"
            )
        from .convert import shards

        try:
            names = shards(index.read_bytes())
        except (ValueError, AttributeError):
            raise InputError(f"hf:{repo}: {index.name} is not a list of weights: take another version of it") from None
        for shard in names:
            if _file(repo, shard, commit, mirror) is None:
                raise InputError(f"hf:{repo} has no {shard}, promised by {index.name}: take another version of it")
    # tokenizer.json even beside vocab.txt: it may be the one that tells the casing
    found = [_file(repo, n, commit, mirror) for n in ("vocab.txt", "tokenizer.json", "tokenizer_config.json")]
    if not any(found[:2]):
        raise InputError(f"hf:{repo} has no vocab.txt and no tokenizer.json: give a repository that holds a BERT model")
    return config.parent


def _file(repo, name, revision, mirror):
    """The path of one file in the cache, or None where the repository does not have it."""
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub import utils as errors  # where they were before there was huggingface_hub.errors

    server = (mirror or constants.ENDPOINT).rstrip("/")
    try:
        return Path(hf_hub_download(repo, name, revision=revision, endpoint=mirror and server))
    except errors.GatedRepoError:
        problem = f"asks for your agreement: give it on {server}/{repo}, then set HF_TOKEN"
    except errors.RepositoryNotFoundError:
        problem = f"is not on {server}, or not for you: check the name; if it is private, set HF_TOKEN"
    except errors.RevisionNotFoundError:
        problem = f"has no version {revision}: check what follows the @"
    except errors.LocalEntryNotFoundError as error:  # an EntryNotFoundError too, but means: no usable answer
        cause = error.__cause__ or error
        if getattr(getattr(cause, "response", None), "status_code", None) == 404:
            return None  # from a mirror that does not say what it is that is not there
        problem = _unreachable(name, server, cause)
    except errors.EntryNotFoundError:
        return None
    except Exception as error:  # of requests or httpx, by the version of huggingface_hub
        problem = _unreachable(name, server, error)
    raise InputError(f"hf:{repo} {problem}")


def _unreachable(name, server, error):
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (
        f"could not be fetched: {name} did not come from {server} ({reason}); "
        "--mirror URL (or HF_ENDPOINT) takes another server, --proxy URL (or HTTPS_PROXY) goes through a proxy"
    )


@contextlib.contextmanager
def _through(proxy):
    """Has huggingface_hub use this proxy: it takes its proxies from the environment only."""
    if not proxy:
        yield
        return
    import huggingface_hub

    renew = getattr(huggingface_hub, "close_session", lambda: None)  # its connections remember the environment
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
