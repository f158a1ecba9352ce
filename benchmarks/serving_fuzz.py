"""Send malformed requests to kbert-serve, and check that each gets a status 4xx with one sentence and that the server goes on.

    python benchmarks/serving_fuzz.py RUN [RUN ...] [--requests 8000] [--schemathesis ST] [--examples 100]

RUN are folders that kbert-train wrote. The handwritten kinds of requests, in `malformed.py`, are drawn at random. Every 100 requests,
a valid request should get the same answer as at the beginning. With --schemathesis, the program `st` of an environment with
schemathesis then sends invalid requests that it makes from /openapi.json. The exit status is 1 if anything was wrong.
"""

import argparse
import http.client
import json
import random
import re
import socket
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import malformed
from machine import described
from served import OURS, running

import kbert_tasks as kb

MOST = 600  # characters of a sentence
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection"


class Client:
    """Sends requests on one connection, which it opens again if the server has closed it between two requests."""

    def __init__(self, server):
        self.server, self.connection = server, None

    def ask(self, asked):
        """Returns (status, type of the content, content)."""
        while True:
            fresh = self.connection is None
            if fresh:
                self.connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
            try:
                self.connection.request(asked.method, asked.path, asked.body, asked.headers)
                response = self.connection.getresponse()
                content = response.read()
            except ConnectionError as error:
                self.connection = None
                if fresh:
                    return 0, "", repr(error).encode()
                continue
            if response.will_close:
                self.connection = None
            return response.status, response.headers.get("Content-Type", ""), content


def sent(server, raw):
    """Sends bytes that are no valid HTTP request, and returns the status, or 0 without one."""
    with socket.create_connection((server.host, server.port), 60) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(100)
        except ConnectionError:
            return 0
    found = re.match(rb"HTTP/1.1 (\d+)", answer)
    return int(found[1]) if found else 0


def is_sentence(kind, content):
    """Returns whether a response is JSON with one sentence, {"error": ...}."""
    try:
        found = json.loads(content)
    except ValueError:
        return False
    sentence = found.get("error") if kind == "application/json" and set(found) == {"error"} else None
    return (
        isinstance(sentence, str) and 0 < len(sentence) < MOST and "\n" not in sentence and "Traceback" not in sentence
    )


def handwritten(server, models, number, seed, wrong):
    """Sends `number` malformed requests; returns {kind: Counter of statuses}, and adds what was wrong to `wrong`."""
    draw, client, found = random.Random(seed), Client(server), defaultdict(Counter)
    valid = [malformed.valid(model) for model in models]
    expected = [client.ask(each) for each in valid]
    wrong += [f"a valid request got {status}: {content[:200]}" for status, _, content in expected if status != 200]
    for index in range(number):
        kind = malformed.KINDS[index % len(malformed.KINDS)]
        asked = kind(draw, draw.choice(models))
        if isinstance(asked, bytes):
            status = sent(server, asked)
            fits = 400 <= status < 500
        else:
            status, content_type, content = client.ask(asked)
            fits = status in asked.statuses and is_sentence(content_type, content)
        found[kind.__name__][status] += 1
        if not fits:
            shown = (
                asked[:100] if isinstance(asked, bytes) else (asked.method, asked.path, asked.body[:300], content[:300])
            )
            wrong.append(f"{kind.__name__}: {status} for {shown}")
        if index % 100 == 0 and [client.ask(each) for each in valid] != expected:
            wrong.append(f"after {index} requests, a valid request got another answer")
    return found


def counted(server):
    """Returns a Counter of the statuses that the server has counted."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = Counter()
    for status, number in re.findall(r'kbert_requests_total\{.*status="(\d+)"\} (\S+)', text):
        found[int(status)] += int(float(number))
    return found


def generated(server, program, model, examples, seed, wrong):
    """Runs schemathesis with the name of a model; returns a Counter of the statuses that the server has counted meanwhile."""
    before = counted(server)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as settings:
        settings.write(f'[parameters]\n"path.name" = "{model}"\n')
        settings.flush()
        run = _schemathesis(server, [program, "--config-file", settings.name], examples, seed)
    if run.returncode:
        wrong.append(f"schemathesis: {run.stdout}\n{run.stderr}")
    return counted(server) - before


def _schemathesis(server, program, examples, seed):
    command = [
        *program, "run", f"http://{server.host}:{server.port}/openapi.json", "--checks", CHECKS, "--phases", "coverage,fuzzing",
        "--mode", "negative", "--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, nargs="+", help="folders that kbert-train wrote")
    parser.add_argument("--requests", type=int, default=8000, help="number of handwritten requests (default 8000)")
    parser.add_argument("--schemathesis", metavar="ST", help="the program st of an environment with schemathesis")
    parser.add_argument(
        "--examples", type=int, default=100, help="examples of schemathesis for each endpoint (default 100)"
    )
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    models = [malformed.Model(run.name, kb.load(run)) for run in arguments.run]
    wrong = []
    print("\n".join(described()))
    command = [*OURS, *map(str, arguments.run), "--port", "0", "--engine", arguments.engine]
    with running(command) as server:
        handwritten(server, models, 2 * len(malformed.KINDS), arguments.seed + 1, wrong)  # warms up
        memory, began = server.megabytes(), time.perf_counter()
        found = handwritten(server, models, arguments.requests, arguments.seed, wrong)
        print(f"{arguments.requests} requests in {time.perf_counter() - began:.0f} s")
        print("\n| kind | statuses |\n|---|---|")
        for kind, statuses in found.items():
            print(
                f"| {kind.replace('_', ' ')} | {', '.join(f'{status}: {n}' for status, n in sorted(statuses.items()))} |"
            )
        if arguments.schemathesis:
            options = arguments.schemathesis, models[0].name, arguments.examples, arguments.seed
            statuses = generated(server, *options, wrong)
            print(f"| schemathesis | {', '.join(f'{status}: {n}' for status, n in sorted(statuses.items()))} |")
        print(f"\nmemory: {memory:.0f} MB before, {server.megabytes():.0f} MB after")
        wrong += server.problems()
    print(f"exit status of the server: {server.process.returncode}; {server.lines[-1].strip()}")
    print(f"{len(wrong)} problems", *wrong[:50], sep="\n")
    raise SystemExit(bool(wrong or server.process.returncode))


if __name__ == "__main__":
    main()
