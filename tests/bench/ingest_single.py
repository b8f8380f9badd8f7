"""
One statement a request, 64 clients at once: rate, and time to the proof in the answer.

Beside it, in the same run and with the same client: a FastAPI endpoint that verifies the same signature and does nothing else.
A client waits for its answer before it sends again, so the rate is 64 ÷ latency: what the sequencer gathers for, all wait for.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.settings import Settings
from producers.sign import jwk_of
from tests.bench.checks import check_answers
from tests.bench.farms import Party, parties, write_statements
from tests.bench.figures import Report
from tests.bench.load import Load, post
from tests.bench.stage import engine, served, workspace
from tests.support.service import ROOT
from verify.statement import thumbprint

GUESS = 6_000  # statements a second that are signed in advance
WARM = 10  # statements a client before the clock starts
SLACK_MS = 100  # beside two sequencing intervals: what the slowest hundredth may take


@dataclass(frozen=True, slots=True)
class Single:
    """How a run is driven."""

    seconds: float
    size: int
    """Statements at most; 0 for as many as `seconds` may need."""
    connections: int
    settings: dict[str, str]

    @property
    def warm(self) -> int:
        """Statements before the measured part."""
        return WARM * self.connections

    @property
    def interval_ms(self) -> int:
        """The sequencing interval that is in force."""
        default = Settings.model_fields["sequence_interval_ms"].default
        return int(self.settings.get("ORIGINMARK_SEQUENCE_INTERVAL_MS", default))


def run(name: str, kind: str, wanted: Single, report: Report) -> None:
    """Measure one database, and the endpoint that only verifies."""
    who = parties("ES256")
    count = wanted.size or int(wanted.seconds * GUESS)
    with workspace() as folder, engine(kind) as held:
        file = folder / "statements"
        write_statements(file, who, wanted.warm + count)
        with served(folder, held.url, who, wanted.settings) as service:
            loads = _measure(service.port, file, count, wanted)
            report.note(f"{name}: {check_answers(service, loads, file, before=1 + len(who))}")
        only = _verify_only(folder, file, who, count, wanted)
    load = loads[1]
    report.add(f"{name}.verify_only", only.rate, "statements/s")
    report.add(f"{name}.verify_only.p50", only.latency_ms(0.5), "ms")
    report.add(name, load.rate, "statements/s", to=only.rate, against=f"{name}.verify_only")
    report.add(f"{name}.p50", load.latency_ms(0.5), "ms")
    allowed = 2 * wanted.interval_ms + SLACK_MS
    report.add(f"{name}.p99", load.latency_ms(0.99), "ms", to=allowed, against=f"2 × {wanted.interval_ms} ms + {SLACK_MS} ms")


def _measure(port: int, file: Path, count: int, wanted: Single) -> list[Load]:
    out = file.with_suffix(".answers")
    warm = post(port, file, out, count=wanted.warm, connections=wanted.connections)
    load = post(port, file, out, first=wanted.warm, count=count, connections=wanted.connections, seconds=wanted.seconds)
    return [warm, load]


def _verify_only(folder: Path, file: Path, who: Sequence[Party], count: int, wanted: Single) -> Load:
    keys = folder / "keys.json"
    jwks = [jwk_of(party.key.public_key()) for party in who]
    keys.write_text(json.dumps({thumbprint(jwk): jwk for jwk in jwks}), "utf-8")
    command = [sys.executable, "-m", "tests.bench.verify_only", str(keys)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            return _measure(int(server.stdout.readline()), file, count, wanted)[1]
        finally:
            server.communicate()
