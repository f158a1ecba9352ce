# %% [markdown]
# # Pretrain on your own text · 用自己的文本预训练
#
# **What you will get.** You go from raw text without labels to a BERT checkpoint in Google's format. You learn a vocabulary, prepare the text, train on masked words and next sentences, and plot a curve on held-out text. You do this twice: first from random weights, then from a checkpoint that was already trained on a lot of text. At the end the checkpoint predicts masked words, and you can fine-tune it like any other checkpoint.
#
# **How long it takes.** Three or four minutes on two CPU cores with the small sample. We measured 196 seconds while other programs were running. This is enough to see the model learn. A useful model needs millions of words and hours of training, so use a GPU for it (in Colab: Runtime, Change runtime type). (We have not run this notebook on a GPU or TPU.)
#
# **你将得到什么。** 从没有任何标注的原始文本，到 Google 格式的 BERT 检查点的全过程：学习词表，处理语料，训练掩码词预测和下一句预测，并画出留出文本上的曲线。一共做两遍：先从随机权重开始，再从一个已经用大量文本训练过的检查点继续。最后得到的检查点能预测掩码词，也能像其他检查点一样微调。
#
# **需要多久。** 使用小型示例数据，在双核 CPU 上约需三四分钟（实测 196 秒，当时还有其他程序在运行），足以看到模型在学习。要得到有用的模型，需要数百万词的语料和数小时，请使用 GPU（Colab：“代码执行程序” → “更改运行时类型”）。（未在 GPU 和 TPU 上运行过。）

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

# %% [markdown]
# ## The text · 文本
#
# **Your own text: change this one line**, for example `TEXTS = ["novels.txt", "logs.jsonl"]`. In a `.txt` file, each line is a sentence or a paragraph, and a blank line separates two documents. A JSONL file or a table needs a column `text`. Files can be larger than memory.
#
# This notebook uses the texts of the three samples in the package: about 3,600 short reviews, sentences about people, and company news. It does not use their labels.
#
# **换成你自己的文本：只改这一行**，例如 `TEXTS = ["novels.txt", "logs.jsonl"]`。`.txt` 文件每行一句或一段，文档之间空一行；JSONL 和表格要有 `text` 列。文件可以比内存大。
#
# 这里使用包内三个示例数据集的文本，约 3,600 条短文本：评论、介绍人物的句子、公司新闻。不使用其中的标签。

# %%
import itertools
import time

from kbert_tasks.pretraining import documents
from kbert_tasks.samples import path

TEXTS = [path(task, "zh", "train") for task in ("classify", "relation", "subject")]

OUTPUT = Path("runs") / time.strftime("pretrain-%m%d-%H%M%S")  # a new folder for each run
OUTPUT.mkdir(parents=True)
for document in itertools.islice(documents.read(TEXTS), 3):  # a document is a list of sentences
    print(document)

# %% [markdown]
# ## 1. A vocabulary · 词表
#
# The vocabulary is learned from the text. Each Chinese character is a token. In other scripts, frequent pieces of words are tokens. `coverage` measures how well the vocabulary fits the text: the share of `[UNK]` (unknown token) should be near 0.
#
# 词表从文本中学习：每个汉字是一个词元，其他文字中常见的子词也是词元。`coverage` 衡量词表与文本的匹配程度：`[UNK]`（未知词元）的占比应接近 0。

# %%
from kbert_tasks.pretraining import vocabulary

tokens = vocabulary.learn(TEXTS, size=3000)
fit = vocabulary.coverage(tokens, TEXTS)
print(
    f"{len(tokens)} tokens · 个词元; [UNK] {fit['unknown_share']:.2%}; {fit['tokens_per_character']:.2f} tokens per character · 词元/字"
)
print(" ".join(tokens[-30:]))

# %% [markdown]
# ## 2. Prepare the text · 处理语料
#
# The text is tokenized once and written to a folder. One document in ten is held out. The model is never trained on these documents, so they show whether it learns the language or only memorises the training text. Pairs and masks are not stored. They are sampled again in each epoch.
#
# 文本只分词一次，结果写入一个文件夹。十分之一的文档留出，从不用于训练，用来判断模型是学到了语言，还是只记住了训练文本。句对和掩码不保存，每轮重新采样。

# %%
from kbert_tasks.pretraining.preparing import prepare

corpus = prepare(TEXTS, OUTPUT / "text", tokens, cased=False, held_out=0.1)
for part, counts in corpus.manifest["parts"].items():
    print(f"{part}: {counts['documents']} documents · 篇文档, {counts['tokens']:,} tokens · 个词元")

# %% [markdown]
# Each example contains both tasks. It has two parts of text, and the second part may come from elsewhere. The model must predict 15% of the tokens: 80% of these are replaced by `[MASK]`, 10% by a random token, and 10% stay unchanged. [01_inside_bert](01_inside_bert.ipynb) shows this step by step.
#
# 一个样本同时包含两个任务：两段文本，第二段可能来自别处；15% 的词元需要预测（其中 80% 替换为 `[MASK]`，10% 替换为随机词元，10% 保持不变；逐步演示见 [01_inside_bert](01_inside_bert.ipynb)）。

# %%
from kbert_tasks.pretraining import stream

