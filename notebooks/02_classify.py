# %% [markdown]
# # Classify texts · 文本分类
#
# **What you will get.** A BERT that classifies a Chinese review as positive (好评) or negative (差评). You fine-tune it on 5,198 labelled reviews and score it on 120 other reviews that are not in the training data. You also get an explanation of its answers and a folder with the saved model that you can copy.
#
# **How long it takes.** A little over a minute on two CPU cores with `tiny-zh`, the small checkpoint that comes with the package. We measured 65 seconds while other programs were running. A released checkpoint such as `bert-base-chinese` needs about fifty times as much computation for each text, so use a GPU for it (in Colab: Runtime, Change runtime type). (We have not run this notebook on a GPU or TPU.)
#
# **你将得到什么。** 一个能判断中文评论是好评还是差评的 BERT：用 5,198 条带标签的评论微调，在 120 条没有见过的评论上评估；还有对答案的解释，以及一个可以带走的文件夹。
#
# **需要多久。** 用包内自带的小检查点 `tiny-zh`，在双核 CPU 上约需一分多钟（实测 65 秒，当时还有其他程序在运行）。换成正式发布的检查点（如 `bert-base-chinese`），每条文本的计算量大约是五十倍，请使用 GPU（Colab：“代码执行程序” → “更改运行时类型”）。（未在 GPU 和 TPU 上运行过。）

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
# ## The data · 数据
#
# **Your own data: change this one line.** A file needs the columns `text` and `label`. It can be CSV, TSV, JSONL, Excel or Parquet. In Colab, click the folder icon on the left to upload files. The labels can be any words, and you can have any number of them. The program reads them from the training file.
#
# **换成你自己的数据：只改这一行。** 文件中要有 `text` 和 `label` 两列，支持 CSV、TSV、JSONL、Excel 和 Parquet。在 Colab 中，点左侧的文件夹图标上传文件。标签可以是任意词语，个数不限，程序从训练文件中读取。

# %%
from kbert_tasks.samples import path

TRAIN, TEST = path("classify", "zh", "train"), path("classify", "zh", "test")  # TRAIN, TEST = "train.csv", "test.csv"

train, test = kb.read(TRAIN), kb.read(TEST)
print(len(train), "training texts · 条训练文本,", len(test), "test texts · 条测试文本")
print(train["label"].value_counts().to_string())
train.head(6).style.set_properties(**{"text-align": "left"})

# %% [markdown]
# ## Train · 训练
#
# The training updates every layer of the checkpoint. It also adds a new top layer that gives each label a score. A tenth of the training texts becomes the development set. After each epoch (one pass over the training texts), the program computes the score on the development set. It keeps the best epoch.
#
# The program chooses the learning rate, the number of epochs and the other training settings automatically. The training plan prints each value with the reason for it. A small checkpoint such as `tiny-zh` gets a higher learning rate than a released one, for example `kb.TextClassifier("bert-base-chinese")`.
#
# 检查点的所有层都参与训练，最上面新加一层，给每个标签打分。训练文本的十分之一划作验证集；每一轮（遍历一次训练文本）结束后在验证集上评估，保留得分最高的一轮。
#
# 学习率、轮数等训练设置是自动确定的：训练计划会打印每个值及其理由。`tiny-zh` 这样的小检查点，学习率比正式发布的检查点（`kb.TextClassifier("bert-base-chinese")`）高。

# %%
CHECKPOINT = "tiny-zh"

task = kb.TextClassifier(CHECKPOINT, epochs=2 if FAST else "auto")
task.fit(train)
print("seconds · 秒:", task.report_["seconds"])

# %% [markdown]
# **Look at the curves.** The training loss falls throughout the training. The score on the development set rises at first. Later it stops rising or falls. The model then overfits: it memorises the training texts and does not learn what makes a review positive.
#
# **看曲线。** 训练损失会一直下降；验证集得分先升高，然后停滞甚至下降，这时模型开始过拟合：它记住了训练文本，而不是学会判断什么是好评。

# %%
history = task.report_["history"]
epochs = [each["epoch"] for each in history]
figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
axes[0].plot(epochs, [each["loss"] for each in history], marker="o")
axes[0].set(title="Training loss · 训练损失", xlabel="epoch · 轮次", ylabel="loss · 损失", ylim=(0, None))
axes[1].plot(epochs, [each["dev"]["accuracy"] for each in history], marker="o", color="tab:green")
axes[1].axvline(task.report_["best_epoch"], color="gray", linestyle=":", label="kept · 保留的一轮")
axes[1].set(title="Development texts · 验证集", xlabel="epoch · 轮次", ylabel="accuracy · 准确率", ylim=(0, 1))
axes[1].legend()
for each in axes:
    each.set_xticks(epochs)
    each.grid(alpha=0.3)
