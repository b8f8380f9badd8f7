"""
The trace: back to what something was made of, forward to what became of it, with every event told on the way.

    trace_back, trace_forward    a Graph of objects, hops and events (told_events.py)
    event_indexes, naming        which events a lineage has, for those who read them in another way

Everything is derived from the log, and only from entries below `before`: the caller passes the published size.

Source: interface.md, GET /trace.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from ledger.finding import names
from ledger.lineage import Lineage, lineage
from ledger.models import EventObject, EventRow
from ledger.project_events import HUB
from ledger.shown import Audience
from ledger.told_events import Told, read_events
from ledger.units import ANY, MAX_DEPTH, Hop, Scope, chunks
from verify import gs1

MAX_EVENTS = 2_000  # of one answer
_SPANS = 50  # terms of one OR


@dataclass(frozen=True, slots=True)
class Node:
    """An object of the trace: `kind` as gs1.level names it, `role` self or carrier, `depth` in hops from the start."""

    id: str
    kind: str
    role: str
    depth: int


@dataclass(frozen=True, slots=True)
class Graph:
    """One answer; `truncated` where a limit cut it short."""

    id: str
    direction: str
    nodes: tuple[Node, ...]
    edges: tuple[Hop, ...]
    events: tuple[Told, ...]
    truncated: bool

    def to_json(self) -> dict[str, object]:
        """The members that `GET /trace/…` answers."""
        return {
            "id": self.id, "direction": self.direction, "truncated": self.truncated,
            "nodes": [asdict(node) for node in self.nodes],
            "edges": [{"from": hop.source, "to": hop.target, "index": hop.index, "kind": hop.kind} for hop in self.edges],
            "events": [asdict(event) for event in self.events],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a trace goes: hops, latest event time (ms since 1970), number of events, entries below `before`."""

    depth: int = MAX_DEPTH
    until_ms: int | None = None
    limit: int = MAX_EVENTS
    before: int = ANY
    audience: Audience = Audience.PUBLIC


WHOLE = Reach()


def trace_back(session: Session, uri: str, reach: Reach = WHOLE) -> Graph:
    """Trace `uri` (any notation; an item is traced with its lot) back to what it was made of.  Raises Malformed."""
    return _trace(session, gs1.subjects_of_uri(uri), reach, forward=False)


def trace_forward(session: Session, uri: str, reach: Reach = WHOLE) -> Graph:
    """Trace `uri` forward to what was made of it and where that went.  Raises Malformed."""
    return _trace(session, gs1.subjects_of_uri(uri)[:1], reach, forward=True)


def _trace(session: Session, starts: Sequence[str], reach: Reach, *, forward: bool) -> Graph:
    found = lineage(session, starts, forward=forward, scope=Scope(depth=reach.depth, before=reach.before))
    indexes = event_indexes(session, found, reach, forward=forward)
    cut = found.truncated or len(indexes) > reach.limit
    events = read_events(session, indexes[: reach.limit], reach.audience, before=reach.before)
    nodes = [Node(uri, _kind(uri), "self", depth) for uri, depth in found.selves.items()]
    nodes += [Node(unit, _kind(unit), "carrier", 0) for unit in dict.fromkeys(span.unit for span in found.spans)]
    edges = tuple(dict.fromkeys((*found.hops, *found.packed)))
    return Graph(starts[0], "forward" if forward else "back", tuple(nodes), edges, events, cut)


def _kind(uri: str) -> str:
    return "transformation" if uri.startswith(HUB) else gs1.level(uri)


def event_indexes(session: Session, found: Lineage, reach: Reach, *, forward: bool) -> list[int]:
    """The events that name a self, or a unit while it was inside: by claimed time, at most `reach.limit` and one more."""
    times: dict[int, int] = {}
    for named in naming(found, forward=forward):
        wanted = select(EventRow.index, EventRow.event_time).join(EventObject, EventObject.index == EventRow.index)
        wanted = wanted.where(named, EventRow.index < reach.before).distinct()
        if reach.until_ms is not None:
            wanted = wanted.where(EventRow.event_time <= reach.until_ms)
        nearest = wanted.order_by(EventRow.event_time, EventRow.index).limit(reach.limit + 1)
        times |= {index: at for index, at in session.execute(nearest)}
    return sorted(times, key=lambda index: (times[index], index))[: reach.limit + 1]


def naming(found: Lineage, *, forward: bool) -> Iterator[ColumnElement[bool]]:
    """Conditions on EventObject joined with EventRow that hold for the events of a lineage, in parts short enough for SQL."""
    made = {hop.index for hop in found.hops}
    for part in chunks(found.selves):
        named = names(part)
        # Back, what an ancestor was used for besides is somebody else's way.
        yield named if forward else and_(named, or_(EventObject.role != "input", EventObject.index.in_(made)))
    for spans in chunks(found.spans, _SPANS):
        inside = (and_(EventObject.uri == span.unit, EventRow.event_time.between(span.since, span.until)) for span in spans)
        yield and_(names({span.unit for span in spans}, EventObject.uri), or_(*inside))
