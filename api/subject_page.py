"""
What the regulator's page about one subject shows: signed records, both traces, a product's lots, recalls, what was erased.

Only entries below the published size, so that everything shown has a receipt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import Service
from api.lots import ProductLots, lots_of
from api.problems import HttpProblem
from api.subjects import names_for
from api.trace import read_graph, table
from ledger.models import SubjectKey
from ledger.pooling import published_size
from ledger.recalls import recalls_touching
from ledger.shown import Audience, erasures, read_records
from ledger.told_events import HOUR
from ledger.trace import Reach
from verify import gs1
from verify.errors import Malformed
from verify.statement import parse_time
from verify.subjects import Record

MAX_RECORDS = 500  # newest; a warehouse is named by every pallet
MAX_EVENTS = 500  # of each trace on the page; the JSON has more
TRACED = ("item", "lot", "product", "sscc", "asset")
SCANNED = ("item", "lot", "product", "sscc")  # what a shopper may have in the hand
BUNDLED = ("item", "lot", "sscc")  # what has a bundle; the resolver lists the records of all others
NO_LOTS = ProductLots((), truncated=False)
TOLD = ("bizStep", "scheme", "number", "verdict", "form", "count", "class", "validUntil", "sample", "reason")


@dataclass(frozen=True, slots=True)
class Shown:
    """One signed record as the page lists it."""

    index: int
    kind: str
    issuer: str
    claimed: str
    logged_ms: int
    late_hours: int
    digest: str
    told: Mapping[str, str | int]
    """The few members that say what the record says; the page has words for each."""
    withheld: int


def subject_facts(session: Session, service: Service, uri: str, audience: Audience, lang: str) -> dict[str, Any]:
    """Everything the template needs.  Raises HttpProblem for what is no identifier or nobody recorded."""
    try:
        uris = gs1.subjects_of_uri(uri)
        level = gs1.level(uris[0])
    except Malformed as error:
        raise HttpProblem("bad-identifier", error.message, where="id") from None
    size = published_size(session)
    records = _records(session, uris, size, audience)
    reach = Reach(limit=MAX_EVENTS, before=size, audience=audience)
    graphs = {way: _traced(session, service, uri, reach, way, lang) for way in ("back", "forward") if level in TRACED}
    lots = lots_of(session, uris[0], size) if level == "product" else NO_LOTS
    if level == "product":
        # Whoever asks for a product means its lots; few are named without one.
        graphs = {way: part for way, part in graphs.items() if part["rows"]}
    if not records and not lots.lots and not any(part["rows"] for part in graphs.values()):
        raise HttpProblem("unknown-subject", f"no record here names {uris[0]}", where="id")
    names = names_for(session, {*uris, *(one.issuer for one in records), *(lot.uri for lot in lots.lots)}, lang)
    return {
        "lots": lots, "is_scanned": level in SCANNED, "is_bundled": level in BUNDLED,
        "uri": uris[0], "level": level, "path": uris[0].removeprefix(gs1.HOST), "records": records, "traces": graphs,
        "names": names, "recalls": recalls_touching(session, uris, size), "erased": erasures(session, uris, size),
    }  # fmt: skip


def _traced(session: Session, service: Service, uri: str, reach: Reach, way: str, lang: str) -> Mapping[str, Any]:
    graph, states = read_graph(session, service, uri, reach, forward=way == "forward")
    return {"graph": graph, **table(session, graph, states, lang)}


def _records(session: Session, uris: list[str], size: int, audience: Audience) -> list[Shown]:
    keys = [sha256(uri.encode()).digest() for uri in uris]
    wanted = select(SubjectKey.index).where(SubjectKey.key.in_(keys), SubjectKey.index < size).distinct()
    indexes = session.scalars(wanted.order_by(SubjectKey.index.desc()).limit(MAX_RECORDS)).all()
    return [_shown(record) for record in read_records(session, indexes, audience)]


def _shown(record: Record) -> Shown:
    statement = record.statement
    event = record.event
    claimed = str(statement.payload["validFrom"]) if event is None else event.time.isoformat(timespec="seconds")
    claimed_ms = int(parse_time(str(statement.payload["validFrom"])).timestamp() * 1000)
    body = statement.disclosed
    told = {name: body[name] for name in TOLD if isinstance(body.get(name), str | int)}
    late = max(0, record.time_ms - claimed_ms) // HOUR
    return Shown(record.index, statement.kind, statement.issuer, claimed, record.time_ms, late, statement.digest.hex(),
                 told, statement.withheld)  # fmt: skip
