"""
What each party may still have of recalled goods, and at which of its places.

Goods by amount (lots, classes) are counted as they come and go.  A thing that is one (a pallet, a crate) is where its holder
told of it last, and stands for what is known to be inside.  A party's goods leave by its own word alone, or any stranger
with a key could say that a shelf is empty; they come by anybody's.  In doubt something may still be there: a place that is
looked at in vain is the smaller evil.  So a record that was declared wrong or withdrawn brings things and takes none away,
and what left in another unit of measure than it came in has not left.

Source: EPCIS 2.0 section 7.4; CBV 2.0 section 7 (business steps); UN/CEFACT Recommendation 20 (units of measure).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ledger.recall_units import ONE, Good, Units
from ledger.told_events import RECEIVED, SENT, Thing, Told
from verify import gs1

SOLD, MADE, ANNOUNCED, USED, ENDED, PACKED, UNPACKED = "sold", "made", "announced", "used", "ended", "packed", "unpacked"
ADDING = frozenset((SOLD, MADE, USED, ENDED, PACKED, UNPACKED))
"""Ways that add up.  The others tell one hand-over again: the steps of a shipment, both its sides."""
LEAVING = frozenset((SOLD, USED, ENDED, PACKED))
PIECES = frozenset(("H87", "EA", "C62"))
"""Units of measure that count pieces, as serials do."""
NOBODY = ""
"""Has what was announced to a place, and to no party that this reader may see."""
Ways = dict[str, dict[str, Decimal]]
"""Amounts by place and way; the place is empty where none was told."""


@dataclass(slots=True)
class Stock:
    """One party's recalled goods: amounts, where it told of each, and where its things that are one are."""

    came: dict[Good, Ways] = field(default_factory=dict)
    gone: dict[Good, Ways] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    single: dict[str, str] = field(default_factory=dict)

    def places(self, units: Units) -> set[str]:
        """Where something may still be."""
        held: dict[str, list[str]] = defaultdict(list)
        for thing, place in self.single.items():
            held[place].append(thing)
        full = {place for place, things in held.items() if not self._is_emptied(place, things, units)}
        kinds: dict[str, list[Good]] = {uri: [] for uri in self.seen}
        for good in self.came:
            kinds.setdefault(good[0], []).append(good)
        gone = {uri for uri, _ in self.gone}
        unsure = {place for uri, goods in kinds.items() if not goods and uri not in gone for place in self.seen[uri]}
        return full | unsure | {place for goods in kinds.values() for good in goods for place in self._surplus(good)}

    def _surplus(self, good: Good) -> set[str]:
        came, gone = self.came[good], self.gone.get(good, {})
        if _total(*came.values()) <= _total(*gone.values()):
            return set()
        more = {place for place, ways in came.items() if _total(ways) > _total(gone.get(place, {}))}
        # What moves from one place of a party to another is told by nobody: it was seen there, and did not leave from there.
        return more | (self.seen[good[0]] - came.keys() - gone.keys()) or set(came)

    def _is_emptied(self, place: str, things: list[str], units: Units) -> bool:
        # Whoever opens a crate to sell from it tells the sales: as much more left this place than came loose.
        if not all(map(units.holds, things)):
            return False
        inside = {good: amount for good, amount in units.inside(things).items() if good[1] != ONE}
        left = {good: _total(self.gone.get(good, {}).get(place, {})) for good in inside}
        return all(left[good] - _total(self.came.get(good, {}).get(place, {})) >= amount for good, amount in inside.items())


