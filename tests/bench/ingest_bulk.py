"""
Bulk over HTTP: statements admitted, durable, published and answered per second, beside bare verification on the same cores.

The real service in its own process; a light client in another, on the same cores, posts signed statements as lines.  Nothing is
mocked and nothing is switched off: PostgreSQL and SQLite sync at every commit, and an answer comes after publication.
"""

from dataclasses import dataclass
from pathlib import Path

from producers.keys import Algorithm
from tests.bench.bare import bare_rate
from tests.bench.checks import check_answers, check_audit
from tests.bench.farms import Party, parties, write_statements
from tests.bench.figures import Report
from tests.bench.load import Load, post
from tests.bench.machine import Usage
from tests.bench.profile import profiled
from tests.bench.stage import Engine, engine, served, workspace
from tests.support.service import Service

BARE_S = 1.5  # seconds of bare verification, before and after
GUESS = 16_000  # statements a second that are signed in advance: when they are all sent, the run ends


@dataclass(frozen=True, slots=True)
class Bulk:
    """How a run is driven."""

    seconds: float
    size: int
    """Statements at most; 0 for as many as `seconds` may need."""
    lines: int
    """A request."""
    connections: int
    settings: dict[str, str]
    profile: Path | None
    """Where to write the profile of the service."""
    audit: bool

    @property
    def count(self) -> int:
        """Statements in the measured part."""
        return self.size or int(self.seconds * GUESS)

    @property
    def warm(self) -> int:
        """Statements before it, which make every process import, connect and prepare what it needs."""
        return min(2 * self.lines, self.count)


def run(name: str, algorithm: Algorithm, kind: str, wanted: Bulk, report: Report) -> None:
    """Measure one key type on one database."""
    who = parties(algorithm)
    with workspace() as folder, engine(kind) as held:
        file = folder / "statements"
        write_statements(file, who, wanted.warm + wanted.count)
        report.note(f"{name}: signed {wanted.warm + wanted.count} statements")
        before = bare_rate(file, who, BARE_S)
        with served(folder, held.url, who, wanted.settings) as service:
            report.note("serving")
            load, taken = _measure(name, service, held, file, who, wanted, report)
            after = bare_rate(file, who, BARE_S)
        bare, bare_cpu = (before.rate + after.rate) / 2, (before.cpu_us + after.cpu_us) / 2
        report.add(f"{name}.bare", bare, "verifications/s")
        report.add(f"{name}.bare.cpu", bare_cpu, "µs a verification")
        report.add(name, load.rate, "statements/s", to=bare, against=f"{name}.bare")
        report.add(f"{name}.p50", load.latency_ms(0.5), "ms a request")
        report.add(f"{name}.cpu", taken.cpu_s / load.statements * 1e6, "µs a statement", to=bare_cpu, against=f"{name}.bare.cpu")
        report.add(f"{name}.memory", taken.rss_mib, "MiB")
        if wanted.audit:
            seconds = check_audit(service)
            report.add(f"{name}.audit", (load.statements + wanted.warm) / seconds, "entries/s")


def _measure(
    name: str, service: Service, held: Engine, file: Path, who: list[Party], wanted: Bulk, report: Report
) -> tuple[Load, Usage]:
    assert service.process is not None
    out, pid = file.with_suffix(".answers"), service.process.pid
    driven = {"lines": wanted.lines, "connections": wanted.connections}
    warm = post(service.port, file, out, count=wanted.warm, **driven)
    report.note(f"warm: {warm.rate:.0f}/s")
    used = Usage.of(pid, *held.pids)
    with profiled(pid, wanted.profile, report):
        load = post(service.port, file, out, first=wanted.warm, count=wanted.count, seconds=wanted.seconds, **driven)
    after = Usage.of(pid, *held.pids)
    taken = Usage(after.cpu_s - used.cpu_s, after.rss_mib)
    report.note(f"{load.statements} in {load.seconds:.1f} s; the service took {taken.cpu_s / load.seconds:.2f} cores, "
                f"the client {load.client_cpu_s / load.seconds:.2f}; "
                f"{load.pushed_back} requests were asked to come back")  # fmt: skip
    report.note(check_answers(service, [warm, load], file, before=1 + len(who)))
    return load, taken
