"""Compare this package with other libraries on the same weights and texts: a Markdown table of times or of memory.

    bash benchmarks/peers.sh
    python benchmarks/speed.py --job epoch --checkpoint CHECKPOINT --data TRAIN.tsv [--share 0.25] [--output table.md]
    python benchmarks/speed.py --job predict --checkpoint CHECKPOINT --data TRAIN.tsv [--texts 5000]
    python benchmarks/speed.py --job step [--shape 8x512]
    python benchmarks/speed.py --job memory [--shape 8x512]
    python benchmarks/speed.py --job pretrain --checkpoint CHECKPOINT --data TEXT.txt

TRAIN.tsv has a header line, then a label and a text in each line, separated by a tab. The job pretrain uses only the vocabulary of
the checkpoint and starts with random weights. Each competitor runs in a separate process (`workers/`), which loads its model and
warms up without being timed. In each round, the competitors run once, one after the other.

Use a machine without other programs; the table shows how busy it was. On a busy machine, `taskset -c 0 python ...` gives each
competitor one core and therefore one thread. Otherwise, PyTorch's threads wait for each other in busy loops when another process
uses one of their cores, which increases its seconds and CPU seconds.
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
from tables import OURS, after, busyness, memory, times

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
    "step": "A training step: {texts} x {tokens} tokens, 12 layers of 768 with random weights, 11,567 of 30,522 tokens used",
    "predict": "Prediction of {texts} texts of at most 128 tokens, including tokenization",
    "memory": "Peak resident memory of a process that trains {steps} steps and then {steps} more: {texts} x {tokens} tokens,"
    " 12 layers of 768, 11,567 of 30,522 tokens used",
    "pretrain": "A step of pretraining (masked words and next sentences): 64 x 128 tokens, 4 layers of 256, random weights",
}
HOW = {
    "epoch": "Medians of {} rounds, in turn. Not timed: loading, tokenization (KerasHub tokenizes while it trains), and a warm-up"
    " on a tenth of the texts (kbert_tasks: on all of them).",
    "step": "Medians of {} rounds, kbert_tasks and one other library in turn. A warm-up with the same number of steps is not timed.",
    "predict": "Medians of {} rounds, in turn. Loading and a warm-up on a tenth of the texts are not timed.",
    "memory": "The processes run one after the other.",
    "pretrain": "Medians of {} rounds of 4 steps, in turn. A warm-up with the same number of steps is not timed. All use the same"
    " batches, which were made in advance from real text, without padding. The head of transformers computes the scores of all"
    " tokens at every position, that of kbert_tasks only at the masked positions.",
}
ROUND = "{seconds:.2f} s, {cpu_seconds:.2f} s of CPU, other processes {others:.2f} s of CPU, peak memory {peak_bytes:,} bytes"


class Failed(Exception):
    """A competitor cannot run; the message is the reason."""


class Worker:
    """The process of a competitor, ready for its rounds. Call `close` at the end."""

    def __init__(self, name, job, python, folder):
        _, script, variant, _ = COMPETITORS[name]
        self.log = Path(folder) / f"{script}.{variant}.log"
        quiet = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        if not Path(python).is_file():
            raise Failed(f"{python} does not exist (bash benchmarks/peers.sh creates it)")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [python, HERE / "workers" / script, json.dumps(job | {"variant": variant})],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | quiet,
            )  # fmt: skip
        try:
            self.versions = self.answer()["versions"]
            answer = self.answer()
            if "skip" in answer:
                raise Failed(answer["skip"])
            self.first = answer.get("first")  # seconds of the first epoch, if it is complete
        except Failed:
            self.close()
            raise

    def answer(self):
        """Returns the next message of the process."""
        line = self.process.stdout.readline()
        if not line:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().split("\n")
            print(*lines[-20:], sep="\n", file=sys.stderr)
            raise Failed(f"exit status {self.process.wait()}: {lines[-1]}")
        return json.loads(line)

    def round(self):
        """Runs a round; returns a dict of `seconds`, `cpu_seconds`, `peak_bytes` and `others`, the CPU seconds of other processes."""
        before = busy()
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self.answer()
        return answer | {"others": max(busy() - before - answer["cpu_seconds"], 0.0)}

    def close(self):
        with contextlib.suppress(OSError):  # the process may have ended already
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def measured(groups, job, pythons):
    """Runs all rounds of all competitors.

    Args:
        groups: lists of names; the competitors of a group run in turn.
        job: dict that describes the job.
        pythons: dict of environment to its Python.

    Returns:
        ({name: list of measurements}, {name: versions}, {name: reason why it did not run}, {name: seconds of the first epoch}).
    """
    found, versions, failed, firsts = {}, {}, {}, {}
    for group in groups:
        workers = {}
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            for name in group:
                with noted(failed, name):
                    workers[name] = Worker(name, job, pythons[COMPETITORS[name][0]], folder)
                    stack.callback(workers[name].close)
                    versions[name] = workers[name].versions
                    if workers[name].first is not None:
                        firsts[name] = workers[name].first
            for number in range(job["rounds"]):
                for name in [n for n in workers if n not in failed]:
                    with noted(failed, name):
                        answer = workers[name].round()
                        found.setdefault(name, []).append(answer)
                        print(f"round {number + 1}, {name}: {ROUND.format(**answer)}", file=sys.stderr)
    return {name: answers for name, answers in found.items() if name not in failed}, versions, failed, firsts


@contextlib.contextmanager
def noted(failed, name):
    """Catches the failure of a competitor and notes its reason."""
    try:
        yield
    except (Failed, OSError) as error:
        failed[name] = str(error)
        print(f"{name} was not run: {error}", file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--job", choices=JOBS, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--checkpoint", metavar="FOLDER", help="folder in Google's format, for epoch, predict, pretrain"
    )
    parser.add_argument("--data", metavar="FILE", help="labelled texts for epoch and predict, a text file for pretrain")
    parser.add_argument("--share", type=float, default=1.0, help="share of the texts, for epoch (default 1)")
    parser.add_argument("--texts", type=int, default=5000, help="number of texts, for predict (default 5000)")
    parser.add_argument(
        "--shape", default="16x128", metavar="TEXTSxTOKENS", help="for step and memory (default 16x128)"
    )
    parser.add_argument(
        "--attention-dropout", type=float, default=0.1, metavar="RATE",
        help="dropout of the attention probabilities, for step and memory (default 0.1); with 0, PyTorch stores none of them",
    )  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=COMPETITORS, default=list(COMPETITORS), metavar="NAME")
    parser.add_argument("--peers", default=HERE / ".peers", metavar="FOLDER", help="folder that peers.sh created")
    parser.add_argument(
        "--python",
        nargs="+",
        default=[],
        metavar="ENVIRONMENT=PATH",
        help="another Python for an environment, such as torch",
    )
    parser.add_argument("--output", metavar="FILE", help="file for the table, which is also printed")
    args = parser.parse_args()
    if args.job in ("epoch", "predict", "pretrain") and not (args.checkpoint and args.data):
        parser.error(f"the job {args.job} needs --checkpoint and --data")
    return args


def main():
    args = arguments()
    start = described()
    names = [name for name in COMPETITORS if name in args.only and args.job in COMPETITORS[name][3]]
    groups = [names]
    if args.job == "step" and OURS in names:  # together they may not fit in memory
        groups = [[OURS, name] for name in names if name != OURS] or groups
    elif args.job in ("step", "memory"):
        groups = [[name] for name in names]
    environments = {each[0]: str(Path(args.peers) / each[0] / "bin" / "python") for each in COMPETITORS.values()}
    pythons = environments | {"ours": sys.executable} | dict(each.split("=", 1) for each in args.python)
    rounds, steps = {"memory": (1, 3), "pretrain": (args.rounds, 4)}.get(args.job, (args.rounds, 1))
    job = {"job": "step" if args.job == "memory" else args.job, "rounds": rounds, "steps": steps}
    shape = [int(each) for each in args.shape.split("x")]
    job |= {"shape": shape, "attention_dropout": args.attention_dropout}
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
        found, versions, failed, firsts = measured(groups, job, pythons)
    title = TITLES[args.job].format(**vars(args) | dict(zip(("texts", "tokens"), shape, strict=True)) | job)
    lines = [f"## {title}", "", *(f"{line}." for line in start)]
    lines += [f"{HOW[args.job].format(rounds)}{busyness(found)}", ""]
    tokens = 64 * 128 if args.job == "pretrain" else None
    lines += memory(found) if args.job == "memory" else times(found, steps, tokens)
    lines += ["", *after(firsts, found)] + [f"{name} was not run: {reason}." for name, reason in failed.items()]
    lines += [f"- {name}: {', '.join(f'{p} {v}' for p, v in each.items())}" for name, each in versions.items()]
    lines += ["", f"`python benchmarks/speed.py {shlex.join(sys.argv[1:])}`"]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
