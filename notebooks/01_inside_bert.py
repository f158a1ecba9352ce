# %% [markdown]
# # Inside BERT · BERT 的内部
#
# **What you will get.** You see every step from a Chinese sentence to BERT's prediction of a masked word. You compute each step yourself in NumPy with the weights of a real checkpoint, and get the same numbers as the Keras model. You need Python and a little NumPy, but no knowledge of deep learning.
#
# **How long it takes.** About a minute on two CPU cores. You do not need a GPU. (We have not run this notebook on a GPU or TPU.)
#
# **你将得到什么。** 从输入一个中文句子，到 BERT 预测出被掩码的字，你会看到其中的每一步。每一步都用 NumPy 手动计算，权重来自真实的检查点，结果与 Keras 模型一致。只需要会 Python 和一点 NumPy，不需要深度学习基础。
#
# **需要多久。** 在双核 CPU 上约需一分钟，不需要 GPU。（未在 GPU 和 TPU 上运行过。）

# %% [markdown]
# ## Set-up · 准备
#
# This cell installs the package if it is missing, for example in Colab. It keeps the installed version of TensorFlow. It also works if Keras 3 has already been imported.
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

# Newer GPUs round to TF32 by default. The comparisons in this notebook need full float32 precision.
tf.config.experimental.enable_tensor_float_32_execution(False)


def heat(axes, values, title, rows=None, columns=None, signed=False, **more):
    """Plots a matrix. If `signed` is true, positive values are red and negative values are blue."""
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
# Change only these lines to use your own text. The first sentence means: *The master rode a white horse, the disciples carried the luggage, and they went westward all the way.* The second means: *It was getting dark, and they stayed in a temple.*
#
# `tiny-zh` is the small checkpoint that comes with the package. It was trained on dialogues, encyclopaedia articles, laws, novels and manuals. A large checkpoint such as `bert-base-chinese` has the same structure, with more layers and longer vectors. If you enter its name here, the program downloads it (400 MB).
#
# 想看自己的文本，只需要改下面这几行。
#
# `tiny-zh` 是包内自带的小检查点，训练语料是对话、百科条目、法律、小说和技术手册。更大的检查点（如 `bert-base-chinese`）结构相同，只是层数更多、向量维度更高；在这里写上它的名字，就会自动下载（400 MB）。

# %%
CHECKPOINT = "tiny-zh"
SENTENCE = "师父骑着白马，徒弟挑着担子，一路向西去了。"
FOLLOWING = "天色晚了，他们在庙里住下。"
HIDDEN = "师父骑着白马，徒[MASK]挑着担子，一路向西去了。"

# %% [markdown]
# ## 1. What BERT was trained to do · BERT 的训练目标
#
# BERT learned from text without labels. Some words were masked, and BERT had to predict them. Here it predicts the character at `[MASK]`. The number after each prediction is its probability. In section 16 you compute these numbers yourself.
#
# BERT 从没有标注的文本中学习：文本中的一些词被掩码（mask），由 BERT 来预测。下面预测的是 `[MASK]` 处的字，每个预测后面是概率。到第 16 节，你会亲手算出这些数字。

# %%
guesses = kb.fill_mask(CHECKPOINT, HIDDEN)[0]
for token, probability in guesses:
    print(f"{token}   {probability:.3f}")

