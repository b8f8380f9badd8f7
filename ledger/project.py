"""
Derived rows: what a sequenced statement means for the tables that trace, report and judge by.

`told_rows` is a pure function of the record, made at admission, long before there is an index; `derive` is the same with one,
so that the audit can compare; `store` writes, `drop` takes back what an erased statement told.  A row never says more than
its statement.

Links run from upstream to downstream.  A transformation of many inputs into many outputs, or one told in several events,
goes through a hub (HUB): n + m links instead of n * m.

Source: protocol.md section 1; EPCIS 2.0 section 7.4.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from ledger.ends import End, format_ends
from ledger.models import (
    Base,
    CommitmentRow,
    EventObject,
    EventRow,
    GrantRow,
    Link,
    MasterRow,
    RecallRow,
    RecallScope,
    RevocationRow,
    SubjectKey,
    WithdrawalRow,
)
from ledger.writing import write_rows
from producers.sign import public_disclosures
from verify import gs1
from verify.authority import grant_of
from verify.epcis import Event, Object
from verify.history import Record
from verify.statement import Statement
from verify.strict import b64u_decode

Rows = Mapping[type[Base], Sequence[dict[str, Any]]]
Told = Mapping[str, Sequence[tuple[Any, ...]]]
"""Rows by the name of their table, each without its index: what a statement tells before it has a place."""
HUB = "urn:originmark:transformation:"
MAX_DIRECT = 64  # links of one transformation before a hub is cheaper to walk
NUL = "\x00"
MAX_TEXT = 1_024  # characters; PostgreSQL's index takes no row of more than 2,704 bytes
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
# In the order in which they are written.  Subject keys survive an erasure: the entry names them for ever.
CONTENT: tuple[type[Base], ...] = (
    EventRow, EventObject, Link, MasterRow, CommitmentRow, RecallRow, RecallScope, GrantRow, RevocationRow,
    WithdrawalRow,
)  # fmt: skip
DERIVED: tuple[type[Base], ...] = (SubjectKey, *CONTENT)
TABLES: Mapping[str, type[Base]] = {table.__tablename__: table for table in DERIVED}
# Columns of each table in the order of its rows: first their place, which is its statement's index and, where one statement
# tells several, which of them this is.
PLACES: Mapping[str, tuple[str, ...]] = {
    name: tuple(one for one in ("index", "ordinal") if one in table.__table__.c) for name, table in TABLES.items()
}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    name: (*PLACES[name], *(one.name for one in table.__table__.c if one.name not in PLACES[name]))
    for name, table in TABLES.items()
}
SIDES = ("source", "destination")
UNLINKED = ("ObjectEvent", "TransactionEvent")


def told_rows(record: Record) -> Told:
    """
    What one record tells, whose statement has every disclosure that the log keeps, without its index and its subject keys.

    Pure.  Values stand in the order of COLUMNS, without their place.  A withdrawal's target is not told: only the log knows
    its index.
    """
    rows: dict[str, list[tuple[Any, ...]]] = {}
    statement = record.statement
    if record.event is not None:
        adopts = statement.subject.get("adopts") if statement.kind == "Adoption" else None
        public = {*statement.subject, *(shown.name for shown in public_disclosures(statement))}
        shown = [side for side in SIDES if statement.kind != "TraceabilityEvent" or f"{side}List" in public]
        rows |= event_rows(record.event, statement.issuer, _digest(adopts), shown)
    elif make := _MAKERS.get(statement.kind):
        rows |= make(statement)
    return rows


def derive(record: Record, index_of: Callable[[bytes], int | None]) -> Rows:
    """The rows of `told_rows` as the tables hold them; `index_of` finds the statement that a withdrawal names."""
    rows: dict[type[Base], list[dict[str, Any]]] = {
        SubjectKey: [{"key": key, "index": record.index} for key in record.keys]
    }
    for name, told in told_rows(record).items():
        rows[TABLES[name]] = named(name, placed(name, [(record.index, told)]))
    for row in rows.get(WithdrawalRow, ()):
        row["target"] = index_of(row["digest"])
    return rows


def placed(name: str, told: Iterable[tuple[int, Sequence[tuple[Any, ...]]]]) -> list[tuple[Any, ...]]:
    """The rows that statements tell for a table, from (index, rows) of each, with their place."""
    if len(PLACES[name]) == 2:
        return [(index, at, *row) for index, rows in told for at, row in enumerate(rows)]
    return [(index, *row) for index, rows in told for row in rows]


def named(name: str, rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows by the names of their columns."""
    return [dict(zip(COLUMNS[name], row, strict=True)) for row in rows]


def store(session: Session, rows: Rows) -> None:
    """Write rows of any tables; closes the recalls that a notice closes."""
    for table in (*(t for t in rows if t not in DERIVED), *(t for t in DERIVED if t in rows)):
        write_rows(session, Base.metadata.tables[table.__tablename__], rows[table])
    for notice in rows.get(RecallRow, ()):
        if notice["closes"] is not None:
            closed = update(RecallRow).where(RecallRow.digest == notice["closes"], RecallRow.closed_by.is_(None))
            session.execute(closed.values(closed_by=notice["index"]))


def drop(session: Session, index: int) -> None:
    """Delete what the statement at `index` told; its subject keys stay."""
    for table in CONTENT:
        session.execute(delete(table).where(table.__table__.c.index == index))