x, y = next(iter(stream.dataset(corpus, "train", 64, 4, seed=1)))
for ids, hidden, follows in zip(x["Input-Token"].numpy(), y["MLM"].numpy(), y["NSP"].numpy(), strict=True):
    print("".join(tokens[i] for i in ids if i))
    print(
        "   to predict · 需要预测:",
        " ".join(tokens[i] for i in hidden if i >= 0),
        "  next · 下一句:",
        not follows[0],
        "\n",
    )

# %% [markdown]
# ## 3. From random weights · 从随机权重开始
#
# The model `tiny` has 2 layers with vectors of length 128. At regular intervals the program scores the held-out text and saves the checkpoint. If training is interrupted, run the same call again to resume from the last save. With so little text the model learns little more than which characters are frequent. The purpose here is to see how pretraining works.
#
# `tiny` 有 2 层，隐藏层维度为 128。每训练若干步，就在留出文本上评估一次，并保存检查点；训练中断后，再次执行同一调用即可断点续训。文本这么少，模型除了哪些字常见，几乎学不到别的：这里只是为了看清整个流程。

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
    f"{scratch['tokens']:,} tokens in {scratch['seconds']:.0f} seconds · 秒, {scratch['tokens_per_second']:,} per second · 每秒"
)

# %% [markdown]
# ## 4. Continue from a checkpoint · 从检查点继续
#
# This is the more common case: a checkpoint that already knows the language is trained further on text of your field. It keeps its vocabulary, so the text is prepared again with that vocabulary. (`vocabulary.extend` puts missing characters into unused entries.) `tiny-zh` was trained on dialogues, encyclopaedia articles, novels and manuals. Here it continues with reviews and company news.
#
# 实际工作中更常见的做法是：让已经学会语言的检查点，在你所在领域的文本上继续预训练。词表保持不变，所以要用这个词表重新处理语料。（`vocabulary.extend` 可以把缺少的字放进词表的 `[unused]` 占位符。）`tiny-zh` 的训练语料主要是对话、百科条目、小说和技术手册，这里让它在评论和公司新闻上继续训练。

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
# **Look at the curves.** Accuracy is the share of masked tokens that the model predicts correctly on the held-out text. The second model starts at a higher accuracy than the first model reaches. Stop training when the accuracy falls, or when the held-out loss rises while the training loss still falls. The model then overfits, because there is too little text for more steps.
#
# **看曲线。** 准确率是留出文本的掩码词元中预测正确的比例。第一个模型训练到最后，也没有达到第二个模型的起点。如果准确率开始下降，或者训练损失还在下降而留出文本的损失开始上升，就应停止训练：模型已经过拟合，文本量不足以支撑更多的训练步数。

# %%
import pandas as pd

runs = {"from random weights · 从随机权重": scratch, f"continued from {CHECKPOINT} · 从 {CHECKPOINT} 继续": further}
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
# **The score to expect**: from random weights, the model predicts few of the masked words of the held-out text. The model that continues from `tiny-zh` starts higher and improves further. The test set of reviews at the end of this notebook has only 120 rows, so its accuracy varies with the seed. Test on your own task how much additional text of your field helps.
#
# **预期结果**：从随机权重开始时，留出文本中的掩码词只有很少一部分预测正确；从 `tiny-zh` 继续时起点更高，并且继续上升。最后用来评估的评论只有 120 条，准确率会随随机种子波动。增加领域语料对你的任务有多大帮助，需要在你的任务上实际测试。

# %%
for name, run in runs.items():
    found = [row["held_out_mlm_accuracy"] for row in run["history"]]
    print(f"{name}: accuracy of masked words · 掩码词准确率 {found[0]:.3f} -> {found[-1]:.3f}")

# %% [markdown]
# ## 5. Use it · 使用
#
# Each checkpoint predicts the character at `[MASK]` in two sentences: *He graduated from Yunxi University* (大学, with 学 masked) and *The company has filed for bankruptcy* (破产, with 产 masked). Then you fine-tune the new checkpoint like any other checkpoint. Use the path of its folder instead of a checkpoint name.
#
# 看看各个检查点在 `[MASK]` 处预测什么字。然后像其他检查点一样微调新的检查点：用它的文件夹路径代替检查点名称。

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
# Do the same from the command line, without a notebook · 不用 notebook，在命令行中完成同样的事：
#
# ```
# kbert-pretrain vocab --text a.txt b.jsonl --size 8000 --output vocab.txt
# kbert-pretrain train --text a.txt b.jsonl --vocab vocab.txt --config tiny --steps 10000 --output mine
# kbert-pretrain train --text a.txt b.jsonl --checkpoint tiny-zh --steps 10000 --output mine2
# kbert-train --task classify --checkpoint mine2 --train train.csv --output runs/mine
# ```
#
# For the settings, whole word masking and the training of `tiny-zh`, see `docs/pretraining.md` and `checkpoints/tiny-zh/README.md`. Next: [06_entity](06_entity.ipynb).
#
# 各项设置的作用、全词掩码，以及 `tiny-zh` 的训练方法，见 `docs/pretraining.zh.md` 和 `checkpoints/tiny-zh/README.md`。下一篇：[06_entity](06_entity.ipynb)。
