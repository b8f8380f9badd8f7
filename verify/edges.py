"""
Back from a lot to its origins, hop by hop: what the upstream holder itself confirmed, and what is claimed by one side only.

    confirmed    a holder's own signed record names this receiver and this object, and the quantities fit
    claimed      only the receiver says so
    unknown      the member that names the receiver is withheld from this reader

A holder is whoever made the thing and might, or had it from a holder: a party that never had it confirms nothing.  The
origin is verified only if every hop back to it is confirmed.  Whoever reads decides this, from the log alone.

Source: protocol.md section 2, Edges.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from . import gs1
from .authority import History, key_at, may_mint
from .epcis import Event, scaled
from .errors import Malformed, VerificationError
from .history import Record, uris_of

CONFIRMED, CLAIMED, UNKNOWN = "confirmed", "claimed", "unknown"
MAX_VISITS = 2_048  # objects on one way back; a longer way is more than a bundle holds
Told = tuple[Record, Event]
Use = tuple[str, Record | None]
"""An object, and the record that used it up to make the next one; None for the object asked about."""


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
    """Everything found on the way back; `visited` are the URIs that the recall answer must cover, `records` indexes."""

    edges: list[Edge] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    visited: dict[str, None] = field(default_factory=dict)
    records: set[int] = field(default_factory=set)

    @property
    def state(self) -> str:
        """The worst of all hops and origins: one claimed hop and the origin is no longer verified."""
        states = {edge.state for edge in self.edges} | {origin.state for origin in self.origins}
        if not self.origins or CLAIMED in states:
            return CLAIMED
        return UNKNOWN if UNKNOWN in states else CONFIRMED

    def add(self, uri: str, at: Record, state: str, sent: Record | None = None) -> None:
        """Note the hop of `uri` at a record; a claim replaces what was noted of it before."""
        same = [edge for edge in self.edges if (edge.uri, edge.index) == (uri, at.index)]
        if not same or (state == CLAIMED and same[0].state != CLAIMED):
            sender, index = (sent.statement.issuer, sent.index) if sent else (None, None)
            edge = Edge(uri, at.statement.issuer, at.index, sender, index, state)
            self.edges = [edge for edge in self.edges if edge not in same] + [edge]


class Tracer:
    """Walks records backwards.  `history` judges keys and minting; records that do not count are left out by the caller."""

    def __init__(self, records: Iterable[Record], history: History) -> None:
        self.history = history
        self.events = [(r, r.event) for r in records if r.event is not None and not r.event.error_declaration]

    def journey(self, uri: str) -> Journey:
        """The way back from `uri` (a lot, item or logistic unit) through every party that handled it."""
        journey, queue, done = Journey(), list[Use]([(uri, None)]), set[tuple[str, str]]()
        for subject, user in queue:
            name = (subject, user.statement.issuer if user else "")
            if user is not None and len(done) > MAX_VISITS:
                journey.add(subject, user, CLAIMED)
                break
            if name not in done:
                done.add(name)
                queue += _Subject(self, subject).walk(user, journey)
        return journey

    def may_mint(self, record: Record, uri: str) -> bool:
        """Whether the record's issuer may commission `uri` at its index."""
        try:
            grant = key_at(self.history, record.statement.issuer, record.statement.kid, record.index)
        except VerificationError:
            return False
        return may_mint(grant, uri, self.history, record.index)


