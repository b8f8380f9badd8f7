"""
The hammer's processes: writers in some, readers in another, each with an event loop of its own, counting for itself.

Signing and verifying take as much of a core as the server's own work; one process could not load two.
"""

import asyncio
import multiprocessing
import queue
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

from tests.bench.hammering.book import Book
from tests.bench.hammering.following import Follower
from tests.bench.hammering.log import IsOver, Remote, Trust
from tests.bench.hammering.parties import load
from tests.bench.hammering.sampling import Sampler
from tests.bench.hammering.tally import Tally
from tests.bench.hammering.writing import Writer

REPORT_S = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What to do to which log."""

    urls: Sequence[str]
    policy: str
    keys: Path
    book: Path
    seconds: float
    writers: int = 4
    """Connections that send lines."""
    batch: int = 64
    """Lines a request."""
    posters: int = 8
    """Connections that send one statement a request."""
    followers: int = 1
    samplers: int = 4
    rate: float = 0.0
    """Statements a second, of all writers together; 0 for as many as they can."""
    processes: int = 2
    """Of writers; the readers have one more."""

    def split(self) -> list["Load"]:
        """One part a process."""
        none, count = replace(self, writers=0, posters=0, followers=0, samplers=0), max(1, self.processes)
        parts = [
            replace(none, writers=len(range(at, self.writers, count)), posters=len(range(at, self.posters, count)),
                    rate=self.rate / count)
            for at in range(count)
        ]  # fmt: skip
        return [*parts, replace(none, followers=self.followers, samplers=self.samplers)]


@dataclass(frozen=True, slots=True)
class Work:
    """The processes, where their tallies arrive, and how to tell them that it is over."""

    processes: Sequence[BaseProcess]
    tallies: "Queue[Tally]"
    stop: Event

    def is_going_on(self) -> bool:
        """Whether one of them still works."""
        return any(process.is_alive() for process in self.processes)

    def gather(self, into: Tally, wait_s: float) -> None:
        """Add what has arrived, waiting up to `wait_s` for the first."""
        try:
            into.add(self.tallies.get(timeout=wait_s))
            while True:
                into.add(self.tallies.get_nowait())
        except queue.Empty:
            return


@contextmanager
def at_work(load: Load) -> Iterator[Work]:
    """Start the processes; ended by their ids when the block ends before they do."""
    context = multiprocessing.get_context("spawn")
    tallies: Queue[Tally] = context.Queue()
    stop = context.Event()
    processes = [context.Process(target=_work, args=(part, stop, tallies), daemon=True) for part in load.split()]
    for process in processes:
        process.start()
    try:
        yield Work(processes, tallies, stop)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _work(load: Load, stop: Event, tallies: "Queue[Tally]") -> None:
    # Ctrl-C reaches the whole group; the one who watches ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end = time.monotonic() + load.seconds
    asyncio.run(_run(load, lambda: stop.is_set() or time.monotonic() >= end, tallies))


async def _run(part: Load, is_over: IsOver, tallies: "Queue[Tally]") -> None:
    tally = Tally()
    reporting = asyncio.create_task(_report(tally, tallies))
    remote, trust, parties = Remote(part.urls, tally), Trust.of(part.policy), load(part.keys)
    book = Book(part.book)
    batches = [part.batch] * part.writers + [1] * part.posters
    # Each writes at the share of the rate that its batch has.
    rates = [part.rate * batch / sum(batches) for batch in batches]
    writers = [
        Writer(remote, parties[at % len(parties)], book, trust, batch, rate)
        for at, (batch, rate) in enumerate(zip(batches, rates, strict=True))
    ]
    jwks = {party.uri: party.jwk for party in parties}
    work = [one.run(is_over) for one in writers]
    work += [Follower(remote, trust).run(is_over) for _ in range(part.followers)]
    work += [Sampler(remote, trust, jwks, part.book).run(is_over) for _ in range(part.samplers)]
    try:
        await asyncio.gather(*work)
    finally:
        reporting.cancel()
        tallies.put(tally.take())
        book.close()
        await remote.http.aclose()


async def _report(tally: Tally, tallies: "Queue[Tally]") -> None:
    while True:
        await asyncio.sleep(REPORT_S)
        tallies.put(tally.take())
