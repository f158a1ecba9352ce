"""Load test of kbert-serve: requests per second and latency, with and without batches, compared with transformers.

    kbert-export RUN EXPORT --format huggingface
    python benchmarks/serving.py RUN TEXTS.csv [--clients 1 8 64] [--seconds 10] [--transformers PYTHON EXPORT]

RUN is a folder that kbert-train wrote for single texts, TEXTS a file with a column `text`. Each client sends one text, waits for the
answer and sends the next one. All servers run in turn on this machine, together with the clients. `short` are the texts of up to 20
characters, `mixed` all texts. Every answer is compared with that of `predict`. With --transformers, the Python of an environment with
torch, transformers, fastapi and uvicorn, the exported model answers behind FastAPI, one text at a time, as in most tutorials.
"""

import argparse
import asyncio
import json
import time
from itertools import count
from pathlib import Path

import numpy as np
from machine import described
from served import OURS, Connection, running

import kbert_tasks as kb

SHORT = 20  # characters
DIFFERENCE = 0.02  # of a probability, in bfloat16 with other padding
ALONE = ("--batch-tokens", "1", "--batch-wait", "0")


def servers(arguments):
    """Returns a dict of the name of each server to its command."""
    found = {}
    for engine in arguments.engines:
        command = [*OURS, f"it={arguments.run}", "--port", "0", "--engine", engine]
        found[f"kbert-serve, {engine}, batches"] = [*command, *arguments.options]
        found[f"kbert-serve, {engine}, each text alone"] = [*command, *ALONE]
    if arguments.transformers:
        worker = Path(__file__).parent / "workers" / "transformers_server.py"
        python, export = arguments.transformers
        for kind in ("float32", "bfloat16"):
            found[f"transformers, {kind}, each text alone"] = [python, str(worker), export, kind]
    return {name: command for name, command in found.items() if arguments.only in name}


async def client(server, texts, numbers, until, found):
    """Sends requests on one connection; adds (index of the text, seconds, answer)."""
    connection = await Connection.opened(server)
    while time.perf_counter() < until:
        index = next(numbers) % len(texts)
        began = time.perf_counter()
        status, content = await connection.ask("/models/it/predict", {"texts": [texts[index]]})
        if status != 200:
            raise SystemExit(f"{status} {content.decode()}")
        found.append((index, time.perf_counter() - began, json.loads(content)["answers"][0]))
    connection.writer.close()


async def loaded(server, texts, clients, seconds):
    """Returns (requests per second, milliseconds of each request, [(index of the text, answer)])."""
    found, numbers, began = [], count(), time.perf_counter()
    await asyncio.gather(*(client(server, texts, numbers, began + seconds, found) for _ in range(clients)))
    took = time.perf_counter() - began
    return len(found) / took, [1000 * each for _, each, _ in found], [(index, answer) for index, _, answer in found]


def wrong(answers, expected):
    """Returns the number of answers that are not those of `predict`."""
    number = 0
    for index, answer in answers:
        p = expected[index]["probability"]
        near = abs(answer["probability"] - p) < DIFFERENCE
        number += not near or (answer["label"] != expected[index]["label"] and p > 0.5 + DIFFERENCE)
    return number


async def measured(arguments, kinds, expected):
    print("| server | texts | clients | requests / s | p50 ms | p95 ms | p99 ms | processor ms / request | wrong |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, command in servers(arguments).items():
        with running(command) as server:
            await loaded(server, kinds["mixed"], 4, 2)
            for kind, texts in kinds.items():
                for clients in arguments.clients:
                    before = server.processor_seconds()
                    rate, times, answers = await loaded(server, texts, clients, arguments.seconds)
                    spent = 1000 * (server.processor_seconds() - before) / len(answers)
                    bad = wrong(answers, expected[kind])
                    p = " | ".join(f"{each:.1f}" for each in np.percentile(times, [50, 95, 99]))
                    print(f"| {name} | {kind} | {clients} | {rate:.1f} | {p} | {spent:.2f} | {bad} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder that kbert-train wrote")
    parser.add_argument("texts", help="file with a column text")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--number", type=int, default=500, metavar="N", help="number of different texts (default 500)")
    parser.add_argument("--engines", nargs="*", default=["openvino", "keras"])
    parser.add_argument(
        "--transformers", nargs=2, metavar=("PYTHON", "EXPORT"), help="Python with transformers; folder of kbert-export"
    )
    parser.add_argument("--only", default="", metavar="WORDS", help="only servers whose name contains this")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="options of kbert-serve with batches")
    arguments = parser.parse_args()
    texts = [text for text in kb.read(arguments.texts)["text"] if text.strip()]
    kinds = {
        "short": [text for text in texts if len(text) <= SHORT][: arguments.number],
        "mixed": texts[: arguments.number],
    }
    task = kb.load(arguments.run, "keras")
    expected = {kind: [task.to_json(each) for each in task.predict(some)] for kind, some in kinds.items()}
    print("\n".join(described()))
    for kind, some in kinds.items():
        lengths = [len(task.encode(each)[0].ids) for each in task.examples(some, gold=False).rows]
        print(f"{kind}: {len(some)} texts, {np.mean(lengths):.0f} tokens on average, at most {max(lengths)}")
    asyncio.run(measured(arguments, kinds, expected))


if __name__ == "__main__":
    main()
