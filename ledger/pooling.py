"""
The pool: what this process admitted and its sequencer has not judged yet.

    offer    put a parcel of candidates in; the ticket is done once all of them are published or refused
    take     hand parcels to the sequencer, oldest first

In memory only: nobody in it was told anything, so a crash loses nothing that was promised.  Bounded: when it is full,
submitters are sent away with Retry-After, never acknowledged and lost.  Another process's parcels come through the database
(parcels.py).
"""

import random
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledger.candidates import Candidate
from ledger.models import Published
from ledger.problems import Refused

POOL_LIMIT = 16_384  # statements; what the sequencer drains in a few seconds
PARCEL = 512  # statements of one request that are sequenced together at most, unless it asked for all or none
RETRY_S = (2, 10)  # spread, or everybody who was pushed back returns at once


class Outcome(NamedTuple):
    """
    What became of a statement: published, duplicate, pending or refused.  A tuple, as Sequenced is.

    The digest of a duplicate is the stored copy's: a receipt made half from what was sent would prove what was never logged.
    """

    state: str
    digest: bytes
    index: int | None = None  # type: ignore[assignment]  # hides a method of tuples that nobody asks for
    time_ms: int | None = None
    refused: Refused | None = None

    def as_json(self) -> list[Any]:
        """The form that parcels keep; `from_json` reads it."""
        refused = None if self.refused is None else self.refused.as_json()
        return [self.state, self.digest.hex(), self.index, self.time_ms, refused]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> "Outcome":
        """Read what `as_json` printed."""
        state, digest, index, time_ms, refused = value
        return cls(state, bytes.fromhex(digest), index, time_ms, None if refused is None else Refused.from_json(refused))


Ticket = Future[Sequence[Outcome]]


@dataclass(eq=False, slots=True)
class Parcel:
    """Candidates that were admitted together, in order; `together`: logged all or none."""

    items: Sequence[Candidate]
    together: bool = False
    row: int | None = None
    """In the database, where another process admitted it (parcels.py)."""
    received_ms: int = 0
    ticket: Ticket = field(default_factory=Future)


class Pool:
    """One process's pool.  Safe to use from several threads; `wake` is set whenever something comes in."""

    def __init__(self, limit: int = POOL_LIMIT) -> None:
        self.wake = threading.Event()
        self._enough = threading.Event()
        self._wanted = 0
        self._coming = 0
        self._limit = limit
        self._held: deque[Parcel] = deque()
        self._size = 0
        self._closed: Refused | None = None
        self._lock = threading.Lock()

    def offer(self, items: Sequence[Candidate], *, now_ms: int, together: bool = False) -> list[Ticket]:
        """Put candidates in; returns the tickets of the parcels they make, in order.  Raises Refused (`pool-full`)."""
        cut = max(1, len(items)) if together else PARCEL
        parcels = [Parcel(items[at : at + cut], together, received_ms=now_ms) for at in range(0, len(items), cut)]
        with self._lock:
            if self._closed is not None:
                raise self._closed
            if self._size >= self._limit:
                raise full(self._size)
            self._held.extend(parcels)
            self._count(parcels, 1)
        self.wake.set()
        self._look()
        return [parcel.ticket for parcel in parcels]

    @contextmanager
    def coming(self, count: int) -> Iterator[None]:
        """Say that so many statements are being read, and will be offered or refused before the block ends."""
        with self._lock:
            self._coming += count
        try:
            yield
        finally:
            with self._lock:
                self._coming -= count
            self._look()

    def wait_for(self, wanted: int, seconds: float) -> bool:
        """Wait until `wanted` statements are here and no other is coming, at most so long; whether that is so."""
        self._enough.clear()
        self._wanted = wanted
        self._look()  # what came before the wish was known
        return self._enough.wait(seconds)

    def _look(self) -> None:
        if not self._coming and self._size >= self._wanted:
            self._enough.set()

    def take(self, limit: int) -> list[Parcel]:
        """The oldest parcels, of about `limit` statements, at least one where there is any."""
        taken: list[Parcel] = []
        with self._lock:
            while self._held and limit > 0:
                taken.append(self._held.popleft())
                limit -= len(taken[-1].items)
            self._count(taken, -1)
            if not self._held:
                self.wake.clear()
        return taken

    def put_back(self, parcels: Sequence[Parcel]) -> None:
        """Return what could not be sequenced, in front."""
        with self._lock:
            self._held.extendleft(reversed(parcels))
            self._count(parcels, 1)
        self.wake.set()

    def shut(self, why: Refused) -> None:
        """Send away whoever comes; who waits is still sequenced."""
        with self._lock:
            self._closed = why

    def close(self, why: Refused | None) -> None:
        """Send away everybody who waits and whoever comes; None opens it again."""
        with self._lock:
            self._closed = why
            waiting = [] if why is None else [*self._held]
            if why is not None:
                self._held.clear()
                self._count(waiting, -1)
        for parcel in waiting:
            answer(parcel, [Outcome("refused", one.digest, refused=why) for one in parcel.items])

    @property
    def is_open(self) -> bool:
        """Whether this process sequences; otherwise parcels go through the database."""
        return self._closed is None

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest that waits came in, ms since 1970."""
        with self._lock:
            return self._held[0].received_ms if self._held else None

    def __len__(self) -> int:
        """Statements that wait."""
        return self._size

    def __contains__(self, digest: bytes) -> bool:
        """Whether this statement waits here; looks at each, since hardly anybody asks."""
        with self._lock:
            return any(one.digest == digest for parcel in self._held for one in parcel.items)

    def _count(self, parcels: Sequence[Parcel], sign: int) -> None:
        self._size += sign * sum(len(parcel.items) for parcel in parcels)


def answer(parcel: Parcel, outcomes: Sequence[Outcome]) -> None:
    """Tell whoever waits for a parcel, unless they have gone."""
    if parcel.ticket.set_running_or_notify_cancel():
        parcel.ticket.set_result(outcomes)


def full(waiting: int) -> Refused:
    """The refusal of whoever comes when the pool is full."""
    seconds = random.randint(*RETRY_S)  # noqa: S311 - spreads load, protects nothing
    return Refused("pool-full", f"{waiting} statements wait to be sequenced", retry_after_s=seconds)


def published_size(session: Session) -> int:
    """How many entries everybody can see; 0 before the first checkpoint is served."""
    return session.scalar(select(func.max(Published.size))) or 0