class _Subject:
    """One object on the way: who made it, who held it, and how each came to hold it."""

    def __init__(self, tracer: Tracer, uri: str) -> None:
        self.uri, self.events = uri, tracer.events
        self.names = self._names(None)
        self.told = [(r, e) for r, e in self.events if not self.names.isdisjoint(uris_of(e))]
        found = [(r, e) for r, e in self.told if any(uri in (one.uri, one.lot) for one in e.commissioned)]
        self.made = [(r, e) for r, e in found if tracer.may_mint(r, uri)]
        self.usurped = [] if self.made else found[:1]
        # A logistic unit has no origin of its own: whoever packed it answers for what is inside.
        self.packed = [(r, e) for r, e in self.told if any(parent == uri for _, parent in _contained(e))]
        self.held = self._holders()

    def walk(self, user: Record | None, journey: Journey) -> Iterator[Use]:
        """Note origins and hops up to `user` (None: to everybody who handled it); yield what it was made of."""
        for record, event in (*self.made, *self.packed, *self.usurped):
            self._visit(record, event, journey)
            role = "child" if (record, event) in self.packed else "input"
            inputs = [one for one in event.objects if one.role == role and not self.usurped]
            if not inputs:
                state = CLAIMED if self.usurped else CONFIRMED
                journey.origins.append(Origin(self.uri, record.statement.issuer, record.index, state))
            yield from ((one.lot or one.uri, record) for one in inputs)
        if user is not None:
            self._way(user, journey)
        for record, event in self.told if user is None else ():
            self._visit(record, event, journey)
            if event.is_receiving or event.is_shipping or self._is_use(event):
                self._way(record, journey)

    def _way(self, user: Record, journey: Journey) -> None:
        """How the issuer of `user` came to hold it: back through every sender to whoever made it."""
        way = [user.statement.issuer]
        for party in way:
            mine = [(r, e) for r, e in self.told if r.statement.issuer == party]
            state, sent = self.held.get(party, (CLAIMED, []))
            received = False
            for record, event in mine:
                self._visit(record, event, journey)
                if event.is_receiving and (sent or state == CLAIMED):
                    received = True
                    journey.add(self.uri, record, state, sent[0] if sent else None)
            if (state == CLAIMED and not received) or self._overdrawn(party):
                journey.add(self.uri, user if party == way[0] else mine[0][0], CLAIMED)
            way += [r.statement.issuer for r in sent if r.statement.issuer not in way]

    def _visit(self, record: Record, event: Event, journey: Journey) -> None:
        journey.records.add(record.index)
        for uri in (*self.names.intersection(uris_of(event)), event.read_point, event.biz_location):
            if uri is not None:
                journey.visited.setdefault(uri)
                journey.visited.setdefault(gs1.product_of(uri) or uri)

    def _names(self, holders: Collection[str] | None) -> set[str]:
        """Its URI and that of every unit it was packed into, at any depth, by the word of `holders` (None: anybody's)."""
        told = (e for r, e in self.events if holders is None or r.statement.issuer in holders)
        packings = [pair for event in told for pair in _contained(event)]
        names = [self.uri]
        for name in names:
            names += {parent for child, parent in packings if child == name} - set(names)
        return set(names)

    def _holders(self) -> dict[str, tuple[str, list[Record]]]:
        """Every party that had it, how surely, and by which senders' records; makers by none."""
        held: dict[str, tuple[str, list[Record]]] = {r.statement.issuer: (CONFIRMED, []) for r, _ in (*self.made, *self.packed)}
        found = dict(held)
        while found:
            # What a withheld receiver leaves open comes last, when nothing more is confirmed.
            found = self._receivers(held, CONFIRMED) or self._receivers(held, UNKNOWN)
            held |= found
        return held

    def _receivers(self, held: Collection[str], state: str) -> dict[str, tuple[str, list[Record]]]:
        names = self._names(held)
        told = [(r, e) for r, e in self.told if not names.isdisjoint(uris_of(e))]
        sent = [(r, e) for r, e in told if e.is_shipping and r.statement.issuer in held]
        found = {}
        for party in {r.statement.issuer for r, e in told if e.is_receiving} - set(held):
            took = [e for r, e in told if e.is_receiving and r.statement.issuer == party]
            if state == CONFIRMED:
                mine = [(r, e) for r, e in sent if party in (who for _, who in e.destinations)]
            else:
                mine = [(r, e) for r, e in sent if not e.destinations and r.statement.withheld]
            if mine and (state == UNKNOWN or self._fits(took, [e for _, e in mine])):
                found[party] = (state, [r for r, _ in mine])
        return found

    def _fits(self, took: Sequence[Event], gave: Sequence[Event]) -> bool:
        try:
            given = _amounts(self.uri, gave)
            return all(amount <= given[unit] for unit, amount in _amounts(self.uri, took).items())
        except Malformed:
            return False

    def _overdrawn(self, party: str) -> bool:
        """Whether a party gave away or used up more of it than it made and took in, in any unit that both sides use."""
        mine = [e for r, e in self.told if r.statement.issuer == party]
        try:
            made = _amounts(self.uri, [e for r, e in self.made if r.statement.issuer == party])
            took = _amounts(self.uri, [e for e in mine if e.is_receiving])
            gave = _amounts(self.uri, [e for e in mine if e.is_shipping])
            used = _amounts(self.uri, [e for e in mine if self._is_use(e)])
        except Malformed:
            return True
        return any(gave[unit] + used[unit] > made[unit] + took[unit] for unit in {*made, *took})

    def _is_use(self, event: Event) -> bool:
        inputs = (one for one in event.objects if one.role == "input")
        return event.biz_step == "retail_selling" or any(self.uri in (one.uri, one.lot) for one in inputs)


def _contained(event: Event) -> list[tuple[str, str]]:
    """(child, parent) for everything that this event packs into a unit."""
    if event.type != "AggregationEvent" or event.action != "ADD":
        return []
    parents = [one.uri for one in event.objects if one.role == "parent"]
    children = [uri for one in event.objects if one.role == "child" for uri in (one.uri, one.lot) if uri is not None]
    return [(child, parent) for parent in parents for child in children]


def _amounts(uri: str, events: Iterable[Event]) -> Counter[str]:
    """
    What is said of `uri` per unit, as exact scaled integers.  Raises Malformed for amounts that cannot be held so.

    The same goods told under two steps (arriving, then receiving) count once: the larger.
    """
    total = Counter[tuple[str, str]]()
    for event in events:
        for one in event.objects:
            if one.uri == uri and one.quantity is not None:
                amount = scaled(one.quantity)
                if amount is None or amount < 0:
                    raise Malformed("an amount that cannot be compared", code="bad-event")
                total[(event.biz_step or "") if event.is_shipping or event.is_receiving else "", one.uom or ""] += amount
    most = Counter[str]()
    for (_, unit), amount in total.items():
        most[unit] = max(most[unit], amount)
    return most
