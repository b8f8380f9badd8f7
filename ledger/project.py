"""
Derived rows: what a sequenced statement means for the tables that trace, report and judge by.

`derive` is a pure function of the record, so that the audit can call it again and compare; `store` writes inside the ordering
transaction, `drop` takes back what an erased statement told.  A row never says more than its statement.

Links run from upstream to downstream.  A transformation of many inputs into many outputs, or one told in several events,
goes through a hub (HUB): n + m links instead of n * m.

Source: protocol.md section 1; EPCIS 2.0 section 7.4.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from ledger.models import (
    Base,
    CommitmentRow,
    EventObject,
    EventParty,
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
from producers.sign import public_disclosures
from verify import gs1
from verify.authority import grant_of
from verify.epcis import Event
from verify.history import Record
from verify.statement import Statement
from verify.strict import b64u_decode

Rows = Mapping[type[Base], Sequence[dict[str, Any]]]
HUB = "urn:originmark:transformation:"
MAX_DIRECT = 64  # links of one transformation before a hub is cheaper to walk
NUL = "\x00"
MAX_TEXT = 1_024  # characters; PostgreSQL's index takes no row of more than 2,704 bytes
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# In the order in which they are written.  Subject keys survive an erasure: the entry names them for ever.
CONTENT: tuple[type[Base], ...] = (
    EventRow, EventObject, EventParty, Link, MasterRow, CommitmentRow, RecallRow, RecallScope, GrantRow, RevocationRow,
    WithdrawalRow,
)  # fmt: skip
DERIVED: tuple[type[Base], ...] = (SubjectKey, *CONTENT)


def derive(record: Record, index_of: Callable[[bytes], int | None]) -> Rows:
    """
    Every derived row of one record, whose statement has every disclosure that the log keeps.

    Pure but for `index_of`, which finds the statement that a withdrawal names.
    """
    rows: dict[type[Base], list[dict[str, Any]]] = {
        SubjectKey: [{"key": key, "index": record.index} for key in record.keys]
    }
    if record.event is not None:
        rows |= _event_rows(record, record.event)
    elif record.statement.kind == "Withdrawal":
        target = bytes.fromhex(record.statement.subject["digest"])
        rows[WithdrawalRow] = [{"index": record.index, "digest": target, "target": index_of(target)}]
    elif make := _MAKERS.get(record.statement.kind):
        rows |= make(record.index, record.statement)
    return rows


def store(session: Session, rows: Rows) -> None:
    """Write rows of any tables; closes the recalls that a notice closes."""
    for table in (*(t for t in rows if t not in DERIVED), *(t for t in DERIVED if t in rows)):
        if rows[table]:
            # Core and not ORM: the columns by their own names, a third of the time.
            session.execute(insert(Base.metadata.tables[table.__tablename__]), list(rows[table]))
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


def _event_rows(record: Record, event: Event) -> dict[type[Base], list[dict[str, Any]]]:
    index, adopts = record.index, record.statement.subject.get("adopts") if record.statement.kind == "Adoption" else None
    row = {
        "index": index, "type": event.type, "action": event.action, "biz_step": _short(event.biz_step),
        "disposition": _short(event.disposition), "event_id": _short(event.event_id),
        "event_time": (event.time - _EPOCH) // timedelta(milliseconds=1), "offset": event.offset,
        "issuer": record.statement.issuer, "read_point": event.read_point, "biz_location": event.biz_location,
        "error_declaration": event.error_declaration, "transformation_id": _short(event.transformation_id),
        "adopts": _digest(adopts),
    }  # fmt: skip
    links = [] if event.error_declaration else list(_links(index, record.statement.issuer, event))
    return {EventRow: [row], EventObject: _objects(index, event), EventParty: list(_parties(record, event)), Link: links}


def _objects(index: int, event: Event) -> list[dict[str, Any]]:
    return [
        {
            "index": index, "role": one.role, "uri": one.uri, "lot": one.lot, "product": gs1.product_of(one.uri),
            "quantity": _amount(one.quantity), "uom": None if one.uom is None else plain(one.uom),
        }
        for one in event.objects
    ]  # fmt: skip


def _parties(record: Record, event: Event) -> Iterator[dict[str, Any]]:
    statement = record.statement
    public = {*statement.subject, *(shown.name for shown in public_disclosures(statement))}
    for direction, pairs in (("source", event.sources), ("destination", event.destinations)):
        withheld = statement.kind == "TraceabilityEvent" and f"{direction}List" not in public
        for kind, uri in pairs:
            yield {"index": record.index, "direction": direction, "type": plain(kind), "uri": uri, "withheld": withheld}


def _links(index: int, issuer: str, event: Event) -> Iterator[dict[str, Any]]:
    pairs: set[tuple[str, str, str]] = set()
    named = {role: [one.uri for one in event.objects if one.role == role] for role in ("parent", "child", "input", "output")}
    if event.type == "TransformationEvent":
        pairs = set(_transforms(issuer, event.transformation_id, named["input"], named["output"]))
    elif event.type in ("AggregationEvent", "AssociationEvent") and event.action == "ADD":
        pairs = {(child, parent, "contain") for parent in named["parent"] for child in named["child"]}
    elif event.type in ("AggregationEvent", "AssociationEvent") and event.action == "DELETE":
        pairs = {(parent, child, "uncontain") for parent in named["parent"] for child in named["child"]}
    for from_uri, to_uri, kind in sorted(pairs):
        yield {"from_uri": from_uri, "to_uri": to_uri, "index": index, "kind": kind}


def _transforms(issuer: str, shared: str | None, inputs: list[str], outputs: list[str]) -> Iterator[tuple[str, str, str]]:
    if shared is None and len(inputs) * len(outputs) <= MAX_DIRECT:
        yield from ((made_of, made, "transform") for made_of in inputs for made in outputs)
        return
    # A shared transformationID joins events of one party only: another party's word must not mix into it.
    name = "\n".join((issuer, shared)) if shared is not None else "\n".join((issuer, "", *inputs, "", *outputs))
    hub = HUB + sha256(name.encode()).hexdigest()
    yield from ((made_of, hub, "transform") for made_of in inputs)
    yield from ((hub, made, "transform") for made in outputs)


def _grant(index: int, statement: Statement) -> dict[type[Base], list[dict[str, Any]]]:
    grant = grant_of(statement, index)
    row = {
        "index": index, "party": grant.party, "thumbprint": grant.thumbprint, "jwk": dict(grant.jwk),
        "roles": sorted(grant.roles), "mint": list(grant.mint), "name": dict(grant.name), "registrar": grant.registrar,
    }  # fmt: skip
    return {GrantRow: [row]}


def _revocation(index: int, statement: Statement) -> dict[type[Base], list[dict[str, Any]]]:
    body = statement.subject
    row = {
        "index": index, "party": body["id"], "thumbprint": body["kid"], "compromised_from": body.get("compromisedFrom"),
        "reason": plain(body["reason"]),
    }  # fmt: skip
    return {RevocationRow: [row]}


def _recall(index: int, statement: Statement) -> dict[type[Base], list[dict[str, Any]]]:
    body = statement.subject
    row = {
        "index": index, "digest": statement.digest, "issuer": statement.issuer, "class": plain(body["class"]),
        "closes": _digest(body.get("closes")), "closed_by": None, "body": body,
    }  # fmt: skip
    named = {(kind, gs1.canonical_uri(uri)) for kind in ("lot", "product", "place") for uri in body["scope"].get(kind + "s", ())}
    return {RecallRow: [row], RecallScope: [{"index": index, "kind": kind, "uri": uri} for kind, uri in sorted(named)]}


def _commitment(index: int, statement: Statement) -> dict[type[Base], list[dict[str, Any]]]:
    body = statement.subject
    row = {
        "index": index, "lot": gs1.canonical_uri(body["id"]), "root": b64u_decode(body["root"]), "count": body["count"],
        "previous": _digest(body.get("previous")), "issuer": statement.issuer,
    }  # fmt: skip
    return {CommitmentRow: [row]}


def _master(index: int, statement: Statement) -> dict[type[Base], list[dict[str, Any]]]:
    body = statement.disclosed
    row = {
        "index": index, "uri": gs1.canonical_uri(body["id"]), "type": plain(str(body.get("type", ""))),
        "issuer": statement.issuer, "body": body,
    }  # fmt: skip
    return {MasterRow: [row]}


_MAKERS = {
    "Genesis": _grant, "PartyRegistration": _grant, "KeyRevocation": _revocation, "RecallNotice": _recall,
    "LabelCommitment": _commitment, "MasterData": _master,
}  # fmt: skip


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
