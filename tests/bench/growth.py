"""
Growth: what appending a batch and proving an entry cost in a log of 10⁴, 10⁵, 10⁶, 10⁷ entries, and the memory they take.

At each size: 32 batches of BATCH synthetic entries through the sequencer, then proofs of random entries as the service
makes them, then a restart.
"""

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from tests.bench.figures import Report
from tests.bench.machine import own_rss_mib
from tests.bench.stage import engine, workspace
from tests.bench.synthetic import SyntheticLog, entries, synthetic_log

BATCH = 1_024
FILL = 8_192  # entries a batch while nothing is measured
PROOFS = 400
FIRST = 10_000


@dataclass(frozen=True, slots=True)
class At:
    """What was measured at one size."""

    size: int
    rate: float
    """Entries per second, published."""
    cpu_us: float
    """Microseconds of all cores together an entry took: steadier than the rate on a machine that others use."""
    proof_ms: Sequence[float]
    """Sorted."""
    proof_cpu_ms: float
    """A proof's CPU time; 0 where it was not measured."""
    restart_s: float
    """0 where it was not measured."""
    rss_mib: float

    def proof(self, quantile: float) -> float:
        """Milliseconds."""
        return self.proof_ms[min(len(self.proof_ms) - 1, int(quantile * len(self.proof_ms)))]


def batches_at(size: int) -> list[list[bytes]]:
    """What is appended while the clock runs; less in a log that is only tried out."""
    return [entries(BATCH) for _ in range(32 if size >= FIRST else 2)]


def sizes_to(largest: int) -> list[int]:
    """10⁴, 10⁵ … up to `largest`; only `largest` where that is smaller."""
    found = [FIRST * 10**step for step in range(10) if FIRST * 10**step <= largest]
    return found or [largest]


def run(name: str, kind: str, largest: int, report: Report, *, indexed: bool = False) -> None:
    """Grow one log on one engine."""
    with ExitStack() as stack:
        folder, held = stack.enter_context(workspace()), stack.enter_context(engine(kind))
        log = stack.enter_context(synthetic_log(folder, held.url, indexed=indexed))
        progress = stack.enter_context(_progress(largest))
        task = progress.add_task(name, total=largest)
        base: At | None = None
        for size in sizes_to(largest):
            begun = time.perf_counter()
            while log.size < size:
                log.append(entries(min(FILL, size - log.size)))
                progress.update(task, completed=log.size)
            report.note(f"{name}: {size} entries after {time.perf_counter() - begun:.0f} s more")
            found = measure(log, size)
            base = base or found
            tell(f"{name}.{size}", found, base, report)


def measure(log: SyntheticLog, size: int) -> At:
    """Measure a log where it is."""
    batches = batches_at(size)
    count = BATCH * len(batches)
    begun, cpu = time.perf_counter(), time.process_time()
    for batch in batches:
        log.append(batch)
    rate, cpu_us = count / (time.perf_counter() - begun), (time.process_time() - cpu) / count * 1e6
    cpu = time.process_time()
    times = sorted(_proof_ms(log) for _ in range(PROOFS))
    proof_cpu_ms = (time.process_time() - cpu) / PROOFS * 1e3
    begun = time.perf_counter()
    log.restart()
    return At(size, rate, cpu_us, times, proof_cpu_ms, time.perf_counter() - begun, own_rss_mib())


def _proof_ms(log: SyntheticLog) -> float:
    index = random.randrange(log.size)
    begun = time.perf_counter()
    log.prove(index)
    return (time.perf_counter() - begun) * 1_000


def tell(name: str, found: At, base: At, report: Report) -> None:
    """Report what was found at one size, beside the first."""
    first = f"at {base.size}"
    report.add(f"{name}.append", found.rate, "entries/s", to=base.rate, against=first)
    report.add(f"{name}.append.cpu", found.cpu_us, "µs an entry", to=base.cpu_us, against=first)
    report.add(f"{name}.proof.p50", found.proof(0.5), "ms", to=base.proof(0.5), against=first)
    report.add(f"{name}.proof.p99", found.proof(0.99), "ms", to=base.proof(0.99), against=first)
    if base.restart_s:
        report.add(f"{name}.proof.cpu", found.proof_cpu_ms, "ms", to=base.proof_cpu_ms, against=first)
        report.add(f"{name}.restart", found.restart_s, "s", to=base.restart_s, against=first)
    report.add(f"{name}.memory", found.rss_mib, "MiB", to=base.rss_mib, against=first)


def median(times: Sequence[float]) -> float:
    """The one in the middle."""
    return sorted(times)[len(times) // 2]


def _progress(largest: int) -> Progress:
    return Progress(console=Console(stderr=True), transient=True, disable=largest <= FIRST)
