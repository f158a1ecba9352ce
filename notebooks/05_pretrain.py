# %% [markdown]
# # Pretrain on your own text · 用自己的文本预训练
#
# **What you will get.** The whole way from raw text, without any labels, to a BERT checkpoint in Google's format: a vocabulary, prepared text, training on masked words and next sentences, and a curve on text that was held out. Twice: from random weights, and going on from a checkpoint that has read much already. At the end the checkpoint guesses words and can be fine-tuned like any other.
#
# **How long it takes.** Three or four minutes on two CPU cores (196 seconds measured, beside other programs), with the small sample: enough to see it learn. A useful model wants millions of words and hours; choose a GPU for that (in Colab: Runtime, Change runtime type). (Not run on a GPU or TPU.)
#
# **你将得到什么。** 从没有任何标注的原始文本，到 Google 格式的 BERT 检查点的全过程：学习词表，处理语料，训练掩码词预测和下一句预测，并画出在留出文本上的曲线。一共做两遍：先从随机权重开始，再在一个已经用大量文本训练过的检查点上继续。最后得到的检查点能预测掩码词，也能像其他检查点一样微调。
#
# **需要多久。** 使用小型示例数据，在双核 CPU 上约需三四分钟（实测 196 秒，当时还有其他程序在运行），足以看到模型在学习。要得到有用的模型，需要数百万词的语料和数小时，请使用 GPU（Colab：“代码执行程序” → “更改运行时类型”）。（未在 GPU 和 TPU 上运行过。）

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

# %% [markdown]
# ## The text · 文本
#
# **Your own text: change this one line**, such as `TEXTS = ["novels.txt", "logs.jsonl"]`. In a `.txt` file a line is a sentence or a paragraph, and a blank line stands between documents; a JSONL file or a table has a column `text`. Files may be larger than memory.
#
# Here we take the texts of the package's three samples, about 3,600 short ones: reviews, sentences about people, news of companies. Their labels are not used.
#
# **换成你自己的文本：只改这一行**，例如 `TEXTS = ["novels.txt", "logs.jsonl"]`。`.txt` 文件每行一句或一段，文档之间空一行；JSONL 和表格要有 `text` 列。文件可以比内存大。
#
# 这里使用包内三个示例数据中的文本，约 3,600 条短文本：评论、介绍人物的句子、公司新闻。其中的标签不使用。

# %%
import itertools
import time

from kbert_tasks.pretraining import documents
from kbert_tasks.samples import path

TEXTS = [path(task, "zh", "train") for task in ("classify", "relation", "subject")]

OUTPUT = Path("runs") / time.strftime("pretrain-%m%d-%H%M%S")  # a new folder each time
OUTPUT.mkdir(parents=True)
for document in itertools.islice(documents.read(TEXTS), 3):  # a document is a list of sentences
    print(document)

# %% [markdown]
# ## 1. A vocabulary · 词表
#
# The tokens are learned from the text: each Chinese character is one, and frequent pieces of words in other scripts are. `coverage` tells how well they fit: the share of `[UNK]`, which means "a token that I do not know", should be near 0.
#
# 词元从文本中学习：每个汉字是一个词元，其他文字中常见的子词也是词元。`coverage` 反映词表与文本的匹配程度：`[UNK]`（词表中没有的词元）的占比应接近 0。

# %%
from kbert_tasks.pretraining import vocabulary

tokens = vocabulary.learn(TEXTS, size=3000)
fit = vocabulary.coverage(tokens, TEXTS)
print(
    f"{len(tokens)} tokens · 个词元; [UNK] {fit['unknown_share']:.2%}; {fit['tokens_per_character']:.2f} tokens a character · 词元/字"
)
print(" ".join(tokens[-30:]))

# %% [markdown]
# ## 2. The text, prepared · 处理语料
#
# The text is tokenized once and written to a folder. One document in ten is held out: it is never trained on, and shows whether the model learns the language or only these sentences. Pairs and masks are not stored; they are drawn anew in each pass.
#
# 文本只做一次分词，写入一个文件夹。这里留出十分之一的文档，从不用于训练，用来判断模型学到的是语言，还是只记住了这些句子。句对和掩码不保存，每轮重新采样。

# %%
from kbert_tasks.pretraining.preparing import prepare

