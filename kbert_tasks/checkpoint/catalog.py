"""The catalogue: the released checkpoints that have a name, and their sizes."""

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from . import embedded, google_format
from .config import read_config


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