# %% [markdown]
# ## 2. From text to tokens · 从文本到词元
#
# A network computes with numbers, so text is split into **tokens**. The number of a token is its line in the vocabulary. A Chinese character is one token. A rare English word is split into several pieces (`##` marks a piece inside a word). Two special tokens are added: `[CLS]` at the beginning, and `[SEP]` at the end of each text. The **segment** shows whether a token belongs to the first or the second text.
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
# Everything that BERT has learned is in its weights, which are arrays with names. The list below shows the weights outside the layers and the weights of the first layer. The other layers have the same weights as the first. `size` is the length of the vector that represents a token throughout the network.
#
# BERT 学到的一切都在权重里。权重是一些有名字的数组。下面列出各层之外的权重和第一层的权重；其余各层的结构与第一层相同。`size` 是网络中表示一个词元的向量的维度。

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
# An **embedding** is a row of a table. The vector of a token is the sum of three rows:
#
# - The **token embedding** represents the meaning of the token itself.
# - The **segment embedding** represents the first or the second text.
# - The **position embedding** represents the position in the text. Without it, BERT could not distinguish *dog bites man* from *man bites dog*, because the rest of the network treats all positions alike.
#
# The plot shows the first 48 numbers of each vector. Each row is a token. Positive numbers are red, negative numbers are blue.
#
# **嵌入**（embedding）就是表中的一行。每个词元的向量是三行之和：
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
    each.set_xlabel("index in the vector · 向量分量的序号")
axes[0].set_ylabel("token · 词元")
figure.colorbar(image, ax=axes, label="value · 数值", shrink=0.6)
plt.show()

# %% [markdown]
# Tokens that are used in similar ways have vectors with similar directions. The **cosine** of two vectors is 1 if they have the same direction, and 0 if they are unrelated. The cell prints the nearest neighbours of four characters in the table of token embeddings: *horse, three, east, speak*.
#
# 用法相近的词元，向量的方向也相近。两个向量方向相同时**余弦**为 1，互不相关时为 0。下面列出四个字在词元嵌入表中的近邻。

# %%
table = weights["bert/embeddings/word_embeddings"]
directions = table / np.linalg.norm(table, axis=1, keepdims=True)
for character in "马三东说":
    alike = directions @ directions[checkpoint.vocabulary.index(character)]
    nearest = np.argsort(-alike)[1:7]
    print(character, "  ", "   ".join(f"{checkpoint.vocabulary[i]} {alike[i]:.2f}" for i in nearest))

# %% [markdown]
# ## 5. Fixed and learned positions · 固定的位置编码与学到的位置嵌入
#
# The first Transformer (Vaswani et al., 2017) represented each position with sine and cosine waves of different frequencies. Number $2i$ of position $p$ is $\sin(p / 10000^{2i/size})$, and number $2i+1$ is the cosine of the same angle. These numbers are not learned. Neighbouring positions have similar vectors. A shift by $k$ positions is always the same rotation, so a single matrix can find "the previous token" anywhere.
#
# BERT uses a table with one row for each position instead, and learns it like all other weights. Google started from random numbers. `tiny-zh` started from the waves, which saves many training steps in a small model. The third plot shows how training changed them.
#
# 最初的 Transformer（Vaswani 等，2017）用一组频率不同的正弦波和余弦波来表示位置：位置 $p$ 的第 $2i$ 个数是 $\sin(p / 10000^{2i/size})$，第 $2i+1$ 个数是同一角度的余弦，没有需要学习的参数。相邻位置的向量相近；而且向后移动 $k$ 个位置总是对应同一个旋转，所以用一个矩阵就能在任何位置找到“前一个词元”。
#
# BERT 改用一张表，每个位置一行，和其他权重一样通过训练得到。Google 从随机数开始；`tiny-zh` 从上述波形开始，小模型因此可以少训练很多步。第三张图是训练带来的变化。

# %%
from kbert_tasks.pretraining.model import waves

learned = weights["bert/embeddings/position_embeddings"]
fixed = waves(*learned.shape)
start = fixed * config["initializer_range"] * 2**0.5  # the initial values in kbert-pretrain
figure, axes = plt.subplots(1, 3, figsize=(13, 4), sharey=True, layout="constrained")
heat(axes[0], fixed[:, :64], "sines and cosines · 正弦与余弦", signed=True)
heat(axes[1], learned[:, :64], "learned by this checkpoint · 检查点学到的", signed=True)
heat(axes[2], (learned - start)[:, :64], "change in training · 训练中的变化", signed=True)
axes[0].set_ylabel("position · 位置")
for each in axes:
    each.set_xlabel("index in the vector · 向量分量的序号")
