"""
Which objects belong together: what something was made of or became, and the units that it travelled in.

    selves      the object itself, and what it was made of (back) or what was made of it (forward): lots, items, the
                contents of a unit.  Found by recursive SQL over `links`, the same on both engines
    spans       units that a self travelled in, each with the time in which it was inside: a crate that is used again
                does not drag its next load into the trace, and a pallet's other lots stay outside

A span ends where the unit was emptied, or the very item taken out.  A quantity that is taken out of a lot leaves it open,
since the rest may still travel: a recall that warns one shop too many is the smaller evil.

Not here: what events say (trace.py), who confirmed what (verify/edges.py).  Source: EPCIS 2.0 section 7.4.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from sqlalchemy import ColumnElement, Text, and_, case, cast, literal, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from ledger.models import EventObject, EventParty, EventRow, Link, WithdrawalRow

FOREVER = 2**62  # ms since 1970; after every event
ANY = 2**53  # above every index of a log
MAX_OBJECTS = 4_096  # selves, and again spans: beyond, the answer says that it is cut short
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
    """An edge of the object graph, from upstream to downstream, told by the event at `index`; `kind` as in models.Link."""

    source: str
    target: str
    index: int
    kind: str


@dataclass(frozen=True, slots=True)
class Span:
    """A unit, and when (event time, ms since 1970, both ends included) something of ours was inside."""

    unit: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """Selves by depth (the start is 0), the hops between them, and the units they travelled in."""

    selves: Mapping[str, int]
    hops: tuple[Hop, ...]
    spans: tuple[Span, ...]
    packed: tuple[Hop, ...]
    """The hops from selves, or from units, into the units of `spans`."""
    truncated: bool


def lineage(session: Session, starts: Sequence[str], *, forward: bool, scope: Scope = EVERYTHING) -> Lineage:
    """Find everything that the objects `starts` (canonical URIs) were made of, or became; at most `scope.objects` of each."""
    uris = _closure(session, starts, forward, scope)
    hops = [hop for part in chunks(uris) for hop in _hops(session, part, forward, scope)]
    void = set() if scope.doubtful else set_aside(session, {hop.index for hop in hops}, scope.before)
    selves, kept = _walk(starts, [hop for hop in hops if hop.index not in void], forward, scope.depth)
    spans, packed = _spans(session, selves, scope)
    truncated = len(uris) > scope.objects or len(spans) > scope.objects
    return Lineage(selves, tuple(kept), tuple(spans[: scope.objects]), tuple(packed), truncated)


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Cut into lists of at most `size`."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


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


def _closure(session: Session, starts: Sequence[str], forward: bool, scope: Scope) -> list[str]:
    """A superset of the selves, nearest first: UNION drops what was met before, so that a circle comes to an end."""
    roots = union_all(*(select(cast(literal(uri), Text).label("uri")) for uri in starts)).subquery()
    found = select(roots.c.uri).cte("selves", recursive=True)
    target: ColumnElement[str]
    if forward:
        made = and_(Link.from_uri == found.c.uri, Link.kind.in_(("transform", "member")))
        follows = or_(made, and_(Link.to_uri == found.c.uri, Link.kind == "contain"))
        target = case((Link.kind == "contain", Link.from_uri), else_=Link.to_uri)
    else:
        follows = and_(Link.to_uri == found.c.uri, Link.kind.in_(("transform", "member", "contain")))
        target = cast(Link.from_uri, Text)
    further = select(target).select_from(found).join(Link, follows).where(Link.index < scope.before)
    found = found.union(further)
    return list(session.scalars(select(found.c.uri).limit(scope.objects + 1)))


def _hops(session: Session, uris: Sequence[str], forward: bool, scope: Scope) -> Iterator[Hop]:
    into = and_(Link.to_uri.in_(uris), Link.kind.in_(("contain",) if forward else ("transform", "member", "contain")))
    out = and_(Link.from_uri.in_(uris), Link.kind.in_(("transform", "member")))
    for condition in (into, out) if forward else (into,):
        for row in session.scalars(select(Link).where(condition, Link.index < scope.before).order_by(Link.id)):
            yield Hop(row.from_uri, row.to_uri, row.index, row.kind)


def _walk(starts: Sequence[str], hops: Sequence[Hop], forward: bool, depth: int) -> tuple[dict[str, int], list[Hop]]:
    """Walk the hops breadth first; what hangs only on hops that were set aside, or deeper than `depth`, is not reached."""
    leaving: dict[str, list[tuple[str, Hop]]] = {}
    for hop in hops:
        down = forward and hop.kind != "contain"
        here, there = (hop.source, hop.target) if down else (hop.target, hop.source)
        leaving.setdefault(here, []).append((there, hop))
    selves = dict.fromkeys(starts, 0)
    queue, kept = deque(selves), []
    while queue:
        here = queue.popleft()
        for there, hop in leaving.get(here, ()):
            if there not in selves and selves[here] < min(depth, MAX_DEPTH):
                selves[there] = selves[here] + 1
                queue.append(there)
            if there in selves:
                kept.append(hop)
    return selves, kept


def _spans(session: Session, selves: Mapping[str, int], scope: Scope) -> tuple[list[Span], list[Hop]]:
    """Units around the selves, and around those units while something of ours was inside."""
    inside: dict[str, list[tuple[int, int]]] = {uri: [(0, FOREVER)] for uri in selves}
    found: dict[Span, None] = {}
    packed: dict[Hop, None] = {}
    for _ in range(MAX_NESTING):
        nearer: dict[str, list[tuple[int, int]]] = {}
        for hop, at, until in _packings(session, inside, scope):
            for since, end in inside[hop.source]:
                span = Span(hop.target, at, min(until, end))
                if since <= at <= end and hop.target not in selves and span not in found:
                    found[span] = packed[hop] = None
                    nearer.setdefault(span.unit, []).append((span.since, span.until))
        if not nearer or len(found) > scope.objects:
            break
        inside = nearer
    return list(found), list(packed)


def _packings(session: Session, inside: Mapping[str, object], scope: Scope) -> list[tuple[Hop, int, int]]:
    """What went into a unit: the hop, when, and when the unit was emptied or the content taken out whole (ms)."""
    rows = []
    for part in chunks(inside):
        wanted = select(Link, EventRow.event_time, EventRow.issuer).join(EventRow, EventRow.index == Link.index)
        wanted = wanted.where(Link.from_uri.in_(part), Link.kind == "contain", Link.index < scope.before)
        rows += [(Hop(link.from_uri, link.to_uri, link.index, link.kind), at, packer)
                 for link, at, packer in session.execute(wanted.order_by(Link.id).limit(scope.objects + 1))]  # fmt: skip
    void = set() if scope.doubtful else set_aside(session, {hop.index for hop, _, _ in rows}, scope.before)
    ends = _emptied(session, {hop.target: None for hop, _, _ in rows}, scope)
    return [
        (hop, at, min((end.at for end in ends.get(hop.target, ()) if end.closes(hop.source, at, packer)), default=FOREVER))
        for hop, at, packer in rows if hop.index not in void
    ]  # fmt: skip


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


def _emptied(session: Session, units: Iterable[str], scope: Scope) -> dict[str, list[_Emptying]]:
    """Per unit: when something was taken out whole, what, by whom, and whether somebody else had sent it to that party."""
    found: dict[str, list[_Emptying]] = {}
    for part in chunks(units):
        child = aliased(EventObject)
        wanted = (
            select(EventRow.index, EventObject.uri, EventRow.event_time, EventRow.issuer, child.uri, child.quantity)
            .join(EventRow, EventRow.index == EventObject.index)
            .outerjoin(child, and_(child.index == EventRow.index, child.role == "child"))
            .where(EventObject.uri.in_(part), EventObject.role == "parent", EventObject.index < scope.before)
            .where(EventRow.action == "DELETE", EventRow.type == "AggregationEvent")
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
        select(EventObject.uri, EventParty.uri)
        .join(EventParty, and_(EventParty.index == EventObject.index, EventParty.direction == "destination"))
        .join(EventRow, EventRow.index == EventObject.index)
        .where(EventObject.uri.in_(units), EventRow.issuer != EventParty.uri, EventRow.index < scope.before)
    )
    return {(unit, party) for unit, party in session.execute(wanted)}
