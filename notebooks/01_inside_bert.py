# %% [markdown]
# # Inside BERT · BERT 的内部
#
# **What you will get.** You see every step from a Chinese sentence to BERT's guess for a hidden word. You compute all of it yourself in NumPy, from the weights of a real checkpoint, and find the same numbers as the Keras model. You need Python and a little NumPy, and you need no knowledge of deep learning.
#
# **How long it takes.** A minute on two CPU cores. It needs no GPU. (Not run on a GPU or TPU.)
#
# **你将得到什么。** 从输入一个中文句子，到 BERT 猜出被掩码的字，你会看到其中的每一步。所有计算都由你用 NumPy 亲手完成，权重来自真实的检查点，结果与 Keras 模型一致。只需要会 Python 和一点 NumPy，不需要深度学习基础。
#
# **需要多久。** 在双核 CPU 上约需一分钟，不需要 GPU。（未在 GPU 和 TPU 上运行过。）

# %% [markdown]
# ## Set-up · 准备
#
# This cell installs the package where it is missing, as in Colab. It keeps the TensorFlow that is there, and it does not matter whether Keras 3 has been imported already.
#
# 如果还没有安装本包（例如在 Colab 中），这个单元格会安装它。已有的 TensorFlow 保持不变；已经导入过 Keras 3 也没有影响。

# %%
import importlib
import logging
import os
import subprocess
import sys
import warnings
from importlib.metadata import distributions, version
from pathlib import Path

PACKAGE = "kbert-tasks"
spec = importlib.util.find_spec("kbert_tasks")
if spec is None or spec.origin is None:  # origin is None if a folder has this name but is not the package
    clone = Path.cwd().parent  # the repository, if the notebook runs inside a clone
    source = str(clone) if (clone / "kbert_tasks").is_dir() else PACKAGE
    kept = [f"tensorflow=={each.version}" for each in distributions() if each.name == "tensorflow"]
    if subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source, *kept]).returncode:
        raise SystemExit(
            f"pip could not install {source}: set PACKAGE to the repository, for example 'git+https://...', and run this cell again"
        )
    importlib.invalidate_caches()

import matplotlib.pyplot as plt

import kbert_tasks as kb
from kbert_tasks.html import fonts

warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm warns if ipywidgets is missing
for handler in logging.getLogger("kbert_tasks").handlers:
    handler.setStream(sys.stdout)  # Jupyter shows stderr in red
if font := fonts.chinese():
    plt.rcParams["font.family"] = ["DejaVu Sans", font.name]  # this font can show Chinese in the plots
FAST = os.environ.get("KBERT_FAST") == "1"  # `make notebooks` sets it, to test the code with less training
print(f"kbert_tasks {kb.__version__}, TensorFlow {version('tensorflow')}, Python {sys.version.split()[0]}")

# %%
import numpy as np
import tensorflow as tf

tf.config.experimental.enable_tensor_float_32_execution(False)  # newer GPUs would round, and numbers are compared here


def heat(axes, values, title, rows=None, columns=None, signed=False, **more):
    """Draws a matrix; `signed`: red above 0, blue below."""
    largest = np.abs(values).max()
    limits = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest} if signed else {"cmap": "Blues", "vmin": 0}
    image = axes.imshow(values, aspect="auto", interpolation="nearest", **limits | more)
    axes.set_title(title, fontsize=11)
    if rows is not None:
        axes.set_yticks(range(len(rows)), rows, fontsize=8)
    if columns is not None:
        axes.set_xticks(range(len(columns)), columns, fontsize=8)
        for label in axes.get_xticklabels():
            label.set_rotation(90 if len(label.get_text()) > 1 else 0)
    return image


# %% [markdown]
# ## Your sentence · 你的句子
#
# These lines are the only ones that you change to look at text of your own. The first sentence says: *The master rode a white horse, the disciples carried the luggage, and they went westward all the way.* The second: *It was getting dark, and they stayed in a temple.*
#
# `tiny-zh` is the small checkpoint that comes with the package. It was trained on dialogues, encyclopaedia articles, laws, novels and manuals. A large one, such as `bert-base-chinese`, has the same parts, only more of them; it is downloaded (400 MB) when you name it here.
#
# 想看自己的文本，只需要改下面这几行。
#
# `tiny-zh` 是包内自带的小检查点，训练语料是对话、百科条目、法律、小说和技术手册。更大的检查点（如 `bert-base-chinese`）结构完全相同，只是层数更多、向量更长；在这里写上它的名字，就会自动下载（400 MB）。

# %%
CHECKPOINT = "tiny-zh"
SENTENCE = "师父骑着白马，徒弟挑着担子，一路向西去了。"
FOLLOWING = "天色晚了，他们在庙里住下。"
HIDDEN = "师父骑着白马，徒[MASK]挑着担子，一路向西去了。"

# %% [markdown]
# ## 1. What BERT was trained to do · BERT 学的是什么
#
# BERT learned from text alone. Words were hidden from it, and it had to guess them. Here it guesses the word at `[MASK]`; behind each guess stands the probability. At the end of this notebook you will have computed these very numbers yourself.
#
# BERT 只从文本本身学习：把一些词掩码（mask），让它来猜。下面它猜的是 `[MASK]` 处的字，每个猜测后面是概率。学完这个 notebook，你会亲手算出这些数字。

