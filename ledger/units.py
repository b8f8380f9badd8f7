"""
Units and what was in them, and when: pallets, crates, containers, one inside the other.

    spans_of       the units that something travelled in, each with the time in which it was inside
    contents_at    what was in a unit at a moment

Times are event times: the parties' claims, in ms since 1970.  A span ends where the unit was emptied, or the very item was
taken out.  A quantity taken out of a lot leaves it open, since the rest may still travel: a recall that warns one shop
too many is the smaller evil.  What a stranger says about a unit ends nothing.

Source: EPCIS 2.0 section 7.4.3 (aggregation).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from ledger.ends import ends_of
from ledger.finding import names
from ledger.models import EventObject, EventRow, Link, WithdrawalRow

FOREVER = 2**62  # ms since 1970; after every event, and negated before every one
ANY = 2**53  # above every index of a log
MAX_OBJECTS = 4_096  # of one answer; beyond, it says that it is cut short
MAX_DEPTH = 64  # hops; a longer chain of repacking is an attack, not a supply chain
MAX_NESTING = 8  # a crate on a pallet in a container on a truck, twice over
CHUNK = 500  # values of one IN; SQLite takes 32,766
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scope:
    """How far to look: hops, entries below `before`, and whether what was declared wrong or withdrawn still links."""

    depth: int = MAX_DEPTH
    before: int = ANY
    doubtful: bool = False
    objects: int = MAX_OBJECTS


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Hop:
    """An edge of the object graph, from upstream to downstream; `kind` as in models.Link, or member (lot to item)."""

    source: str
    target: str
    index: int
    kind: str


@dataclass(frozen=True, slots=True)
class Span:
    """A unit, and when (both ends included) something of ours was inside."""

    unit: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class _Packing:
    hop: Hop
    at: int
    until: int
    packer: str


@dataclass(frozen=True, slots=True)
class _Emptying:
    at: int
    content: str | None
    """None: everything."""
    by: str
    was_sent: bool

    def closes(self, content: str, packed_at: int, packer: str) -> bool:
        # Else any stranger with a key could say that a pallet is empty, and cut the trace that a recall follows.
        held = self.by == packer or self.was_sent
        return held and self.at >= packed_at and self.content in (None, content)


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Cut into lists of at most `size`."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


def unindexed(column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None]) -> ColumnElement[str]:
    """
    A column that no index is used for: a word as common as `shipping` must not decide where a search begins.

    SQLite knows no statistics and takes it for rare: 200,000 events then cost a scan a second.
    """
    return func.coalesce(column, "")


def commissions() -> ColumnElement[bool]:
    """On EventRow joined with EventObject: this object came into being in this event."""
    kind, action = unindexed(EventRow.type), unindexed(EventRow.action)
    added = and_(kind == "ObjectEvent", action == "ADD", EventObject.role == "epc")
    return or_(added, and_(kind == "TransformationEvent", EventObject.role == "output"))


def set_aside(session: Session, indexes: Iterable[int], before: int = ANY) -> set[int]:
    """Those of `indexes` that no longer count: error declarations, events declared wrong by their issuer, withdrawn ones."""
    found: set[int] = set()
    for part in chunks(indexes):
        event, later = aliased(EventRow), aliased(EventRow)
        named = event.index.in_(part)
        found |= set(session.scalars(select(event.index).where(named, event.error_declaration)))
        declared = and_(later.event_id == event.event_id, later.error_declaration, later.index < before)
        rows = session.execute(select(event.index, event.issuer, later.issuer).join(later, declared).where(named))
        found |= {index for index, issuer, other in rows if issuer == other}
        taken_back = and_(WithdrawalRow.target.in_(part), WithdrawalRow.index < before)
        found |= set(session.scalars(select(WithdrawalRow.target).where(taken_back)))
    return found


def spans_of(session: Session, things: Iterable[str], scope: Scope = EVERYTHING) -> tuple[list[Span], list[Hop]]:
    """The units around `things`, and around those units while something of ours was inside; and the hops that put it there."""
    own = dict.fromkeys(things)
    inside = {uri: [(-FOREVER, FOREVER)] for uri in own}
    found: dict[Span, None] = {}
    packed: dict[Hop, None] = {}
    for _ in range(MAX_NESTING):
        nearer: dict[str, list[tuple[int, int]]] = {}
        for one in _packings(session, Link.from_uri, inside, scope):
            for since, until in inside[one.hop.source]:
                span = Span(one.hop.target, one.at, min(one.until, until))
                if since <= one.at <= until and span.unit not in own and span not in found:
                    found[span] = packed[one.hop] = None
                    nearer.setdefault(span.unit, []).append((span.since, span.until))
        if not nearer or len(found) > scope.objects:
            break
        inside = nearer
    return list(found), list(packed)


@dataclass(frozen=True, slots=True)
class Content:
    """What `packer` says it put into `unit`, in event `index`; `quantity` is a decimal as text, None counts instances."""

    uri: str
    quantity: str | None
    uom: str | None
    index: int
    unit: str
    packer: str


def contents_at(
    session: Session, moments: Iterable[tuple[str, int]], scope: Scope = EVERYTHING
) -> dict[tuple[str, int], list[Content]]:
    """What was in each unit at each moment (ms), by anybody's word: outer before inner, through the units inside it."""
    asked = dict.fromkeys(moments)
    inside = {moment: [moment[0]] for moment in asked}
    found: dict[tuple[str, int], list[Content]] = {}
    for _ in range(MAX_NESTING):
        units = {unit for open_units in inside.values() for unit in open_units}
        packings = _by_unit(_packings(session, Link.to_uri, units, scope))
        amounts = _amounts(session, {one.hop.index for known in packings.values() for one in known})
        deeper: dict[tuple[str, int], list[str]] = {}
        for moment, open_units in inside.items():
            for one in (one for unit in open_units for one in packings.get(unit, ()) if one.at <= moment[1] <= one.until):
                hop, amount = one.hop, amounts.get((one.hop.index, one.hop.source), (None, None))
                found.setdefault(moment, []).append(Content(hop.source, *amount, hop.index, hop.target, one.packer))
                deeper.setdefault(moment, []).append(one.hop.source)
        if not deeper:
            break
        inside = deeper
    return found


