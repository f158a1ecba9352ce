# %% [markdown]
# # Find relations · 关系抽取
#
# **What you will get.** A BERT that extracts triples *subject, predicate, object* from a sentence: who wrote what, who was born where. You fine-tune it on 1,284 sentences and score it on 80 others. You see what it finds, what it misses and why. At the end you have a folder with the saved model that you can copy.
#
# **How long it takes.** About a minute and a half on two CPU cores with `tiny-zh`, the small checkpoint that comes with the package. We measured 76 seconds while other programs were running. With a released checkpoint, use a GPU (in Colab: Runtime, Change runtime type). (We have not run this notebook on a GPU or TPU.)
#
# **你将得到什么。** 一个能从句子中抽取“主体—谓词—客体”三元组的 BERT：谁写了什么，谁出生在哪里。用 1,284 个句子微调，在另外 80 个句子上评估；你会看到它找到了什么，漏掉了什么，原因是什么，最后得到一个可以带走的文件夹。
#
# **需要多久。** 用包内自带的小检查点 `tiny-zh`，在双核 CPU 上约需一分半（实测 76 秒，当时还有其他程序在运行）。换成正式发布的检查点，请使用 GPU（Colab：“代码执行程序” → “更改运行时类型”）。（未在 GPU 和 TPU 上运行过。）

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
# **Your own data: change this one line.** Use JSONL in the published format of DuIE and WebNLG, `{"text": ..., "spo_list": [{"subject": ..., "predicate": ..., "object": ...}]}`, or a CSV file with one triple in each row and the columns `text`, `subject`, `predicate`, `object`. The program reads the predicates from the training file. Give a text without triples an empty list.
#
# **换成你自己的数据：只改这一行。** JSONL，格式与 DuIE、WebNLG 发布时相同：`{"text": ..., "spo_list": [{"subject": ..., "predicate": ..., "object": ...}]}`；或者每行一个三元组的 CSV，列名为 `text`、`subject`、`predicate`、`object`。谓词从训练文件中读取。没有三元组的文本写空列表。

# %%
from kbert_tasks.samples import path

TRAIN, TEST = (
    path("relation", "zh", "train"),
    path("relation", "zh", "test"),
)  # TRAIN, TEST = "train.jsonl", "test.jsonl"

train, test = kb.read(TRAIN), kb.read(TEST)
print(len(train), "training texts · 条训练文本,", len(test), "test texts · 条测试文本\n")
for text, triples in zip(train["text"][:3], train["spo_list"][:3], strict=True):
    print(text)
    for each in triples:
        print("   ", each["subject"], "|", each["predicate"], "|", each["object"])

# %% [markdown]
# ## How it works · 原理
#
# A *span* is a part of the text with a first and a last token. The model gives each span two scores: one as a subject and one as an object. It pairs the spans with the highest scores and gives each pair a score for each predicate. So a span can be the subject of one triple and the object of another. Spans can overlap, and two entities can have several relations. The probability of a triple is the product of the three probabilities. The program chooses the lowest probability of an answer on the development set.
#
# **F1 stays near 0 for the first epochs, and that is normal.** A triple counts as correct only if all of its parts are correct, and early in the training no triple is. Look at the loss instead. The model is learning as long as the loss falls.
#
# 模型给文本的每个片段（由首词元和尾词元确定）打两个分：作为主体的得分和作为客体的得分。得分最高的片段两两配对，每一对再按每个谓词打分。所以一个片段可以是某个三元组的主体，同时又是另一个三元组的客体；片段可以重叠；两个实体之间也可以有多种关系。三元组的概率是三者之积；输出三元组的阈值在验证集上确定。
#
# **最初几轮 F1 接近 0 是正常的。** 三元组完全正确才算对，而训练初期还没有完全正确的。请看损失：只要损失还在下降，模型就在学习。

# %%
CHECKPOINT = "tiny-zh"

task = kb.RelationExtractor(CHECKPOINT, epochs=3 if FAST else "auto")
task.fit(train)
print("seconds · 秒:", task.report_["seconds"])

# %%
history = task.report_["history"]
epochs = [each["epoch"] for each in history]
figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
axes[0].plot(epochs, [each["loss"] for each in history], marker=".")
axes[0].set(title="Training loss · 训练损失", xlabel="epoch · 轮次", ylabel="loss · 损失", ylim=(0, None))
axes[1].plot(epochs, [each["dev"]["f1"] or 0 for each in history], marker=".", color="tab:green")
axes[1].axvline(task.report_["best_epoch"], color="gray", linestyle=":", label="kept · 保留的一轮")
axes[1].set(title="Development texts · 验证集", xlabel="epoch · 轮次", ylabel="F1", ylim=(0, 1))
axes[1].legend()
for each in axes:
    each.grid(alpha=0.3)
    each.xaxis.get_major_locator().set_params(integer=True)
