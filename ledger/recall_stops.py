"""
Where recalled goods came, and whether some may still be there.

An amount that came to a place is gone only where as much was told to leave it: sent on, sold, used or destroyed.  A hand-over
is told by both sides, and a shipment in several steps: neither counts twice.  Where nobody told an amount that came, an object
is gone once some was sent on or sold.  In doubt it may still be there: a place that is looked at in vain is the smaller evil;
so a record that was declared wrong or withdrawn brings things to a place, and takes none away.

Source: EPCIS 2.0 section 7.4; CBV 2.0 section 7 (business steps).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ledger.told_events import Thing, Told

SENT = ("shipping", "departing", "consigning")
RECEIVED = ("receiving", "arriving", "accepting")
SOLD, MADE, ANNOUNCED, USED, ENDED = "sold", "made", "announced", "used", "ended"
Counts = dict[tuple[str, str], dict[str, Decimal]]
"""Amounts of an object in a unit of measure (UN/CEFACT, empty for instances), by how they came or went."""


@dataclass(frozen=True, slots=True)
class Stop:
    """
    A place where recalled things came: who told it, what came, when last.

    `remains`: some may still be there.  `is_end`: they are there, or with whoever bought them.
    """

    place: str
    parties: tuple[str, ...]
    objects: tuple[str, ...]
    last_ms: int
    sold: bool
    remains: bool
    is_end: bool


def stops_of(events: Sequence[Told], ours: set[str]) -> tuple[Stop, ...]:
    """Where things of `ours` came, from receipts, sales and the destinations that senders name; ends first, then by name."""
    found: dict[str, _Visit] = {}
    for event in events:
        at = event.read_point or event.biz_location
        if at is not None:
            found.setdefault(at, _Visit()).take(event, ours)
        if event.biz_step in SENT:
            for end in event.parties:
                if end.direction == "destination" and end.type == "location":
                    found.setdefault(end.uri, _Visit()).announce(event, ours)
    stops = [visit.stop(place) for place, visit in found.items()]
    return tuple(sorted(stops, key=lambda stop: (not stop.is_end, stop.place)))


@dataclass(slots=True)
class _Visit:
    """One place while events are gone through."""

    parties: dict[str, None] = field(default_factory=dict)
    objects: dict[str, None] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    last_ms: int = 0
    sold: bool = False
    came: Counts = field(default_factory=dict)
    gone: Counts = field(default_factory=dict)

    def take(self, event: Told, ours: set[str]) -> None:
        """What somebody told that happened here."""
        self.parties.setdefault(event.issuer)
        for thing, uri in self._seen(event, ours):
            how = _way(event, thing)
            self.sold = self.sold or how == SOLD
            if how in (MADE, *RECEIVED):
                _count(self.came, how, uri, thing)
            elif how is not None and event.standing == "stands":
                _count(self.gone, how, uri, thing)
                self.left |= {uri, thing.uri, thing.lot or uri} if how in (*SENT, SOLD) else set()

    def announce(self, event: Told, ours: set[str]) -> None:
        """What a sender says is on its way here."""
        for thing, uri in self._seen(event, ours):
            _count(self.came, ANNOUNCED, uri, thing)

    def _seen(self, event: Told, ours: set[str]) -> Iterator[tuple[Thing, str]]:
        self.last_ms = max(self.last_ms, event.time_ms)
        for thing in event.objects:
            named = [uri for uri in (thing.uri, thing.lot) if uri is not None and uri in ours]
            self.objects |= dict.fromkeys(named)
            if named:
                yield thing, named[0]

    def stop(self, place: str) -> Stop:
        """What it comes to."""
        # A unit counts as a thing, also an empty one: what was in it may be here, and nobody else may have told that it came.
        unknown = set(self.objects) - {uri for uri, _ in self.came} - self.left
        left_over = (_total(came, MADE) > _total(self.gone.get(at, {}), SOLD, USED, ENDED) for at, came in self.came.items())
        remains = bool(unknown) or any(left_over)
        objects, is_end = tuple(sorted(self.objects)), self.sold or remains
        return Stop(place, tuple(self.parties), objects, self.last_ms, self.sold, remains, is_end)


def _way(event: Told, thing: Thing) -> str | None:
    """How an event brings a thing to its place, or takes it away; None where it does neither."""
    if event.biz_step in (*SENT, *RECEIVED):
        return event.biz_step
    if event.biz_step == "retail_selling":
        return SOLD
    if thing.role in ("input", "output"):
        return USED if thing.role == "input" else MADE
    if event.type == "ObjectEvent":
        return {"ADD": MADE, "DELETE": ENDED}.get(event.action or "")
    return None


def _count(counts: Counts, how: str, uri: str, thing: Thing) -> None:
    amount = Decimal(1) if thing.quantity is None else Decimal(thing.quantity)
    ways = counts.setdefault((uri, thing.uom or ""), {})
    ways[how] = ways.get(how, Decimal(0)) + amount


def _total(ways: Mapping[str, Decimal], *adding: str) -> Decimal:
    """All that was counted in ways of `adding`, and the most of any other way: those tell the same goods again."""
    added = sum((ways[how] for how in adding if how in ways), Decimal(0))
    return added + max((amount for how, amount in ways.items() if how not in adding), default=Decimal(0))
