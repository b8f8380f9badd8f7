"""
Which objects belong together: what something was made of or became, and the units that it travelled in.

    selves      the object itself, and what it was made of (back) or what was made of it (forward): lots, items, the
                contents of a unit.  Found by recursive SQL over `links`, the same on both engines
    spans       units that a self travelled in, each with the time in which it was inside (units.py): a crate that is used
                again does not drag its next load into the trace, and a pallet's other lots stay outside

Not here: what events say (told_events.py), who confirmed what (verify/edges.py).  Source: EPCIS 2.0 section 7.4.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from ledger.finding import names
from ledger.models import EventObject, Link
from ledger.project_events import HUB
from ledger.units import EVERYTHING, MAX_DEPTH, Hop, Scope, Span, chunks, set_aside, spans_of

STARTS = 200  # of one recursion; SQLite takes 500 terms of a UNION


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
    uris, members = _closure(session, starts, forward, scope)
    hops = [*members, *(hop for part in chunks(uris) for hop in _hops(session, part, forward, scope))]
    void = set() if scope.doubtful else set_aside(session, {hop.index for hop in hops}, scope.before)
    selves, kept = _walk(starts, [hop for hop in hops if hop.index not in void], forward, scope.depth)
    spans, packed = spans_of(session, selves, scope)
    truncated = len(uris) > scope.objects or len(spans) > scope.objects
    return Lineage(selves, tuple(kept), tuple(spans[: scope.objects]), tuple(packed), truncated)


def _closure(session: Session, starts: Sequence[str], forward: bool, scope: Scope) -> tuple[list[str], list[Hop]]:
    """A superset of the selves, nearest first, and the hops between items and their lots, which are no links."""
    found: dict[str, None] = {}
    members: dict[Hop, None] = {}
    fresh = list(starts)
    while fresh and len(found) <= scope.objects:
        reached = [uri for part in chunks(fresh, STARTS) for uri in _reach(session, part, forward, scope) if uri not in found]
        found |= dict.fromkeys(reached)
        grown = {hop: None for part in chunks(reached) for hop in _members(session, part, forward, scope)}
        members |= grown
        fresh = list(dict.fromkeys(uri for hop in grown for uri in (hop.source, hop.target) if uri not in found))
    return list(found), list(members)


def _reach(session: Session, starts: Sequence[str], forward: bool, scope: Scope) -> Sequence[str]:
    """Follow the links as far as they go; UNION drops what was met before, so that a circle comes to an end."""
    roots = union_all(*(select(cast(literal(uri), Text).label("uri")) for uri in starts)).subquery()
    found = select(roots.c.uri).cte("selves", recursive=True)
    target: ColumnElement[str]
    if forward:
        made = and_(Link.from_uri == found.c.uri, Link.kind == "transform")
        follows = or_(made, and_(Link.to_uri == found.c.uri, Link.kind == "contain"))
        target = case((Link.kind == "contain", Link.from_uri), else_=Link.to_uri)
    else:
        follows = and_(Link.to_uri == found.c.uri, Link.kind.in_(("transform", "contain")))
        target = cast(Link.from_uri, Text)
    further = select(target).select_from(found).join(Link, follows).where(Link.index < scope.before)
    found = found.union(further)
    return session.scalars(select(found.c.uri).limit(scope.objects + 1)).all()


def _members(session: Session, uris: Sequence[str], forward: bool, scope: Scope) -> Iterator[Hop]:
    """Items of these lots, or lots of these items, where an event names both."""
    wanted = select(EventObject.lot, EventObject.uri, func.min(EventObject.index)).group_by(EventObject.lot, EventObject.uri)
    wanted = wanted.where(EventObject.lot.is_not(None), EventObject.index < scope.before)
    wanted = wanted.where(names(uris, EventObject.lot if forward else EventObject.uri)).limit(scope.objects + 1)
    for lot, item, index in session.execute(wanted):
        yield Hop(lot or "", item, index, "member")


def _hops(session: Session, uris: Sequence[str], forward: bool, scope: Scope) -> Iterator[Hop]:
    into = and_(Link.to_uri.in_(uris), Link.kind.in_(("contain",) if forward else ("transform", "contain")))
    out = and_(Link.from_uri.in_(uris), Link.kind == "transform")
    for condition in (into, out) if forward else (into,):
        for row in session.scalars(select(Link).where(condition, Link.index < scope.before).order_by(Link.index, Link.ordinal)):
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
                # The hub of a transformation is half a hop: its other half is counted.
                selves[there] = selves[here] + (0 if there.startswith(HUB) else 1)
                queue.append(there)
            if there in selves:
                kept.append(hop)
    return selves, kept
