"""This package beside its peers, on the same weights and texts, in turn: a Markdown table of times or of memory.

    bash benchmarks/peers.sh
    python benchmarks/speed.py --job epoch --checkpoint CHECKPOINT --data TRAIN.tsv [--share 0.25] [--output table.md]
    python benchmarks/speed.py --job predict --checkpoint CHECKPOINT --data TRAIN.tsv [--texts 5000]
    python benchmarks/speed.py --job step
    python benchmarks/speed.py --job memory
    python benchmarks/speed.py --job pretrain --checkpoint CHECKPOINT --data TEXT.txt

TRAIN.tsv has a header line and then label and text, with a tab between. Of the checkpoint the job pretrain takes the
vocabulary alone: all begin with random weights. Every competitor is a process of its own (`workers/`)
that loads and warms up, untimed, and then waits for its turn: in each round all of them do the same once.

Best on a machine with nothing else to do, as the table says. Where there is none, `taskset -c 0 python ...` gives every
competitor one core and so one thread: else PyTorch's threads, that wait for one another busily, take seconds and CPU seconds
for nothing as soon as another process takes a core from one of them.
"""

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import busy, described
from tables import OURS, busyness, memory, times

HERE = Path(__file__).resolve().parent
ALL, PREDICT = ("epoch", "step", "memory", "predict"), ("predict",)
JOBS = (*ALL, "pretrain")
COMPETITORS = {  # name: environment, worker, variant, jobs
    OURS: ("ours", "ours.py", "keras", JOBS),
    "kbert_tasks, OpenVINO": ("ours", "ours.py", "openvino", PREDICT),
    "keras-bert": ("keras_bert", "keras_bert_recipe.py", None, ALL),
    "transformers, bf16": ("torch", "transformers_recipe.py", "bf16", JOBS),
    "transformers, fp32": ("torch", "transformers_recipe.py", "fp32", JOBS),
    "KerasHub": ("keras_hub", "keras_hub_recipe.py", None, ALL),
}
TITLES = {
    "epoch": "An epoch of fine-tuning on {texts} texts ({share:.0%} of the file), batches of 32, at most 128 tokens",
    "step": "One training step, 16 x 128 tokens, 12 layers of 768 with random weights, of 30,522 tokens 11,567 used",
    "predict": "Predicting {texts} texts of at most 128 tokens, tokenizing included",
    "memory": "Peak resident memory of a process that trains {steps} steps and {steps} more, 16 x 128 tokens, 12 layers of 768,"
    " of 30,522 tokens 11,567 used",
    "pretrain": "One step of pretraining (masked words and next sentences), 64 x 128 tokens, 4 layers of 256, random weights",
}
HOW = {
    "epoch": "Medians of {} rounds, in turn. Before them, untimed: loading, tokenizing (KerasHub tokenizes while it trains), and"
    " a warm-up on a tenth of the texts (kbert_tasks: on all of them).",
    "step": "Medians of {} rounds, kbert_tasks and one peer in turn. Before them, untimed: as many steps.",
    "predict": "Medians of {} rounds, in turn. Before them, untimed: loading, and a warm-up on a tenth of the texts.",
    "memory": "One process after the other.",
    "pretrain": "Medians of {} rounds of 4 steps, in turn. Before them, untimed: as many steps. The same batches for all, made before"
    " from real text, without padding. transformers' own head scores the whole vocabulary at every place, that of kbert_tasks"
    " where a word is masked.",
}
TOLD = "{seconds:.2f} s, {cpu_seconds:.2f} s of CPU, all else {others:.2f} s of CPU, at most {peak_bytes:,} bytes"


class Failed(Exception):
    """A competitor cannot take part; says why."""


class Worker:
    """A competitor's process, ready for its rounds. To be closed."""

    def __init__(self, name, job, python, folder):
        _, script, variant, _ = COMPETITORS[name]
        self.log = Path(folder) / f"{script}.{variant}.log"
        quiet = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        if not Path(python).is_file():
            raise Failed(f"{python} is not there (bash benchmarks/peers.sh makes it)")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [python, HERE / "workers" / script, json.dumps(job | {"variant": variant})],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | quiet,
            )  # fmt: skip
        try:
            self.versions = self.answer()["versions"]
            if reason := self.answer().get("skip"):
                raise Failed(reason)
        except Failed:
            self.close()
            raise

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            said = self.log.read_text(encoding="utf-8", errors="replace").strip().split("\n")
            print(*said[-20:], sep="\n", file=sys.stderr)
            raise Failed(f"ended with status {self.process.wait()}: {said[-1]}")
        return json.loads(line)

    def round(self):
        """A dict: `seconds`, `cpu_seconds`, `peak_bytes`, and `others`, the CPU seconds of all else on the machine."""
        before = busy()
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self.answer()
        return answer | {"others": max(busy() - before - answer["cpu_seconds"], 0.0)}

    def close(self):
        with contextlib.suppress(OSError):  # it may have ended by itself
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def measured(groups, job, pythons):
    """({name: list of answers}, {name: versions}, {name: why it takes no part}).

    The processes of a group are there at once and take turns.
    """
    found, versions, failed = {}, {}, {}
    for group in groups:
        workers = {}
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            for name in group:
                with noted(failed, name):
                    workers[name] = Worker(name, job, pythons[COMPETITORS[name][0]], folder)
                    stack.callback(workers[name].close)
                    versions[name] = workers[name].versions
            for number in range(job["rounds"]):
                for name in [n for n in workers if n not in failed]:
                    with noted(failed, name):
                        answer = workers[name].round()
                        found.setdefault(name, []).append(answer)
                        print(f"round {number + 1}, {name}: {TOLD.format(**answer)}", file=sys.stderr)
    return {name: answers for name, answers in found.items() if name not in failed}, versions, failed


