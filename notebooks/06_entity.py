# %% [markdown]
# # Who, where, what? · 命名实体
#
# **What you will get.** A BERT that finds the names in a text and gives each of them a type: person, place, organization, product or work. A name inside another name is found too. You fine-tune it on 800 labelled sentences and score it on 130 others. At the end you have a folder with the saved model that you can copy.
#
# **How long it takes.** With `tiny-zh`, the small checkpoint that comes with the package, `kbert-train` took 7.5 minutes of processor time on one core of an AMD EPYC for the same data and settings. With a released checkpoint, use a GPU (in Colab: Runtime, Change runtime type). (We have not run this notebook on a GPU or TPU.)
#
# **你将得到什么。** 一个 BERT 模型：从文本中找出名称，并给出类型：人物、地点、机构、产品或作品。名称中嵌套的名称也能找到。用 800 条标注句子微调，在另外 130 条上评估，最后得到一个可以带走的文件夹。
#
# **需要多久。** 用包内自带的小检查点 `tiny-zh`，同样的数据和设置，`kbert-train` 在 AMD EPYC 的一个核上用了 7.5 分钟处理器时间。换成正式发布的检查点，请使用 GPU（Colab：“代码执行程序” → “更改运行时类型”）。（未在 GPU 和 TPU 上运行过。）

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
# **Your own data: change this one line.** A file needs the columns `text` and `entities`, a list such as `[{"start": 0, "end": 3, "type": "person"}]`. `start` and `end` count characters from 0, and `end` is the position after the last character. If a text has no entities, write `[]`.
#
# Many names contain another name: *Liaoning Drug Administration* is an organization, and *Liaoning* in it is a place. The sample marks both.
#
# **换成你自己的数据：只改这一行。** 文件中要有 `text` 和 `entities` 两列，后者是一个列表，例如 `[{"start": 0, "end": 3, "type": "人物"}]`。`start` 和 `end` 按字符计，从 0 开始，`end` 是最后一个字符之后的位置。没有实体时写 `[]`。
#
# 许多名称中包含另一个名称：“辽宁省药品监督管理局”是机构，其中的“辽宁省”是地点。示例数据把两者都标了出来。

# %%
from kbert_tasks.samples import path

TRAIN, TEST = path("entity", "zh", "train"), path("entity", "zh", "test")  # TRAIN, TEST = "train.jsonl", "test.jsonl"

train, test = kb.read(TRAIN), kb.read(TEST)
print(len(train), "training texts · 条训练文本,", len(test), "test texts · 条测试文本")
print(train["entities"].explode().dropna().map(lambda entity: entity["type"]).value_counts().to_string())
for text, entities in train[["text", "entities"]].head(6).itertuples(index=False):
    found = [f"{text[each['start'] : each['end']]} ({each['type']})" for each in entities]
    print(f"{text}\n    {', '.join(found) or 'no entity · 没有实体'}")

# %% [markdown]
# ## Train · 训练
#
# The model gives each part of the text (from a first to a last token) a separate probability for each type. So it can find a name inside another one, which is not possible if each token gets one label such as B, I or O. The program chooses the lowest probability of an answer on the development set. Because entities of the training texts overlap, the predicted entities may overlap too; the plan says so (`flat = False`).
#
# The scores of the first epochs are low, as in all tasks that extract parts of a text. `tiny-zh` is small and there are few texts, so the automatic settings use a high learning rate and many epochs.
#
# 文本的每个片段（由首词元和尾词元确定）对每个类型各有独立的概率，所以能找出嵌套的名称；如果给每个词元一个标签（如 B、I、O），就做不到这一点。输出答案的阈值在验证集上确定。训练集中有重叠的实体，所以预测的实体也可以重叠，训练计划会写明（`flat = False`）。
#
# 与所有抽取文本片段的任务一样，最初几轮得分很低。`tiny-zh` 很小，数据又少，所以自动设置的学习率较高、轮数较多。

# %%
CHECKPOINT = "tiny-zh"

task = kb.EntityRecognizer(CHECKPOINT, epochs=3 if FAST else "auto")
task.fit(train)
print("seconds · 秒:", task.report_["seconds"])

