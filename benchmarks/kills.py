"""Kills a training ten times at random moments, gives the same command each time, and compares what comes out.

    python benchmarks/kills.py [--kills 10] [--seed 0] [-- OPTIONS OF kbert-train]

One run goes on undisturbed; of the other each start is killed (SIGKILL) after a time drawn from its first epoch's and twice a
tenth of the rest, by the clock of the first, and the last start may end. Prints a line for each kill and at the end whether the
weights of both are the same, byte for byte; exits with 1 if not.
"""

import argparse
import hashlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

COMMAND = [sys.executable, "-c", "import sys; from kbert_tasks.cli import train; sys.exit(train())"]
FIRST = "steps per epoch"  # what the command says before it trains


def start(options, output):
    """(a running training, the time when it says its steps, the lines it says, and when), read by a thread."""
    process = subprocess.Popen(
        [*COMMAND, *options, "--output", str(output)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said, times, begun = [], [], threading.Event()

    def read():
        for line in process.stdout:
            said.append(line)
            times.append(time.perf_counter())
            if FIRST in line:
                begun.set()
        begun.set()

    threading.Thread(target=read, daemon=True).start()
    begun.wait()
    return process, time.perf_counter(), said, times


def weights(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("options", nargs="*", help="of kbert-train, after --")
    args = parser.parse_args()
    options = args.options or [
        "--task",
        "classify",
        "--epochs",
        "30",
        "--patience",
        "0",
        "--learning-rate",
        "3e-4",
        "--save-minutes",
        "0.02",
    ]
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, stopped = Path(folder) / "whole", Path(folder) / "stopped"
        process, began, said, times = start(options, whole)
        if process.wait():
            sys.exit("".join(said))
        length = time.perf_counter() - began
        first = next(at for line, at in zip(said, times, strict=True) if line.startswith("epoch 1:")) - began
        print(f"undisturbed: {length:.1f} s, the first epoch {first:.1f} s", flush=True)
        for number in range(1, args.kills + 1):
            process, _, said, _ = start(options, stopped)
            after = chance.uniform(0, first + (length - first) / args.kills * 2)
            time.sleep(after)
            if process.poll() is not None:
                print(f"start {number} was at the end before its kill", flush=True)
                if process.returncode:
                    sys.exit("".join(said))
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            on = re.findall(r"going on .*", "".join(said))
            print(f"kill {number}, {after:.1f} s after the start{': it was ' + on[0] if on else ''}", flush=True)
        else:
            process, _, said, _ = start(options, stopped)
            if process.wait():
                sys.exit("".join(said))
        same = weights(whole) == weights(stopped)
        print(
            f"weights undisturbed {weights(whole)[:16]}, killed {weights(stopped)[:16]}: {'equal' if same else 'NOT EQUAL'}"
        )
        sys.exit(not same)


main()
