"""Start a server for a benchmark, send it requests, and look at its process."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OURS = [sys.executable, "-c", "from kbert_tasks import cli; raise SystemExit(cli.serve())"]


@dataclass
class Server:
    """A running server: its address, its process and the lines that it has printed to standard error."""

    host: str
    port: int
    process: subprocess.Popen
    lines: list[str]

    def processor_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self):
        """Returns the resident memory of the process in MB."""
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1000

    def problems(self):
        """Returns the lines about errors of the server itself."""
        return [line for line in self.lines if re.search(r"Traceback|Error|ERROR|Exception", line)]


@contextmanager
def running(command):
    """Starts a server that prints its address, and yields a Server. At the end, SIGTERM stops it if it still runs."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if address := re.search(r"http://([\d.]+):(\d+)", line):
                break
        else:
            raise SystemExit("".join(lines))
        reader = threading.Thread(target=lambda: lines.extend(process.stderr))  # a full pipe would stop the server
        reader.start()
        yield Server(address[1], int(address[2]), process, lines)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(120)
    reader.join()


class Connection:
    """A connection to a server that sends one request after another."""

    @classmethod
    async def opened(cls, server):
        made = cls()
        made.reader, made.writer = await asyncio.open_connection(server.host, server.port)
        return made

    async def ask(self, path, body):
        """Sends a JSON body; returns (status, content of the answer)."""
        raw = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
        )
        self.writer.write(head.encode() + raw)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        size = int(re.search(rb"(?i)content-length: (\d+)", answer)[1])
        return int(answer.split()[1]), await self.reader.readexactly(size)