plt.show()

# %% [markdown]
# ## The score · 得分
#
# *Precision* is the share of the predicted triples that are correct. *Recall* is the share of the gold triples that the model found. *F1* is the harmonic mean of the two. A triple is correct only if its subject, predicate and object all match exactly. The table below the scores shows the scores for each predicate. It also shows them for texts in which triples share no entity, one entity or both entities.
#
# **The score to expect** with the automatic settings: an F1 of about 0.6 on the test texts (0.575, 0.632 and 0.607 with seeds 1 to 3). The model is small, it trains on only 1,284 sentences, and no subject of the test texts occurs in them. Expect a much higher score with more texts and a released checkpoint.
#
# *精确率*：预测的三元组中有多少是正确的。*召回率*：标注的三元组中找到了多少。*F1*：两者的调和平均。主体、谓词、客体完全一致才算对。得分下面的表格给出每个谓词的得分，并按文本中的三元组不共享实体、共享一个实体、共享两个实体分别给出得分。
#
# **预期得分**（使用自动设置）：测试文本上 F1 约为 0.6（随机种子 1 到 3：0.575、0.632、0.607）。小模型只用 1,284 个句子训练，测试文本中的主体没有一个在训练集中出现过。文本更多，再换成正式发布的检查点，得分会高得多。

# %%
report = task.evaluate(test)
print(report)

# %%
for error in report.errors[:4]:
    print(error["text"])
    for name, told in (("missing", "missed · 漏检"), ("spurious", "wrong · 误检")):
        for triple in error[name]:
            print(f"    {told}:", " | ".join(triple))

# %% [markdown]
# ## Use it · 使用
#
# Extract triples from two new sentences with invented names: *Lin Qiuhe, who directed "Night Boat", was born in Yunxi county.* And: *"Letters Under the Lamp" is a novel by Xu Nianbei.* The output shows each triple with its probability and the position of its subject in the text: `text[start:end]` is the subject. If a sentence has no output, no triple reached the lowest probability of an answer.
#
# 两个新句子，名字都是虚构的。每个三元组后面是它的概率，以及主体在原文中的位置：`text[start:end]` 就是主体。如果一个句子没有输出，说明没有三元组的概率达到阈值。

# %%
NEW = ["执导《夜航船》的林秋鹤出生于云溪县。", "《灯下书简》是许念北的长篇小说。"]
for text, answer in zip(NEW, task.predict(NEW), strict=True):
    print(text)
    for triple in answer.triples:
        print(f"    {' | '.join(triple.strings)}   {triple.probability:.2f}   {tuple(triple.subject_span)}")
print("\nlowest probability of an answer · 输出答案的最低概率:", round(task.threshold_, 3))

# %% [markdown]
# ## Save, load · 保存与加载
#
# The saved folder contains everything that the model needs. It needs neither the original checkpoint nor a network connection. `kb.report` writes a web page with curves, tables and the worst mistakes. Colab does not keep files, so download the folder or copy it to Google Drive.
#
# 保存的文件夹包含所需的全部内容，不依赖原检查点，也不需要联网。`kb.report` 生成一个网页，有曲线、表格和最严重的错误。Colab 不会保留文件，请下载文件夹，或复制到 Google Drive。

# %%
task.save("runs/relations")
kb.report(task, "runs/relations/report.html")
again = kb.load("runs/relations")
assert again.predict(NEW) == task.predict(NEW)
print(*sorted(each.name for each in Path("runs/relations").iterdir()), sep="\n")

# %% [markdown]
# Do the same from the command line, without a notebook · 不用 notebook，在命令行中完成同样的事：
#
# ```
# kbert-train --task relation --checkpoint tiny-zh \
#             --train train.jsonl --test test.jsonl --output runs/relations
# kbert-predict runs/relations new.txt --output triples.jsonl
# kbert-predict runs/relations new.txt --output more.jsonl --threshold 0.05
# ```
#
# To use a released checkpoint: `kb.RelationExtractor("bert-base-chinese")`. Next: [04_subject](04_subject.ipynb).
#
# 使用正式发布的检查点：`kb.RelationExtractor("bert-base-chinese")`。下一篇：[04_subject](04_subject.ipynb)。