corpus = prepare(TEXTS, OUTPUT / "text", tokens, cased=False, held_out=0.1)
for part, counts in corpus.manifest["parts"].items():
    print(f"{part}: {counts['documents']} documents · 篇文档, {counts['tokens']:,} tokens · 个词元")

# %% [markdown]
# Both tasks in one example: two parts of text, of which the second may come from elsewhere, and 15 % of the tokens to guess (80 % of them `[MASK]`, 10 % a random token, 10 % themselves; [01_inside_bert](01_inside_bert.ipynb) shows it step by step).
#
# 一个样本同时包含两个任务：两段文本，第二段可能来自别处；15% 的词元需要预测（其中 80% 替换为 `[MASK]`，10% 替换为随机词元，10% 保持不变；逐步演示见 [01_inside_bert](01_inside_bert.ipynb)）。

# %%
from kbert_tasks.pretraining import stream

x, y = next(iter(stream.dataset(corpus, "train", 64, 4, seed=1)))
for ids, hidden, follows in zip(x["Input-Token"].numpy(), y["MLM"].numpy(), y["NSP"].numpy(), strict=True):
    print("".join(tokens[i] for i in ids if i))
    print(
        "   to guess · 需要预测:",
        " ".join(tokens[i] for i in hidden if i >= 0),
        "  next · 下一句:",
        not follows[0],
        "\n",
    )

# %% [markdown]
# ## 3. From random weights · 从随机权重开始
#
# `tiny` has 2 layers of 128. After every stretch of steps the held-out text is tested and the checkpoint saved; the same call after a stop goes on where it was. With so little text it learns which characters are frequent, and hardly more: the point is to see the machinery at work.
#
# `tiny` 有 2 层，隐藏层大小 128。每训练若干步，就在留出的文本上评估一次，并保存检查点；中断后再次执行同一调用，就会从最近一次保存处继续。文本这么少，模型只能学到哪些字常见，别的几乎学不到：这里只是为了看整个流程。

# %%
from kbert_tasks.pretraining.training import train

STEPS = 40 if FAST else 400
scratch = train(
    corpus,
    OUTPUT / "scratch",
    config="tiny",
    steps=STEPS,
    save_every=STEPS // 10,
    batch_size=32,
    max_length=64,
    learning_rate=1e-3,
)
print(
    f"{scratch['tokens']:,} tokens in {scratch['seconds']:.0f} seconds · 秒, {scratch['tokens_per_second']:,} a second · 每秒"
)

# %% [markdown]
# ## 4. On from a checkpoint · 从检查点继续
#
# What you will mostly want: a checkpoint that knows the language reads the text of your field. It keeps its vocabulary, so the text is prepared again with that one. (Characters that are missing can go into its free slots: `vocabulary.extend`.) `tiny-zh` was trained on dialogues, encyclopaedia articles, novels and manuals; here it learns reviews and news of companies.
#
# 实际工作中更常见的做法是：让已经学会语言的检查点，在你所在领域的文本上继续预训练。它保留自己的词表，所以要用这个词表重新处理语料。（缺少的字可以放进词表的 `[unused]` 占位符：`vocabulary.extend`。）`tiny-zh` 的训练语料主要是对话、百科条目、小说和技术手册，在这里它开始学习评论和公司新闻。

# %%
CHECKPOINT = "tiny-zh"

checkpoint = kb.find_checkpoint(CHECKPOINT)
corpus = prepare(TEXTS, OUTPUT / "text-again", checkpoint.vocabulary, checkpoint.cased, held_out=0.1)
further = train(
    corpus,
    OUTPUT / "further",
    checkpoint=checkpoint,
    steps=STEPS,
    save_every=STEPS // 10,
    batch_size=32,
    max_length=64,
    learning_rate=3e-4,
)

# %% [markdown]
# **Look at the curves.** Accuracy: the share of hidden tokens that are guessed rightly, on text that was never trained on. The second model begins where the first does not get to. As soon as the curve falls, or the loss of the held-out text rises again while that of training falls, there is too little text for more steps.
#
# **看曲线。** 准确率：在从未用于训练的文本上，掩码词元预测正确的比例。第二个模型的起点，第一个模型到最后也达不到。如果准确率开始下降，或者训练损失还在下降而留出文本的损失重新上升，就说明相对于步数，文本太少。

