"""Kill a training ten times at random moments, restart it each time, and compare its weights with an uninterrupted run.

    python benchmarks/kills.py [--kills 10] [--seed 0] [-- OPTIONS OF kbert-train]

The first run is not interrupted. The second run is killed (SIGKILL) and restarted with the same command, several times; the last
start runs to the end. Each kill happens at a random time after training starts, up to the duration of the first epoch plus twice
the rest divided by the number of kills, as measured in the first run. The script prints a line for each kill and whether the final
weights of both runs are identical; the exit status is 1 if they are not.
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
FIRST = re.compile(r"training on .* steps per epoch")  # printed when the training starts


DEFAULT = "--task classify --epochs 30 --patience 0 --learning-rate 3e-4 --save-minutes 0.02"


def start(options, output):
    """Starts a training and waits until its first step.

    Returns:
        (process, time of the first step, lines of its output, time of each line); a thread continues to add to the two lists.
    """
    process = subprocess.Popen(
        [*COMMAND, *options, "--output", str(output)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    printed, times, begun = [], [], threading.Event()

    def read():
        for line in process.stdout:
            printed.append(line)
            times.append(time.perf_counter())
            if FIRST.search(line):
                begun.set()
        begun.set()

    threading.Thread(target=read, daemon=True).start()
    begun.wait()
    return process, time.perf_counter(), printed, times


def weights(folder):
    """Returns the SHA-256 of the saved weights."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10, help="number of kills (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    parser.add_argument("options", nargs="*", help="options of kbert-train, after --")
    args = parser.parse_args()
    options = args.options or DEFAULT.split()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, stopped = Path(folder) / "whole", Path(folder) / "stopped"
        process, began, printed, times = start(options, whole)
        if process.wait():
            sys.exit("".join(printed))
        length = time.perf_counter() - began
        first = next(at for line, at in zip(printed, times, strict=True) if line.startswith("epoch 1:")) - began
        print(f"uninterrupted run: {length:.1f} s, first epoch {first:.1f} s", flush=True)
        for number in range(1, args.kills + 1):
            process, _, printed, _ = start(options, stopped)
            after = chance.uniform(0, first + (length - first) / args.kills * 2)
            time.sleep(after)
            if process.poll() is not None:
                print(f"start {number} ended before it was killed", flush=True)
                if process.returncode:
                    sys.exit("".join(printed))
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            steps = re.findall(r"resuming after step (\d+)", "".join(printed))
            origin = f"resumed after step {steps[0]}" if steps else "started from the beginning"
            print(f"kill {number}, {after:.1f} s after the start of a run that {origin}", flush=True)
        else:
            process, _, printed, _ = start(options, stopped)
            if process.wait():
                sys.exit("".join(printed))
        same = weights(whole) == weights(stopped)
        print(
            f"SHA-256 of the weights: uninterrupted {weights(whole)[:16]}, killed {weights(stopped)[:16]}: "
            f"{'equal' if same else 'NOT EQUAL'}"
        )
        sys.exit(not same)


if __name__ == "__main__":
    main()
