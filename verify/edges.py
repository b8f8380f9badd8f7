"""Back from a lot to its origins, hop by hop: confirmed by the upstream holder's own signed record, claimed by the receiver
only, or unknown where the member that names the receiver is withheld from this reader (PROTOCOL.md, step 12).
A holder is whoever made the thing and might, or had it from a holder: a party that never had it confirms nothing.  Source:
protocol.md section 2, Edges."""
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from . import gs1
from .authority import FOREVER, History, grant_at, may_mint
from .epcis import Event, scaled
from .statement import CONTROL_KINDS
from .subjects import Record

CONFIRMED, CLAIMED, UNKNOWN = "confirmed", "claimed", "unknown"
MAX_VISITS = 2_048  # objects on one way back; a longer way is more than a bundle holds
Told = tuple[Record, Event]
Held = tuple[str, list[Record]]
"""How surely a party had a thing, and by which senders' records."""

@dataclass(frozen=True, slots=True)
class Hop:
    """`uri` came into the hands of `party` at `index`, or was made there; `sent` is the sender's record where one matches."""
    uri: str
    party: str
    index: int
    state: str
    sent: int | None = None

@dataclass(slots=True)
class Journey:
    """Everything found on the way back; `visited` are the URIs that the recall answer must cover, `records` indexes."""
    edges: list[Hop] = field(default_factory=list)
    origins: list[Hop] = field(default_factory=list)
    visited: dict[str, None] = field(default_factory=dict)
    records: set[int] = field(default_factory=set)

    @property
    def state(self) -> str:
        """The worst of all hops and origins: one claimed hop and the origin is no longer verified."""
        states = {hop.state for hop in (*self.edges, *self.origins)} if self.origins else {CLAIMED}
        return next((state for state in (CLAIMED, UNKNOWN) if state in states), CONFIRMED)

    def add(self, uri: str, at: Record, state: str, sent: Sequence[Record] = ()) -> None:
        """Note the hop of `uri` at a record; a claim replaces what was noted of it before."""
        same = [edge for edge in self.edges if (edge.uri, edge.index) == (uri, at.index)]
        if not same or (state == CLAIMED and same[0].state != CLAIMED):
            hop = Hop(uri, at.issuer, at.index, state, sent[0].index if sent else None)
            self.edges = [*(edge for edge in self.edges if edge not in same), hop]

def standing(records: Sequence[Record], history: History) -> list[Record]:
    """Records that count: not refused, disputed, withdrawn, erased or declared wrong, and no adoption of one that stands."""
    ends = [history.revocation(one.issuer, one.statement.kid, FOREVER) for one in records]
    kept = [one for one, end in zip(records, ends, strict=True) if one.index not in history.refused
            and (end is None or end.compromised_from is None or one.index < end.compromised_from)]
    gone = {one.statement.subject["digest"] for one in kept if one.kind in ("Withdrawal", "Erasure")}
    wrong = {(one.issuer, one.event.event_id) for one in kept if one.event is not None and one.event.error_declaration}
    kept = [one for one in kept if one.kind in CONTROL_KINDS or one.digest.hex() not in gone]
    kept = [one for one in kept if one.event is None or (one.issuer, one.event.event_id) not in wrong]
    told = {one.digest.hex() for one in kept}
    return [one for one in kept if one.kind != "Adoption" or str(one.statement.subject.get("adopts")) not in told]

def journey_of(uri: str, records: Iterable[Record], history: History) -> Journey:
    """The way back from `uri` (lot, item or logistic unit) through every party that handled it, by `records` that count."""
    events = [(r, r.event) for r in records if r.event is not None and not r.event.error_declaration]
    journey, done = Journey(), set[tuple[str, str]]()
    queue: list[tuple[str, Record | None]] = [(uri, None)]  # an object, and the record that used it up
    for subject, user in queue:
        name = (subject, user.issuer if user else "")
        if user is not None and len(done) > MAX_VISITS:
            journey.add(subject, user, CLAIMED)
            break
        if name not in done:
            done.add(name)
            queue += Story(subject, events, history, journey).walk(user)
    return journey

