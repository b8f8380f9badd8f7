"""
Hand-overs of a trace: what both sides signed, and what one of them claims alone.

    judge    each hand-over and commissioning, by the verifier's own rule (verify/edges.py)
    rows     the trace as a table: who, what, where, when, from whom to whom, how much, how late, confirmed or claimed

Source: protocol.md section 2, Edges.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from ledger.shown import Audience, read_records
from ledger.told_events import RECEIVED, SENT, Told
from ledger.trace import Graph
from verify import gs1
from verify.authority import History
from verify.edges import CLAIMED, CONFIRMED, UNKNOWN, Journey, Story, journey_of
from verify.subjects import Record

MAX_JUDGED = 256  # events; judging reads every statement and compares each receipt with each shipment
MAX_JOURNEYS = 64  # ends of a trace that are judged
THIRD_PARTY = "third-party"
NOT_JUDGED = "not-judged"
WITHHELD = "withheld"  # no URI: whom a party keeps from this reader
_WORST = {CONFIRMED: 0, UNKNOWN: 1, CLAIMED: 2}


def judge(session: Session, graph: Graph, history: History, audience: Audience = Audience.PUBLIC) -> dict[int, str]:
    """
    Say of every hand-over and commissioning in the graph whether it is confirmed, claimed or unknown, by event index.

    Of whatever else was told it says only where a third party did, that never had the thing by anybody else's word.  Events
    that neither rule speaks of are not in the answer.  Where there are more events than 256, or more ends than 64,
    it tells only what is confirmed, and of every other event that it was not judged: half of an account would accuse its party.
    """
    standing = [event.index for event in graph.events if event.standing == "stands"]
    sources = {hop.source for hop in graph.edges if hop.kind == "transform"}
    ends = [node.id for node in graph.nodes if node.role == "self" and (node.id not in sources or node.depth == 0)]
    whole = not graph.truncated and len(standing) <= MAX_JUDGED and len(ends) <= MAX_JOURNEYS
    records = read_records(session, standing[:MAX_JUDGED], audience)
    found: dict[int, str] = {}
    holders: set[tuple[str, str]] = set()
    for uri in ends[:MAX_JOURNEYS]:
        journey = journey_of(uri, records, history)
        holders |= {(hop.uri, hop.party) for hop in (*journey.edges, *journey.origins) if hop.state != CLAIMED}
        for edge in journey.edges:
            for index in (edge.index, edge.sent) if edge.state == CONFIRMED else (edge.index,):
                _keep_worst(found, index, edge.state)
        for origin in journey.origins:
            _keep_worst(found, origin.index, origin.state)
    if not whole:
        return dict.fromkeys(standing, NOT_JUDGED) | {index: state for index, state in found.items() if state == CONFIRMED}
    return _third_parties(graph, _Holders(records, history, holders)) | found


class _Holders:
    """Who had a thing, by the verifier's rule: whoever might make it, packed the unit, or has it from a holder."""

    def __init__(self, records: Sequence[Record], history: History, known: set[tuple[str, str]]) -> None:
        self._told = [(one, one.event) for one in records if one.event is not None and not one.event.error_declaration]
        self._history = history
        self._known = known
        self._asked: dict[str, Collection[str]] = {}

    def had(self, party: str, uri: str) -> bool | None:
        """None where too many were asked for."""
        if (uri, party) in self._known:
            return True
        if uri not in self._asked:
            if len(self._asked) == MAX_JOURNEYS:
                return None
            self._asked[uri] = Story(uri, self._told, self._history, Journey()).held
        return party in self._asked[uri]


def _third_parties(graph: Graph, holders: _Holders) -> dict[int, str]:
    """Of what is no hand-over: who told it of things that were never theirs."""
    nodes = {node.id for node in graph.nodes}
    found = {}
    for event in graph.events:
        if event.standing != "stands" or event.biz_step in (*SENT, *RECEIVED):
            continue
        # Whoever packs a lot onto a pallet had the pallet; the question is whether the lot was theirs.
        packed = {one for one in event.objects if one.role == "child"} if event.action == "ADD" else set()
        named = {uri for one in packed for uri in (one.uri, one.lot)} & nodes
        named = named or {uri for one in event.objects for uri in (one.uri, one.lot)} & nodes
        had = [holders.had(event.issuer, uri) for uri in sorted(filter(None, named))]
        if had and not any(had):
            found[event.index] = NOT_JUDGED if None in had else THIRD_PARTY
    return found