def _by_unit(packings: Iterable[_Packing]) -> dict[str, list[_Packing]]:
    found: dict[str, list[_Packing]] = {}
    for one in packings:
        found.setdefault(one.hop.target, []).append(one)
    return found


def _amounts(session: Session, indexes: Iterable[int]) -> dict[tuple[int, str], tuple[str | None, str | None]]:
    found: dict[tuple[int, str], tuple[str | None, str | None]] = {}
    for part in chunks(indexes):
        wanted = select(EventObject).where(EventObject.index.in_(part), EventObject.role == "child")
        found |= {(row.index, row.uri): (row.quantity, row.uom) for row in session.scalars(wanted)}
    return found


def _packings(session: Session, column: InstrumentedAttribute[str], uris: Iterable[str], scope: Scope) -> list[_Packing]:
    """What went into a unit, when, and when the unit was emptied or the content taken out whole; `column` holds `uris`."""
    rows = []
    for part in chunks(uris):
        wanted = select(Link, EventRow.event_time, EventRow.issuer).join(EventRow, EventRow.index == Link.index)
        wanted = wanted.where(column.in_(part), Link.kind == "contain", Link.index < scope.before)
        wanted = wanted.order_by(Link.index, Link.ordinal).limit(scope.objects + 1)
        rows += [(Hop(link.from_uri, link.to_uri, link.index, link.kind), at, packer)
                 for link, at, packer in session.execute(wanted)]  # fmt: skip
    void = set() if scope.doubtful else set_aside(session, {hop.index for hop, _, _ in rows}, scope.before)
    ends = _emptied(session, {hop.target: None for hop, _, _ in rows}, scope)
    found = []
    for hop, at, packer in (row for row in rows if row[0].index not in void):
        closings = (end.at for end in ends.get(hop.target, ()) if end.closes(hop.source, at, packer))
        found.append(_Packing(hop, at, min(closings, default=FOREVER), packer))
    return found


def _emptied(session: Session, units: Mapping[str, None], scope: Scope) -> dict[str, list[_Emptying]]:
    """Per unit: when something was taken out whole, what, by whom, and whether somebody else had sent it to that party."""
    found: dict[str, list[_Emptying]] = {}
    for part in chunks(units):
        child = aliased(EventObject)
        wanted = (
            select(EventRow.index, EventObject.uri, EventRow.event_time, EventRow.issuer, child.uri, child.quantity)
            .join(EventRow, EventRow.index == EventObject.index)
            .outerjoin(child, and_(child.index == EventRow.index, child.role == "child"))
            .where(names(part, EventObject.uri), EventObject.role == "parent", EventObject.index < scope.before)
            .where(unindexed(EventRow.action) == "DELETE", unindexed(EventRow.type) == "AggregationEvent")
        )
        rows = session.execute(wanted).all()
        void = set_aside(session, {row[0] for row in rows}, scope.before)
        sent = _sent(session, part, scope) if rows else set()
        for index, unit, at, by, content, quantity in rows:
            if quantity is None and index not in void:
                found.setdefault(unit, []).append(_Emptying(at, content, by, (unit, by) in sent))
    return found


def _sent(session: Session, units: Sequence[str], scope: Scope) -> set[tuple[str, str]]:
    """(unit, party) where somebody else's event names the party as the unit's destination."""
    wanted = (
        select(EventObject.uri, EventRow.issuer, EventRow.parties)
        .join(EventRow, EventRow.index == EventObject.index)
        .where(names(units, EventObject.uri), EventRow.parties.is_not(None), EventRow.index < scope.before)
    )
    return {
        (unit, end.uri)
        for unit, issuer, parties in session.execute(wanted)
        for end in ends_of(parties)
        if end.direction == "destination" and end.uri != issuer
    }
