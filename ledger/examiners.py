"""
Examining many statements on all cores: parsing and signatures need no order, no lock and no database.

Small batches are read where they arrive, since handing them over would cost more.  Large ones go to worker processes in
slices: Python's parser runs on one core at a time, whatever the number of threads.

A worker that dies loses nothing: its slice is read here.
"""

import gc
import marshal
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from ledger import admission, quick
from ledger.admission import Jwks
from ledger.candidates import Candidate, pack, unpack
from ledger.problems import Refused
from producers.epcis.validate import EventValidator
from verify.errors import VerificationError

Examined = list[Candidate | Refused]
Task = Future[bytes] | None
SLICE = 256  # statements; 20 ms of work, against 1 ms of handing over
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
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)
    _first: Future[bool] | None = field(default=None, init=False)
    """Done when a worker has started: nobody waits for that, which takes a second."""

    def examine(self, raws: Sequence[bytes], *, now_ms: int, jwks: Jwks) -> Examined:
        """Check statements; results in their order.  `jwks` are the granted keys that they may name."""
        if self.workers == 0 or len(raws) <= SLICE:
            return examine_here(raws, now_ms, self.validator, jwks)
        slices = [raws[at : at + SLICE] for at in range(0, len(raws), SLICE)]
        return [one for part, task in self._sent(slices, now_ms, jwks) for one in self._read(part, task, now_ms, jwks)]

    def send(self, raws: Sequence[bytes], *, now_ms: int, jwks: Jwks) -> Task:
        """Hand one slice to a worker, whose answer `unpack` reads; None where none is at hand: then the first is on its way."""
        if self.workers == 0:
            return None
        try:
            if self._first is None:
                self._first = self._executor().submit(_validator_is_built)
            if self._first.done() and self._pool is not None:
                return self._sent([raws], now_ms, jwks)[0][1]
        except BrokenProcessPool:
            self._pool = self._first = None
        return None

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _sent(self, slices: Sequence[Sequence[bytes]], now_ms: int, jwks: Jwks) -> list[tuple[Sequence[bytes], Task]]:
        keys = {kid: dict(jwk) for kid, jwk in jwks.items()}
        try:
            pool = self._executor()
            return [(part, pool.submit(work, marshal.dumps(list(part)), keys, now_ms)) for part in slices]
        except BrokenProcessPool:
            self._pool = None
            return [(part, None) for part in slices]

    def _read(self, part: Sequence[bytes], task: Task, now_ms: int, jwks: Jwks) -> Examined:
        try:
            if task is not None:
                return unpack(task.result())
        except BrokenProcessPool:
            self._pool = None
        return examine_here(part, now_ms, self.validator, jwks)

    def _executor(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Never fork: this process has threads, and locks they hold would stay locked in the child.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(min(self.workers, MAX_WORKERS), mp_context=context, initializer=_begin)
        return self._pool


def settle_down() -> None:
    """
    Let the collector of cycles leave alone what lives as long as the process, and come less often.

    Statements make thousands of tuples and no cycles: looking for them would take a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _begin() -> None:
    """Begin as a worker, and end with the service: a worker of one that was killed would wait for work for ever."""
    settle_down()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process at the terminal; the service says when
    threading.Thread(target=_end_with_service, name="service", daemon=True).start()


def _end_with_service() -> None:
    service = multiprocessing.parent_process()
    if service is not None:
        service.join()
        os._exit(0)


def examine_here(raws: Iterable[bytes], now_ms: int, validator: EventValidator, jwks: Jwks) -> Examined:
    """Check statements in this process."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return [_one(raw, now, now_ms, validator, jwks) for raw in raws]


def _one(raw: bytes, now: datetime, now_ms: int, validator: EventValidator, jwks: Jwks) -> Candidate | Refused:
    try:
        return quick.examine(raw, now=now, validator=validator, jwks=jwks)
    except quick.Uncommon:
        pass
    try:
        return admission.examine(raw, now_ms=now_ms, validator=validator, jwks=jwks)
    except Refused as refused:
        return refused


def work(slice_: bytes, jwks: Jwks, now_ms: int) -> bytes:
    """What a worker does with one slice."""
    return pack(examine_here(marshal.loads(slice_), now_ms, _validator(), jwks))  # noqa: S302 - made by this process


@lru_cache(maxsize=1)
def _validator() -> EventValidator:
    return EventValidator.build()


def _validator_is_built() -> bool:
    return bool(_validator())


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
        except (quick.Uncommon, VerificationError, ValueError, TypeError, LookupError, AttributeError):
            continue
    return found
