"""Measure the start of kbert-predict by part: a Markdown table of processor seconds.

    python benchmarks/startup.py RUN [--rounds 5] [--text TEXT]

RUN is a folder that kbert-train wrote, for a task that reads single texts; `kbert-predict RUN F --engine openvino` exports it for
OpenVINO. Each part is measured in a process that runs the parts before it too, and the command as a process of its own. In each round,
every process runs once. The time is that of all threads, so that other programs on the machine change it little.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from machine import described

# engine: {part: statement}. `run` is the folder and `text` the text.
PARTS = {
    "keras": {
        "modules of the command": "import kbert_tasks.cli.use, pandas",
        "TensorFlow": "from kbert_tasks._keras import tensorflow; tensorflow()",
        "Keras 2": "from kbert_tasks._keras import keras2; keras2()",
        "loading the run": "import kbert_tasks; task = kbert_tasks.load(run, 'keras')",
        "first prediction": "task.predict([text])",
    },
    "openvino": {
        "modules of the command": "import kbert_tasks.cli.use, pandas",
        "OpenVINO": "from kbert_tasks.inference.openvino import package; package()",
        "loading the run": "import kbert_tasks; task = kbert_tasks.load(run, 'openvino')",
        "first prediction": "task.predict([text])",
    },
}
PROGRAM = """
import json, sys, time
run, text = sys.argv[1:3]
spent = {"Python": time.process_time()}
for part, statement in json.loads(sys.argv[3]).items():
    before = time.process_time()
    exec(statement)
    spent[part] = time.process_time() - before
print(json.dumps(spent))
"""


def seconds(words, text=""):
    """Runs a process and returns (processor seconds of the process, its standard output)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, input=text + "\n", capture_output=True, text=True, check=True, encoding="utf-8")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder that kbert-train wrote")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--text", default="房间很干净")
    arguments = parser.parse_args()
    command = [sys.executable, str(Path(sys.executable).with_name("kbert-predict")), arguments.run, "-", "--engine"]
    parts = defaultdict(lambda: defaultdict(list))
    whole = defaultdict(list)
    for _ in range(arguments.rounds):
        whole["`import tensorflow`"].append(seconds([sys.executable, "-c", "import tensorflow"])[0])
        for engine, statements in PARTS.items():
            whole[f"`kbert-predict --engine {engine}`"].append(seconds([*command, engine], arguments.text)[0])
            words = [sys.executable, "-c", PROGRAM, arguments.run, arguments.text, json.dumps(statements)]
            for part, each in json.loads(seconds(words)[1]).items():
                parts[engine][part].append(each)
    print(*(f"{line}." for line in described()), f"Medians of {arguments.rounds} rounds.", "", sep="\n")
    print("| | processor seconds | lowest to highest |", "|---|---|---|", sep="\n")
    rows = [*whole.items()]
    rows += [(f"{engine}: {part}", each) for engine, found in parts.items() for part, each in found.items()]
    for name, found in rows:
        print(f"| {name} | {statistics.median(found):.2f} | {min(found):.2f} to {max(found):.2f} |")


if __name__ == "__main__":
    main()
