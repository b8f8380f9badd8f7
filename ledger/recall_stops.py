"""
The places where recalled goods came: who told it, what came, and whether some may still be there (recall_remains.py).

Source: EPCIS 2.0 section 7.4; CBV 2.0 section 7 (business steps).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.recall_remains import may_remain
from ledger.told_events import SENT, Told


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


def stops_of(events: Sequence[Told], ours: set[str]) -> tuple[tuple[Stop, ...], bool]:
    """
    Where things of `ours` came, from receipts, sales and the destinations that senders name; ends first, then by name.

    And whether there was too much to look at: then more of them than need be are said to have some.
    """
    found: dict[str, _Visit] = {}
    for event in events:
        at = event.read_point or event.biz_location
        if at is not None:
            found.setdefault(at, _Visit()).take(event, ours)
        if event.biz_step in SENT:
            for end in event.parties:
                if end.direction == "destination" and end.type == "location":
                    found.setdefault(end.uri, _Visit()).name(event, ours)
    full = may_remain(events, ours)
    stops = [visit.stop(place, place in full.places) for place, visit in found.items()]
    return tuple(sorted(stops, key=lambda stop: (not stop.is_end, stop.place))), full.truncated


@dataclass(slots=True)
class _Visit:
    """One place while events are gone through."""

    parties: dict[str, None] = field(default_factory=dict)
    objects: dict[str, None] = field(default_factory=dict)
    last_ms: int = 0
    sold: bool = False

    def take(self, event: Told, ours: set[str]) -> None:
        """What somebody told that happened here."""
        self.parties.setdefault(event.issuer)
        is_ours = self.name(event, ours)
        self.sold = self.sold or (is_ours and event.biz_step == "retail_selling")

    def name(self, event: Told, ours: set[str]) -> bool:
        """Note what an event names that is ours; whether it names anything."""
        self.last_ms = max(self.last_ms, event.time_ms)
        named = [uri for thing in event.objects for uri in (thing.uri, thing.lot) if uri is not None and uri in ours]
        self.objects |= dict.fromkeys(named)
        return bool(named)

    def stop(self, place: str, remains: bool) -> Stop:
        """What it comes to."""
        objects, is_end = tuple(sorted(self.objects)), self.sold or remains
        return Stop(place, tuple(self.parties), objects, self.last_ms, self.sold, remains, is_end)