class Story:
    """One object on the way: who made it, who held it, and how each came to hold it."""
    def __init__(self, uri: str, events: Sequence[Told], history: History, journey: Journey) -> None:
        self.uri, self.events, self.journey = uri, events, journey
        self.names = self._names(None)
        self.told = [(r, e) for r, e in events if not self.names.isdisjoint(e.uris)]
        found = [(r, e) for r, e in self.told if any(uri in one.uris for one in e.commissioned)]
        self.made = [(r, e) for r, e in found if may_mint(grant_at(history, r.statement, r.index), uri, history, r.index)]
        self.usurped = [] if self.made else found[:1]
        # A logistic unit has no origin of its own: whoever packed it answers for what is inside.
        self.packed = [(r, e) for r, e in self.told if any(parent == uri for _, parent in packings(e))]
        self.held = self._holders()

    def walk(self, user: Record | None) -> Iterator[tuple[str, Record]]:
        """Note origins and hops up to `user` (None: to everybody who handled it); yield what it was made of."""
        for record, event in (*self.made, *(one for one in self.packed if one[0].issuer in self.held), *self.usurped):
            self._visit(record, event)
            role = "child" if (record, event) in self.packed else "input"
            inputs = [one for one in event.objects if one.role == role and not self.usurped]
            if not inputs:
                self.journey.origins.append(Hop(self.uri, record.issuer, record.index, CLAIMED if self.usurped else CONFIRMED))
            yield from ((one.uris[-1], record) for one in inputs)
        if user is not None:
            return self._way(user)
        for record, event in self.told:
            self._visit(record, event)
            if event.is_receiving or event.is_shipping or self._is_use(event):
                self._way(record)

    def _way(self, user: Record) -> None:
        # How the issuer of `user` came to hold it: back through every sender to whoever made it.
        way = [user.issuer]
        for party in way:
            mine = [(r, e) for r, e in self.told if r.issuer == party]
            state, sent = self.held.get(party, (CLAIMED, []))
            received = [r for r, e in mine if e.is_receiving and (sent or state == CLAIMED)]
            for record, event in mine:
                self._visit(record, event)
            for record in received:
                self.journey.add(self.uri, record, state, sent)
            if (state == CLAIMED and not received) or self.overdrawn(party, mine):
                self.journey.add(self.uri, user if party == way[0] else mine[0][0], CLAIMED)
            way += [one.issuer for one in sent if one.issuer not in way]

    def _visit(self, record: Record, event: Event) -> None:
        self.journey.records.add(record.index)
        for uri in (*self.names.intersection(event.uris), *event.places):
            self.journey.visited |= {uri: None, gs1.product_of(uri) or uri: None}

    def _names(self, holders: Collection[str] | None) -> set[str]:
        # Its URI and that of every unit it was packed into, at any depth, by the word of `holders` (None: anybody's).
        pairs = [pair for r, e in self.events if holders is None or r.issuer in holders for pair in packings(e)]
        names = [self.uri]
        for name in names:
            names += {parent for child, parent in pairs if child == name} - set(names)
        return set(names)

    def _holders(self) -> dict[str, Held]:
        # Every party that had it, how surely, and by which senders' records; makers by none, and packers where nobody made it.
        held: dict[str, Held] = {r.issuer: (CONFIRMED, []) for r, _ in self.made or self.packed}
        found = dict(held)
        while found:
            # What a withheld receiver leaves open comes last, when nothing more is confirmed.
            found = self._receivers(held, CONFIRMED) or self._receivers(held, UNKNOWN)
            held |= found
        return held

    def _receivers(self, held: Collection[str], state: str) -> dict[str, Held]:
        names, found = self._names(held), {}
        told = [(r, e) for r, e in self.told if not names.isdisjoint(e.uris)]
        sent = [(r, e) for r, e in told if e.is_shipping and r.issuer in held]
        open_ = [(r, e) for r, e in sent if not e.destinations and r.statement.withheld]
        for party in {r.issuer for r, e in told if e.is_receiving} - set(held):
            took = [(r, e) for r, e in told if e.is_receiving and r.issuer == party]
            mine = [(r, e) for r, e in sent if party in (who for _, who in e.destinations)] if state == CONFIRMED else open_
            taken, given = _amounts(self.uri, took), _amounts(self.uri, mine)
            fits = taken is not None and given is not None and all(taken[unit] <= given[unit] for unit in taken)
            if mine and (state == UNKNOWN or fits):
                found[party] = (state, [r for r, _ in mine])
        return found

    def overdrawn(self, party: str, mine: Sequence[Told]) -> bool:
        """Whether a party gave away or used up more of it than it made and took in, in any unit that both sides use."""
        parts = ([one for one in self.made if one[0].issuer == party], [one for one in mine if one[1].is_receiving],
                 [one for one in mine if one[1].is_shipping], [one for one in mine if self._is_use(one[1])])
        made, took, gave, used = (_amounts(self.uri, part) for part in parts)
        if made is None or took is None or gave is None or used is None:
            return True
        return any(gave[unit] + used[unit] > made[unit] + took[unit] for unit in {*made, *took})

    def _is_use(self, event: Event) -> bool:
        return event.biz_step == "retail_selling" or any(self.uri in one.uris for one in event.objects if one.role == "input")

def packings(event: Event) -> list[tuple[str, str]]:
    """(child, parent) for everything that an event packs into a unit, which a lot is not."""
    adds = event.type == "AggregationEvent" and event.action == "ADD"
    parents = [one.uri for one in event.objects if one.role == "parent" and adds and gs1.level(one.uri) not in ("lot", "product")]
    return [(uri, parent) for parent in parents for one in event.objects if one.role == "child" for uri in one.uris]

def _amounts(uri: str, told: Iterable[Told]) -> Counter[str] | None:
    # What is said of `uri` per unit, as exact scaled integers; None for amounts that cannot be held so.
    total, most = Counter[tuple[str, str]](), Counter[str]()
    for _, event in told:
        step = (event.biz_step or "") if event.is_shipping or event.is_receiving else ""
        for one in [one for one in event.objects if one.uri == uri and one.quantity is not None]:
            amount = scaled(one.quantity or 0)
            if amount is None or amount < 0:
                return None
            total[step, one.uom or ""] += amount
    # The same goods told under two steps (arriving, then receiving) count once: the larger.
    for (_, unit), amount in total.items():
        most[unit] = max(most[unit], amount)
    return most
