"""The official checkpoints by name, and the way from what `--checkpoint` was given to a folder on disk."""

import difflib
import functools
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ..errors import InputError
from . import embedded, google_format, hub, install
from .google_format import is_checkpoint

HERE = "checkpoints"


@dataclass(frozen=True)
class Entry:
    """One released checkpoint, or the one that comes with the package.

    Attributes:
        name: what to call it on the command line.
        title: what its authors call it.
        language: "en", "zh" or "multilingual".
        cased: whether capital letters and accents are kept.
        layers, hidden, heads, vocab_size, positions: its sizes.
        aliases: its other names, the usual name of its folder among them.
        url: zip archive in Google's format, or "".
        hub: "hf:OWNER/NAME" on Hugging Face, or ""; one of `url` and `hub` is there, but for tiny-zh.
        license: of the weights.
        note: what one should know before taking it.
    """

    name: str
    title: str
    language: str
    cased: bool
    layers: int
    hidden: int
    heads: int
    vocab_size: int
    aliases: tuple = ()
    url: str = ""
    hub: str = ""
    license: str = "Apache-2.0"
    note: str = ""
    positions: int = 512

    @property
    def parameters(self):
        """The number of weights of the encoder with its pooler."""
        config = {
            "hidden_size": self.hidden,
            "intermediate_size": 4 * self.hidden,  # so in every release
            "max_position_embeddings": self.positions,
            "num_hidden_layers": self.layers,
            "vocab_size": self.vocab_size,
        }
        return sum(math.prod(shape) for shape in google_format.variables(config).values())


def entries():
    """The embedded checkpoint, where this installation has it, and all entries of `catalog.json`, in its order.

    Sources: the READMEs of google-research/bert and ymcui/Chinese-BERT-wwm.
    """
    return (*_embedded(), *_released())


@functools.cache
def _released():
    rows = json.loads(Path(__file__).with_name("catalog.json").read_text(encoding="utf-8"))
    return tuple(Entry(**row | {"aliases": tuple(row["aliases"])}) for row in rows)


def _embedded():
    """A tuple of the embedded checkpoint's Entry, with the sizes that its config tells."""
    from .validate import read_config

    try:
        config = read_config(embedded.folder() / google_format.CONFIG)
    except InputError:
        return ()
    sizes = (config[name] for name in ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size"))
    cased = not config.get("do_lower_case", True)
    title, note = "the small Chinese checkpoint of kbert_tasks", "Small: for first steps and for tests."
    told = {"positions": config["max_position_embeddings"], "license": "see its README.md", "note": note}
    return (Entry(embedded.NAME, title, "zh", cased, *sizes, **told),)


def find(name):
    """The entry of this name or alias, in whatever case, or None.

    Examples:
        >>> find("BERT-Tiny").name
        'uncased_L-2_H-128_A-2'
    """
    wanted = str(name).casefold()
    for entry in entries():
        if wanted in [known.casefold() for known in (entry.name, *entry.aliases, entry.hub) if known]:
            return entry
    return None


def locate(name_or_path, *, into=None, mirror=None, proxy=None):
    """The folder meant by a name or a path; what is not on this machine yet is downloaded.

    tiny-zh comes with the package and is there. Any other name is looked for in the folder that the environment variable
    KBERT_CHECKPOINTS names, in `./checkpoints` and in the user's cache, under its aliases too. What is missing goes to
    the first of them that is set or exists.

    Args:
        name_or_path: a folder, a path prefix such as `DIR/bert_model.ckpt`, a name of the catalogue, or
            `hf:OWNER/NAME`, a BERT on Hugging Face (`hf:OWNER/NAME@REVISION` for a certain version of it).
        into: the one folder to look in and to download to; tiny-zh is copied there.
        mirror: address of a server to use instead of https://storage.googleapis.com (without it, KBERT_MIRROR in the
            environment) or, for what comes from Hugging Face, of https://huggingface.co (without it, HF_ENDPOINT).
        proxy: address of an HTTP proxy; without it, those that the environment names.

    Returns:
        A path; a path that was given comes back as it is, unchecked.

    Raises:
        InputError: it is neither a path nor a known name, the download failed, or this installation lacks tiny-zh.

    Examples:
        >>> locate("bert-base-chinese")  # doctest: +SKIP
        PosixPath('checkpoints/bert-base-chinese')
    """
    given, path = str(name_or_path), Path(name_or_path).expanduser()
    if path.suffix.lower() == ".zip" and path.is_file():
        raise InputError(f"{given} is an archive: unzip it, and give the folder that holds {google_format.CONFIG}")
    if path.exists():
        return path
    if given.casefold() == embedded.NAME:
        return embedded.copied(into) if into else embedded.folder()
    entry = find(given)
    if entry:
        names = [entry.name, *entry.aliases]
    elif given.startswith(hub.SCHEME):
        names = [hub.folder_name(given)]
    elif Path(f"{path}.index").is_file() or (path.parent / google_format.CONFIG).is_file():
        return path
    else:
        raise InputError(f"{given!r} is neither a folder nor the name of a checkpoint; {_advice(given)}")

    set_by_user = into or os.environ.get("KBERT_CHECKPOINTS")
    here, cache = Path(HERE), Path(platformdirs.user_cache_dir("kbert_tasks", appauthor=False)) / HERE
    target = Path(set_by_user).expanduser() if set_by_user else here if here.is_dir() else cache
    for place in [target] if into else [target, here, cache]:
        for name in names:
            if is_checkpoint(place / name):
                return place / name
    if entry and entry.hub:
        return hub.fetch(entry.hub, target, name=entry.name, cased=entry.cased, mirror=mirror, proxy=proxy)
    if entry:
        return install.get(entry, target, mirror, proxy)
    return hub.fetch(given, target, mirror=mirror, proxy=proxy)


def _advice(given):
    known = [embedded.NAME] + [name for entry in entries() for name in (entry.name, *entry.aliases)]
    close = difflib.get_close_matches(Path(given).name.lower(), known, n=3)
    return (f"close to it: {', '.join(close)}; " if close else "") + (
        "`kbert-checkpoint list` shows all names, and hf:OWNER/NAME takes a BERT from Hugging Face"
    )