def _total(*counted: Mapping[str, Decimal]) -> Decimal:
    """All that was counted by way: what adds up, and the most of any way that tells the same again."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for ways in counted:
        for how, amount in ways.items():
            sums[how] += amount
    added = sum((amount for how, amount in sums.items() if how in ADDING), Decimal(0))
    return added + max((amount for how, amount in sums.items() if how not in ADDING), default=Decimal(0))


def may_remain(events: Iterable[Told], ours: set[str]) -> set[str]:
    """The places where things of `ours` may still be after these events, which are in the order of their claimed times."""
    book = _Book(ours)
    for event in events:
        book.take(event)
    return book.places()


class _Book:
    def __init__(self, ours: set[str]) -> None:
        self.ours = ours
        self.units = Units()
        self.stocks: dict[str, Stock] = defaultdict(Stock)

    def places(self) -> set[str]:
        nobody = self.stocks[NOBODY]
        for stock in [one for party, one in self.stocks.items() if party != NOBODY]:
            for good in nobody.came.keys() & stock.gone.keys():
                for place in nobody.came[good].keys() & stock.gone[good].keys():
                    for how, amount in stock.gone[good][place].items():
                        _count(nobody.gone, good, place, how, amount)
        return {place for stock in self.stocks.values() for place in stock.places(self.units)}

    def take(self, event: Told) -> None:
        """What one event changes."""
        place, stands = event.read_point or event.biz_location or "", event.standing == "stands"
        goods = [(thing, *found) for thing in event.objects for found in [self._good(thing)] if found is not None]
        is_packing = event.type == "AggregationEvent" and event.action in ("ADD", "DELETE")
        if is_packing:
            self._pack(event, place, stands, [one for one in goods if one[0].role == "child"])
            goods = [one for one in goods if one[0].role != "child" and event.biz_step in SENT]
        for thing, good, amount in self._loose(event, goods):
            how = _way(event, thing)
            self._move(self.stocks[event.issuer], good, amount, how, place, stands)
            if self.stocks[NOBODY].single.get(good[0]) == place:
                del self.stocks[NOBODY].single[good[0]]  # now somebody has it
            if how in SENT:
                self._announce(event, good, amount)

    def _good(self, thing: Thing) -> tuple[Good, Decimal] | None:
        named = [uri for uri in (thing.lot, thing.uri) if uri is not None and uri in self.ours]
        if not named:
            return None
        if thing.quantity is not None:
            return (named[0], "" if thing.uom in PIECES else thing.uom or ""), Decimal(thing.quantity)
        is_one = gs1.level(named[0]) not in ("lot", "product")
        return (named[0], ONE if is_one else ""), Decimal(1)

    def _loose(self, event: Told, goods: list[tuple[Thing, Good, Decimal]]) -> Iterable[tuple[Thing, Good, Decimal]]:
        """Without what a despatch advice tells again beside the pallet that it is on."""
        units = [good[0] for _, good, _ in goods if good[1] == ONE]
        is_beside = event.biz_step in (*SENT, *RECEIVED) and 0 < len(units) < len(goods)
        inside = self.units.inside(units) if is_beside else {}
        for thing, good, amount in goods:
            carried = Decimal(0) if good[1] == ONE else min(amount, inside.get(good, Decimal(0)))
            inside[good] = inside.get(good, Decimal(0)) - carried
            yield thing, good, amount - carried

    def _move(self, stock: Stock, good: Good, amount: Decimal, how: str | None, place: str, stands: bool) -> None:
        leaves = how in (*SENT, *LEAVING)
        if good[1] == ONE:
            if leaves and stands:
                stock.single.pop(good[0], None)
            else:
                stock.single[good[0]] = place
            return
        stock.seen[good[0]].add(place)
        if how is not None and (stands or not leaves):
            _count(stock.gone if leaves else stock.came, good, place, how, amount)

    def _announce(self, event: Told, good: Good, amount: Decimal) -> None:
        """What a sender says is on its way to somebody."""
        ends = [end for end in event.parties if end.direction == "destination"]
        where = next((end.uri for end in ends if end.type == "location"), "")
        named = {end.type: end.uri for end in ends if end.type != "location"}
        party = named.get("possessing_party") or next(iter(named.values()), NOBODY)
        if good[1] == ONE and party not in (NOBODY, event.issuer):
            self.units.send(good[0], party)
        if where or party:
            self._move(self.stocks[party], good, amount, f"{ANNOUNCED} by {event.biz_step}", where, stands=True)

    def _pack(self, event: Told, place: str, stands: bool, children: list[tuple[Thing, Good, Decimal]]) -> None:
        stock = self.stocks[event.issuer]
        unit = next((thing.uri for thing in event.objects if thing.role == "parent"), "")
        if event.action == "ADD":
            for _, good, amount in children:
                self.units.pack(unit, event.issuer, good, amount)
                self._move(stock, good, amount, PACKED, place, stands)
        else:
            told = any(thing.role == "child" for thing in event.objects)
            out = _summed(children) if told else self.units.held_for(unit, event.issuer)
            for good, amount in out.items():
                self._move(stock, good, amount, UNPACKED, place, stands)
            if stands:
                self.units.take_out(unit, event.issuer, out)
        is_empty = event.action == "DELETE" and stands and self.units.is_emptied(unit)
        if unit in self.ours:
            self._move(stock, (unit, ONE), Decimal(1), ENDED if is_empty else None, place, stands)


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


def _summed(goods: Iterable[tuple[Thing, Good, Decimal]]) -> dict[Good, Decimal]:
    found: dict[Good, Decimal] = {}
    for _, good, amount in goods:
        found[good] = found.get(good, Decimal(0)) + amount
    return found


def _count(counts: dict[Good, Ways], good: Good, place: str, how: str, amount: Decimal) -> None:
    ways = counts.setdefault(good, {}).setdefault(place, {})
    ways[how] = ways.get(how, Decimal(0)) + amount