# %%
guesses = kb.fill_mask(CHECKPOINT, HIDDEN)[0]
for token, probability in guesses:
    print(f"{token}   {probability:.3f}")

# %% [markdown]
# ## 2. From text to tokens · 从文本到词元
#
# A network computes with numbers, so text is cut into **tokens**, and each token has a number, its line in the vocabulary. A Chinese character is a token; a rare English word becomes several pieces (`##` marks a piece inside a word). Two special tokens are added: `[CLS]` stands at the beginning, `[SEP]` ends each text. The **segment** says whether a token belongs to the first or to the second text.
#
# 神经网络只能处理数字，所以文本先要切成**词元**（token），每个词元用它在词表中的行号表示。一个汉字就是一个词元；少见的英文单词会切成几段（`##` 表示词的中间部分）。另外还要加上两个特殊词元：`[CLS]` 放在开头，`[SEP]` 放在每段文本的末尾。**片段编号**（segment）表示词元属于第一段还是第二段文本。

# %%
checkpoint = kb.find_checkpoint(CHECKPOINT)
config = checkpoint.config
tokenizer = kb.Tokenizer(checkpoint.vocabulary, checkpoint.cased)
pair = tokenizer.encode(SENTENCE, FOLLOWING)
tokens = tokenizer.tokens(pair.ids)
print("position  segment     id  token")
for position, (token, number, segment) in enumerate(zip(tokens, pair.ids, pair.segments, strict=True)):
    if position < 5 or token == "[SEP]":
        print(f"{position:8d}  {segment:7d}  {number:5d}  {token}")
print("\nEnglish · 英文:", tokenizer.tokens(tokenizer.encode("unbelievable").ids))

# %% [markdown]
# ## 3. The weights · 权重
#
# All that BERT knows is in its weights: arrays of numbers with names. Here are those outside the layers, and those of the first layer; each further layer has the same. `size` below is the length of the vector that stands for a token everywhere in the network.
#
# BERT 学到的一切都在权重里。权重是一些有名字的数组。下面列出的是各层之外的权重和第一层的权重；其余各层与第一层一样。`size` 是网络中代表一个词元的向量的长度。

# %%
weights = checkpoint.tensors()
size, heads, layers = (config[name] for name in ("hidden_size", "num_attention_heads", "num_hidden_layers"))
for name, array in weights.items():
    if "/layer_" not in name or "/layer_0/" in name:
        print(f"{str(array.shape):14s} {name}")
print(
    f"\nsize {size}, heads · 头 {heads}, layers · 层 {layers}, {sum(map(np.size, weights.values())):,} weights · 个权重"
)

# %% [markdown]
# ## 4. Three embeddings · 三种嵌入
#
# An **embedding** is a row of a table. Each token takes three rows, which are added up:
#
# - the **token embedding**: what the token means by itself,
# - the **segment embedding**: first or second text,
# - the **position embedding**: where in the text it stands. Without it BERT could not tell *dog bites man* from *man bites dog*, because the rest of the network treats all places alike.
#
# The picture shows the first 48 numbers of each vector. Each row is a token, red is above zero and blue below.
#
# **嵌入**（embedding）就是从表中取出的一行。每个词元取三行，再加起来：
#
# - **词元嵌入**：词元本身的含义；
# - **片段嵌入**：属于第一段还是第二段文本；
# - **位置嵌入**：在文本中的位置。没有它，BERT 就分不清“狗咬人”和“人咬狗”，因为网络的其余部分对所有位置一视同仁。
#
# 图中是每个向量的前 48 个数，每行一个词元，红色为正，蓝色为负。

# %%
length = len(pair.ids)
parts = {
    "token · 词元": weights["bert/embeddings/word_embeddings"][pair.ids],
    "segment · 片段": weights["bert/embeddings/token_type_embeddings"][pair.segments],
    "position · 位置": weights["bert/embeddings/position_embeddings"][:length],
}
embedded = sum(parts.values())  # [length, size]
parts["sum · 三者之和"] = embedded
figure, axes = plt.subplots(1, 4, figsize=(13, 6), sharey=True, layout="constrained")
limit = np.abs(embedded[:, :48]).max()
for each, (title, values) in zip(axes, parts.items(), strict=True):
    image = heat(each, values[:, :48], title, tokens, signed=True, vmin=-limit, vmax=limit)
    each.set_xlabel("number in the vector · 向量的第几个数")
axes[0].set_ylabel("token · 词元")
figure.colorbar(image, ax=axes, label="value · 数值", shrink=0.6)
plt.show()

# %% [markdown]
# Tokens that are used alike have vectors that point in similar directions. The **cosine** of two vectors is 1 where they point the same way, and 0 where they have nothing in common. These are the nearest neighbours of some characters in the table of token embeddings: *horse, three, east, speak*.
#
# 用法相近的词元，向量的方向也相近。两个向量方向相同时**余弦**为 1，毫不相干时为 0。下面是几个字在词元嵌入表中的近邻。

