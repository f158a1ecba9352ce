"""Defines the catalogue of released checkpoints, with their names and sizes."""

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
    """A released checkpoint, or the checkpoint that is included in the package.

    Attributes:
        name: name on the command line.
        title: name that its authors use.
        language: "en", "zh" or "multilingual".
        cased: whether the tokenizer keeps capital letters and accents.
        layers, hidden, heads, vocab_size, positions: the sizes of the model.
        aliases: other names, including the usual name of the folder.
        url: address of a zip archive in Google's format, or "".
        hub: "hf:OWNER/NAME" on Hugging Face, or ""; each entry except tiny-zh has a `url` or a `hub`.
        license: license of the weights.
        note: what a user should know before choosing the checkpoint.
    """

    name: str
    title: str
    language: str
    cased: bool
    layers: int
    hidden: int
    heads: int
    vocab_size: int
    aliases: tuple[str, ...] = ()
    url: str = ""
    hub: str = ""
    license: str = "Apache-2.0"
    note: str = ""
    positions: int = 512

    @property
    def parameters(self) -> int:
        """Number of weights of the encoder, including its pooler."""
        config = {
            "hidden_size": self.hidden,
            "intermediate_size": 4 * self.hidden,  # true for every release
            "max_position_embeddings": self.positions,
            "num_hidden_layers": self.layers,
            "vocab_size": self.vocab_size,
        }
        return sum(math.prod(shape) for shape in google_format.variables(config).values())


def entries() -> tuple[Entry, ...]:
    """Returns the embedded checkpoint, if this installation has it, and all entries of `catalog.json` in their order.

    Sources: the READMEs of google-research/bert and ymcui/Chinese-BERT-wwm.
    """
    return (*_embedded(), *_released())


@functools.cache
def _released() -> tuple[Entry, ...]:
    rows = json.loads(Path(__file__).with_name("catalog.json").read_text(encoding="utf-8"))
    return tuple(Entry(**row | {"aliases": tuple(row["aliases"])}) for row in rows)


def _embedded() -> tuple[Entry, ...]:
    """Returns a tuple with the Entry of the embedded checkpoint; its sizes come from its config."""
    try:
        config = read_config(embedded.folder() / google_format.CONFIG)
    except InputError:
        return ()
    sizes = (config[name] for name in ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size"))
    cased = not config.get("do_lower_case", True)
    title, note = "the small Chinese checkpoint of kbert_tasks", "Small: for first steps and for tests."
    details = {"positions": config["max_position_embeddings"], "license": "see its README.md", "note": note}
    return (Entry(embedded.NAME, title, "zh", cased, *sizes, **details),)


def find(name: str) -> Entry | None:
    """Returns the entry with this name or alias, ignoring case, or None.

    Examples:
        >>> find("BERT-Tiny").name
        'uncased_L-2_H-128_A-2'
    """
    wanted = str(name).casefold()
    for entry in entries():
        if wanted in [known.casefold() for known in (entry.name, *entry.aliases, entry.hub) if known]:
            return entry
    return None
