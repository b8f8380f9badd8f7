"""
What is counted for Prometheus: requests, refusals, batches, witnesses, and gauges read from the database when scraped.

Labels have few values each: routes, statuses, problem codes, names of our witnesses.  No party, lot or address is ever one.
With several processes each counts its own requests, the one that sequences counts the batches, and all tell the same gauges.
Every name stands in docs/operations.md; a test compares.

Source: prometheus.io, "Metric and label naming"; interface.md.
"""

import time
from collections.abc import Iterator

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.limits import Traffic
from ledger.db import Database
from ledger.freezing import freeze_of
from ledger.models import AnchorRow, CosignatureRow, ParcelRow, Published, WitnessRow
from ledger.parcels import OPEN, waiting_count
from ledger.pooling import Pool, published_size

log = structlog.get_logger()

ANCHORED = ("included", "safe", "final")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
BATCH = (1, 4, 16, 64, 256, 1_024, 4_096, 16_384)  # statements


class Metrics:
    """Counters of this process; implements ledger.observing.Observer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._told: dict[tuple[str, str, int], Histogram] = {}
        self._seconds = Histogram(
            "originmark_http_seconds", "Requests by route", ("method", "route", "status"), registry=registry, buckets=SECONDS
        )
        self._refused = Counter("originmark_refused", "Requests and statements refused, by problem", ("code",), registry=registry)
        self._batch = Histogram("originmark_batch_statements", "Statements a batch", registry=registry, buckets=BATCH)
        self._sequencing = Histogram(
            "originmark_sequencing_seconds", "A batch, from its taking to its publication", registry=registry, buckets=SECONDS
        )
        self._waited = Histogram(
            "originmark_publication_seconds", "From admission to publication, the oldest of a batch", registry=registry,
            buckets=SECONDS,
        )  # fmt: skip
        self._stops = Counter("originmark_sequencer_stops", "Errors after which the sequencer reloads", registry=registry)
        self._witness = Histogram(
            "originmark_witness_seconds", "Answers of witnesses", ("witness", "signed"), registry=registry, buckets=SECONDS
        )

    def request(self, method: str, route: str, status: int, seconds: float, problem: str | None) -> None:
        """A request was answered."""
        told = self._told.get((method, route, status))
        if told is None:
            # The library looks a child up under a lock, by the texts of its labels: dearer than the counting.
            told = self._told[method, route, status] = self._seconds.labels(method, route, str(status))
        told.observe(seconds)
        if problem is not None:
            self.refused(problem)

    def refused(self, code: str, count: int = 1) -> None:
        """Statements were refused inside a request that as a whole was not."""
        self._refused.labels(code).inc(count)

    def batch(self, *, judged: int, added: int, size: int, seconds: float, waited_s: float) -> None:
        """See Observer; also one line of the journal."""
        self._batch.observe(judged)
        self._sequencing.observe(seconds)
        self._waited.observe(waited_s)
        log.info("batch", judged=judged, added=added, size=size, ms=round(seconds * 1000, 1), waited_ms=round(waited_s * 1000, 1))

    def stopped(self, error: BaseException) -> None:
        """See Observer; the sequencer itself writes the line."""
        self._stops.inc()

    def witness(self, name: str, *, signed: bool, seconds: float) -> None:
        """See Observer."""
        self._witness.labels(name, str(signed).lower()).observe(seconds)


class Gauges:
    """What is read when it is asked for; implements prometheus_client.registry.Collector."""

    def __init__(self, database: Database, pool: Pool, traffic: Traffic) -> None:
        self._database = database
        self._pool = pool
        self._traffic = traffic

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges; those of the database are missing while it cannot be read, and `originmark_database_up` says so."""
        yield _gauge("requests_now", "Requests at work in this process", self._traffic.requests)
        yield _gauge("body_bytes_now", "Bytes of request bodies held by this process", self._traffic.body_bytes)
        yield _gauge("stopping", "1 while this process drains", self._traffic.stopping)
        try:
            with self._database.reading() as session:
                found = [*_log_gauges(session, self._pool), *_others_gauges(session)]
        except SQLAlchemyError as error:
            log.warning("metrics.blind", exc_info=error)
            found = []
        yield _gauge("database_up", "Whether the database could be read", bool(found))
        yield from found

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: registering must not read the database."""
        return []


def _log_gauges(session: Session, pool: Pool) -> Iterator[GaugeMetricFamily]:
    now_ms = time.time_ns() // 1_000_000
    signed_ms = session.scalar(select(func.max(Published.time_ms))) or now_ms
    sent_ms = session.scalar(select(func.min(ParcelRow.received_ms)).where(ParcelRow.state.in_(OPEN)))
    oldest_ms = min(sent_ms or now_ms, pool.oldest_ms or now_ms)
    yield _gauge("published_entries", "Entries that everybody can see", published_size(session))
    yield _gauge("checkpoint_age_seconds", "Since the served checkpoint was signed", (now_ms - signed_ms) / 1000)
    yield _gauge("pool_statements", "Queue depth: admitted, not yet published", waiting_count(session) + len(pool))
    yield _gauge("pool_oldest_seconds", "Age of the oldest of them", max(0, now_ms - oldest_ms) / 1000)
    yield _gauge("frozen", "1 where the log takes nothing any more", freeze_of(session) is not None)


def _others_gauges(session: Session) -> Iterator[GaugeMetricFamily]:
    size = published_size(session)
    newest = select(CosignatureRow.name, func.max(CosignatureRow.size)).group_by(CosignatureRow.name)
    signed = {name: cosigned for name, cosigned in session.execute(newest)}
    lag = GaugeMetricFamily("originmark_witness_lag_entries", "Published entries a witness has not cosigned", labels=["witness"])
    for name in session.scalars(select(WitnessRow.name).order_by(WitnessRow.name)):
        lag.add_metric([name], size - signed.get(name, 0))
    yield lag
    sizes = select(func.max(AnchorRow.size)).where(AnchorRow.state.in_(ANCHORED))
    anchored = session.scalar(sizes) or 0
    yield _gauge("anchored_entries", "Size of the newest anchored tree", anchored)
    yield _gauge("anchor_lag_entries", "Published entries that no anchor covers yet", size - anchored)
    broken = select(func.count()).select_from(AnchorRow).where(AnchorRow.state.in_(("conflict", "refused")))
    yield _gauge("anchor_troubles", "Anchors that somebody has to look at", session.scalar(broken) or 0)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"originmark_{name}", text, value)
