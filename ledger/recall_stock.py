"""
What each party may still have of recalled goods, and at which of its places.

Goods by amount (lots, classes) are counted as they come and go.  A thing that is one (a pallet, a crate) is where its holder
told of it last, and where others since then said that it was sent to; it stands for what is known to be inside.  A party's
goods leave by its own word alone, or any stranger with a key could say that a shelf is empty; they come by anybody's.  What was
announced to a place and to no party has nobody who could let it go, and stays.

In doubt something may still be there: a place that is looked at in vain is the smaller evil.  So a record that was declared
wrong or withdrawn brings things and takes none away, and what left in another unit of measure than it came in has not left.

What each event changes stands in recall_remains.py.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ledger.recall_units import ONE, Good, Units
from ledger.told_events import SENT

SOLD, MADE, ANNOUNCED, USED, ENDED, PACKED, UNPACKED = "sold", "made", "announced", "used", "ended", "packed", "unpacked"
ADDING = frozenset((SOLD, MADE, USED, ENDED, PACKED, UNPACKED))
"""Ways that add up.  The others tell one hand-over again: the steps of a shipment, both its sides."""
LEAVING = frozenset((*SENT, SOLD, USED, ENDED, PACKED))
Ways = dict[str, dict[str, Decimal]]
"""Amounts by place and way; the place is empty where none was told."""


@dataclass(slots=True)
class Stock:
    """One party's recalled goods: amounts, where it told of each, and where its things that are one are."""

    party: str
    came: dict[Good, Ways] = field(default_factory=dict)
    gone: dict[Good, Ways] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    single: dict[str, set[str]] = field(default_factory=dict)
    let_go: set[str] = field(default_factory=set)
    """Its things that are one and were sent on, sold or ended since it had them last."""
    unsure: set[str] = field(default_factory=set)
    """Places where more was taken out of a unit than there was time to look at."""

    def places(self, units: Units) -> set[str]:
        """Where something may still be."""
        held: dict[str, list[str]] = defaultdict(list)
        for thing, there in self.single.items():
            for place in there:
                held[place].append(thing)
        full = {place for place, things in held.items() if not self._is_emptied(place, things, units)}
        kinds: dict[str, list[Good]] = {uri: [] for uri in self.seen}
        for good in self.came:
            kinds.setdefault(good[0], []).append(good)
        gone = {uri for uri, _ in self.gone}
        unsure = {place for uri, goods in kinds.items() if not goods and uri not in gone for place in self.seen[uri]}
        return full | unsure | self.unsure | {place for uri, goods in kinds.items() for place in self._surplus(uri, goods)}

    def move(self, good: Good, amount: Decimal, how: str | None, place: str, stands: bool) -> None:
        """What one telling of a good changes."""
        leaves, is_own = how in LEAVING, how is None or not how.startswith(ANNOUNCED)
        if good[1] == ONE:
            self._place(good[0], place, leaves and stands, is_own and stands)
            return
        # Nothing of it is no telling of the place: a stranger who announces nothing would make a place look cleared.
        if how is not None and amount <= 0:
            return
        self.seen[good[0]].add(place)
        if how is not None and (stands or not leaves):
            _count(self.gone if leaves else self.came, good, place, how, amount)

    def add_unclaimed(self, nobodys: "Stock") -> None:
        """Count what was announced to a place and to no party where this one tells of the place: it may have come to it."""
        for good in self.gone.keys() & nobodys.came.keys():
            for place in nobodys.came[good].keys() & self.seen[good[0]]:
                for how, amount in nobodys.came[good][place].items():
                    _count(self.came, good, place, how, amount)

    def _place(self, thing: str, place: str, leaves: bool, is_sure: bool) -> None:
        if is_sure:
            self.single.pop(thing, None)
        if leaves:
            self.let_go.add(thing)
        else:
            self.let_go.discard(thing)
            self.single.setdefault(thing, set()).add(place)

    def _surplus(self, uri: str, goods: Iterable[Good]) -> set[str]:
        """Where there may be some of a lot or class, which is counted in as many goods as it has units of measure."""
        over = [good for good in goods if _total(*self.came[good].values()) > _total(*self.gone.get(good, {}).values())]
        found, named = set[str](), Counter[str]()
        for good in over:
            came, gone = self.came[good], self.gone.get(good, {})
            named.update(came.keys() | gone.keys())
            found.update(place for place, ways in came.items() if _total(ways) > _total(gone.get(place, {})))
            # Where two tellings may be of one shipment, nobody knows which place it left.
            if sum(map(_total, gone.values())) > _total(*gone.values()):
                found.update(came)
        # What moves from one place of a party to another is told by nobody: it was seen there, and did not leave from there.
        return found | {place for place in self.seen[uri] if named[place] < len(over)}

    def _is_emptied(self, place: str, things: list[str], units: Units) -> bool:
        # Whoever opens a crate to sell from it tells the sales: as much more left this place than came loose.
        # What is one and was never opened has to be told by its name.
        if not (self.gone or self.let_go) or not all(units.holds(thing, self.party) for thing in things):
            return False
        inside: dict[Good, Decimal] = defaultdict(Decimal)
        for good, amount in units.walk(things):
            inside[good] += amount
            if good[1] == ONE:
                is_here = not units.knows(good[0]) and good[0] not in self.let_go
            else:
                is_here = inside[good] > self._more_left(good, place)
            if is_here:
                return False
        return not units.is_cut

    def _more_left(self, good: Good, place: str) -> Decimal:
        left, came = (ways.get(good, {}).get(place, {}) for ways in (self.gone, self.came))
        return _total(left) - _total(came)


def _total(*counted: Mapping[str, Decimal]) -> Decimal:
    """All that was counted by way: what adds up, and the most of any way that tells the same again."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for ways in counted:
        for how, amount in ways.items():
            sums[how] += amount
    added = sum((amount for how, amount in sums.items() if how in ADDING), Decimal(0))
    return added + max((amount for how, amount in sums.items() if how not in ADDING), default=Decimal(0))


def _count(counts: dict[Good, Ways], good: Good, place: str, how: str, amount: Decimal) -> None:
    ways = counts.setdefault(good, {}).setdefault(place, {})
    ways[how] = ways.get(how, Decimal(0)) + amount
