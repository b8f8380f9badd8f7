"""
Growth with real statements: what admitting over HTTP and proving cost when the log holds 10⁴, 10⁵, 10⁶ of them.

Unlike growth.py everything grows here: statements, subjects, event IDs, every index.  Signing so many takes longer than logging
them, so the default stops early.
"""

import random
import time
from pathlib import Path

import httpx2

from tests.bench.checks import check_answers
from tests.bench.farms import parties, write_statements
from tests.bench.figures import Report
from tests.bench.growth import At, sizes_to, tell
from tests.bench.ingest_bulk import Bulk
from tests.bench.load import Load, post
from tests.bench.machine import Usage
from tests.bench.stage import engine, served, workspace
from tests.support.service import Service

WINDOW = 20_000  # statements that are measured at each size
CHUNK = 50_000  # statements that the client holds at once
PROOFS = 200


def run(name: str, kind: str, wanted: Bulk, report: Report) -> None:
    """Grow one served log to `wanted.size`."""
    who, sizes = parties("ES256"), sizes_to(wanted.size)
    window = min(WINDOW, sizes[0])
    with workspace() as folder, engine(kind) as held:
        file = folder / "statements"
        write_statements(file, who, sizes[-1] + window)
        report.note(f"{name}: signed {sizes[-1] + window} statements")
        with served(folder, held.url, who, wanted.settings) as service:
            loads: list[Load] = []
            base: At | None = None
            for size in sizes:
                while (sent := sum(one.statements for one in loads)) < size:
                    loads.append(_post(service, file, sent, min(CHUNK, size - sent), wanted))
                report.note(f"{name}: {size} are logged")
                found = _measured(service, file, size, window, wanted, loads)
                base = base or found
                tell(f"{name}.{size}", found, base, report)
            report.note(check_answers(service, loads, file, before=1 + len(who)))


def _post(service: Service, file: Path, first: int, count: int, wanted: Bulk) -> Load:
    out = file.with_suffix(".answers")
    return post(service.port, file, out, first=first, count=count, lines=wanted.lines, connections=wanted.connections)


def _measured(service: Service, file: Path, size: int, window: int, wanted: Bulk, loads: list[Load]) -> At:
    assert service.process is not None
    before = Usage.of(service.process.pid)
    load = _post(service, file, size, window, wanted)
    after = Usage.of(service.process.pid)
    loads.append(load)
    digests = [row["digest"] for _, row in load.rows()]
    with httpx2.Client(base_url=service.url) as client:
        times = sorted(_proof_ms(client, digest) for digest in random.choices(digests, k=PROOFS))
    return At(size, load.rate, (after.cpu_s - before.cpu_s) / window * 1e6, times, 0.0, 0.0, after.rss_mib)


def _proof_ms(client: httpx2.Client, digest: str) -> float:
    begun = time.perf_counter()
    client.get(f"/statements/{digest}/proof").raise_for_status()
    return (time.perf_counter() - begun) * 1_000