# %%
table = weights["bert/embeddings/word_embeddings"]
directions = table / np.linalg.norm(table, axis=1, keepdims=True)
for character in "马三东说":
    alike = directions @ directions[checkpoint.vocabulary.index(character)]
    nearest = np.argsort(-alike)[1:7]
    print(character, "  ", "   ".join(f"{checkpoint.vocabulary[i]} {alike[i]:.2f}" for i in nearest))

# %% [markdown]
# ## 5. Positions: sines and cosines, and learned ones · 位置：正弦余弦与学到的位置
#
# The first Transformer (Vaswani et al., 2017) wrote each position as a row of waves, slow and fast ones: number $2i$ of position $p$ is $\sin(p / 10000^{2i/size})$, number $2i+1$ the cosine of the same. Nothing in them is learned. Near positions get similar rows, and to go $k$ places on is a rotation that is the same everywhere, so a single matrix can find "the token before this one".
#
# BERT has a plain table instead, a row for each position, which is learned like all other weights. Google started from random numbers. `tiny-zh` started from the waves, which saves a small model much training, and then learned on. The third picture is what it changed.
#
# 最初的 Transformer（Vaswani 等，2017）用一组频率不同的波来表示位置：位置 $p$ 的第 $2i$ 个数是 $\sin(p / 10000^{2i/size})$，第 $2i+1$ 个数是相应的余弦，其中没有需要学习的参数。相邻位置的向量相近；而且向后移动 $k$ 个位置总是同一个旋转，所以一个矩阵就能在任何地方找到“前一个词元”。
#
# BERT 改用一张普通的表，每个位置一行，和其他权重一样通过训练学到。Google 从随机数开始；`tiny-zh` 则从这些波开始（小模型因此可以少训练很多步），然后继续学习。第三张图是它学到的变化。

# %%
from kbert_tasks.pretraining.model import waves

learned = weights["bert/embeddings/position_embeddings"]
fixed = waves(*learned.shape)
start = fixed * config["initializer_range"] * 2**0.5  # what kbert-pretrain begins with
figure, axes = plt.subplots(1, 3, figsize=(13, 4), sharey=True, layout="constrained")
heat(axes[0], fixed[:, :64], "sines and cosines · 正弦与余弦", signed=True)
heat(axes[1], learned[:, :64], "learned by this checkpoint · 检查点学到的", signed=True)
heat(axes[2], (learned - start)[:, :64], "learned less waves · 学到的减去波", signed=True)
axes[0].set_ylabel("position · 位置")
for each in axes:
    each.set_xlabel("number in the vector · 向量的第几个数")
plt.show()

# %% [markdown]
# How alike are two positions? The cosines of all pairs show it: a bright diagonal means that a position is like its neighbours. On the right is one row of each.
#
# 两个位置有多相似？看两两之间的余弦：对角线附近亮，说明相邻位置相近。右图是其中的一行。


# %%
def cosines(rows):
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
middle = len(learned) // 2
for each, (title, rows) in zip(axes, {"waves · 波": fixed, "learned · 学到的": learned}.items(), strict=False):
    image = heat(each, cosines(rows), f"cosine of positions, {title}", vmin=-1, vmax=1, cmap="RdBu_r")
    each.set(xlabel="position · 位置", ylabel="position · 位置")
    axes[2].plot(cosines(rows)[middle], label=title)
figure.colorbar(image, ax=axes[:2], label="cosine · 余弦", shrink=0.8)
axes[2].set(
    title=f"position {middle} beside all others · 位置 {middle} 与其他位置",
    xlabel="position · 位置",
    ylabel="cosine · 余弦",
)
axes[2].legend()
axes[2].grid(alpha=0.3)
plt.show()

turn = 3 / 10000 ** (np.arange(0, size, 2) / size)  # three places on, as an angle for each pair of waves
sine, cosine = fixed[:, 0::2], fixed[:, 1::2]
rotated = np.stack([sine * np.cos(turn) + cosine * np.sin(turn), cosine * np.cos(turn) - sine * np.sin(turn)], -1)
print("rotated = 3 places on · 旋转等于后移 3 位:", np.allclose(rotated.reshape(fixed.shape)[:-3], fixed[3:]))

# %% [markdown]
# ## 6. A batch, and padding · 批次与填充
#
# Several texts are computed at once, as a **batch**. Arrays are rectangular, so shorter texts are filled up with `[PAD]`, token 0. Our batch has two texts: the pair from above, and its second sentence alone. Then the three embeddings are added and each vector is **normalised**: mean 0 and standard deviation 1 over its numbers, then scaled and moved by two learned vectors. This is *layer normalisation*; it comes again twice in each layer.
#
# 多条文本一起计算，称为一个**批次**（batch）。数组必须是矩形的，所以短文本用 `[PAD]`（0 号词元）补齐。我们的批次里有两条文本：上面的句对，以及单独的第二句。三种嵌入相加以后，每个向量还要**归一化**：使其中各数的均值为 0、标准差为 1，再用两个学到的向量缩放和平移。这就是*层归一化*，之后的每一层里还会出现两次。

# %%
from kbert_tasks.inference.predict import inputs

