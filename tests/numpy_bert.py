"""BERT's forward pass in plain NumPy (float64), the reference for the package's models.

Implemented from the papers (Devlin et al. 2018, https://arxiv.org/abs/1810.04805; the encoder of Vaswani et al. 2017)
and from the definitions in Google's `modeling.py`. It reads Google's variables from a dict of arrays, has no
dropout, and uses nothing from the package.
"""

import numpy as np

EPSILON = 1e-12  # epsilon of Google's LayerNorm
PADDING_BIAS = -10000.0  # Google adds this to the attention scores of padding


def forward(tensors, config, ids, segments):
    """Hidden vectors of the last layer.

    Args:
        tensors: dict from Google's variable names to arrays.
        config: the parsed `bert_config.json`.
        ids: (batch, time) token ids; 0 is padding, which no token attends to.
        segments: (batch, time) token types.

    Returns:
        (batch, time, hidden) in float64. The vectors of padding have no meaning.
    """
    if config["hidden_act"] != "gelu":
        raise ValueError(f"only gelu is written here, not {config['hidden_act']}")
    ids, segments = np.asarray(ids), np.asarray(segments)
    get = _reader(tensors)
    x = get("bert/embeddings/word_embeddings")[ids]  # (batch, time, hidden)
    x = x + get("bert/embeddings/token_type_embeddings")[segments]
    x = x + get("bert/embeddings/position_embeddings")[np.arange(ids.shape[1])]
    x = _norm(get, "bert/embeddings", x)
    bias = np.where(ids != 0, 0.0, PADDING_BIAS)[:, None, None, :]  # (batch, 1, 1, time): one value for each key
    for i in range(config["num_hidden_layers"]):
        layer = f"bert/encoder/layer_{i}"
        mixed = _attention(get, f"{layer}/attention/self", config["num_attention_heads"], x, bias)
        mixed = _dense(get, f"{layer}/attention/output/dense", mixed)
        x = _norm(get, f"{layer}/attention/output", x + mixed)
        inner = _gelu(_dense(get, f"{layer}/intermediate/dense", x))  # (batch, time, intermediate)
        x = _norm(get, f"{layer}/output", x + _dense(get, f"{layer}/output/dense", inner))
    return x


def pooled(tensors, config, ids, segments):
    """Google's pooler: a dense layer with tanh on the vector of the first token, (batch, hidden)."""
    first = forward(tensors, config, ids, segments)[:, 0]
    return np.tanh(_dense(_reader(tensors), "bert/pooler/dense", first))


def _reader(tensors):
    return lambda name: np.asarray(tensors[name], dtype="float64")


def _dense(get, name, x):
    return x @ get(f"{name}/kernel") + get(f"{name}/bias")


def _norm(get, name, x):
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    scaled = (x - mean) / np.sqrt(variance + EPSILON)
    return scaled * get(f"{name}/LayerNorm/gamma") + get(f"{name}/LayerNorm/beta")


def _gelu(x):
    return 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))


def _attention(get, name, heads, x, bias):
    batch, time, hidden = x.shape
    size = hidden // heads

    def by_head(part):
        return _dense(get, f"{name}/{part}", x).reshape(batch, time, heads, size).transpose(0, 2, 1, 3)

    query, key, value = by_head("query"), by_head("key"), by_head("value")  # (batch, heads, time, size)
    scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(size) + bias  # (batch, heads, from, to)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return (weights @ value).transpose(0, 2, 1, 3).reshape(batch, time, hidden)