# %%
history = task.report_["history"]
epochs = [each["epoch"] for each in history]
figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
axes[0].plot(epochs, [each["loss"] for each in history], marker=".")
axes[0].set(title="Training loss · 训练损失", xlabel="epoch · 轮次", ylabel="loss · 损失", ylim=(0, None))
for name, label in (("f1", "F1"), ("precision", "precision · 精确率"), ("recall", "recall · 召回率")):
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
# A prediction is correct if its start, its end and its type are correct. The tables show the scores for each type, for nested entities (those that overlap another one) and flat ones, and for names of different lengths. There are four kinds of errors: a wrong `type`, a wrong `boundary`, a `missed` entity, and a `spurious` one that is not an entity at all.
#
# **The score to expect** with the automatic settings: an F1 of about 0.69 (precision 0.71, recall 0.67) on the test texts (one training, seed 1).
#
# **Most names are new.** Only 62 of the 318 entities of the test file also occur in the training file with the same type, and 55 of these are places. So the model must recognise most names by their form and by the words around them. When you split your own data, keep texts about the same names in the same part. Otherwise the score is too high.
#
# 起始位置、结束位置和类型都正确才算正确。下面的表格按类型、按是否嵌套（`nested` 与其他实体重叠，`flat` 不重叠）、按名称长度分别给出得分。错误分为四种：`type` 类型错误，`boundary` 边界错误，`missed` 漏检，`spurious` 误检（根本不是实体）。
#
# **预期得分**（使用自动设置）：测试文本上F1 约 0.69（精确率 0.71，召回率 0.67）（只训练一次，随机种子为 1）。
#
# **大多数名称都是新的。** 测试文件的 318 个实体中，只有 62 个以相同的类型出现在训练文件中，其中 55 个是地点。所以模型必须根据名称的构成和上下文来判断。划分自己的数据时，请把含有相同名称的文本放在同一边，否则得分会虚高。

# %%
report = task.evaluate(test)
print(report)

# %%
for error in report.errors[:5]:
    print(error["text"])
    for kind in ("boundary", "type", "missed", "spurious"):
        for each in error[kind]:
            print(f"    {kind}: {each['entity']} ({each['type']}) {each.get('probability', '')}")

# %% [markdown]
# ## Use it · 使用
#
# The sentences say: *The Luocheng Symphony Orchestra plays in Qingdao next month, conducted by Fang Xiaoxue. Guhe Museum of Natural History opens a branch in Tongchuan on Saturday; its director Lin Mengting gives a tour.* (Except for the cities of Qingdao and Tongchuan, the names are invented.) Are the places inside the names of the orchestra and the museum found too? There are only few training texts, so some answers are wrong: in our run, the model also took 铜川开设分馆 ("Tongchuan opens a branch") for an organization.
#
# 除青岛和铜川外，名称都是虚构的。乐团和博物馆名称中的地点也找到了吗？训练文本很少，所以有些答案是错的：我们运行时，模型还把“铜川开设分馆”当作机构。

# %%
NEW = ["洛城交响乐团下月在青岛演出，指挥方小雪。", "沽河自然博物馆周六在铜川开设分馆，馆长林梦廷将带领观众参观。"]
for text, answer in zip(NEW, task.predict(NEW), strict=True):
    print(text)
    for each in answer.entities:
        print(f"    {each.entity} ({each.type}) {each.start}-{each.end} {each.probability:.2f}")

# %% [markdown]
# Which tokens is an answer based on? `kb.explain` shows how much each token contributes to it. Without `answer`, it explains the most probable entity.
#
# 一个答案的依据是哪些词元？`kb.explain` 给出每个词元的贡献。不指定 `answer` 时，解释概率最高的实体。

# %%
print(kb.explain(task, NEW[0], answer="青岛 | 地点"))

# %% [markdown]
# ## Save, load · 保存与加载
#
# The saved folder contains everything that the model needs. It needs neither the original checkpoint nor a network connection. `kb.report` writes a web page with curves, tables and the worst mistakes. Colab does not keep files, so download the folder or copy it to Google Drive.
#
# 保存的文件夹包含所需的全部内容，不依赖原检查点，也不需要联网。`kb.report` 生成一个网页，有曲线、表格和最严重的错误。Colab 不会保留文件，请下载文件夹，或复制到 Google Drive。

# %%
task.save("runs/names")
kb.report(task, "runs/names/report.html")
again = kb.load("runs/names")
assert again.predict(NEW) == task.predict(NEW)
print(*sorted(each.name for each in Path("runs/names").iterdir()), sep="\n")

# %% [markdown]
# Do the same from the command line, without a notebook · 不用 notebook，在命令行中完成同样的事：
#
# ```
# kbert-train --task entity --checkpoint tiny-zh \
#             --train train.jsonl --test test.jsonl --output runs/names
# kbert-predict runs/names new.txt --output entities.jsonl
# ```
#
# To use a released checkpoint: `kb.EntityRecognizer("bert-base-chinese")`. More about the rows and the scores: `docs/entities.md`.
#
# 使用正式发布的检查点：`kb.EntityRecognizer("bert-base-chinese")`。数据行和得分的说明见 `docs/entities.zh.md`。