batch = inputs([pair, tokenizer.encode(FOLLOWING)])
ids, segments = batch["Input-Token"], batch["Input-Segment"]  # [batch, length]
short = int((ids[1] != 0).sum())  # tokens of the second text
print("ids [batch, length]:", ids.shape)
print("second text · 第二条文本:", " ".join(tokenizer.tokens(ids[1])))


def normalise(x, name):
    mean, deviation = x.mean(-1, keepdims=True), x.std(-1, keepdims=True)
    return (x - mean) / deviation * weights[f"{name}/LayerNorm/gamma"] + weights[f"{name}/LayerNorm/beta"]


def embed(ids, segments):
    words = weights["bert/embeddings/word_embeddings"][ids]
    types = weights["bert/embeddings/token_type_embeddings"][segments]
    places = weights["bert/embeddings/position_embeddings"][: ids.shape[1]]
    return normalise(words + types + places, "bert/embeddings")  # [batch, length, size]


x = embed(ids, segments)
print("x [batch, length, size]:", x.shape)

# %% [markdown]
# ## 7. Queries, keys, values · 查询、键、值
#
# In **attention** each token gathers what it needs from the others. For that each vector is turned, by three learned matrices, into
#
# - a **query**: what this token looks for,
# - a **key**: what it can be found by,
# - a **value**: what it hands over when it is found.
#
# This is done several times side by side, in **heads**, each with its own part of the numbers, so that one head can look for the verb while another looks at the token before. The vectors of length `size` are cut into `heads` parts, and the axes are put in the order `[batch, heads, length, size/heads]`: each head then has its own small matrices.
#
# 在**注意力**（attention）中，每个词元从其他词元那里收集自己需要的信息。为此，每个向量经过三个学到的矩阵，变成：
#
# - **查询**（query）：这个词元在找什么；
# - **键**（key）：凭什么能找到它；
# - **值**（value）：找到之后它提供什么。
#
# 这件事由几个**头**（head）同时进行，每个头用自己的那部分数，于是一个头可以找动词，另一个头可以看前一个词元。长度为 `size` 的向量切成 `heads` 份，再把各轴排成 `[batch, heads, length, size/heads]`，每个头就有了自己的小矩阵。


# %%
def linear(x, name):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def split(x):
    """[batch, length, size] -> [batch, heads, length, size/heads]"""
    return x.reshape(*x.shape[:2], heads, size // heads).transpose(0, 2, 1, 3)


def joined(x):
    """[batch, heads, length, size/heads] -> [batch, length, size]"""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], size)


first = "bert/encoder/layer_0"
query, key, value = (split(linear(x, f"{first}/attention/self/{part}")) for part in ("query", "key", "value"))
print("x      [batch, length, size]              ", x.shape)
print("query  [batch, heads, length, size/heads] ", query.shape)
print("key    [batch, heads, length, size/heads] ", key.shape)
print("value  [batch, heads, length, size/heads] ", value.shape)

# %% [markdown]
# ## 8. Scaled attention · 缩放点积注意力
#
# The **score** of two tokens is the product of the one's query with the other's key. The **softmax** turns the scores of a token into probabilities, which add up to 1; with these weights the values are averaged:
#
# $$\mathrm{attention}(Q, K, V) = \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{size/heads}}\right) V$$
#
# Why divide by the root? A sum of $d$ products of random numbers has a standard deviation of $\sqrt d$. Without the division, long vectors would give large scores, the softmax would put nearly all on one token, and the gradient, from which the network learns, would vanish. Try it with random vectors:
#
# 两个词元的**分数**是一个的查询与另一个的键的内积。**softmax** 把一个词元的各个分数变成总和为 1 的概率，再用这些概率对各个值（value）做加权平均：
#
# $$\mathrm{attention}(Q, K, V) = \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{size/heads}}\right) V$$
#
# 为什么要除以这个根号？$d$ 个随机数乘积之和的标准差是 $\sqrt d$。如果不除，向量越长，分数越大，softmax 会把几乎全部概率给一个词元，梯度随之消失，网络就学不到东西。用随机向量试一下：


# %%
def softmax(scores):
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True)


draw = np.random.default_rng(1)
print("   d   deviation of the scores     largest of 20 probabilities")
print("       分数的标准差               20 个概率中最大的一个")
print("                                   plain 不缩放     scaled 缩放后")
for d in (4, 16, 64, 256, 1024):
    scores = (draw.normal(size=(500, 1, d)) @ draw.normal(size=(500, d, 20)))[:, 0]
    plain, scaled = (softmax(each).max(-1).mean() for each in (scores, scores / d**0.5))
    print(f"{d:4d}   {scores.std():8.1f}                    {plain:8.2f}         {scaled:8.2f}")

# %% [markdown]
# ## 9. Masks · 注意力掩码
#
# `[PAD]` means nothing, and nobody should gather from it. So -10000 is added to its scores before the softmax, and its probability becomes 0. Below is the second text, whose right half is padding, without the mask and with it (the head that would look at padding most; the root of the probabilities, so that small ones show). The check underneath: with the mask, a text in a batch gets the same vectors as alone.
#
# `[PAD]` 没有含义，不应该从它那里收集信息。所以在 softmax 之前，给它的分数加上 -10000，概率就变成 0。下图是第二条文本（右半部分是填充），左边不加掩码，右边加掩码；这里选的是分给填充的注意力最多的头；颜色表示概率的平方根，这样小的概率也看得见。图下面的检查说明：加了掩码，一条文本放在批次里计算和单独计算，得到的向量相同。


