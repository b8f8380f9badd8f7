"""Drives the client process, and reads what it kept."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.service import ROOT

DONE, BUSY = (200, 201), 503


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; times in nanoseconds of the client's clock."""

    first: int
    count: int
    sent: int
    answered: int
    status: int
    body: str

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """What became of each line; of the one statement where it was sent alone."""
        if not self.body.startswith('{"line"'):
            return [json.loads(self.body)]
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass(frozen=True, slots=True)
class Load:
    """The answers of one run."""

    answers: Sequence[Answer]
    pushed_back: int
    """Requests answered 503; the client waited as told and sent them again."""
    client_cpu_s: float
    """What the client took of the same cores."""

    @property
    def seconds(self) -> float:
        """From the first byte sent to the last answer."""
        return (max(one.answered for one in self.answers) - min(one.sent for one in self.answers)) / 1e9

    @property
    def statements(self) -> int:
        """How many were answered."""
        return sum(one.count for one in self.answers)

    @property
    def rate(self) -> float:
        """Statements answered per second."""
        return self.statements / self.seconds

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """(number of the statement in the file, what became of it)."""
        for answer in self.answers:
            yield from enumerate(answer.rows, answer.first)

    def latency_ms(self, quantile: float) -> float:
        """Of whole answers."""
        times = sorted(one.answered - one.sent for one in self.answers)
        return times[min(len(times) - 1, int(quantile * len(times)))] / 1e6


def post(port: int, file: Path, out: Path, **options: float) -> Load:
    """Post lines of `file` (client.py names the options) and return the answers.  Raises RuntimeError for a refused request."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tests.bench.client", "--port", str(port), "--file", str(file), "--out", str(out)]
    with subprocess.Popen([*command, *words], cwd=ROOT, text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as client:  # fmt: skip
        assert client.stdin is not None
        assert client.stdout is not None
        if client.stdout.readline() != "ready\n":
            raise RuntimeError("the client could not connect")
        client.stdin.write("go\n")
        client.stdin.flush()
        said = client.stdout.read()
    if not out.exists():
        raise RuntimeError("the client ended early")
    with out.open(encoding="utf-8") as lines:
        answers = [Answer(**json.loads(line)) for line in lines]
    good = [one for one in answers if one.status in DONE]
    bad = [one for one in answers if one.status not in (*DONE, BUSY)]
    if client.returncode or bad or not good:
        raise RuntimeError(f"{bad[0].status}: {bad[0].body[:500]}" if bad else "the client ended early")
    return Load(good, sum(one.status == BUSY for one in answers), float(said))
