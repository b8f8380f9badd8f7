"""
What an EPCIS event tells: its own row, its objects, and the links between them.

Links run from upstream to downstream.  A transformation of many inputs into many outputs, or one told in several events,
goes through a hub (HUB): n + m links instead of n * m.

Source: EPCIS 2.0 section 7.4.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from ledger.column_text import plain
from ledger.ends import End, format_ends
from verify import gs1
from verify.epcis import Event, Object
from verify.statement import Statement

HUB = "urn:originmark:transformation:"
MAX_DIRECT = 64  # links of one transformation before a hub is cheaper to walk
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
SIDES = ("source", "destination")
UNLINKED = ("ObjectEvent", "TransactionEvent")


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


def _short(text: str | None) -> str | None:
    return None if text is None else plain(text)


def _amount(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")