# %%
def attention(x, layer, mask):
    """Mixed values [batch, length, size], and probabilities [batch, heads, length that asks, length that is asked]."""
    query, key, value = (split(linear(x, f"{layer}/attention/self/{part}")) for part in ("query", "key", "value"))
    scores = query @ key.transpose(0, 1, 3, 2) / (size // heads) ** 0.5 + mask
    probabilities = softmax(scores)
    return linear(joined(probabilities @ value), f"{layer}/attention/output/dense"), probabilities


mask = np.where(ids == 0, -10000.0, 0.0)[:, None, None, :]  # [batch, 1, 1, length]: for all heads, all that ask
print("mask [batch, 1, 1, length]:", mask.shape)
mixed, probabilities = attention(x, first, mask)
_, unmasked = attention(x, first, 0.0)

to_padding = unmasked[1, :, :short, short:].sum(-1).mean(-1)  # of each head, without the mask
head = to_padding.argmax()
names = tokenizer.tokens(ids[1])
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True, layout="constrained")
shown = {"without mask · 无掩码": unmasked, "with mask · 有掩码": probabilities}
for each, (title, values) in zip(axes, shown.items(), strict=True):
    image = heat(
        each, values[1, head, :short] ** 0.5, f"layer 1, head {head + 1}, {title}", names[:short], names, vmax=1
    )
    each.set_xlabel("token that is asked · 被查询的词元")
axes[0].set_ylabel("token that asks · 发出查询")
figure.colorbar(image, ax=axes, label="root of the probability\n概率的平方根")
plt.show()

print(f"to padding · 分给填充的概率: {to_padding[head]:.3f} -> {probabilities[1, head, :short, short:].sum():.3f}")
alone, _ = attention(x[1:, :short], first, mask[1:, ..., :short])
print("same as alone · 与单独计算相同:", np.allclose(alone, mixed[1:, :short], atol=1e-5))
print("each row adds up to 1 · 每行之和为 1:", np.allclose(probabilities.sum(-1), 1, atol=1e-5))

# %% [markdown]
# ## 10. Residual and layer normalisation · 残差与层归一化
#
# What attention gathers does not replace the token's vector, it is **added** to it: the *residual connection*. So nothing is lost on the way up, and when the network learns, the gradient has a straight way down through all layers. The sum is normalised again, so that numbers stay of one size however many layers there are. The histogram shows all numbers of the first text.
#
# 注意力收集到的内容不是取代词元的向量，而是**加**到它上面，这叫*残差连接*。这样，信息逐层向上传递时不会丢失；训练时，梯度也能沿着它直达最底层。相加之后再做一次归一化，所以无论有多少层，数值都保持同样的量级。直方图是第一条文本的全部数值。

# %%
added = x + mixed
after_attention = normalise(added, f"{first}/attention/output")

figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
stages = {
    "gathered · 收集到的": mixed,
    "vector + gathered · 残差之和": added,
    "normalised · 归一化后": after_attention,
}
edges = np.linspace(-4, 4, 81)
for title, values in stages.items():
    axes.hist(values[0].ravel(), edges, histtype="step", linewidth=1.6, label=f"{title}, sd {values[0].std():.2f}")
axes.set(
    title="Numbers on the way through attention · 经过注意力时的数值", xlabel="value · 数值", ylabel="count · 个数"
)
axes.legend()
plt.show()

# %% [markdown]
# ## 11. Feed-forward · 前馈网络
#
# Attention mixes tokens. The **feed-forward** part then works on each token by itself: the vector becomes four times as long, goes through a bend, and becomes `size` long again. Most of a layer's weights are here. The bend is GELU; without one, all layers together would be no more than a single matrix. Then residual and normalisation once more.
#
# 注意力让词元之间交换信息；随后的**前馈网络**单独处理每个词元：向量先扩大到四倍长，经过一个非线性的激活函数，再变回 `size` 长。一层的大部分权重都在这里。激活函数是 GELU；如果没有它，所有层加起来也只相当于一个矩阵。最后再做一次残差和归一化。


# %%
def gelu(x):
    return 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))


def feed_forward(x, layer):
    wide = gelu(linear(x, f"{layer}/intermediate/dense"))  # [batch, length, 4 * size]
    return linear(wide, f"{layer}/output/dense")  # [batch, length, size]


after_layer = normalise(after_attention + feed_forward(after_attention, first), f"{first}/output")
wide = linear(after_attention, f"{first}/intermediate/dense")
print("wide [batch, length, 4*size]:", wide.shape)

figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
line = np.linspace(-4, 4, 200)
axes.hist(wide[0].ravel(), edges, density=True, color="lightsteelblue", label="what goes in · 输入的分布")
axes.set(
    title="GELU and what layer 1 gives it · GELU 与第一层给它的输入", xlabel="before · 输入", ylabel="density · 密度"
)
bend = axes.twinx()
bend.plot(line, gelu(line), color="firebrick", label="GELU")
bend.plot(line, np.maximum(line, 0), ":", color="gray", label="ReLU")
bend.set_ylabel("after · 输出")
lines = [each.get_legend_handles_labels() for each in (axes, bend)]
axes.legend(lines[0][0] + lines[1][0], lines[0][1] + lines[1][1], loc="upper left")
plt.show()

# %% [markdown]
# ## 12. The whole encoder, beside the Keras model · 整个编码器，与 Keras 模型对照
#
# That was one layer. The encoder is the embeddings and then this layer again and again, each time with other weights: a dozen lines of NumPy. Next to it we load the same checkpoint as a Keras model, as you would to fine-tune it, and compare the vectors after each layer. The difference is rounding.
#
# 以上是一层。编码器就是嵌入，再加上一层又一层同样的计算，只是每层的权重不同，用 NumPy 写只要十几行。我们再把同一个检查点加载成 Keras 模型（微调时就是这样加载的），比较每一层之后的向量。两者只差舍入误差。


# %%
def encode(ids, segments):
    """The vectors after the embeddings and after each layer: a list of [batch, length, size]; and all attention."""
    x, maps = embed(ids, segments), []
    states = [x]
    mask = np.where(ids == 0, -10000.0, 0.0)[:, None, None, :]
    for i in range(layers):
        layer = f"bert/encoder/layer_{i}"
        mixed, probabilities = attention(x, layer, mask)
        x = normalise(x + mixed, f"{layer}/attention/output")
        x = normalise(x + feed_forward(x, layer), f"{layer}/output")
        states.append(x)
        maps.append(probabilities)
    return states, maps


import tf_keras  # Keras 2, on which the package is built

bert = kb.load_trained_model_from_checkpoint(checkpoint.config_file, checkpoint.checkpoint_file)
ends = ["Embedding-Norm", *(f"Encoder-{i + 1}-FeedForward-Norm" for i in range(layers))]
every_layer = tf_keras.Model(bert.inputs, [bert.get_layer(name).output for name in ends])
states, maps = encode(ids, segments)
for name, by_hand, by_keras in zip(ends, states, every_layer([ids, segments], training=False), strict=True):
    difference = np.abs(by_hand - by_keras.numpy())[ids != 0].max()
    print(f"{name:28s} largest difference · 最大差 {difference:.1e}")
    assert difference < 1e-4
assert np.allclose(states[1], after_layer, atol=1e-5)

# %% [markdown]
# **The score to expect** here is a difference below 1e-4; about 3e-6 was measured with `tiny-zh`.
#
# **预期结果**：差小于 1e-4；用 `tiny-zh` 测得约 3e-6。
#
# ## 13. Attention maps · 注意力图
#
# What do the heads attend to? Each picture is a head: the row is the token that asks, the column the one that is asked. A bright diagonal is a head that looks at the token itself, a line beside the diagonal one that looks at a neighbour; two squares are a head whose tokens keep to their own sentence; and a bright column is a token that all look at, often `[SEP]`: that is how a head says "nothing for me here". The maps come from the package (`kbert-explain` draws the same for a fine-tuned model); ours are equal.
#
# 各个头关注什么？每张小图是一个头：行是发出查询的词元，列是被查询的词元。对角线亮，说明这个头关注词元自己；对角线旁边有一条亮线，说明它关注相邻的词元；出现两个方块，说明每个词元只关注自己那句话；某一列亮，说明所有词元都关注同一个词元，往往是 `[SEP]`，相当于这个头在说“这里没有我要找的”。这些图由本包计算（`kbert-explain` 对微调后的模型画的是同样的图），与我们自己算的相同。

# %%
from kbert_tasks.explanation import attention as explained

packaged = explained.maps(bert, pair, heads)  # [layers, heads, length, length]
print("equal to ours · 与我们算的相同:", np.allclose(packaged, np.stack(maps)[:, 0], atol=1e-4))
rows, columns = min(layers, 4), min(heads, 4)
figure, axes = plt.subplots(
    rows, columns, figsize=(3.6 * columns, 3.3 * rows), layout="constrained", sharex=True, sharey=True, squeeze=False
)
marks = [i for i, token in enumerate(tokens) if token.startswith("[")]
for (i, j), each in np.ndenumerate(axes):
    image = heat(each, packaged[i, j] ** 0.5, f"layer · 层 {i + 1}, head · 头 {j + 1}", vmax=1)
    each.set_xticks(marks, [tokens[place] for place in marks], fontsize=8)
    each.set_yticks(marks, [tokens[place] for place in marks], fontsize=8)
for each in axes[:, 0]:
    each.set_ylabel("asks · 发出查询")
for each in axes[-1]:
    each.set_xlabel("is asked · 被查询")
figure.colorbar(image, ax=axes, label="root of the probability · 概率的平方根", shrink=0.4)
plt.show()

# %% [markdown]
# Look closer at one of them: change the numbers.
#
# 仔细看其中一个：改一改这两个数。

