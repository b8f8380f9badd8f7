"""
The sequencer: one writer that gives statements their order, commits, publishes, and only then lets submitters be answered.

    step       judge a batch in index order, commit entries and checkpoint together, publish, answer
    recover    what a start does, and what follows every error: reload, re-verify, publish what was committed

The database is the truth.  Tiles are derived from committed entries, so that a crash at any point is repaired by doing it
again.  A step therefore waits for the disk once, at the commit of the order; settling.py is about the rest.  Two sequencers
by mistake cannot fork the log: the checkpoint row is replaced by compare-and-swap.  After any error nothing is sequenced until
`recover` has succeeded, since "failed" may have been stored.

Source: Sunlight (internal/ctlog), Tessera.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy.orm import Session

from ledger import parcels
from ledger.db import Database, LeaseLost
from ledger.freezing import freeze_of
from ledger.growing import Head, grow, swap
from ledger.judging import Judge
from ledger.keys import Keys
from ledger.models import CheckpointRow, Log
from ledger.observing import Observer, Silent
from ledger.pacing import PAUSE_S, gather
from ledger.pooling import Parcel, Pool
from ledger.problems import Fatal, Refused
from ledger.publishing import NotPublished, Publisher
from ledger.signing import open_signed, sign_checkpoint
from ledger.tiles import TileStore
from ledger.verdicts import judge_parcels, refuse_parcels

log = structlog.get_logger()

BATCH_LIMIT = 4_096  # statements per checkpoint, about
REFRESH = 600  # s; a quiet log signs its tree anew, or readers could not tell quiet from dead
SLEW = 5_000  # ms that a clock may be set back: then time stands still.  More, and somebody plays with it
BACKOFF = 1.0  # s before the first reload after an error, doubled up to 30


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: statements finished, entries added, size of the published log."""

    judged: int
    added: int
    size: int


