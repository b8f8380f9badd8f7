"""
A lean HTTP/1.1 client in a process of its own: it posts lines of a file over keep-alive connections and keeps every answer.

    python -m tests.bench.client --port P --file F --out O [--first N --count N --lines N --connections N --seconds S]

It says `ready` when everything is read, starts at the next line of standard input, and says what CPU time it took: that is taken
from the server.  No answer is parsed before the clock has stopped; they go to `--out`, a JSON object a line.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

BUSY = 503


@dataclass(slots=True)
class Job:
    """One request: `count` lines from number `first` on."""

    first: int
    count: int
    body: bytes


@dataclass(slots=True)
class Run:
    """What is left to send, and what was answered."""

    jobs: deque[Job]
    head: str
    seconds: float
    open: int = 0
    end_ns: int = 0
    answers: list[tuple[Job, int, int, int, bytes]] = field(default_factory=list)
    """(job, sent, answered, status, body); nanoseconds of one clock."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    problem: str = ""

    def take(self) -> Job | None:
        """The next request, None when time or lines are up."""
        if self.problem or not self.jobs or time.perf_counter_ns() >= self.end_ns:
            return None
        return self.jobs.popleft()

    def closed(self) -> None:
        """One connection has nothing to do any more."""
        self.open -= 1
        if self.open == 0:
            self.over.set()


class Connection(asyncio.Protocol):
    """One keep-alive connection: sends, waits for the whole answer, sends the next."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.sent, self.need, self.status = 0, 0, 0
        self.job: Job | None = None
        self.transport: asyncio.WriteTransport | None = None
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the start."""
        self.transport = cast(asyncio.WriteTransport, transport)

    def send_next(self) -> None:
        """Send the next request, or close."""
        assert self.transport is not None
        self.job = self.run.take()
        if self.job is None:
            self.transport.close()
            return
        self.sent = time.perf_counter_ns()
        self._send()

    def _send(self) -> None:
        assert self.transport is not None
        assert self.job is not None
        self.transport.write(f"{self.run.head}content-length: {len(self.job.body)}\r\n\r\n".encode() + self.job.body)

    def data_received(self, data: bytes) -> None:
        """Gather one answer."""
        self.received += data
        if not self.need:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.received[:end]).lower()
            self.status = int(head[9:12])
            self.need = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self.received) >= self.need:
            self._answered()

    def _answered(self) -> None:
        assert self.job is not None
        raw = bytes(self.received)
        self.received.clear()
        self.need = 0
        head, _, body = raw.partition(b"\r\n\r\n")
        self.run.answers.append((self.job, self.sent, time.perf_counter_ns(), self.status, body))
        if self.status == BUSY:
            wait = int(head.lower().partition(b"retry-after:")[2].partition(b"\r\n")[0] or 1)
            asyncio.get_running_loop().call_later(wait, self._send)
            return
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        """Remember a connection that was cut."""
        if self.job is not None:
            self.run.problem = f"the connection was cut: {error}"
        self.run.closed()


def read_jobs(path: Path, first: int, count: int, lines: int) -> Iterator[Job]:
    """Requests of `lines` lines each."""
    with path.open("rb") as file:
        for _ in zip(range(first), file, strict=False):
            pass
        for start in range(first, first + count, lines):
            part = [line for _, line in zip(range(min(lines, first + count - start)), file, strict=False)]
            if part:
                yield Job(start, len(part), b"".join(part) if lines > 1 else part[0].rstrip(b"\n"))


async def drive(run: Run, port: int, connections: int) -> None:
    """Connect, wait for the word, send until nothing is left."""
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(lambda: Connection(run), "127.0.0.1", port))[1] for _ in range(connections)]
    run.open = len(made)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    cpu = time.process_time()
    run.end_ns = time.perf_counter_ns() + int(run.seconds * 1e9)
    for one in made:
        one.send_next()
    await run.over.wait()
    print(time.process_time() - cpu, flush=True)


def main() -> None:
    """Run once."""
    parser = argparse.ArgumentParser()
    for name, kind in (("port", int), ("file", Path), ("out", Path)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    for name, default in (("first", 0), ("count", 10**9), ("lines", 1), ("connections", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=1e6)
    wanted = parser.parse_args()
    media = "text/plain" if wanted.lines > 1 else "application/vc+jwt"
    head = f"POST /statements HTTP/1.1\r\nhost: 127.0.0.1:{wanted.port}\r\ncontent-type: {media}\r\n"
    run = Run(deque(read_jobs(wanted.file, wanted.first, wanted.count, wanted.lines)), head, wanted.seconds)
    uvloop.run(drive(run, wanted.port, wanted.connections))
    with wanted.out.open("w", encoding="utf-8") as out:
        for job, sent, answered, status, body in run.answers:
            told = {"first": job.first, "count": job.count, "sent": sent, "answered": answered, "status": status}
            out.write(json.dumps({**told, "body": body.decode()}, ensure_ascii=False) + "\n")
    if run.problem:
        raise SystemExit(run.problem)


if __name__ == "__main__":
    main()
