# %% [markdown]
# # Whom is it about? · 事件主体
#
# **What you will get.** A BERT that reads a news item and a type of event. It finds the company or person that the event happened to. It can also answer that there is nobody. You fine-tune it on 700 labelled rows and score it on 70 others. At the end you have a folder with the saved model that you can copy.
#
# **How long it takes.** A little over a minute on two CPU cores with `tiny-zh`, the small checkpoint that comes with the package. We measured 64 seconds while other programs were running. With a released checkpoint, use a GPU (in Colab: Runtime, Change runtime type). (We have not run this notebook on a GPU or TPU.)
#
# **你将得到什么。** 一个 BERT 模型：给定一条新闻和一个事件类型，它找出事件发生在哪家公司或哪个人身上，也可能没有。用 700 行标注数据微调，在另外 70 行上评估，最后得到一个可以带走的文件夹。
#
# **需要多久。** 用包内自带的小检查点 `tiny-zh`，在双核 CPU 上约需一分多钟（实测 64 秒，当时还有其他程序在运行）。换成正式发布的检查点，请使用 GPU（Colab：“代码执行程序” → “更改运行时类型”）。（未在 GPU 和 TPU 上运行过。）

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
# **Your own data: change this one line.** A file needs the columns `text`, `event_type` and `subject`. If a text has several subjects of the same type, write one row for each subject. If there is no subject, leave the cell empty. Use `kb.read(file, header=False)` to read the file of CCKS 2019 as it was published. Without the column `event_type`, the model learns "the subject of this text".
#
# A news item can mention several companies: one recalls its product, and another delivered the faulty part. The type specifies the event that you ask about.
#
# **换成你自己的数据：只改这一行。** 文件中要有 `text`、`event_type` 和 `subject` 三列。同一文本、同一类型有多个主体时写成多行，没有主体时留空。CCKS 2019 发布的原始文件用 `kb.read(file, header=False)` 直接读取。没有 `event_type` 列时，模型学习的是“这条文本的主体”。
#
# 一条新闻可能涉及几家公司：一家召回产品，另一家供应了有缺陷的零件。事件类型说明问的是哪个事件。

# %%
from kbert_tasks.samples import path

TRAIN, TEST = path("subject", "zh", "train"), path("subject", "zh", "test")  # TRAIN, TEST = "train.csv", "test.csv"

train, test = kb.read(TRAIN), kb.read(TEST)
print(len(train), "training rows · 行训练数据,", len(test), "test rows · 行测试数据")
print(train["event_type"].value_counts().to_string())
train.head(6).style.set_properties(**{"text-align": "left"})

# %% [markdown]
# ## Train · 训练
#
# BERT reads the type and the text as a pair, `[CLS] type [SEP] text [SEP]`. The model gives each part of the text (from a first to a last token) a separate probability. So a text with two subjects can have two answers with a high probability. The program chooses the lowest probability of an answer on the development set.
#
# The scores of the first epochs are low, as in all tasks that extract parts of a text. `tiny-zh` is small and there are few rows, so the automatic settings use a high learning rate and many epochs.
#
# BERT 把事件类型和文本作为文本对读取：`[CLS] 类型 [SEP] 文本 [SEP]`。文本的每个片段（由首词元和尾词元确定）各有独立的概率，所以有两个主体的文本可以得到两个高概率的答案。输出答案的阈值在验证集上确定。
#
# 与所有抽取文本片段的任务一样，最初几轮得分很低。`tiny-zh` 很小，数据又少，所以自动设置的学习率较高、轮数较多。

# %%
CHECKPOINT = "tiny-zh"

task = kb.SubjectExtractor(CHECKPOINT, epochs=3 if FAST else "auto")
task.fit(train)
print("seconds · 秒:", task.report_["seconds"])

# %%
history = task.report_["history"]
epochs = [each["epoch"] for each in history]
figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
axes[0].plot(epochs, [each["loss"] for each in history], marker=".")
axes[0].set(title="Training loss · 训练损失", xlabel="epoch · 轮次", ylabel="loss · 损失", ylim=(0, None))
for name, label in (("f1", "F1"), ("accuracy", "accuracy · 准确率")):
    axes[1].plot(epochs, [each["dev"][name] or 0 for each in history], marker=".", label=label)
axes[1].axvline(task.report_["best_epoch"], color="gray", linestyle=":", label="kept · 保留的一轮")
axes[1].set(title="Development texts · 验证集", xlabel="epoch · 轮次", ylabel="score · 得分", ylim=(0, 1))
axes[1].legend()
for each in axes:
    each.grid(alpha=0.3)
    each.xaxis.get_major_locator().set_params(integer=True)
plt.show()

