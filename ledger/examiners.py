"""
Examining many statements on all cores: parsing and signatures need no order, no lock and no database.

Small batches are read where they arrive, since handing them over would cost more.  Large ones go to worker processes in
slices: Python's parser runs on one core at a time, whatever the number of threads.

A worker that dies loses nothing: its slice is read here.
"""

import gc
import marshal
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ledger import admission, quick
from ledger.admission import Jwks
from ledger.candidates import Candidate, pack, unpack
from ledger.problems import Refused
from ledger.quick_event import Uncommon
from ledger.workers import DEPTH, Team
from producers.epcis.validate import EventValidator
from verify.errors import VerificationError

Examined = list[Candidate | Refused]
Task = Future[bytes | None] | None
SLICE = 256  # statements; 25 ms of work, against 1 ms of handing over
MAX_WORKERS = 32
HEAD = 256  # bytes of a header; ours have 130


@dataclass(slots=True)
class Examiners:
    """
    Reads statements in this process and, beyond SLICE, in `workers` others, which start with the first large batch.

    `workers` 0 keeps everything here.  Safe to use from several threads.
    """

    validator: EventValidator
    workers: int = 0
    _team: Team | None = field(default=None, init=False)
    _threads: ThreadPoolExecutor | None = field(default=None, init=False)
    """DEPTH for each worker, that hand it slices and wait."""
    _begun: Sequence[Future[bytes | None]] = field(default=(), init=False)
    """Done when every worker has begun: nobody waits for that, which takes a second."""

    def __post_init__(self) -> None:
        self.workers = min(self.workers, MAX_WORKERS)
        if self.workers:
            self._team = Team(work, self.workers)
            self._threads = ThreadPoolExecutor(DEPTH * self.workers, "examiners")

    @property
    def pids(self) -> list[int]:
        """The processes of workers that have begun."""
        return [] if self._team is None else self._team.pids

    def examine(self, raws: Sequence[bytes], *, now_ms: int, jwks: Jwks) -> Examined:
        """Check statements; results in their order.  `jwks` are the granted keys that they may name."""
        if self._threads is None or len(raws) <= SLICE:
            return examine_here(raws, now_ms, self.validator, jwks)
        keys = {kid: dict(jwk) for kid, jwk in jwks.items()}
        slices = [raws[at : at + SLICE] for at in range(0, len(raws), SLICE)]
        tasks = [self._threads.submit(self._ask, part, keys, now_ms) for part in slices]
        return [one for part, task in zip(slices, tasks, strict=True) for one in self.read(part, task.result(), now_ms, jwks)]

    def send(self, raws: Sequence[bytes], *, now_ms: int, jwks: Jwks) -> Task:
        """Hand one slice to a worker, whose answer `read` reads; None where none is at hand: then the first are on their way."""
        if self._threads is None:
            return None
        try:
            if not self._begun:
                self._begun = [self._threads.submit(self._ask, (), {}, now_ms) for _ in range(self.workers)]
            if all(one.done() for one in self._begun):
                return self._threads.submit(self._ask, raws, {kid: dict(jwk) for kid, jwk in jwks.items()}, now_ms)
        except RuntimeError:
            pass  # the service stops, and its workers have ended
        return None

    def close(self) -> None:
        """End the workers, once they have done what they were given."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._team is not None:
            self._team.end()

    def _ask(self, part: Sequence[bytes], keys: dict[str, dict[str, str]], now_ms: int) -> bytes | None:
        assert self._team is not None
        return self._team.ask(marshal.dumps((list(part), keys, now_ms)))

    def read(self, part: Sequence[bytes], found: bytes | None, now_ms: int, jwks: Jwks) -> Examined:
        """A worker's answer about a slice; where it died, None, the slice is examined here."""
        return examine_here(part, now_ms, self.validator, jwks) if found is None else unpack(found, part)


def settle_down() -> None:
    """
    Let the collector of cycles leave alone what lives as long as the process, and come less often.

    Statements make thousands of tuples and no cycles: looking for them would take a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # each looks at all that a few batches in hand are made of


def examine_here(raws: Iterable[bytes], now_ms: int, validator: EventValidator, jwks: Jwks) -> Examined:
    """Check statements in this process: all are read before the first signature is verified (quick.read says why)."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    found = [(raw, _read(raw, now, validator, jwks)) for raw in raws]
    return [_verified(read) or _literally(raw, now_ms, validator, jwks) for raw, read in found]


def _read(raw: bytes, now: datetime, validator: EventValidator, jwks: Jwks) -> quick.Read | None:
    try:
        return quick.read(raw, now=now, validator=validator, jwks=jwks)
    except Uncommon:
        return None


def _verified(read: quick.Read | None) -> Candidate | None:
    try:
        return None if read is None else quick.verified(read)
    except Uncommon:
        return None


def _literally(raw: bytes, now_ms: int, validator: EventValidator, jwks: Jwks) -> Candidate | Refused:
    try:
        return admission.examine(raw, now_ms=now_ms, validator=validator, jwks=jwks)
    except Refused as refused:
        return refused


def work() -> Callable[[bytes], bytes]:
    """What a worker does with a slice, once it is ready for any."""
    settle_down()
    validator = EventValidator.build()

    def examine(slice_: bytes) -> bytes:
        raws, keys, now_ms = marshal.loads(slice_)  # noqa: S302 - made by the service
        return pack(examine_here(raws, now_ms, validator, keys), raws)

    return examine


def usable_cores() -> int:
    """How many workers pay: none where there is one core."""
    cores = len(os.sched_getaffinity(0))
    return cores if cores > 1 else 0


def kids_of(raws: Iterable[bytes]) -> set[str]:
    """The keys that statements name, as far as that can be told from their headers; others are verified in order."""
    found = set()
    for head in {head for raw in raws if len(head := raw.partition(b".")[0]) <= HEAD}:
        try:
            found.add(quick.key_of(head))
        except (Uncommon, VerificationError, ValueError, TypeError, LookupError, AttributeError):
            continue
    return found