plt.show()

# %% [markdown]
# How similar are two positions? The plots show the cosine of each pair of positions. If the area near the diagonal is dark red, neighbouring positions are similar. The right plot shows one row of each matrix.
#
# 两个位置有多相似？看两两之间的余弦：对角线附近呈深红色，说明相邻位置相近。右图是每个矩阵中的一行。


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
    title=f"position {middle} and all others · 位置 {middle} 与其他位置",
    xlabel="position · 位置",
    ylabel="cosine · 余弦",
)
axes[2].legend()
axes[2].grid(alpha=0.3)
plt.show()

turn = 3 / 10000 ** (np.arange(0, size, 2) / size)  # the angle of a shift by 3 positions, for each sine-cosine pair
sine, cosine = fixed[:, 0::2], fixed[:, 1::2]
rotated = np.stack([sine * np.cos(turn) + cosine * np.sin(turn), cosine * np.cos(turn) - sine * np.sin(turn)], -1)
print("rotation = shift by 3 positions · 旋转等于后移 3 位:", np.allclose(rotated.reshape(fixed.shape)[:-3], fixed[3:]))

# %% [markdown]
# ## 6. A batch, and padding · 批次与填充
#
# The network processes several texts at once, as a **batch**. All rows of an array have the same length, so shorter texts are padded with `[PAD]`, token 0. The batch here has two texts: the pair from above, and its second sentence alone. The three embeddings are added and each vector is **normalised**: its numbers get mean 0 and standard deviation 1. Then two learned vectors scale and shift it. This is *layer normalisation*. Each layer uses it twice more.
#
# 多条文本一起计算，称为一个**批次**（batch）。数组每行的长度必须相同，所以短文本用 `[PAD]`（编号为 0 的词元）填充。这里的批次有两条文本：上面的句对，以及单独的第二句。三种嵌入相加以后，每个向量还要**归一化**：使其中各数的均值为 0、标准差为 1，再用两个学到的向量缩放和平移。这就是*层归一化*，之后每一层还会用到两次。

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
# In **attention**, each token collects information from the other tokens. Three learned matrices turn each vector into three new vectors:
#
# - The **query** describes what this token looks for.
# - The **key** describes what this token offers. Queries are compared with keys.
# - The **value** is the information that this token passes on.
#
# Several **heads** do this in parallel, each with its own part of the numbers. For example, one head can look for the verb while another looks at the previous token. The vectors of length `size` are split into `heads` parts, and the axes are reordered to `[batch, heads, length, size/heads]`. Then each head has its own small matrices.
#
# 在**注意力**（attention）中，每个词元从其他词元那里收集自己需要的信息。为此，每个向量经过三个学到的矩阵，变成：
#
# - **查询**（query）：这个词元在找什么；
# - **键**（key）：这个词元能提供什么，用来与查询匹配；
# - **值**（value）：匹配之后传递的信息。
#
# 多个**头**（head）并行完成这一计算，每个头使用向量的一部分，于是一个头可以找动词，另一个头可以看前一个词元。长度为 `size` 的向量切成 `heads` 份，再把各轴排成 `[batch, heads, length, size/heads]`，每个头就有了自己的小矩阵。


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
print("x                 [batch, length, size]             ", x.shape)
print("query, key, value [batch, heads, length, size/heads]", query.shape)

