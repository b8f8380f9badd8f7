"""
Back from a lot to its origins, hop by hop: what the upstream holder itself confirmed, and what is claimed by one side only.

    confirmed    the upstream holder's own signed record names this receiver and this object, and the quantities fit
    claimed      only the receiver says so
    unknown      the member that names the receiver is withheld from this reader

The origin is verified only if every hop back to it is confirmed.  Whoever reads decides this, from the log alone.

Source: protocol.md section 2, Edges.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from . import gs1
from .authority import History, key_at, may_mint
from .epcis import Event, scaled
from .errors import VerificationError
from .history import Record, uris_of

CONFIRMED, CLAIMED, UNKNOWN = "confirmed", "claimed", "unknown"
MAX_VISITS = 2_048  # steps back; a longer way is more than a bundle holds


@dataclass(frozen=True, slots=True)
class Edge:
    """A hop into the hands of `receiver` at `index`; `sent` is the upstream record's index where one matches."""

    uri: str
    receiver: str
    index: int
    sender: str | None
    sent: int | None
    state: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the way back ends: who commissioned what, at which index, and whether that party might."""

    uri: str
    party: str
    index: int
    state: str


@dataclass(slots=True)
class Journey:
    """Everything found on the way back; `visited` are the URIs and records that the recall answer must cover."""

    edges: list[Edge] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    visited: dict[str, None] = field(default_factory=dict)
    records: set[int] = field(default_factory=set)
    steps: int = 0

    @property
    def state(self) -> str:
        """The worst of all hops and origins: one claimed hop and the origin is no longer verified."""
        states = {edge.state for edge in self.edges} | {origin.state for origin in self.origins}
        if not self.origins or CLAIMED in states:
            return CLAIMED
        return UNKNOWN if UNKNOWN in states else CONFIRMED


class Tracer:
    """Walks records backwards.  `history` judges keys and minting; withdrawn records are left out by the caller."""

    def __init__(self, records: Iterable[Record], history: History) -> None:
        self.history = history
        self.events = [(r, r.event) for r in records if r.event is not None and not r.event.error_declaration]
        self.holders: dict[str, list[str]] = {}
        for _, event in self.events:
            for child, parent in _contained(event):
                self.holders.setdefault(child, []).append(parent)

    def journey(self, uri: str) -> Journey:
        """The way back from `uri` (a lot, item or logistic unit) through every party that handled it."""
        journey = Journey()
        self._origin(uri, journey)
        for record, event in self.events:
            if event.is_receiving and self._names(event, uri):
                self._hop(uri, record, event, journey)
            if self._names(event, uri):
                self._visit(record, event, journey)
        return journey

    def _visit(self, record: Record, event: Event, journey: Journey) -> None:
        journey.records.add(record.index)
        for uri in (*uris_of(event), *filter(None, (event.read_point, event.biz_location))):
            journey.visited.setdefault(uri)
            product = gs1.product_of(uri)
            if product is not None:
                journey.visited.setdefault(product)

    def _origin(self, uri: str, journey: Journey) -> None:
        """Find the commissioning of `uri`, and, where it came out of others, theirs."""
        journey.steps += 1
        if journey.steps > MAX_VISITS or any(origin.uri == uri for origin in journey.origins):
            return
        found = [(r, e) for r, e in self.events if _commissions(e, uri)]
        mine = [(r, e) for r, e in found if self._may_mint(r, uri)]
        for record, event in mine[:1] or found[:1]:
            self._visit(record, event, journey)
            state = CONFIRMED if mine else CLAIMED
            inputs = [one.uri for one in event.objects if one.role == "input"]
            if not inputs or not mine:
                journey.origins.append(Origin(uri, record.statement.issuer, record.index, state))
            for one in inputs if mine else ():
                self._held(one, record, journey)

    def _held(self, uri: str, at: Record, journey: Journey) -> None:
        """How the issuer of `at` came to hold `uri`: commissioned it, or received it; else the claim is its own."""
        party = at.statement.issuer
        for record, event in self.events:
            if record.statement.issuer == party and _commissions(event, uri) and self._may_mint(record, uri):
                return self._origin(uri, journey)
        received = [
            (r, e) for r, e in self.events if e.is_receiving and r.statement.issuer == party and self._names(e, uri)
        ]
        for record, event in received:
            self._visit(record, event, journey)
            self._hop(uri, record, event, journey)
        if not received:
            journey.edges.append(Edge(uri, party, at.index, None, None, CLAIMED))
        return self._origin(uri, journey)

    def _hop(self, uri: str, record: Record, event: Event, journey: Journey) -> None:
        """Classify one receipt by what the senders signed."""
        receiver = record.statement.issuer
        best = Edge(uri, receiver, record.index, None, None, CLAIMED)
        for sent, shipping in self.events:
            if not shipping.is_shipping or sent.statement.issuer == receiver or not self._names(shipping, uri):
                continue
            receivers = [party for _, party in shipping.destinations]
            if receiver in receivers and self._fits(uri, receiver, sent.statement.issuer):
                best = Edge(uri, receiver, record.index, sent.statement.issuer, sent.index, CONFIRMED)
                self._visit(sent, shipping, journey)
                break
            if not receivers and sent.statement.withheld and best.state == CLAIMED:
                best = Edge(uri, receiver, record.index, sent.statement.issuer, sent.index, UNKNOWN)
        if not any((edge.uri, edge.index) == (uri, record.index) for edge in journey.edges):
            journey.edges.append(best)

    def _fits(self, uri: str, receiver: str, sender: str) -> bool:
        """What the receiver took in of `uri` is no more than the sender says it sent there, unit by unit."""
        took = _sum(uri, (e for r, e in self.events if r.statement.issuer == receiver and e.is_receiving))
        sent = (e for r, e in self.events if r.statement.issuer == sender and e.is_shipping)
        gave = _sum(uri, (e for e in sent if receiver in (party for _, party in e.destinations)))
        return took is not None and gave is not None and all(amount <= gave.get(unit, 0) for unit, amount in took.items())

    def _units(self, uri: str) -> list[str]:
        """`uri` and every logistic unit it was packed into, at any depth."""
        found, queue = [uri], [uri]
        while queue and len(found) < MAX_VISITS:
            for parent in self.holders.get(queue.pop(), ()):
                if parent not in found:
                    found.append(parent)
                    queue.append(parent)
        return found

    def _names(self, event: Event, uri: str) -> bool:
        return not set(self._units(uri)).isdisjoint(uris_of(event))

    def _may_mint(self, record: Record, uri: str) -> bool:
        try:
            grant = key_at(self.history, record.statement.issuer, record.statement.kid, record.index)
        except VerificationError:
            return False
        return may_mint(grant, uri, self.history, record.index)


def _commissions(event: Event, uri: str) -> bool:
    return any(uri in (one.uri, one.lot) for one in event.commissioned)


def _contained(event: Event) -> list[tuple[str, str]]:
    """(child, parent) for everything that this event packs into a unit."""
    parents = [one.uri for one in event.objects if one.role == "parent"]
    if event.type != "AggregationEvent" or event.action != "ADD":
        return []
    children = [uri for one in event.objects if one.role == "child" for uri in (one.uri, one.lot) if uri is not None]
    return [(child, parent) for parent in parents for child in children]


def _sum(uri: str, events: Iterable[Event]) -> dict[str, int] | None:
    """Add what is said of `uri`, per unit, as exact scaled integers; None where an amount cannot be held exactly."""
    total: dict[str, int] = {}
    for one in (one for event in events for one in event.objects if one.uri == uri):
        amount = None if one.quantity is None else scaled(one.quantity)
        if one.quantity is not None and amount is None:
            return None
        total[one.uom or ""] = total.get(one.uom or "", 0) + (amount or 0)
    return total