# %%
LAYER, HEAD = 2, 2
figure, axes = plt.subplots(figsize=(9, 7.5), layout="constrained")
image = heat(
    axes, packaged[LAYER - 1, HEAD - 1] ** 0.5, f"layer · 层 {LAYER}, head · 头 {HEAD}", tokens, tokens, vmax=1
)
axes.set(xlabel="is asked · 被查询", ylabel="asks · 发出查询")
figure.colorbar(image, label="root of the probability · 概率的平方根", shrink=0.6)
plt.show()

# %% [markdown]
# One sentence can mislead. So over 60 texts of the package's sample we count how much of its attention each head gives, on average, to the token itself, to the tokens before and after it, and to the special tokens.
#
# 只看一句话容易得出错误的结论。所以我们用包内示例数据中的 60 条文本，统计每个头平均把多少注意力分给词元自己、前一个和后一个词元，以及特殊词元。

# %%
from kbert_tasks.samples import path

looks = []
texts = kb.read(path("classify", "zh", "train"))["text"][: 20 if FAST else 60]
for text in texts:
    window = tokenizer.encode(text, max_length=64)
    one = np.stack(encode(window.ids[None], window.segments[None])[1])[:, 0, :, 1:-1]  # rows of the text's own tokens
    here = np.arange(1, len(window.ids) - 1)
    rows = np.arange(len(here))
    kinds = [one[..., rows, here], one[..., rows, here - 1], one[..., rows, here + 1], one[..., 0], one[..., -1]]
    looks.append([each.mean(-1) for each in kinds])
looks = np.mean(looks, axis=0).reshape(len(kinds), -1)  # [kinds, layers * heads]

figure, axes = plt.subplots(figsize=(11, 3.4), layout="constrained")
kinds = ["itself · 自己", "token before · 前一个", "token after · 后一个", "[CLS]", "[SEP]"]
head_names = [f"{i + 1}.{j + 1}" for i in range(layers) for j in range(heads)]
image = heat(axes, looks, "What each head attends to · 每个头关注什么", kinds, vmax=1)
axes.set_xticks(range(len(head_names)), head_names, fontsize=8)
axes.set(xlabel="layer.head · 层.头", ylabel="attends to · 关注")
for (i, j), share in np.ndenumerate(looks) if looks.shape[1] <= 24 else ():
    axes.text(j, i, f"{share:.2f}", ha="center", va="center", fontsize=7, color="white" if share > 0.5 else "black")
figure.colorbar(image, ax=axes, label="share of attention · 注意力占比")
plt.show()

# %% [markdown]
# ## 14. A word in its context · 语境中的词
#
# The table of embeddings has one vector for 打, whether it opens a door (打开), asks around (打听) or strikes someone (打了). The layers tell these apart. The character stands at the same place in all three sentences, so at the beginning its vectors are equal, with a cosine of 1; from layer to layer each takes up what stands around it. This is why BERT's vectors serve tasks better than fixed word vectors.
#
# 在嵌入表里，“打”只有一个向量，不管是打开、打听还是打人。能区分它们的是各层。在下面三句话里，“打”的位置相同，所以开始时向量完全一样，余弦为 1；之后每经过一层，它都从上下文吸收一些信息。正因为如此，BERT 的向量用于各种任务时比固定的词向量效果更好。

# %%
SAME, CONTEXTS = "打", ["他打开大门走了出去。", "他打听师父的消息。", "他打了那人一拳。"]
vectors = []
for text in CONTEXTS:
    window = tokenizer.encode(text)
    place = tokenizer.tokens(window.ids).index(SAME)
    vectors.append([state[0, place] for state in encode(window.ids[None], window.segments[None])[0]])
vectors = np.array(vectors)  # [texts, layers + 1, size]

figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
for i, j in ((0, 1), (0, 2), (1, 2)):
    ours = [cosines(vectors[[i, j], layer])[0, 1] for layer in range(layers + 1)]
    axes.plot(ours, marker="o", label=f"{CONTEXTS[i]} / {CONTEXTS[j]}")
axes.set(title=f"{SAME} in different contexts · 不同语境中的“{SAME}”", ylabel="cosine · 余弦", ylim=(None, 1.03))
axes.set_xticks(range(layers + 1), ["embeddings\n嵌入", *(f"layer · 层 {i + 1}" for i in range(layers))])
axes.set_xlabel("after · 之后")
axes.legend()
axes.grid(alpha=0.3)
plt.show()

# %% [markdown]
# ## 15. How it learned: masked words · 如何学习：掩码词预测
#
# In training, 15 % of the tokens are to be guessed. Of these, 80 % are replaced by `[MASK]`, 10 % by a random token, and 10 % stay as they are, because later, in real texts, there is no `[MASK]`: the network has to keep a good vector for every token, since any of them may be asked for. The masks are drawn anew each time. Five draws for our pair; below each changed place stands what it should be.
#
# 训练时，15% 的词元需要预测。其中 80% 替换为 `[MASK]`，10% 替换为随机词元，10% 保持不变。这样做是因为实际使用的文本中没有 `[MASK]`；既然任何词元都可能要预测，网络就必须为每个词元保留一个好的向量。每次都重新采样。下面对我们的句对采样五次，每次下面列出改动的位置和正确答案。

# %%
from kbert_tasks.pretraining import masking
from kbert_tasks.pretraining.pairs import Pair