# %%
import pandas as pd

runs = {"from random weights · 从随机权重": scratch, f"on from {CHECKPOINT} · 从 {CHECKPOINT} 继续": further}
figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
for (name, run), colour in zip(runs.items(), ("tab:gray", "tab:blue"), strict=True):
    log = pd.DataFrame(run["history"]).set_index("step")
    axes[0].plot(log["held_out_mlm_accuracy"], marker=".", color=colour, label=name)
    axes[1].plot(log["held_out_mlm_loss"], marker=".", color=colour, label="held out · 留出")
    axes[1].plot(log["mlm_loss"], ":", color=colour, label="training · 训练")
axes[0].set(title="Masked words, held-out text · 掩码词（留出文本）", ylabel="accuracy · 准确率", ylim=(0, None))
axes[1].set(title="Loss of masked words · 掩码词的损失", ylabel="loss · 损失")
for each in axes:
    each.set_xlabel("step · 步")
    each.legend(fontsize=8)
    each.grid(alpha=0.3)
plt.show()

# %% [markdown]
# **What to expect**: from random weights few of the masked words of the held-out text are found; going on from `tiny-zh` starts higher and rises further. How well the reviews at the end are classified differs from seed to seed, as there are 120 of them. What more text of your field is worth to your task, only your task can show.
#
# **预期结果**：从随机权重开始时，留出文本中的掩码词只能预测对很少一部分；从 `tiny-zh` 继续时起点更高，并且继续上升。最后的评论只有 120 条，分类结果因随机种子而异。增加本领域的语料对你的任务有多大用处，只有在你的任务上才能知道。

# %%
for name, run in runs.items():
    found = [row["held_out_mlm_accuracy"] for row in run["history"]]
    print(f"{name}: accuracy of masked words · 掩码词准确率 {found[0]:.3f} -> {found[-1]:.3f}")

# %% [markdown]
# ## 5. Use it · 使用
#
# The words that each would put in place of `[MASK]`: *He graduated from Yunxi [MASK]* (大学, university) and *The company has filed for [MASK]* (破产, bankruptcy). Then the new checkpoint is fine-tuned like any other: the path of its folder stands where the name of a checkpoint would.
#
# 看看各个检查点在 `[MASK]` 处填什么。然后像其他检查点一样微调新的检查点：在写检查点名称的位置，写它的文件夹路径。

# %%
for text in ("他毕业于云溪大[MASK]。", "这家公司已申请破[MASK]重整。"):
    print(text)
    for place in (CHECKPOINT, OUTPUT / "scratch", OUTPUT / "further"):
        guesses = kb.fill_mask(place, text, top=4)[0]
        print(f"    {Path(place).name:10s}", "  ".join(f"{token} {probability:.2f}" for token, probability in guesses))

# %%
task = kb.TextClassifier(
    OUTPUT / "further", pooling="mean", epochs=1 if FAST else 10, learning_rate=1e-3, schedule="linear"
)
task.fit(kb.read(path("classify", "zh", "train")))
score = task.evaluate(kb.read(path("classify", "zh", "test")))["accuracy"]
print("accuracy on the reviews · 评论分类准确率:", round(score, 3))
print(*sorted(each.name for each in (OUTPUT / "further").iterdir()), sep="\n")

# %% [markdown]
# The same from the command line, without a notebook · 不用 notebook，在命令行中完成同样的事：
#
# ```
# kbert-pretrain vocab --text a.txt b.jsonl --size 8000 --output vocab.txt
# kbert-pretrain train --text a.txt b.jsonl --vocab vocab.txt --config tiny --steps 10000 --output mine
# kbert-pretrain train --text a.txt b.jsonl --checkpoint tiny-zh --steps 10000 --output mine2
# kbert-train --task classify --checkpoint mine2 --train train.csv --output runs/mine
# ```
#
# What each setting does, whole words, and how `tiny-zh` was made: `docs/pretraining.md` and `checkpoints/tiny-zh/README.md`.
#
# 各项设置的作用、全词掩码，以及 `tiny-zh` 的训练方法，见 `docs/pretraining.zh.md` 和 `checkpoints/tiny-zh/README.md`。