@contextlib.contextmanager
def noted(failed, name):
    """Goes on where a competitor fails, and notes why."""
    try:
        yield
    except (Failed, OSError) as error:
        failed[name] = str(error)
        print(f"{name} takes no part: {error}", file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--job", choices=JOBS, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--checkpoint", metavar="FOLDER", help="official format, for epoch, predict, pretrain")
    parser.add_argument("--data", metavar="FILE", help="for epoch and predict labelled texts, for pretrain text")
    parser.add_argument("--share", type=float, default=1.0, help="of the file's texts, for epoch (default 1)")
    parser.add_argument("--texts", type=int, default=5000, help="for predict (default 5000)")
    parser.add_argument("--only", nargs="+", choices=COMPETITORS, default=list(COMPETITORS), metavar="NAME")
    parser.add_argument("--peers", default=HERE / ".peers", metavar="FOLDER", help="what peers.sh made")
    parser.add_argument(
        "--python", nargs="+", default=[], metavar="ENVIRONMENT=PATH", help="another Python for torch, keras_bert, ..."
    )
    parser.add_argument("--output", metavar="FILE", help="for the table, which is printed too")
    args = parser.parse_args()
    if args.job in ("epoch", "predict", "pretrain") and not (args.checkpoint and args.data):
        parser.error(f"the job {args.job} needs --checkpoint and --data")
    return args


def main():
    args = arguments()
    start = described()
    names = [name for name in COMPETITORS if name in args.only and args.job in COMPETITORS[name][3]]
    groups = [names]
    if args.job == "step" and OURS in names:  # all of them at once may not have room in memory
        groups = [[OURS, name] for name in names if name != OURS] or groups
    elif args.job in ("step", "memory"):
        groups = [[name] for name in names]
    environments = {each[0]: str(Path(args.peers) / each[0] / "bin" / "python") for each in COMPETITORS.values()}
    pythons = environments | {"ours": sys.executable} | dict(each.split("=", 1) for each in args.python)
    rounds, steps = {"memory": (1, 3), "pretrain": (args.rounds, 4)}.get(args.job, (args.rounds, 1))
    job = {"job": "step" if args.job == "memory" else args.job, "rounds": rounds, "steps": steps}
    with tempfile.TemporaryDirectory() as folder:
        if args.job in ("epoch", "predict"):
            with open(args.data, encoding="utf-8") as file:
                rows = sum(1 for _ in file) - 1
            texts = round(rows * args.share) if args.job == "epoch" else min(args.texts, rows)
            job |= {"checkpoint": str(Path(args.checkpoint).resolve()), "data": args.data, "texts": texts}
            job["hf"] = str(Path(folder) / "hf")
            export = Path(sys.executable).with_name("kbert-checkpoint")
            subprocess.run([export, "export", job["checkpoint"], job["hf"]], check=True, stdout=sys.stderr)
        if args.job == "pretrain":
            job["prepared"] = folder
            made = [HERE / "workers" / "pretraining_batches.py", args.checkpoint, args.data, str(steps), folder]
            subprocess.run([pythons["ours"], *made], check=True, stdout=sys.stderr)
        found, versions, failed = measured(groups, job, pythons)
    lines = [f"## {TITLES[args.job].format(**vars(args) | job)}", "", *(f"{line}." for line in start)]
    lines += [f"{HOW[args.job].format(rounds)}{busyness(found)}", ""]
    tokens = 64 * 128 if args.job == "pretrain" else None
    lines += memory(found) if args.job == "memory" else times(found, steps, tokens)
    lines += [""] + [f"No part was taken by {name}: {reason}." for name, reason in failed.items()]
    lines += [f"- {name}: {', '.join(f'{p} {v}' for p, v in each.items())}" for name, each in versions.items()]
    lines += ["", f"`python benchmarks/speed.py {shlex.join(sys.argv[1:])}`"]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")


main()
