"""
For whoever runs the service: is it alive, is it ready, how is it doing.

    /livez      the process answers
    /readyz     the served checkpoint verifies under our keys, is not stale, and the pool is being emptied
    /metrics    Prometheus; counts and sizes, no identifiers

Source: interface.md.
"""

import time
from collections.abc import Iterator

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.deps import Reading, Service, Serving
from api.problems import HttpProblem
from ledger.models import AnchorRow, ParcelRow
from ledger.parcels import OPEN, waiting_count
from ledger.pooling import published_size
from ledger.problems import Fatal
from ledger.sequencer import REFRESH
from ledger.signing import open_signed

STALE_S = 2 * REFRESH  # a log that is only quiet signs anew every REFRESH seconds
STUCK_S = 60  # s that a statement may wait before something is wrong with the sequencer

router = APIRouter(tags=["operations"])


@router.get("/livez")
def livez() -> Response:
    """The process answers; nothing is looked at."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


@router.get("/readyz")
def readyz(service: Serving, session: Reading) -> Response:
    """Ready to serve: otherwise 503 with the reason."""
    try:
        served = open_signed(service.store.read_checkpoint() or "", service.log_key, service.clock_key)
    except (Fatal, OSError) as error:
        raise HttpProblem("not-ready", f"the served checkpoint does not verify: {error}") from None
    if served.checkpoint.size < published_size(session):
        raise HttpProblem("not-ready", "the object store serves an older checkpoint than was published")
    age = int(time.time()) - served.time_s
    if age > STALE_S:
        raise HttpProblem("not-ready", f"the checkpoint is {age} s old: the sequencer has stopped")
    waits = oldest_wait_s(session)
    if waits > STUCK_S:
        raise HttpProblem("not-ready", f"a statement has waited {waits} s: the sequencer has stopped")
    return PlainTextResponse(f"ok {served.checkpoint.size}\n", headers={"cache-control": "no-store"})


def oldest_wait_s(session: Session) -> int:
    """How long the oldest unfinished statement has waited, in seconds."""
    first = session.scalar(select(func.min(ParcelRow.received_ms)).where(ParcelRow.state.in_(OPEN)))
    return 0 if first is None else max(0, (time.time_ns() // 1_000_000 - first) // 1000)


@router.get("/metrics")
def metrics(service: Serving) -> Response:
    """Counters and gauges in Prometheus' text format."""
    return Response(generate_latest(service.registry), media_type=CONTENT_TYPE_LATEST)


class LogCollector:
    """Reads the gauges from the database whenever they are scraped."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See prometheus_client.registry.Collector."""
        with self._service.database.reading() as session:
            size = published_size(session)
            waiting = waiting_count(session) + len(self._service.intake.pool)
            waits = oldest_wait_s(session)
            anchored = session.scalar(
                select(func.max(AnchorRow.size)).where(AnchorRow.state.in_(("included", "safe", "final")))
            )
        yield GaugeMetricFamily("originmark_published_entries", "Entries that everybody can see", size)
        yield GaugeMetricFamily("originmark_pool_statements", "Admitted, not yet published", waiting)
        yield GaugeMetricFamily("originmark_pool_oldest_seconds", "Age of the oldest unfinished statement", waits)
        yield GaugeMetricFamily("originmark_anchored_entries", "Size of the newest anchored tree", anchored or 0)


def register(registry: CollectorRegistry, service: Service) -> None:
    """Add the log's gauges to the registry that `/metrics` prints."""
    registry.register(LogCollector(service))
