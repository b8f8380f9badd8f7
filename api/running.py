"""
What lives while the service runs: database, tiles, keys; the sequencer's and the anchors' threads, the watcher's task.

Opened in this order and closed in the other: the server first finishes the requests that wait for the sequencer, then the
sequencer stops, then the database is closed.  On SQLite a second process is refused; on PostgreSQL it serves, and takes over
sequencing when the first one is gone.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from api.alone import Alone
from api.deps import Service
from api.intake import Intake
from api.metrics import Metrics
from api.proofs import Proofs
from api.rates import Rate
from api.views import Views
from api.watcher import Watcher
from ledger import parcels
from ledger.anchor_worker import TICK, anchor_worker
from ledger.collecting import collect_worker
from ledger.db import SILENCE_S, Busy, Database, LeaseLost, sequencer_lock
from ledger.examiners import Examiners, settle_down, usable_cores
from ledger.keys import Keys, load_keys
from ledger.problems import Refused
from ledger.running import database_of, sequencer_of, store_for_readers
from ledger.sequencer import Sequencer
from ledger.settings import Settings, zone
from ledger.settling import settle_worker
from ledger.tallies import Tallies
from producers.epcis.validate import EventValidator

log = structlog.get_logger()

TAKE_OVER_S = 1.0  # between two tries to become the sequencer
ELSEWHERE = Refused("pool-full", "another process sequences now: send it again", retry_after_s=1)
DEV_TICK_S = 0.5  # the chain of a demo makes a block at once


class Chain(Protocol):
    """A chain in this process (devchain.py)."""

    provider: Any

    def rpc(self, body: bytes) -> bytes:
        """Answer one JSON-RPC request."""


@dataclass(frozen=True, slots=True)
class Local:
    """What a demo runs in this process beside the service."""

    devchain: Chain | None = None
    is_demo: bool = False


@asynccontextmanager
async def running(settings: Settings, local: Local) -> AsyncIterator[Service]:
    """The service, started.  Raises Busy where another process has this SQLite store, FileNotFoundError before `init`."""
    with ExitStack() as stack:
        database = database_of(settings)
        stack.callback(database.close)
        keys = load_keys(settings.keys, settings.origin)
        metrics = Metrics(CollectorRegistry())
        sequencer = sequencer_of(settings, database, keys, metrics)
        service = _service(settings, local, database, keys, sequencer, metrics)
        stack.callback(service.intake.examiners.close)
        stop = threading.Event()
        if database.is_sqlite:
            stack.enter_context(sequencer_lock(database, settings.data))
        stack.enter_context(_thread("sequencer", stop, partial(_sequence, settings, local, service, sequencer, stop)))
        watching = asyncio.create_task(service.watcher.run())
        settle_down()
        try:
            yield service
        finally:
            watching.cancel()
            stop.set()


def _service(
    settings: Settings, local: Local, database: Database, keys: Keys, sequencer: Sequencer, metrics: Metrics
) -> Service:
    validator = EventValidator.build()
    watcher = Watcher(partial(_first_open, database))
    workers = settings.workers if settings.workers is not None else usable_cores()
    intake = Intake(
        database, sequencer.pool, Examiners(validator, workers), watcher, parcels.seal_key(keys.log), settings.pool_limit,
        Rate(settings.party_rate),
    )  # fmt: skip
    store = store_for_readers(settings, database, keys)
    return Service(
        settings=settings, database=database, store=store, validator=validator,
        intake=intake, alone=Alone(intake, Proofs(database, store)), tallies=Tallies(), watcher=watcher,
        views=Views.load(origin=settings.origin, banner=local.is_demo, zone=zone(settings.timezone)),
        log_signer=keys.log, clock_key=keys.clock.vkey, metrics=metrics,
        limiter=FixedWindowRateLimiter(MemoryStorage()), is_demo=local.is_demo,
    )  # fmt: skip


def _first_open(database: Database) -> int | None:
    with database.reading() as session:
        return parcels.first_open(session)


@contextmanager
def _thread(name: str, stop: threading.Event, work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work, name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _sequence(settings: Settings, local: Local, service: Service, sequencer: Sequencer, stop: threading.Event) -> None:
    """Write the log, and anchor it, while this process has the right to; both are one process's work."""
    if service.database.is_sqlite:
        _write(settings, local, service, sequencer, stop)  # the lock is held for the whole process
        return
    sequencer.pool.close(ELSEWHERE)
    while not stop.is_set():
        try:
            with sequencer_lock(service.database, settings.data, silence_s=SILENCE_S) as check_lease:
                log.info("sequencer.started")
                sequencer.pool.close(None)
                _write(settings, local, service, sequencer, stop, check_lease)
        except Busy:
            stop.wait(TAKE_OVER_S)
        except (LeaseLost, SQLAlchemyError) as error:
            log.warning("sequencer.lost", reason=str(error))
            stop.wait(TAKE_OVER_S)
        finally:
            # Whoever waits here is sent away; from now on parcels go to whoever sequences.
            sequencer.pool.close(ELSEWHERE)


def _write(
    settings: Settings, local: Local, service: Service, sequencer: Sequencer, stop: threading.Event,
    check_lease: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    provider = None if local.devchain is None else local.devchain.provider
    ended = threading.Event()
    anchor = partial(
        anchor_worker, settings, service.database, service.store, ended, provider=provider,
        tick_s=TICK if provider is None else DEV_TICK_S,
    )  # fmt: skip
    collect = partial(collect_worker, service.database, sequencer.store, ended)
    settle = partial(settle_worker, sequencer.publisher.settle, ended)
    with _thread("anchors", ended, anchor), _thread("collector", ended, collect), _thread("settler", ended, settle):
        sequencer.run(stop, settings.sequence_interval_ms / 1000, check_lease)