numbers = masking.Numbers.of(checkpoint.vocabulary)
whole = Pair(pair.ids, pair.segments, np.zeros(length, bool), next=0)
draw = np.random.default_rng(1)
for _ in range(5):
    shown, gold = masking.mask([whole], draw, numbers)
    print("".join(tokenizer.tokens(shown["Input-Token"][0])))
    for place, number in zip(shown["Masked-Position"][0], gold["MLM"][0], strict=True):
        if number >= 0:
            became, was = tokenizer.tokens([shown["Input-Token"][0, place], number])
            print(f"    {place:3d}  {became} -> {was}")

draws = 400 if FAST else 4000
shown, gold = masking.mask([whole] * draws, draw, numbers)
asked = gold["MLM"] >= 0
now = np.take_along_axis(shown["Input-Token"], shown["Masked-Position"], axis=1)[asked]
ordinary = sum(token not in ("[CLS]", "[SEP]", "[UNK]") for token in tokens)
print(f"\nto guess · 需要预测   {asked.sum() / draws / ordinary:.3f}")
print(f"[MASK]              {(now == numbers.mask).mean():.3f}")
print(f"random · 随机       {((now != numbers.mask) & (now != gold['MLM'][asked])).mean():.3f}")
print(f"unchanged · 不变    {(now == gold['MLM'][asked]).mean():.3f}")

# %% [markdown]
# ## 16. The guess, by hand · 亲手算出猜测
#
# The vector at `[MASK]` goes through one more dense layer, GELU and normalisation, and is multiplied with **the table of token embeddings itself**: the token whose embedding fits best gets the highest score. The softmax makes probabilities of the scores. These are the numbers from the beginning of this notebook. In training, the loss is $-\log$ of the probability of the right word.
#
# `[MASK]` 处的向量再经过一个全连接层、GELU 和归一化，然后与**词元嵌入表本身**相乘：嵌入最吻合的词元得分最高。softmax 把得分变成概率。这正是笔记本开头的那些数字。训练时的损失就是正确词概率的 $-\log$。

# %%
before, after = HIDDEN.split("[MASK]")
cut = [tokenizer.encode(text).ids[1:-1] for text in (before, after)]
masked = np.array([[numbers.cls, *cut[0], numbers.mask, *cut[1], numbers.sep]])
states, _ = encode(masked, np.zeros_like(masked))
vector = states[-1][0, 1 + len(cut[0])]  # [size], at [MASK]
vector = normalise(gelu(linear(vector, "cls/predictions/transform/dense")), "cls/predictions/transform")
by_hand = softmax(vector @ table.T + weights["cls/predictions/output_bias"])  # [vocabulary]
for token, probability in guesses:
    ours = by_hand[checkpoint.vocabulary.index(token)]
    print(f"{token}   by hand · 手算 {ours:.4f}   kb.fill_mask {probability:.4f}")
    assert abs(ours - probability) < 1e-4

# %% [markdown]
# The second thing that BERT learned: does the second text of a pair follow the first in the original? That is read off the vector of `[CLS]`. Here for our pair, and for one whose second sentence comes from a database manual (*Then restart the database service.*). A small model may be wrong.
#
# BERT 学的第二件事是下一句预测：在原文中，句对的第二段是否紧接第一段？答案由 `[CLS]` 的向量得出。下面一个是我们的句对，另一个的第二句来自数据库手册。小模型也可能答错。

# %%
for second in (FOLLOWING, "然后重启数据库服务。"):
    window = tokenizer.encode(SENTENCE, second)
    pooled = np.tanh(linear(encode(window.ids[None], window.segments[None])[0][-1][:, 0], "bert/pooler/dense"))
    scores = pooled @ weights["cls/seq_relationship/output_weights"].T + weights["cls/seq_relationship/output_bias"]
    print(f"{softmax(scores)[0, 0]:.3f}  {SENTENCE} {second}")

# %% [markdown]
# ## 17. Using it · 使用
#
# `bert` is an ordinary Keras model from tokens and segments to a vector for each token, and all of its weights train. Put your own layers on top, or let the package do so: [02_classify](02_classify.ipynb) for labels of texts, [03_relation](03_relation.ipynb) for relations, [04_subject](04_subject.ipynb) for the subjects of events, and [05_pretrain](05_pretrain.ipynb) to go on with pretraining on text of your own.
#
# `bert` 就是普通的 Keras 模型：输入词元和片段编号，输出每个词元的向量，全部权重都可训练。你可以在上面加自己的层，也可以直接用本包：文本分类见 [02_classify](02_classify.ipynb)，关系抽取见 [03_relation](03_relation.ipynb)，事件主体见 [04_subject](04_subject.ipynb)，在自己的文本上继续预训练见 [05_pretrain](05_pretrain.ipynb)。

# %%
mine = tokenizer.encode("今天的风很大。")
vectors = bert([mine.ids[None], mine.segments[None]], training=False)
print("[batch, length, size]:", vectors.shape, f"  {bert.count_params():,} weights · 个权重")
print(kb.fill_mask(CHECKPOINT, "请使用以下命[MASK]启动服务。", top=3))  # Start the service with the following command.