def _keep_worst(found: dict[int, str], index: int | None, state: str) -> None:
    if index is not None and _WORST[state] >= _WORST[found.get(index, CONFIRMED)]:
        found[index] = state


@dataclass(frozen=True, slots=True)
class End:
    """One side of a hand-over, as this reader may see it: URIs, none where nobody told, or WITHHELD."""

    parties: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """
    One object in one event, for a table.

    `state` speaks of hand-overs: empty where the rule on them says nothing.  Of whatever else was told it says only that
    a third party claims it, or that nobody judged whether one does.
    """

    when: str
    who: str
    what: str
    object: str
    quantity: str
    where: str
    giver: End
    taker: End
    late_hours: int
    state: str
    standing: str
    index: int
    digest: str

    @property
    def is_sent(self) -> bool:
        """Whether it tells, and counts as, a shipment: what was not judged may be a stranger's."""
        return self.what in SENT and self.standing == "stands" and self.state not in (CLAIMED, NOT_JUDGED)


def rows(graph: Graph, states: Mapping[int, str]) -> list[Row]:
    """The graph's events as a table, one line for each object of the trace that an event names."""
    known = {node.id for node in graph.nodes}
    table = []
    for event in graph.events:
        what = event.biz_step or event.type
        where = event.read_point or event.biz_location or ""
        giver, taker = _ends(event)
        for thing in event.objects:
            if known.isdisjoint((thing.uri, thing.lot)):
                continue
            amount = " ".join(filter(None, (thing.quantity, thing.uom)))
            table.append(Row(event.time, event.issuer, what, thing.uri, amount, where, giver, taker, event.late_hours,
                             _state(event, states), event.standing, event.index, event.digest))  # fmt: skip
    return table


def sent(told: list[Row]) -> Iterator[tuple[str, str]]:
    """Where things were sent: from the giver's place, where they had been sent before, else from the thing itself."""
    units = {row.index for row in told if _is_unit(row)}
    # What is told beside the unit that holds it goes the unit's way.
    shipped = [row for row in told if row.is_sent and (_is_unit(row) or row.index not in units)]
    ends = {end for row in shipped for end in _where(row.taker)}
    for row in shipped:
        start = next((one for one in _where(row.giver) if one in ends), row.object)
        yield from ((start, end) for end in _where(row.taker) if end != start)


def _is_unit(row: Row) -> bool:
    return gs1.level(row.object) in ("sscc", "asset")


def _where(end: End) -> tuple[str, ...]:
    """The places of an end, else its parties."""
    return tuple(uri for uri in end.places or end.parties if uri != WITHHELD)


def _ends(event: Told) -> tuple[End, End]:
    giver, taker = (_end(event, direction) for direction in ("source", "destination"))
    # What is kept from a reader is mostly the customer; it is the supplier only where the customer can be seen.
    if event.withheld and not taker.parties + taker.places:
        return giver, End((WITHHELD,), ())
    return (End((WITHHELD,), ()) if event.withheld and not giver.parties + giver.places else giver), taker


def _end(event: Told, direction: str) -> End:
    ends = [one for one in event.parties if one.direction == direction]
    parties = (one.uri for one in ends if one.type != "location")
    return End(tuple(dict.fromkeys(parties)), tuple(dict.fromkeys(one.uri for one in ends if one.type == "location")))


def _state(event: Told, states: Mapping[int, str]) -> str:
    state = states.get(event.index, "")
    if event.biz_step in (*SENT, *RECEIVED):
        return state
    # A farm signs its harvest alone: there is no other side that could have confirmed it.
    return {CONFIRMED: "", CLAIMED: THIRD_PARTY}.get(state, state)