# %% [markdown]
# ## 8. Scaled attention · 缩放点积注意力
#
# The **score** of two tokens is the dot product of the query of one token and the key of the other. The **softmax** turns the scores of a token into probabilities, which add up to 1. The result is the average of the values, weighted by these probabilities:
#
# $$\mathrm{attention}(Q, K, V) = \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{size/heads}}\right) V$$
#
# Why divide by the square root? The sum of $d$ products of random numbers has a standard deviation of $\sqrt d$. Without the division, long vectors give large scores. The softmax then assigns almost all probability to one token, the gradient vanishes, and the network cannot learn. The cell shows this with random vectors:
#
# 两个词元的**分数**是其中一个的查询与另一个的键的点积。**softmax** 把一个词元的各个分数变成总和为 1 的概率，再用这些概率对各个值（value）做加权平均：
#
# $$\mathrm{attention}(Q, K, V) = \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{size/heads}}\right) V$$
#
# 为什么要除以这个平方根？$d$ 个随机数乘积之和的标准差是 $\sqrt d$。如果不除，向量越长，分数越大，softmax 会把几乎全部概率分给一个词元，梯度随之消失，网络就学不到东西。用随机向量验证一下：


# %%
def softmax(scores):
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True)


draw = np.random.default_rng(1)
print("   d   std. dev. of the scores     largest of 20 probabilities")
print("       分数的标准差               20 个概率中最大的一个")
print("                                   unscaled 不缩放  scaled 缩放后")
for d in (4, 16, 64, 256, 1024):
    scores = (draw.normal(size=(500, 1, d)) @ draw.normal(size=(500, d, 20)))[:, 0]
    plain, scaled = (softmax(each).max(-1).mean() for each in (scores, scores / d**0.5))
    print(f"{d:4d}   {scores.std():8.1f}                    {plain:8.2f}         {scaled:8.2f}")

# %% [markdown]
# ## 9. Masks · 注意力掩码
#
# `[PAD]` has no meaning, so no token should collect information from it. Before the softmax, -10000 is added to its scores, and its probability becomes 0. The plots show the second text, whose right half is padding, without and with the mask. They show the head that attends most to padding without the mask. The colour is the square square root of probability, so small values are visible. The check below the plots confirms that a text in a batch gets the same vectors as the text alone.
#
# `[PAD]` 没有含义，词元不应该从它那里收集信息。所以在 softmax 之前，给它的分数加上 -10000，概率就变成 0。下图是第二条文本（右半部分是填充），左图不加掩码，右图加掩码；这里选的是不加掩码时分给填充的注意力最多的头。颜色表示概率的平方根，这样小的概率也看得见。图下面的检查说明：加了掩码，一条文本放在批次里计算和单独计算，得到的向量相同。


