"""
The trace: back to what something was made of, forward to what became of it, with every event told on the way.

    trace_back, trace_forward    a Graph of objects, hops and events, each event with its index and digest
    judge                        which hand-overs both sides signed, by the verifier's own rule (verify/edges.py)
    rows                         the same as a table: who, what, where, when, how much, how late, confirmed or claimed

Everything is derived from the log, and only from entries below `before`: the caller passes the published size.  A time in
an event is its party's claim; a time of logging is ours; the hours between them are shown, never hidden.

Source: interface.md, GET /trace; protocol.md section 2, Edges.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from ledger.ends import ends_of
from ledger.finding import names
from ledger.lineage import Lineage, lineage
from ledger.models import EntryRow, EventObject, EventRow
from ledger.project import HUB
from ledger.shown import Audience, read_records
from ledger.units import ANY, MAX_DEPTH, Hop, Scope, chunks, set_aside
from verify import gs1
from verify.authority import History
from verify.edges import CLAIMED, CONFIRMED, UNKNOWN, journey_of

MAX_EVENTS = 2_000  # of one answer
MAX_JUDGED = 256  # events; judging reads every statement and compares each receipt with each shipment
MAX_JOURNEYS = 64  # ends of a trace that are judged
HOUR = 3_600_000  # ms
_SPANS = 50  # terms of one OR
_WORST = {CONFIRMED: 0, UNKNOWN: 1, CLAIMED: 2}


@dataclass(frozen=True, slots=True)
class Node:
    """An object of the trace: `kind` as gs1.level names it, `role` self or carrier, `depth` in hops from the start."""

    id: str
    kind: str
    role: str
    depth: int


@dataclass(frozen=True, slots=True)
class Thing:
    """What an event says of one object; `quantity` is a decimal as text, None counts instances."""

    role: str
    uri: str
    lot: str | None
    quantity: str | None
    uom: str | None


@dataclass(frozen=True, slots=True)
class Counterparty:
    """A source or destination that this audience may see."""

    direction: str
    type: str
    uri: str


@dataclass(frozen=True, slots=True)
class Told:
    """One event as the log has it."""

    index: int
    digest: str
    type: str
    action: str | None
    biz_step: str | None
    disposition: str | None
    event_id: str | None
    time: str
    """The party's claim, with the offset at which its clock hung."""
    time_ms: int
    logged_ms: int
    late_hours: int
    """Whole hours from the claimed time to its place in the log; 0 where it was told at once."""
    issuer: str
    read_point: str | None
    biz_location: str | None
    objects: tuple[Thing, ...]
    parties: tuple[Counterparty, ...]
    withheld: bool
    """Whether counterparties are kept from this audience."""
    standing: str = "stands"
    """stands, or set-aside: declared wrong or withdrawn.  What an erased record told is not in the tables any more."""


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


def read_events(session: Session, indexes: Iterable[int], audience: Audience, *, before: int = ANY) -> tuple[Told, ...]:
    """Read events by index, ordered by claimed time."""
    wanted = sorted(set(indexes))
    things: dict[int, list[Thing]] = {}
    told: list[Told] = []
    for part in chunks(wanted):
        named = select(EventObject).where(EventObject.index.in_(part)).order_by(EventObject.index, EventObject.ordinal)
        for row in session.scalars(named):
            things.setdefault(row.index, []).append(Thing(row.role, row.uri, row.lot, row.quantity, row.uom))
        rows = (
            select(EventRow, EntryRow.time_ms, EntryRow.digest)
            .join(EntryRow, EntryRow.index == EventRow.index)
            .where(EventRow.index.in_(part))
        )
        told += [_told(row, logged_ms, digest, audience) for row, logged_ms, digest in session.execute(rows)]
    void = set_aside(session, wanted, before)
    whole = (
        replace(one, objects=tuple(things.get(one.index, ())), standing="set-aside" if one.index in void else "stands")
        for one in told
    )
    return tuple(sorted(whole, key=lambda one: (one.time_ms, one.index)))


def _told(row: EventRow, logged_ms: int, digest: bytes, audience: Audience) -> Told:
    ends = ends_of(row.parties)
    seen = [end for end in ends if not end.withheld or audience == Audience.REGULATOR]
    late = max(0, logged_ms - row.event_time) // HOUR
    time = local_time(row.event_time, row.offset)
    return Told(
        row.index, digest.hex(), row.type, row.action, row.biz_step, row.disposition, row.event_id, time, row.event_time,
        logged_ms, late, row.issuer, row.read_point, row.biz_location, (),
        tuple(Counterparty(end.direction, end.type, end.uri) for end in seen), len(seen) < len(ends),
    )  # fmt: skip


def local_time(ms: int, offset: str) -> str:
    """A claimed time as the clock on the wall showed it: RFC 3339 at `offset` (+08:00)."""
    sign = -1 if offset.startswith("-") else 1
    zone = timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])))
    moment = datetime.fromtimestamp(ms // 1000, UTC) + timedelta(milliseconds=ms % 1000)
    return moment.astimezone(zone).isoformat(timespec="milliseconds")


def judge(session: Session, graph: Graph, history: History, audience: Audience = Audience.PUBLIC) -> dict[int, str]:
    """
    Say of every hand-over and commissioning in the graph whether it is confirmed, claimed or unknown, by event index.

    Events that the rule says nothing about, and those beyond the first 256, are not in the answer.  Where some were left out
    it tells only what is confirmed: half of an account would accuse its party.
    """
    standing = [event.index for event in graph.events if event.standing == "stands"]
    whole = not graph.truncated and len(standing) <= MAX_JUDGED
    standing = standing[:MAX_JUDGED]
    records = read_records(session, standing, audience)
    sources = {hop.source for hop in graph.edges if hop.kind == "transform"}
    ends = [node.id for node in graph.nodes if node.role == "self" and (node.id not in sources or node.depth == 0)]
    found: dict[int, str] = {}
    for uri in ends[:MAX_JOURNEYS]:
        journey = journey_of(uri, records, history)
        for edge in journey.edges:
            for index in (edge.index, edge.sent) if edge.state == CONFIRMED else (edge.index,):
                _keep_worst(found, index, edge.state)
        for origin in journey.origins:
            _keep_worst(found, origin.index, origin.state)
    return found if whole else {index: state for index, state in found.items() if state == CONFIRMED}


def _keep_worst(found: dict[int, str], index: int | None, state: str) -> None:
    if index is not None and _WORST[state] >= _WORST[found.get(index, CONFIRMED)]:
        found[index] = state


@dataclass(frozen=True, slots=True)
class Row:
    """One object in one event, for a table; `state` is empty where the rule on hand-overs says nothing."""

    when: str
    who: str
    what: str
    object: str
    quantity: str
    where: str
    late_hours: int
    state: str
    standing: str
    index: int
    digest: str


def rows(graph: Graph, states: Mapping[int, str]) -> list[Row]:
    """The graph's events as a table, one line for each object of the trace that an event names."""
    known = {node.id for node in graph.nodes}
    table = []
    for event in graph.events:
        what = event.biz_step or event.type
        where = event.read_point or event.biz_location or ""
        for thing in event.objects:
            if known.isdisjoint((thing.uri, thing.lot)):
                continue
            amount = " ".join(filter(None, (thing.quantity, thing.uom)))
            table.append(Row(event.time, event.issuer, what, thing.uri, amount, where, event.late_hours,
                             states.get(event.index, ""), event.standing, event.index, event.digest))  # fmt: skip
    return table
