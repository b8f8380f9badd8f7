"""
Where recalled things may still be, by all that was told of them: what each event changes in the stocks of its parties.

How a party's stock is counted, and why in doubt something is there, stands in recall_stock.py; what is inside units, in
recall_units.py.  Where goods are told beside a pallet, what surely is on it does not come again, and what may be on it does
not leave again.

Source: EPCIS 2.0 section 7.4; CBV 2.0 section 7 (business steps); UN/CEFACT Recommendation 20 (units of measure).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledger.recall_stock import ANNOUNCED, ENDED, LEAVING, MADE, PACKED, SOLD, UNPACKED, USED, Stock
from ledger.recall_units import NOBODY, ONE, Good, Units
from ledger.told_events import RECEIVED, SENT, Thing, Told
from verify import gs1

PIECES = frozenset(("H87", "EA", "C62"))
"""Units of measure that count pieces, as serials do."""
LOOKS = 250
"""Into units, for each event: an honest one needs as many as crates are on its pallet."""
Named = tuple[Thing, Good, Decimal]
"""A thing that an event names, as what it is counted, and how much."""


@dataclass(frozen=True, slots=True)
class Remains:
    """Where things may still be; `truncated` where there was too much to look at, and more places than need be are named."""

    places: frozenset[str]
    truncated: bool


def may_remain(events: Sequence[Told], ours: set[str]) -> Remains:
    """Where things of `ours` may still be after these events, which are in the order of their claimed times."""
    book = _Book(ours, LOOKS * len(events))
    for event in events:
        book.take(event)
    return Remains(frozenset(book.places()), book.units.is_cut)


class _Book:
    def __init__(self, ours: set[str], looks: int) -> None:
        self.ours = ours
        self.units = Units(looks)
        self.stocks: dict[str, Stock] = {NOBODY: Stock(NOBODY)}

    def places(self) -> set[str]:
        for stock in self.stocks.values():
            if stock.party != NOBODY:
                stock.add_unclaimed(self.stock(NOBODY))
        return {place for stock in self.stocks.values() for place in stock.places(self.units)}

    def stock(self, party: str) -> Stock:
        return self.stocks.setdefault(party, Stock(party))

    def take(self, event: Told) -> None:
        """What one event changes."""
        place, stands = event.read_point or event.biz_location or "", event.standing == "stands"
        goods = [(thing, *found) for thing in event.objects for found in [self._good(thing)] if found is not None]
        is_packing = event.type == "AggregationEvent" and event.action in ("ADD", "DELETE")
        if is_packing:
            self._pack(event, place, stands, [one for one in goods if one[0].role == "child"])
            goods = [one for one in goods if one[0].role != "child" and event.biz_step in SENT]
        for thing, good, coming, leaving in self._loose(event, goods):
            how = _way(event, thing)
            if good[1] == ONE and how == MADE:
                self.units.make(good[0], event.issuer)
            self.stock(event.issuer).move(good, leaving if how in LEAVING else coming, how, place, stands)
            if how in SENT:
                self._announce(event, good, coming)

    def _good(self, thing: Thing) -> tuple[Good, Decimal] | None:
        named = [uri for uri in (thing.lot, thing.uri) if uri is not None and uri in self.ours]
        if not named:
            return None
        if thing.quantity is not None:
            return (named[0], "" if thing.uom in PIECES else thing.uom or ""), Decimal(thing.quantity)
        is_one = gs1.level(named[0]) not in ("lot", "product")
        return (named[0], ONE if is_one else ""), Decimal(1)

    def _loose(self, event: Told, goods: list[Named]) -> Iterator[tuple[Thing, Good, Decimal, Decimal]]:
        """How much comes and how much leaves, without what a despatch advice tells again beside the pallet that it is on."""
        units = [good[0] for _, good, _ in goods if good[1] == ONE]
        others = [good for _, good, _ in goods if good[1] != ONE]
        if event.biz_step in RECEIVED and event.standing == "stands":
            for unit in units:
                self.units.receive(unit, event.issuer)
        is_beside = event.biz_step in (*SENT, *RECEIVED) and units and others
        surely = self.units.surely_hold(units, others, event.issuer) if is_beside else {}
        perhaps = self.units.may_hold(units, others) if is_beside else {}
        for thing, good, amount in goods:
            yield thing, good, amount - _drawn(surely, good, amount), amount - _drawn(perhaps, good, amount)

    def _announce(self, event: Told, good: Good, amount: Decimal) -> None:
        """What a sender says is on its way to somebody."""
        ends = [end for end in event.parties if end.direction == "destination"]
        where = next((end.uri for end in ends if end.type == "location"), "")
        named = {end.type: end.uri for end in ends if end.type != "location"}
        party = named.get("possessing_party") or next(iter(named.values()), NOBODY)
        if good[1] == ONE:
            self.units.send(good[0], event.issuer, party)
        if where or party:
            self.stock(party).move(good, amount, f"{ANNOUNCED} by {event.biz_step}", where, stands=True)

    def _pack(self, event: Told, place: str, stands: bool, children: list[Named]) -> None:
        stock = self.stock(event.issuer)
        unit = next((thing.uri for thing in event.objects if thing.role == "parent"), "")
        if event.action == "ADD":
            for _, good, amount in children:
                self.units.pack(unit, event.issuer if stands else NOBODY, good, amount)
                stock.move(good, amount, PACKED, place, stands)
        else:
            self._unpack(event, unit, place, stands, children)
        is_empty = event.action == "DELETE" and stands and self.units.is_emptied(unit, event.issuer)
        if unit in self.ours:
            stock.move((unit, ONE), Decimal(1), ENDED if is_empty else None, place, stands)

    def _unpack(self, event: Told, unit: str, place: str, stands: bool, children: list[Named]) -> None:
        stock = self.stock(event.issuer)
        told = any(thing.role == "child" for thing in event.objects)
        out = _summed(children) if told else self.units.contents(unit)
        if out is None:
            stock.unsure.add(place)
            return
        for good, amount in out.items():
            stock.move(good, amount, UNPACKED, place, stands)
        if stands:
            self.units.take_out(unit, event.issuer, out)


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


def _drawn(stock: dict[Good, Decimal], good: Good, amount: Decimal) -> Decimal:
    """Take as much as there is, and tell how much that was."""
    drawn = min(amount, stock.get(good, Decimal(0)))
    if drawn:
        stock[good] -= drawn
    return drawn


def _summed(goods: Iterable[Named]) -> dict[Good, Decimal]:
    found: dict[Good, Decimal] = {}
    for _, good, amount in goods:
        found[good] = found.get(good, Decimal(0)) + amount
    return found
