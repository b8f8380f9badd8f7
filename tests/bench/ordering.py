"""
The ordering transaction alone: what a statement costs between its examination and its publication, by part.

Real statements, examined in advance, go through the sequencer's own judging, rows, read-back, signing and commit; no HTTP, no
tiles.  CPU time and not rates, so that figures stand beside each other on a machine that others use: of the sequencer's thread by
part, and of PostgreSQL's processes.  At 10⁴ entries and at the size that was asked for, since random indexes grow with the log.
A measurement begins behind a checkpoint of the database and pays for one, or chance would decide who pays.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger import batch as rows
from ledger.candidates import Candidate
from ledger.db import Database
from ledger.examiners import Examiners, settle_down
from ledger.growing import grow
from ledger.judging import Judge
from ledger.keys import load_keys
from ledger.pooling import Parcel
from ledger.running import database_of, sequencer_of
from ledger.sequencer import Sequencer, system_clock
from ledger.settings import Settings
from ledger.verdicts import judge_parcels
from producers.epcis.validate import EventValidator
from producers.sign import jwk_of
from tests.bench.farms import Party, grant, parties, write_statements
from tests.bench.figures import Report
from tests.bench.machine import Usage, cores
from tests.bench.stage import ORIGIN, engine, workspace
from tests.support.service import Service
from verify.statement import thumbprint

BATCH = 2_048  # statements; what bulk clients fill a batch with
PARCEL = 512  # as api/intake.py cuts them
FIRST = 10_000
MEASURED = 8 * BATCH
SLICE = 8_192  # statements examined at once


@dataclass(slots=True)
class Parts:
    """CPU seconds of this thread by what they were spent on."""

    spent: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count what is done inside, and take it from nobody: parts may not nest."""
        begun = time.thread_time()
        yield
        self.spent[name] += time.thread_time() - begun  # type: ignore[assignment]


@dataclass(slots=True)
class Ordering:
    """A log whose statements come examined."""

    database: Database
    sequencer: Sequencer
    size: int
    parts: Parts = field(default_factory=Parts)

    def order(self, candidates: Sequence[Candidate]) -> None:
        """Order and commit one batch, as Sequencer._sequence does."""
        head = self.sequencer._head or self.sequencer.recover()
        parcels = [Parcel(candidates[at : at + PARCEL]) for at in range(0, len(candidates), PARCEL)]
        now = system_clock()
        with self.database.writing() as session:
            session.connection()
            with self.parts.of("judged"):
                judge = Judge(session, ORIGIN, index=head.edge.size, time_ms=now)
                told = judge_parcels(session, judge, parcels)
            with self.parts.of("signed"):
                grown, _ = grow(session, self.sequencer.keys, head, judge.leaves, now)
            with self.parts.of("committed"):
                session.commit()
        assert all(one.state == "published" for outcomes in told for one in outcomes)
        self.sequencer._head, self.size = grown, grown.edge.size

    def checkpoint(self) -> None:
        """Have the database write what its log holds to where it belongs."""
        command = "PRAGMA wal_checkpoint(TRUNCATE)" if self.database.is_sqlite else "CHECKPOINT"
        with self.parts.of("checkpoint"), self.database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(command)


def run(name: str, kind: str, largest: int, report: Report) -> None:
    """Measure one engine at FIRST entries and at `largest`."""
    with ExitStack() as stack:
        folder, held = stack.enter_context(workspace()), stack.enter_context(engine(kind))
        who = parties("EdDSA")
        settle_down()
        sizes = sorted({min(FIRST, largest), largest})
        write_statements(folder / "statements", who, largest + MEASURED)
        log = _log(folder, held.url, who)
        stack.callback(log.database.close)
        fresh = _examined(folder / "statements", who)
        report.note(f"{name}: signed")
        base: dict[str, float] = {}
        for size in sizes:
            while log.size < size:
                log.order([next(fresh) for _ in range(min(BATCH, size - log.size))])
            found = _measure(log, fresh, held.pids, min(MEASURED, size))
            base = base or found
            for part, cpu_us in ((part, us) for part, us in found.items() if us > 0.05):
                report.add(f"{name}.{size}.{part}", cpu_us, "µs a statement", to=base[part] or None, against=f"at {sizes[0]}")


def _measure(log: Ordering, fresh: Iterator[Candidate], pids: Sequence[int], count: int) -> dict[str, float]:
    batches = [[next(fresh) for _ in range(min(BATCH, count))] for _ in range(max(1, count // BATCH))]
    log.checkpoint()
    log.parts.spent.clear()
    with _tables_timed(log.parts):
        served, begun = Usage.of(*pids).cpu_s if pids else 0.0, time.thread_time()
        for batch in batches:
            log.order(batch)
        log.checkpoint()
        spent = time.thread_time() - begun
        served = Usage.of(*pids).cpu_s - served if pids else 0.0
    count = sum(map(len, batches))
    found = {"": spent + served, **dict(log.parts.spent.most_common())} | ({"server": served} if pids else {})
    return {part or "whole": seconds / count * 1e6 for part, seconds in found.items()}


@contextmanager
def _tables_timed(parts: Parts) -> Iterator[None]:
    """Count the writing of each table as a part; what is left of judging is judging."""
    write = rows.write_tuples

    def timed(session: Any, table: Any, columns: Any, values: Any) -> None:
        begun = time.thread_time()
        write(session, table, columns, values)
        took = time.thread_time() - begun
        parts.spent[table.name] += took
        parts.spent["judged"] -= took

    rows.write_tuples = timed
    try:
        yield
    finally:
        rows.write_tuples = write


def _log(folder: Path, url: str, who: Sequence[Party]) -> Ordering:
    service = Service(folder / "operator", origin=ORIGIN, extra={"ORIGINMARK_DATABASE_URL": url} if url else {})
    service.command("init")
    grant(service, folder, who)
    settings = Settings(data=folder / "operator", database_url=url, tiles_url="", origin=ORIGIN)
    database = database_of(settings)
    sequencer = sequencer_of(settings, database, load_keys(settings.keys, ORIGIN))
    return Ordering(database, sequencer, sequencer.recover().edge.size)


def _examined(file: Path, who: Sequence[Party]) -> Iterator[Candidate]:
    raws = file.read_bytes().splitlines()
    jwks = {thumbprint(jwk): jwk for jwk in (jwk_of(party.key.public_key()) for party in who)}
    examiners = Examiners(EventValidator.build(), workers=cores())
    try:
        for at in range(0, len(raws), SLICE):
            for one in examiners.examine(raws[at : at + SLICE], now_ms=system_clock(), jwks=jwks):
                assert isinstance(one, Candidate)
                yield one
    finally:
        examiners.close()