# %% [markdown]
# ## The score · 得分
#
# *Accuracy* counts an answer as correct if the first subject is one of the gold subjects, or if the model correctly answers nobody. *Precision*, *recall* and *F1* count all subjects and require an exact match. `f1_tolerant` ignores quotation marks and brackets at both ends. The tables below show the scores for each type, and for texts with one subject, several subjects and no subject.
#
# **The score to expect** with the automatic settings: an accuracy of about 0.59 and an F1 of about 0.64 on the test texts (F1 0.624, 0.613 and 0.677 with seeds 1 to 3). There are only 64 test texts, so a difference of less than 0.12 means little.
#
# **Why is the development score higher?** The development set comes from the training file, so some of its texts are about companies that also occur in the texts for training. No company of the test file occurs in the training file, so the model must understand the sentence. When you split your own data, keep all texts about the same name in the same part. Otherwise the score is too high. A small BERT reached an accuracy of 0.742 with the 10,920 pairs of CCKS 2019 (`benchmarks/scores.md`).
#
# *准确率*：第一个答案是标注主体之一，或者正确地判断为没有主体。*精确率*、*召回率*和 *F1* 按全部主体计算，必须完全匹配；`f1_tolerant` 忽略两端的引号和括号。下面还按类型、按主体个数（一个、多个、没有）分别列出。
#
# **预期得分**（使用自动设置）：测试文本上准确率约 0.59，F1 约 0.64（随机种子 1 到 3 的 F1：0.624、0.613、0.677）。测试文本只有 64 条，小于 0.12 的差别没有多大意义。
#
# **为什么验证集得分更高？** 验证集取自训练文件，其中一些公司模型在训练时已经见过。测试文件中的公司没有一家在训练文件中出现过，模型必须理解句子。划分自己的数据时，请把同一个名称的所有文本放在同一边，否则得分会虚高。用 CCKS 2019 的 10,920 个“文本—类型”对训练，一个小型 BERT 的准确率达到 0.742（见 `benchmarks/scores.md`）。

# %%
report = task.evaluate(test)
print(report)

# %%
for error in report.errors[:5]:
    print(
        f"{error['event_type']}: gold · 标注 {error['gold']}, predicted · 预测 {error['predicted']}\n    {error['text']}"
    )

# %% [markdown]
# ## Use it · 使用
#
# Ask two questions about one text: *Chenfan Cars recalls 3,000 cars because of faulty batteries; Suyun Batteries, which delivered them, changes its chairman.* Which company recalls a product? Which company changes its management? (The names are invented.) If both answers are the same, the model has not yet learned to distinguish the types of event. This is not surprising with only 700 rows.
#
# 同一条文本，两个问题：产品召回的主体是谁？高管变动的主体是谁？名称都是虚构的。如果两个答案相同，说明模型还没有学会区分事件类型：只有 700 行数据，这并不意外。

# %%
text = "晨帆汽车因电池存在隐患，将召回三千辆轿车；供应商溯云电池同日宣布更换董事长。"
NEW = [(text, "产品召回"), (text, "高管变动")]
for (_, event_type), answer in zip(NEW, task.predict(NEW), strict=True):
    found = [f"{each.subject} {each.probability:.2f} {tuple(each.span)}" for each in answer.subjects]
    print(f"{event_type}:", ", ".join(found) or "nobody · 没有")

# %% [markdown]
# ## Save, load · 保存与加载
#
# The saved folder contains everything that the model needs. It needs neither the original checkpoint nor a network connection. `kb.report` writes a web page with curves, tables and the worst mistakes. Colab does not keep files, so download the folder or copy it to Google Drive.
#
# 保存的文件夹包含所需的全部内容，不依赖原检查点，也不需要联网。`kb.report` 生成一个网页，有曲线、表格和最严重的错误。Colab 不会保留文件，请下载文件夹，或复制到 Google Drive。

# %%
task.save("runs/events")
kb.report(task, "runs/events/report.html")
again = kb.load("runs/events")
assert again.predict(NEW) == task.predict(NEW)
print(*sorted(each.name for each in Path("runs/events").iterdir()), sep="\n")

# %% [markdown]
# Do the same from the command line, without a notebook · 不用 notebook，在命令行中完成同样的事：
#
# ```
# kbert-train --task subject --checkpoint tiny-zh \
#             --train train.csv --test test.csv --output runs/events
# kbert-predict runs/events new.csv --output subjects.csv
# ```
#
# To use a released checkpoint: `kb.SubjectExtractor("bert-base-chinese")`. Next: [05_pretrain](05_pretrain.ipynb).
#
# 使用正式发布的检查点：`kb.SubjectExtractor("bert-base-chinese")`。下一篇：[05_pretrain](05_pretrain.ipynb)。