def plain(text: str) -> str:
    """A foreign text as a column holds it: no NUL (PostgreSQL has none), at most MAX_TEXT characters."""
    return text.replace(NUL, "\ufffd")[:MAX_TEXT]


def told_event(statement: Statement) -> Mapping[str, Any] | None:
    """The raw EPCIS event of a TraceabilityEvent or an Adoption, None for other kinds."""
    body: Any = {"TraceabilityEvent": statement.disclosed, "Adoption": statement.disclosed.get("event")}.get(statement.kind)
    return body if isinstance(body, Mapping) else None


def event_rows(event: Event, issuer: str, adopts: bytes | None, shown: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    """What one event tells; `shown` are the SIDES whose list everybody may read."""
    time_ms = (event.time - _EPOCH) // _MS
    row = (
        event.type, event.action, _short(event.biz_step), _short(event.disposition), _short(event.event_id), time_ms,
        event.offset, issuer, event.read_point, event.biz_location, _ends(event, shown), event.error_declaration,
        _short(event.transformation_id), adopts,
    )  # fmt: skip
    rows = {"events": [row], "event_objects": [_object_row(one) for one in event.objects]}
    if not event.error_declaration and event.type not in UNLINKED:
        rows["links"] = links(issuer, event.type, event.action, event.transformation_id, [(o.role, o.uri) for o in event.objects])
    return rows


def _object_row(one: Object) -> tuple[Any, ...]:
    uom = None if one.uom is None else plain(one.uom)
    return one.role, one.uri, one.lot, gs1.product_of(one.uri), _amount(one.quantity), uom


def _ends(event: Event, shown: Sequence[str]) -> str | None:
    return format_ends([
        End(direction, plain(kind), uri, direction not in shown)
        for direction, pairs in zip(SIDES, (event.sources, event.destinations), strict=True)
        for kind, uri in pairs
    ])  # fmt: skip


def links(
    issuer: str, kind: str, action: str | None, transformation: str | None, objects: Sequence[tuple[str, str]]
) -> list[tuple[str, str, str]]:
    """What an event that is not of UNLINKED joins, from upstream to downstream; `objects` are (role, URI)."""
    pairs: set[tuple[str, str, str]] = set()
    named = {role: [uri for found, uri in objects if found == role] for role in ("parent", "child", "input", "output")}
    if kind == "TransformationEvent":
        pairs = set(_transforms(issuer, transformation, named["input"], named["output"]))
    elif action == "ADD":
        pairs = {(child, parent, "contain") for parent in named["parent"] for child in named["child"]}
    elif action == "DELETE":
        pairs = {(parent, child, "uncontain") for parent in named["parent"] for child in named["child"]}
    return sorted(pairs)


def _transforms(issuer: str, shared: str | None, inputs: list[str], outputs: list[str]) -> Iterator[tuple[str, str, str]]:
    if shared is None and len(inputs) * len(outputs) <= MAX_DIRECT:
        yield from ((made_of, made, "transform") for made_of in inputs for made in outputs)
        return
    # A shared transformationID joins events of one party only: another party's word must not mix into it.
    name = "\n".join((issuer, shared)) if shared is not None else "\n".join((issuer, "", *inputs, "", *outputs))
    hub = HUB + sha256(name.encode()).hexdigest()
    yield from ((made_of, hub, "transform") for made_of in inputs)
    yield from ((hub, made, "transform") for made in outputs)


def _grant(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    grant = grant_of(statement, 0)
    roles, mint = sorted(grant.roles), list(grant.mint)
    return {"grants": [(grant.party, grant.thumbprint, _copy(grant.jwk), roles, mint, _copy(grant.name), grant.registrar)]}


def _revocation(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    body = statement.subject
    return {"revocations": [(body["id"], body["kid"], body.get("compromisedFrom"), plain(body["reason"]))]}


def _recall(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    body = statement.subject
    row = (statement.digest, statement.issuer, plain(body["class"]), _digest(body.get("closes")), None, _copy(body))
    named = {(kind, gs1.canonical_uri(uri)) for kind in ("lot", "product", "place") for uri in body["scope"].get(kind + "s", ())}
    return {"recalls": [row], "recall_scope": sorted(named)}


def _commitment(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    body = statement.subject
    lot, root = gs1.canonical_uri(body["id"]), b64u_decode(body["root"])
    return {"commitments": [(lot, root, body["count"], _digest(body.get("previous")), statement.issuer)]}


def _master(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    body = statement.disclosed
    return {"master_data": [(gs1.canonical_uri(body["id"]), plain(str(body.get("type", ""))), statement.issuer, _copy(body))]}


def _withdrawal(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    return {"withdrawals": [(bytes.fromhex(statement.subject["digest"]), None)]}


_MAKERS = {
    "Genesis": _grant, "PartyRegistration": _grant, "KeyRevocation": _revocation, "RecallNotice": _recall,
    "LabelCommitment": _commitment, "MasterData": _master, "Withdrawal": _withdrawal,
}  # fmt: skip


def _copy(value: object) -> Any:
    """Plain objects and lists of what the strict parser gave; our own kinds have no number that JSON would change."""
    return json.loads(json.dumps(value))


def _short(text: str | None) -> str | None:
    return None if text is None else plain(text)


def _amount(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def _digest(text: object) -> bytes | None:
    """A digest in hex, None for anything else: an Adoption may name whatever it likes."""
    try:
        return bytes.fromhex(text) if isinstance(text, str) and len(text) == 64 else None
    except ValueError:
        return None