plt.show()

# %% [markdown]
# ## The score · 得分
#
# We use the test set only once, at the end. We did not use it to choose anything.
#
# **The score to expect** with the automatic settings: an accuracy of 0.75 to 0.82 on the test texts (seeds 1 to 3: 0.817, 0.750, 0.783). The baseline (TF-IDF with logistic regression) reaches about 0.81. Random guessing gives 0.5. There are only 120 test texts, so a difference of less than 0.09 means little. Use `tiny-zh` only to try things out. Use a released checkpoint for real work.
#
# 测试集只在最后用一次，没有用它做任何选择。
#
# **预期得分**（使用自动设置）：测试文本上的准确率为 0.75 到 0.82（随机种子 1 到 3：0.817、0.750、0.783），基线（TF-IDF 加逻辑回归）约为 0.81。随机猜测是 0.5；测试文本只有 120 条，小于 0.09 的差别没有多大意义。`tiny-zh` 只供试用，实际工作请使用正式发布的检查点。

# %%
report = task.evaluate(test)
print(report)

# %% [markdown]
# You learn more from the wrong answers than from the score. Read some of them. Are the labels correct? Could you have chosen the correct label yourself?
#
# 看错误答案比看得分更有收获。读几条：标注对吗？换成你，能判断出来吗？

# %%
for error in report.errors[:5]:
    print({name: error[name] for name in ("gold", "predicted")}, error["text"])

# %% [markdown]
# ## Use it · 使用
#
# Predict the labels of two new texts: *The room is clean and the owner is friendly, we will come again.* And: *The delivery was a week late, and the box was crushed too.*
#
# 对两条新文本做预测。

# %%
NEW = ["房间很干净，老板也热情，下次还来住。", "快递晚了一个星期，盒子还被压坏了，太差了。"]
for text, answer in zip(NEW, task.predict(NEW), strict=True):
    print(f"{answer.label}  {answer.probability:.2f}  {text}")

# %% [markdown]
# **Why this answer?** Integrated gradients divide the score of the answer among the tokens. Red tokens support the answer. Blue tokens oppose it. (`kbert-explain` writes a web page that also shows the attention of every head.)
#
# **为什么是这个答案？** 积分梯度把答案的得分分摊给各个词元：红色表示支持这个答案，蓝色表示反对。（`kbert-explain` 会生成一个网页，还显示每个注意力头的注意力。）

# %%
found = kb.explain(task, NEW[1], steps=20 if FAST else 50)
figure, axes = plt.subplots(figsize=(10, 2.6), layout="constrained")
colours = ["tab:red" if value > 0 else "tab:blue" for value in found.attributions]
axes.bar(range(len(found.tokens)), found.attributions, color=colours)
axes.set_xticks(range(len(found.tokens)), found.tokens)
axes.axhline(0, color="black", linewidth=0.8)
axes.set(
    title=f"{found.shown}, {found.probability:.2f}", xlabel="token · 词元", ylabel="share of the score\n对得分的贡献"
)
plt.show()

# %% [markdown]
# ## Save, load · 保存与加载
#
# The saved folder contains everything that the model needs. It needs neither the original checkpoint nor a network connection. `kb.report` writes a web page with curves, tables and the worst mistakes. Colab does not keep files, so download the folder or copy it to Google Drive.
#
# 保存的文件夹包含所需的全部内容，不依赖原检查点，也不需要联网。`kb.report` 生成一个网页，有曲线、表格和最严重的错误。Colab 不会保留文件，请下载文件夹，或复制到 Google Drive。

# %%
task.save("runs/reviews")
kb.report(task, "runs/reviews/report.html")
again = kb.load("runs/reviews")
assert again.predict(NEW) == task.predict(NEW)
print(*sorted(each.name for each in Path("runs/reviews").iterdir()), sep="\n")

# %% [markdown]
# Do the same from the command line, without a notebook · 不用 notebook，在命令行中完成同样的事：
#
# ```
# kbert-train --task classify --checkpoint tiny-zh \
#             --train train.csv --test test.csv --output runs/reviews
# kbert-predict runs/reviews new.csv --output answers.csv
# ```
#
# More options: use `multi_label=True` if a text can have several labels. Add a column `text_b` to classify pairs of texts. Call `kb.fit_seeds(task, rows, seeds=5)` to get a score and its spread. Next: [03_relation](03_relation.ipynb).
#
# 更多用法：多标签用 `multi_label=True`；文本对用 `text_b` 列；`kb.fit_seeds(task, rows, seeds=5)` 给出得分及其波动。下一篇：[03_relation](03_relation.ipynb)。
