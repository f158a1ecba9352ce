"""Let kbert-serve work for a long time, and look at its memory; replace its model meanwhile, and stop it under load.

    python benchmarks/serving_soak.py RUN OTHER TEXTS.csv [--minutes 20] [--clients 8] [--pause 0.2] [--reload 120]

RUN and OTHER are folders of two trainings of the same task, TEXTS a file with a column `text`. Each client sends one to four texts,
waits for the answer, and pauses. One request in fifty is malformed, one in two hundred asks for an explanation, and one in ten has its own
`min_confidence`. From time to time, the served folder is replaced by the other one, and SIGHUP loads it. At the end, SIGTERM arrives
while all clients send requests without pauses. Every answer should be that of `predict` with one of the two trainings, no request should
fail, and the server should have answered as many requests as it has accepted. The exit status is 1 if anything was wrong.
"""

import argparse
import asyncio
import json
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from machine import described
from served import OURS, Connection, running

import kbert_tasks as kb

DIFFERENCE = 0.02  # of a probability, in bfloat16 with other padding
PREDICT, EXPLAIN = "/models/it/predict", "/models/it/explain"


class Load:
    """What all clients share.

    Attributes:
        texts: the texts.
        probable: for each of the two trainings a list of {label: probability} of each text.
        pause: seconds between two requests of a client.
        count: Counter of what happened.
        wrong: list of problems.
    """

    def __init__(self, server, texts, probable, pause):
        self.server, self.texts, self.probable, self.pause = server, texts, probable, pause
        self.count, self.wrong, self.stopping = Counter(), [], False

    async def client(self, seed):
        draw = random.Random(seed)
        connection = await Connection.opened(self.server)
        while True:
            try:
                await self.request(connection, draw)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                if self.stopping:
                    return
                self.wrong.append(f"the server closed a connection: {error!r}")
                connection = await Connection.opened(self.server)
            await asyncio.sleep(self.pause)

    async def request(self, connection, draw):
        some = draw.choices(range(len(self.texts)), k=draw.randint(1, 4))
        chance = draw.random()
        if chance < 0.02:
            status, content = await connection.ask(
                PREDICT, draw.choice([{"texts": []}, {"text": 1}, [], {"texts": [None]}])
            )
            self.seen("malformed", status == 422, content)
        elif chance < 0.025:
            status, content = await connection.ask(EXPLAIN, {"text": self.texts[some[0]], "steps": 5})
            self.seen("explained", status == 200, content)
        else:
            options = {"min_confidence": draw.randint(0, 500) / 1000} if chance < 0.1 else {}
            body = {"texts": [self.texts[i] for i in some], "options": options, "all_probabilities": True}
            status, content = await connection.ask(PREDICT, body)
            fits = status == 200 and any(self.fits(known, some, content) for known in self.probable)
            self.seen("predicted", fits, content)

    def seen(self, kind, fits, content):
        self.count[kind] += 1
        if not fits:
            self.wrong.append(f"{kind}: {content[:300]}")

    @staticmethod
    def fits(known, some, content):
        """Returns whether the answers are those of one training."""
        answers = json.loads(content)["answers"]
        return len(answers) == len(some) and all(
            abs(known[i][label] - p) < DIFFERENCE
            for i, answer in zip(some, answers, strict=True)
            for label, p in answer["probabilities"].items()
        )


async def soak(server, load, served, runs, arguments):
    clients = [asyncio.create_task(load.client(seed)) for seed in range(arguments.clients)]
    began, samples, reloads = time.monotonic(), [], 0
    print("\n| minute | requests | MB |\n|---|---|---|")
    while (passed := time.monotonic() - began) < 60 * arguments.minutes:
        if server.process.poll() is not None:
            await asyncio.sleep(2)  # until its last lines have been read
            raise SystemExit(
                f"the server ended with status {server.process.returncode}:\n{''.join(server.lines[-60:])}"
            )
        if passed >= arguments.reload * (reloads + 1):
            reloads += 1
            replace(served, runs[reloads % 2])
            server.process.send_signal(signal.SIGHUP)
        if passed >= 60 * len(samples) / 2:
            samples.append(server.megabytes())
            if len(samples) % 4 == 1:
                print(f"| {passed / 60:.0f} | {sum(load.count.values())} | {samples[-1]:.0f} |", flush=True)
        await asyncio.sleep(1)
    first, last = np.mean(samples[len(samples) // 4 : len(samples) // 2]), np.mean(samples[-(len(samples) // 4) :])
    print(
        f"\nmemory: {first:.0f} MB on average in the second quarter, {last:.0f} MB in the last; largest {max(samples):.0f} MB"
    )
    done = sum("it: reloaded" in line for line in server.lines)
    print(f"{reloads} times SIGHUP with another training, {done} times reloaded")
    load.wrong += ["a reload is missing"] * (done != reloads)
    load.pause = 0
    await asyncio.sleep(3)
    load.stopping = True
    server.process.send_signal(signal.SIGTERM)
    await asyncio.wait(clients, timeout=60)
    load.wrong += [repr(each.exception()) for each in clients if each.done() and each.exception()]


def replace(served, run):
    """Replaces the served folder as `save` does: with two renames."""
    fresh, old = served.with_name("fresh"), served.with_name("old")
    shutil.copytree(run, fresh)
    served.rename(old)
    fresh.rename(served)
    shutil.rmtree(old)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder that kbert-train wrote")
    parser.add_argument("other", type=Path, help="folder of another training of the same task")
    parser.add_argument("texts", help="file with a column text")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two requests of a client")
    parser.add_argument("--reload", type=float, default=120, help="seconds between two reloads")
    parser.add_argument("--engine", default="auto")
    arguments = parser.parse_args()
    texts = [text for text in kb.read(arguments.texts)["text"] if text.strip()][:500]
    runs = arguments.run, arguments.other
    probable = [[each.probabilities for each in kb.load(run).predict(texts)] for run in runs]
    print("\n".join(described()))
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder) / "it"
        shutil.copytree(arguments.run, served)
        with running([*OURS, str(served), "--port", "0", "--engine", arguments.engine]) as server:
            load = Load(server, texts, probable, arguments.pause)
            asyncio.run(soak(server, load, served, runs, arguments))
    accepted, unanswered = map(
        int, re.search(r"stopped; (\d+) requests were accepted, (\d+) of them", server.lines[-1]).groups()
    )
    answered = sum(load.count.values())
    print(
        f"{dict(load.count)}; accepted {accepted}, not answered {unanswered}; exit status {server.process.returncode}"
    )
    wrong = load.wrong + server.problems() + ["an answer was lost"] * (accepted != answered or unanswered > 0)
    print(f"{len(wrong)} problems", *wrong[:50], sep="\n")
    raise SystemExit(bool(wrong or server.process.returncode))


if __name__ == "__main__":
    main()
