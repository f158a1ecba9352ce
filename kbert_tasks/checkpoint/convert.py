"""Converts Hugging Face BERT folders to official checkpoints, and back.

The two formats have the same weights, but different names and transposed dense kernels. They also differ in "gelu":
Hugging Face uses the error function, Google and this package use a tanh formula.
"""

import contextlib
import itertools
import json
import logging
import re
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..disk import written
from ..errors import InputError
from . import google_format
from .checkpoint import Checkpoint

log = logging.getLogger("kbert_tasks")

# The keys of `bert_config.json`, with the defaults of Hugging Face's BertConfig for keys missing in `config.json`.
KEYS = {
    "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768,
    "initializer_range": 0.02, "intermediate_size": 3072, "max_position_embeddings": 512, "num_attention_heads": 12,
    "num_hidden_layers": 12, "type_vocab_size": 2, "vocab_size": 30522,
}  # fmt: skip
PLAIN = {"model_type": "bert", "position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "relu": "relu", "tanh": "tanh"}
# The values in `tokenizer_config.json` that agree with Google's tokenization rules.
RULES = {
    "tokenizer_class": ("BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"),
    "strip_accents": (None,), "tokenize_chinese_chars": (True,),
}  # fmt: skip
SPECIAL = {f"{name.lower()}_token": f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")}
FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}  # BF16: the upper half of a float32, not in NumPy
OPTIONAL = ("bert/pooler/", *google_format.HEADS)
DECODER = "cls.predictions.decoder.weight"


def import_folder(source: str | PathLike[str], target: str | PathLike[str]) -> Path:
    """Converts a Hugging Face BERT folder to an official checkpoint and returns its path.

    The pooler, the masked-word head and the next-sentence head are converted if they exist; other tensors are skipped
    and listed in the log. Rows of the embedding table without a word become `[unusedN]`. Hugging Face's "gelu" becomes
    Google's. This changes a component of all-MiniLM-L6-v2's token vectors by 4e-4 on average and 6e-3 at most (400
    sentences of SST-2; the mean absolute value is 0.26), and a component of its unit sentence vectors by 4e-4 at most.

    Args:
        source: folder with `config.json`, `model.safetensors` (or shards and `model.safetensors.index.json`),
            `vocab.txt` or `tokenizer.json`, and optionally `tokenizer_config.json`.
        target: folder to create; it must be missing or empty, and it appears only when it is complete.

    Raises:
        InputError: the source is not a plain BERT or is incomplete, or the target already exists.
    """
    source = Path(source)
    if (source / google_format.CONFIG).is_file() and not (source / "config.json").exists():
        raise InputError(
            f"{source} is already in Google's format ({google_format.CONFIG}): use it directly as --checkpoint"
        )
    given = _read(source / "config.json")
    config = {key: given.get(key, default) for key, default in KEYS.items()}
    supported: dict[str, list[Any]] = {**{key: [value] for key, value in PLAIN.items()}, "hidden_act": [*ACTIVATIONS]}
    for key, known in supported.items():
        if given.get(key, known[0]) not in known:
            raise InputError(
                f"{source / 'config.json'} should have {key} {' or '.join(map(repr, known))}, found {given[key]!r}: "
                "Google's BERT supports nothing else, use another model"
            )
    for key, value in config.items():
        if isinstance(KEYS[key], int) and (type(value) is not int or value < 1):
            raise InputError(f"{source / 'config.json'}: {key} should be a whole number above 0, found {value!r}")
        if isinstance(KEYS[key], float) and (type(value) not in (int, float) or not 0 <= value < 1):
            raise InputError(f"{source / 'config.json'}: {key} should be at least 0 and below 1, found {value!r}")
    config["hidden_act"] = ACTIVATIONS[config["hidden_act"]]
    if given.get("layer_norm_eps", 1e-12) != 1e-12:
        log.warning("%s: layer_norm_eps %s is replaced by Google's 1e-12", source, given["layer_norm_eps"])
    if (lower := _lower_case(source)) is not None:
        config["do_lower_case"] = lower
    with _new(target) as folder:
        google_format.write(folder, config, _words(source, config["vocab_size"]), _google_tensors(source, config))
    return Path(target)


def export_folder(source: str | PathLike[str], target: str | PathLike[str]) -> Path:
    """Converts an official checkpoint to a Hugging Face BERT folder and returns its path.

    Args:
        source: an official checkpoint, as for `Checkpoint.open`. Hugging Face calls its "gelu" "gelu_new".
        target: folder to create; it must be missing or empty, and it appears only when it is complete.

    Raises:
        InputError: the source is not an official checkpoint, or the target already exists.
    """
    from safetensors.numpy import save

    checkpoint = Checkpoint.open(source)
    words, tensors = checkpoint.vocabulary, checkpoint.tensors()
    heads = all(any(name.startswith(head) for name in tensors) for head in google_format.HEADS)
    config = {key: checkpoint.config.get(key, default) for key, default in KEYS.items()} | PLAIN
    config |= {"architectures": ["BertForPreTraining" if heads else "BertModel"], "layer_norm_eps": 1e-12}
    config |= {"pad_token_id": words.index("[PAD]"), "hidden_act": config["hidden_act"].replace("gelu", "gelu_new")}
    tokenizer = {key: known[0] for key, known in RULES.items()} | SPECIAL
    tokenizer |= {"do_lower_case": not checkpoint.cased, "model_max_length": config["max_position_embeddings"]}
    weights = {}
    for name in tensors.keys() & google_format.variables(config, heads=True).keys():
        weights[_names(name)[0]] = np.ascontiguousarray(tensors[name].T if name.endswith("/kernel") else tensors[name])
    with _new(target) as folder:
        for name, content in {"config": config, "tokenizer_config": tokenizer}.items():
            (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        (folder / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8", newline="\n")
        (folder / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    return Path(target)


def _names(variable: str) -> list[str]:
    """Returns Hugging Face's names of a Google variable: first the name for export, then other known names."""
    name = variable.replace("output_weights", "weight").replace("output_bias", "bias").replace("kernel", "weight")
    name = name.replace("/", ".").replace("layer_", "layer.").replace("_embeddings", "_embeddings.weight")
    old, name = name, name.replace("gamma", "weight").replace("beta", "bias")
    names = [name, old, name.replace("cls.predictions.bias", "cls.predictions.decoder.bias")]
    return names + [n.removeprefix("bert.") for n in names]


def _weights(source: Path) -> dict[str, np.ndarray | None]:
    """Reads all tensors of the folder as a dict from Hugging Face's name to float32 array; None for other types."""
    from safetensors import deserialize

    files, index = ["model.safetensors"], source / "model.safetensors.index.json"
    if not (source / files[0]).exists() and index.exists():
        files = _read(index, shards, "a list of weight files")
    elif not (source / files[0]).exists() and (source / "pytorch_model.bin").exists():
        raise InputError(
            f"{source} should have model.safetensors, found pytorch_model.bin, a pickle, which can run code and is "
            "not loaded: load it with AutoModelForPreTraining of transformers and save it with save_pretrained"
        )
    tensors = {}
    for name, stored in itertools.chain(*(_read(source / file, deserialize, "safetensors") for file in files)):
        array = np.frombuffer(stored["data"], FLOATS.get(stored["dtype"], "u1"))
        if stored["dtype"] == "BF16":
            array = (array.astype("<u4") << 16).view("<f4")
        tensors[name] = array.astype("<f4", copy=False).reshape(stored["shape"]) if stored["dtype"] in FLOATS else None
    return tensors


def shards(raw: bytes) -> list[str]:
    """Returns the file names in an index; only plain names are allowed, so that no file outside the folder is read.

    Raises:
        ValueError: the content is not a valid index.
    """
    index = json.loads(raw)
    names: set[Any] = set(index["weight_map"].values()) if isinstance(index.get("weight_map"), dict) else {None}
    if not all(isinstance(name, str) and re.fullmatch(r"\w[\w.-]*\.safetensors", name) for name in names):
        raise ValueError("weight_map should name files that end in .safetensors")
    return sorted(names)


def _google_tensors(source: Path, config: dict[str, Any]) -> dict[str, np.ndarray]:
    """Returns the tensors of the folder that Google's graph has, under Google's names, and logs the others."""
    given, shapes = _weights(source), google_format.variables(config, heads=True)
    found: dict[str, np.ndarray] = {}
    wrong = []
    keys = {name: next((n for n in _names(name) if given.get(n) is not None), None) for name in shapes}
    absent = tuple(part for part in OPTIONAL if not any(keys[name] for name in shapes if name.startswith(part)))
    for name, shape in shapes.items():
        key, kernel = keys[name], name.endswith("/kernel")
        shape = shape[::-1] if kernel else shape
        array = given[key] if key else None
        if key and array is not None and array.shape == shape:
            del given[key]
            found[name] = array.T if kernel else array
        elif array is not None or not name.startswith(absent):
            wrong.append(f"{key or _names(name)[0]} {shape}" + ("" if array is None else f" (it is {array.shape})"))
    if wrong:
        raise InputError(
            f"{source} should have the {len(shapes)} weights that config.json defines, but {len(wrong)} are missing or of another shape: "
            f"{', '.join(wrong[:4])}{', ...' * (len(wrong) > 4)}: download the folder again, or correct config.json"
        )
    decoder = given.pop(DECODER, None)
    if decoder is not None and not np.array_equal(decoder, found["bert/embeddings/word_embeddings"]):
        log.warning(
            "%s: skipped %s: it differs from the word embeddings, which Google's head uses instead", source, DECODER
        )
    if given:
        log.info(
            "%s: skipped %d tensors that are not in Google's format: %s", source, len(given), ", ".join(sorted(given))
        )
    return found


def _words(source: Path, rows: int) -> list[str]:
    """Returns one word for each row of the embedding table, from `vocab.txt` or `tokenizer.json`."""
    slow, fast = source / "vocab.txt", source / "tokenizer.json"
    file = slow if slow.exists() or not fast.exists() else fast
    ids = _read(slow, _lines, "UTF-8") if file is slow else _read(fast, _word_pieces, "a WordPiece tokenizer")
    # Words with white space cannot occur in a text. Of duplicate words, the last one is used, as in transformers.
    words = {i: word for word, i in ids.items() if word and not set(word) & set(" \t\r\n")}
    if max(words, default=0) >= rows:
        raise InputError(
            f"{file} should have at most {rows} tokens, one for each row of the embedding table, found "
            f"{max(words) + 1}: use the vocabulary that belongs to these weights"
        )
    if len(words) < rows:
        log.info("%s: %d rows of the embedding table have no token and are named [unusedN]", file, rows - len(words))
    free = (word for word in map("[unused{}]".format, itertools.count(1)) if word not in ids)
    return [words[i] if i in words else next(free) for i in range(rows)]


def _lines(raw: bytes) -> dict[str, int]:
    return {word.rstrip("\r"): i for i, word in enumerate(raw.decode("utf-8-sig").rstrip("\r\n").split("\n"))}


def _word_pieces(raw: bytes) -> dict[str, int]:
    given = json.loads(raw)
    if given["model"]["type"] != "WordPiece":
        raise ValueError(f"the type of its model is {given['model']['type']}")
    return given["model"]["vocab"] | {added["content"]: added["id"] for added in given.get("added_tokens", [])}


def _lower_case(source: Path) -> bool | None:
    """Returns whether the model needs lower-case text, or None if unknown; warns about unusual tokenizers."""
    slow, fast = source / "tokenizer_config.json", source / "tokenizer.json"
    given = _read(slow) if slow.exists() else {}
    for key, known in RULES.items():
        if given.get(key, known[0]) not in known:
            log.warning("%s: %s %r is ignored: texts are tokenized by Google's rules", slow, key, given[key])
    if "do_lower_case" not in given and fast.exists():
        normalizer = _read(fast).get("normalizer") or {}
        steps = normalizer.get("normalizers", [normalizer])
        return any(step.get("lowercase") or step.get("type") == "Lowercase" for step in steps)
    return bool(given.get("do_lower_case", True)) if slow.exists() else None  # BertTokenizer's default is True


@contextlib.contextmanager
def _new(target: str | PathLike[str]) -> Iterator[Path]:
    """Creates a temporary folder that becomes `target` if the block succeeds."""
    from ..files import replacing_folder

    with contextlib.suppress(OSError):
        Path(target).rmdir()  # rmdir works only on an empty folder
    with replacing_folder(Path(target)) as fresh, written(target, "and run the same command again"):
        fresh.mkdir()
        yield fresh
        fresh.rename(target)


def _read(file: Path, parse: Callable[[bytes], Any] = lambda raw: dict(json.loads(raw)), kind: str = "JSON") -> Any:
    """Returns the parsed content of a file.

    Raises:
        InputError: the file is missing or cannot be parsed.
    """
    try:
        return parse(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        found = ", ".join(sorted(p.name for p in file.parent.iterdir())) if file.parent.is_dir() else "no such folder"
        raise InputError(
            f"{file.parent} lacks {file.name}; found: {found or 'nothing'}: download the whole model folder"
        ) from None
    except Exception as e:  # safetensors raises its own exception class
        raise InputError(f"{file} should be {kind}, but cannot be parsed ({e}): download it again") from e