def system_clock() -> int:
    """ms since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Sequencer:
    """One log's writer.  Run it under db.sequencer_lock."""

    database: Database
    store: TileStore
    keys: Keys
    publisher: Publisher
    now_ms: Callable[[], int] = system_clock
    batch_limit: int = BATCH_LIMIT
    pool: Pool = field(default_factory=Pool)
    """What this process admitted; other processes' parcels come through the database."""
    observer: Observer = field(default_factory=Silent)
    _head: Head | None = field(default=None, init=False)
    _seal: bytes = field(default=b"", init=False)
    _last: int = field(default=0, init=False)
    """How many the batch before had."""
    _purged_ms: int = field(default=0, init=False)
    _in_force: set[tuple[str, str]] = field(default_factory=set, init=False)
    """Keys that were found good, as the last committed batch left them."""

    def run(self, stop: threading.Event, interval_s: float, check_lease: Callable[[], None] = lambda: None) -> None:
        """
        Step whenever something waits, and look for other processes' parcels every `interval_s`, until `stop` is set.

        Errors are logged and followed by a reload.  `check_lease` raises LeaseLost where another process may sequence now; that
        ends the run.
        """
        wait = BACKOFF
        while not stop.is_set():
            try:
                check_lease()
                step = self.step()
                wait, self._last = BACKOFF, step.judged
                if step.judged < self.batch_limit:
                    gather(self.pool, stop, max(interval_s, PAUSE_S), last=self._last, limit=self.batch_limit)
            except NotPublished as error:
                log.warning("sequencer.not_published", reason=str(error))
                stop.wait(wait)
            except LeaseLost:
                self._head = None
                raise
            except Exception as error:  # whatever it is: a thread that ended would leave a process that says "pending" for ever
                self.observer.stopped(error)
                log.error("sequencer.stopped", error=str(error), retry_s=wait)
                stop.wait(wait)
                wait = min(wait * 2, 30.0)

    def step(self) -> Step:
        """
        Judge and publish one batch, or refresh the checkpoint of a quiet log.

        Raises NotPublished where witnesses are asked for and missing (entries are committed, the next step goes on), Fatal
        and whatever database and store raise: the next step then begins with `recover`.
        """
        try:
            head = self.recover() if self._head is None or self.publisher.doubted else self._head
            self.publisher.publish(head.signed)  # what a missing quorum held back
            found = [] if len(self.pool) else self._look()
            return self._sequence(head, found) if found or len(self.pool) else self._refresh(head)
        except NotPublished:
            raise
        except BaseException:
            self._head = None
            raise

    def _look(self) -> list[Parcel]:
        """What other processes sent, where nothing waits here: a quiet log takes no lock."""
        with self.database.reading() as session:
            self._ended(session)
            return self._sent(session)

    def _sent(self, session: Session) -> list[Parcel]:
        self._seal = self._seal or parcels.seal_key(self.keys.log)
        return parcels.waiting(session, self.batch_limit, self._seal)

    def _ended(self, session: Session) -> Refused | None:
        """What every statement is told once the last checkpoint is signed; until then, who came in before is still taken."""
        frozen = freeze_of(session)
        if frozen is None:
            return None
        self.pool.shut(frozen.refusal())
        return None if frozen.size is None else frozen.refusal()

    def recover(self) -> Head:
        """
        Load what was committed, verify it, derive what the store has lost, publish what was not, and settle it.

        Raises NotPublished, Fatal, and whatever database and store raise.
        """
        self._head = held = None
        self._in_force.clear()
        with self.database.reading() as session:
            row = self._row(session)
            signed = open_signed(row.body, self.keys.log.vkey, self.keys.clock.vkey)
            if (signed.checkpoint.size, signed.checkpoint.root) != (row.size, row.root):
                raise Fatal("the checkpoint row contradicts its own note")
        edge = self.publisher.recover(signed)
        try:
            self.publisher.publish(signed)
        except NotPublished as error:
            held = error  # what was published before is shown meanwhile
        # From here readers are let in: what is shown is there, and what was ever shown is not taken back.
        self.publisher.settle()
        # Only now: a clock that the power cut set back must not keep readers out, and nothing new was signed.
        if self.now_ms() < row.time_ms - SLEW:
            raise Fatal("the clock runs behind the log: set it right first")
        self._head, self._purged_ms = Head(signed, edge, row.time_ms), self._purged_ms or self.now_ms()
        if held is not None:
            raise held
        return self._head

    def _row(self, session: Session) -> CheckpointRow:
        known = session.get(Log, 1)
        if known is None or known.origin != self.keys.log.name:
            raise Fatal(f"this database holds the log {known and known.origin}, the key is {self.keys.log.name}'s")
        row = session.get(CheckpointRow, known.origin)
        if row is None:
            raise Fatal("the checkpoint row is missing")
        return row

    def _sequence(self, head: Head, found: Sequence[Parcel]) -> Step:
        began = time.monotonic()
        ours: list[Parcel] = []
        try:
            now = self._tick(head)
            with self.database.writing() as session:
                ended = self._ended(session)
                # Other processes' first: whoever submits here must not keep them out.
                sent = found or self._sent(session)
                ours = self.pool.take(self.batch_limit - sum(len(one.items) for one in sent))
                batch = [*sent, *ours]
                judge = Judge(session, self.keys.log.name, index=head.edge.size, time_ms=now, in_force=self._in_force)
                # Admitted while the log was being frozen: too late.  Whoever waits is told where to go.
                told = judge_parcels(session, judge, batch) if ended is None else refuse_parcels(batch, ended)
                for parcel, outcomes in zip(batch, told, strict=True):
                    parcels.finish(session, parcel, outcomes, published=head.edge.size, now_ms=now)
                    parcels.remember(session, outcomes, now)
                if now - self._purged_ms >= REFRESH * 1000:
                    self._purge(session, now)
                grown, fresh = grow(session, self.keys, head, judge.leaves, now)
                # A crash before this commit loses nothing: nobody was told an index.
                session.commit()
        except BaseException:
            self._in_force.clear()  # what a grant gave that was not committed
            # Not known to be stored, and not known to be lost: judged again, an earlier copy gives the same place.
            self.pool.put_back(ours)
            raise
        # From here the entries are the log, and on the disk.  A crash repeats what follows, with the same bytes, and so does a
        # power cut, which may take what follows long after its submitters were answered; an error of the commit itself leaves
        # open whether the entries are the log, and recover asks the database.
        self._head = grown
        self.publisher.owe(zip(ours, told[len(sent) :], strict=True))
        if fresh is not None:
            self.publisher.take(fresh)
        self.publisher.publish(grown.signed)
        step = Step(sum(map(len, told)), len(judge.leaves), grown.edge.size)
        waited_s = (self.now_ms() - min((parcel.received_ms for parcel in batch), default=now)) / 1000
        seconds = time.monotonic() - began
        self.observer.batch(judged=step.judged, added=step.added, size=step.size, seconds=seconds, waited_s=waited_s)
        return step

    def _refresh(self, head: Head) -> Step:
        now = self._tick(head)
        if now // 1000 - head.signed.time_s >= REFRESH:
            signed = sign_checkpoint(self.keys, head.signed, head.signed.checkpoint, [], now // 1000)
            with self.database.writing() as session:
                swap(session, head.signed, signed, now)
                self._purge(session, now)
                session.commit()
            self._head = Head(signed, head.edge, now)
            self.publisher.publish(signed)
        return Step(0, 0, head.edge.size)

    def _purge(self, session: Session, now: int) -> None:
        """Forget what ended long ago: a quiet log when it signs, one that is never quiet as often."""
        parcels.purge(session, now)
        self._purged_ms = now

    def _tick(self, head: Head) -> int:
        """The time of this batch: never before the last one's."""
        now = self.now_ms()
        if now < head.time_ms - SLEW:
            raise Fatal("the clock was set back: time in the log never decreases")
        return max(now, head.time_ms)