# %%
def attention(x, layer, mask):
    """Returns the output [batch, length, size] and the probabilities [batch, heads, query tokens, key tokens]."""
    query, key, value = (split(linear(x, f"{layer}/attention/self/{part}")) for part in ("query", "key", "value"))
    scores = query @ key.transpose(0, 1, 3, 2) / (size // heads) ** 0.5 + mask
    probabilities = softmax(scores)
    return linear(joined(probabilities @ value), f"{layer}/attention/output/dense"), probabilities


mask = np.where(ids == 0, -10000.0, 0.0)[:, None, None, :]  # [batch, 1, 1, length]: for all heads and query tokens
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
    each.set_xlabel("key token · 被查询的词元")
axes[0].set_ylabel("query token · 发出查询的词元")
figure.colorbar(image, ax=axes, label="square root of probability\n概率的平方根")
plt.show()

print(
    f"probability on padding · 分给填充的概率: {to_padding[head]:.3f} -> {probabilities[1, head, :short, short:].sum():.3f}"
)
alone, _ = attention(x[1:, :short], first, mask[1:, ..., :short])
print("same as alone · 与单独计算相同:", np.allclose(alone, mixed[1:, :short], atol=1e-5))
print("each row adds up to 1 · 每行之和为 1:", np.allclose(probabilities.sum(-1), 1, atol=1e-5))

# %% [markdown]
# ## 10. Residual and layer normalisation · 残差与层归一化
#
# The output of attention does not replace the vector of the token. It is **added** to the vector. This is the *residual connection*. No information is lost from layer to layer, and in training the gradient can flow directly through all layers. The sum is normalised again, so the numbers keep the same scale in any number of layers. The histogram shows all numbers of the first text.
#
# 注意力的输出不是取代词元的向量，而是**加**到它上面，这叫*残差连接*。这样，信息逐层传递时不会丢失；训练时，梯度也能沿着它直达最底层。相加之后再做一次归一化，所以无论有多少层，数值都保持同样的量级。直方图统计的是第一条文本的全部数值。

# %%
added = x + mixed
after_attention = normalise(added, f"{first}/attention/output")

figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
stages = {
    "attention output · 注意力的输出": mixed,
    "input + output · 相加之后": added,
    "normalised · 归一化后": after_attention,
}
edges = np.linspace(-4, 4, 81)
for title, values in stages.items():
    axes.hist(values[0].ravel(), edges, histtype="step", linewidth=1.6, label=f"{title}, sd {values[0].std():.2f}")
axes.set(
    title="Numbers before and after normalisation · 归一化前后的数值", xlabel="value · 数值", ylabel="count · 个数"
)
axes.legend()
plt.show()

# %% [markdown]
# ## 11. Feed-forward · 前馈网络
#
# Attention combines information from different tokens. The **feed-forward** network then processes each token separately. It expands the vector to four times its length, applies the non-linear function GELU, and reduces the vector to length `size` again. Most of the weights of a layer are here. Without a non-linear function, the two matrices would have the same effect as a single matrix. A residual connection and layer normalisation follow.
#
# 注意力让词元之间交换信息；随后的**前馈网络**单独处理每个词元：先把向量扩展到四倍长，经过非线性激活函数 GELU，再变回 `size` 维。一层的大部分权重都在这里。如果没有非线性函数，这两个矩阵就只相当于一个矩阵。最后再做一次残差连接和层归一化。


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
axes.hist(wide[0].ravel(), edges, density=True, color="lightsteelblue", label="input of layer 1 · 第一层的输入")
axes.set(
    title="GELU and its input in layer 1 · GELU 及其在第一层的输入", xlabel="input · 输入", ylabel="density · 密度"
)
bend = axes.twinx()
bend.plot(line, gelu(line), color="firebrick", label="GELU")
bend.plot(line, np.maximum(line, 0), ":", color="gray", label="ReLU")
bend.set_ylabel("output · 输出")
lines = [each.get_legend_handles_labels() for each in (axes, bend)]
axes.legend(lines[0][0] + lines[1][0], lines[0][1] + lines[1][1], loc="upper left")
plt.show()

# %% [markdown]
# ## 12. The whole encoder, compared with Keras · 整个编码器，与 Keras 模型对照
#
# This was one layer. The encoder consists of the embeddings and several such layers, each with its own weights. In NumPy it takes about a dozen lines. The cell also loads the same checkpoint as a Keras model, as for fine-tuning, and compares the vectors after each layer. They differ only by rounding errors.
#
# 以上是一层。编码器由嵌入和若干个这样的层组成，每层有自己的权重，用 NumPy 写只要十几行。再把同一个检查点加载成 Keras 模型（微调时就是这样加载的），比较每一层之后的向量。两者只差舍入误差。


# %%
def encode(ids, segments):
    """Returns the vectors after the embeddings and after each layer, and the attention probabilities of each layer."""
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


import tf_keras  # Keras 2, which the package uses

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
# **The result to expect**: a difference below 1e-4. We measured about 3e-6 with `tiny-zh`.
#
# **预期结果**：差值小于 1e-4；用 `tiny-zh` 测得约 3e-6。
#
# ## 13. Attention maps · 注意力图
#
# What do the heads attend to? Each plot is one head. A row is a query token, and a column is a key token. The package computes these maps (`kbert-explain` plots them for a fine-tuned model). They are equal to ours.
#
# 各个头关注什么？每张小图是一个头，行是发出查询的词元，列是被查询的词元。这些图由本包计算（`kbert-explain` 为微调后的模型画同样的图），与我们自己算的相同。
#
# | pattern · 图案 | meaning · 含义 |
# |---|---|
# | dark diagonal · 对角线颜色深 | each token attends to itself · 每个词元关注自己 |
# | dark line next to the diagonal · 对角线旁边有一条深色的线 | each token attends to its neighbour · 每个词元关注相邻的词元 |
# | two dark squares · 两个深色方块 | each token attends to its own sentence · 每个词元关注自己所在的句子 |
# | dark column · 某一列颜色深 | all tokens attend to the same token, often `[SEP]`; the head probably found nothing relevant · 所有词元都关注同一个词元，往往是 `[SEP]`，这个头很可能没有找到相关的内容 |

# %%
from kbert_tasks.explanation import attention as explained

packaged = explained.maps(bert, pair, heads)  # [layers, heads, length, length]
print("equal to ours · 与我们自己算的相同:", np.allclose(packaged, np.stack(maps)[:, 0], atol=1e-4))
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
    each.set_ylabel("query token · 发出查询")
for each in axes[-1]:
    each.set_xlabel("key token · 被查询")
figure.colorbar(image, ax=axes, label="square root of probability · 概率的平方根", shrink=0.4)
plt.show()

# %% [markdown]
# Plot one head in a larger size. Change `LAYER` and `HEAD` to see others.
#
# 放大其中一个头。修改 `LAYER` 和 `HEAD` 可以查看其他的头。

# %%
LAYER, HEAD = 2, 2
figure, axes = plt.subplots(figsize=(9, 7.5), layout="constrained")
image = heat(
    axes, packaged[LAYER - 1, HEAD - 1] ** 0.5, f"layer · 层 {LAYER}, head · 头 {HEAD}", tokens, tokens, vmax=1
)
axes.set(xlabel="key token · 被查询", ylabel="query token · 发出查询")
figure.colorbar(image, label="square root of probability · 概率的平方根", shrink=0.6)
plt.show()

# %% [markdown]
# A single sentence can be misleading, so the next cell uses 60 texts of the sample data in the package. For each head it computes the average share of attention to the token itself, to the previous and next token, and to the special tokens.
#
# 只看一句话容易得出错误的结论，所以下面用包内示例数据中的 60 条文本，统计每个头平均把多少注意力分给词元自己、前一个和后一个词元，以及特殊词元。

# %%
from kbert_tasks.samples import path

looks = []
texts = kb.read(path("classify", "zh", "train"))["text"][: 20 if FAST else 60]
for text in texts:
    window = tokenizer.encode(text, max_length=64)
    one = np.stack(encode(window.ids[None], window.segments[None])[1])[
        :, 0, :, 1:-1
    ]  # without the rows of [CLS] and [SEP]
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
# The embedding table has only one vector for 打, whether it means *open* (打开), *ask around* (打听) or *hit* (打了). The layers distinguish these meanings. 打 has the same position in all three sentences, so its vectors are equal at first and the cosine is 1. Each layer then adds information from the context. This is why BERT's vectors work better in most tasks than fixed word vectors.
#
# 在嵌入表里，“打”只有一个向量，不管是“打开”“打听”还是“打人”。区分这些含义的是各层。在下面三句话里，“打”的位置相同，所以开始时向量完全一样，余弦为 1；之后每经过一层，都会加入上下文的信息。正因为如此，BERT 的向量在多数任务上比固定的词向量效果更好。

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
# ## 15. How BERT learned: masked words · BERT 如何学习：掩码词预测
#
# In training, BERT predicts 15% of the tokens. Of these, 80% are replaced by `[MASK]`, 10% by a random token, and 10% stay unchanged. The reason is that real texts contain no `[MASK]`. Any token may have to be predicted, so the network must keep a good vector for every token. The masks are sampled again in each epoch. The cell shows five samples for our pair, and lists the tokens to predict, each with the correct answer.
#
# 训练时，15% 的词元需要预测。其中 80% 替换为 `[MASK]`，10% 替换为随机词元，10% 保持不变。这样做是因为实际使用的文本中没有 `[MASK]`；既然任何词元都可能需要预测，网络就必须为每个词元保留一个好的向量。掩码每轮重新采样。下面对上面的句对采样五次，并列出需要预测的位置和正确答案。

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
print(f"\nto predict · 需要预测  {asked.sum() / draws / ordinary:.3f}")
print(f"[MASK]                 {(now == numbers.mask).mean():.3f}")
print(f"random · 随机          {((now != numbers.mask) & (now != gold['MLM'][asked])).mean():.3f}")
print(f"unchanged · 不变       {(now == gold['MLM'][asked]).mean():.3f}")

# %% [markdown]
# ## 16. Compute the prediction yourself · 手动计算预测结果
#
# The vector at `[MASK]` passes through one more dense layer, GELU and normalisation. It is then multiplied by **the table of token embeddings itself**, and the token whose embedding matches best gets the highest score. The softmax turns the scores into probabilities. They are equal to the numbers in section 1. In training, the loss is $-\log$ of the probability of the correct token.
#
# `[MASK]` 处的向量再经过一个全连接层、GELU 和归一化，然后与**词元嵌入表本身**相乘：嵌入与它最匹配的词元得分最高。softmax 把得分变成概率，结果与第 1 节的数字相同。训练时的损失是正确词元概率的 $-\log$。

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
    print(f"{token}   computed here · 手动计算 {ours:.4f}   kb.fill_mask {probability:.4f}")
    assert abs(ours - probability) < 1e-4

# %% [markdown]
# BERT also learned a second task, next-sentence prediction: does the second text of a pair follow the first in the original? The answer is computed from the vector of `[CLS]`. The cell compares our pair with a pair whose second sentence comes from a database manual (*Then restart the database service.*). A small model may be wrong.
#
# BERT 学习的另一个任务是下一句预测：在原文中，句对的第二段是否紧接第一段？答案由 `[CLS]` 的向量算出。下面比较上面的句对和另一个句对，后者的第二句来自数据库手册。小模型也可能答错。

# %%
for second in (FOLLOWING, "然后重启数据库服务。"):
    window = tokenizer.encode(SENTENCE, second)
    pooled = np.tanh(linear(encode(window.ids[None], window.segments[None])[0][-1][:, 0], "bert/pooler/dense"))
    scores = pooled @ weights["cls/seq_relationship/output_weights"].T + weights["cls/seq_relationship/output_bias"]
    print(f"{softmax(scores)[0, 0]:.3f}  {SENTENCE} {second}")

# %% [markdown]
# ## 17. Using it · 使用
#
# `bert` is an ordinary Keras model. Its inputs are tokens and segments, its output is a vector for each token, and all of its weights are trainable. Add your own layers, or use the package: [02_classify](02_classify.ipynb) classifies texts, [03_relation](03_relation.ipynb) extracts relations, [04_subject](04_subject.ipynb) finds the subjects of events, and [05_pretrain](05_pretrain.ipynb) continues pretraining on your own text.
#
# `bert` 就是普通的 Keras 模型：输入词元和片段编号，输出每个词元的向量，全部权重都可训练。你可以在上面加自己的层，也可以直接用本包：文本分类见 [02_classify](02_classify.ipynb)，关系抽取见 [03_relation](03_relation.ipynb)，事件主体见 [04_subject](04_subject.ipynb)，在自己的文本上继续预训练见 [05_pretrain](05_pretrain.ipynb)。

# %%
mine = tokenizer.encode("今天的风很大。")
vectors = bert([mine.ids[None], mine.segments[None]], training=False)
print("[batch, length, size]:", vectors.shape, f"  {bert.count_params():,} weights · 个权重")
print(kb.fill_mask(CHECKPOINT, "请使用以下命[MASK]启动服务。", top=3))  # Start the service with the following command.
