"""
For whoever runs the service: is it alive, is it ready, how is it doing.

    /livez      the process answers
    /readyz     the served checkpoint verifies under our keys, is not stale, the pool is being emptied, and nobody stops us
    /metrics    Prometheus; counts and sizes, no identifiers

Source: interface.md.
"""

import time

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.deps import Reading, Serving
from api.problems import HttpProblem
from ledger.models import ParcelRow
from ledger.parcels import OPEN
from ledger.pooling import Pool, published_size
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
def readyz(request: Request, service: Serving, session: Reading) -> Response:
    """Ready to serve: otherwise 503 with the reason."""
    if request.app.state.traffic.stopping:
        raise HttpProblem("stopping", "this process was told to stop", retry_after_s=1)
    try:
        served = open_signed(service.store.read_checkpoint() or "", service.log_key, service.clock_key)
    except (Fatal, OSError) as error:
        raise HttpProblem("not-ready", f"the served checkpoint does not verify: {error}") from None
    if served.checkpoint.size < published_size(session):
        raise HttpProblem("not-ready", "the object store serves an older checkpoint than was published")
    age = int(time.time()) - served.time_s
    if age > STALE_S:
        raise HttpProblem("not-ready", f"the checkpoint is {age} s old: the sequencer has stopped")
    waits = oldest_wait_s(session, service.intake.pool)
    if waits > STUCK_S:
        raise HttpProblem("not-ready", f"a statement has waited {waits} s: the sequencer has stopped")
    return PlainTextResponse(f"ok {served.checkpoint.size}\n", headers={"cache-control": "no-store"})


def oldest_wait_s(session: Session, pool: Pool) -> int:
    """How long the oldest unfinished statement has waited, in seconds: in this process's pool, or between processes."""
    sent = session.scalar(select(func.min(ParcelRow.received_ms)).where(ParcelRow.state.in_(OPEN)))
    first = min((one for one in (sent, pool.oldest_ms) if one is not None), default=None)
    return 0 if first is None else max(0, (time.time_ns() // 1_000_000 - first) // 1000)


@router.get("/metrics")
def metrics(service: Serving) -> Response:
    """Counters and gauges in Prometheus' text format."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)
