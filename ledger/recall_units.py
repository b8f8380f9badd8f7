"""
What was in each pallet, crate or container, while events are gone through in the order of their claimed times.

Only whoever packed something, or was sent the unit by somebody else, takes it out by what it tells: a stranger's word does not.
What is inside has two answers.  Anybody's packings say what may be inside.  What surely is inside, a party knows of itself, and
from those who handed the unit on to it, one after the other; where two say that they did, one of them may be a stranger, and
neither is believed.

Only what is asked for is looked up, and every look is counted: a stranger may pack thousands of crates, and name their pallet in
thousands of events.

Source: EPCIS 2.0 section 7.4.3 (aggregation).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from ledger.units import MAX_NESTING

Good = tuple[str, str]
"""What is counted: a URI, and a unit of measure (UN/CEFACT), empty for pieces."""
ONE = "one"
"""In place of a unit of measure: a thing that is one, such as a crate."""
NOBODY = ""
"""In place of a party: has what was announced to a place, and to no party that this reader may see; packed what was withdrawn."""
HEAVY = 4  # looks, for an amount that is summed up and carried on
NONE, ANY_AMOUNT = Decimal(0), Decimal("Infinity")


class Units:
    """Every unit's recalled contents, by who packed them; and which parties handed it to which.  `looks` are all there may be."""

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self._contents: dict[str, dict[Good, dict[str, Decimal]]] = {}
        self._inner: dict[str, dict[str, None]] = defaultdict(dict)
        self._packers: dict[str, set[str]] = defaultdict(set)
        self._givers: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._made: set[tuple[str, str]] = set()
        self._received: set[tuple[str, str]] = set()

    @property
    def is_cut(self) -> bool:
        """Whether there was more to look at than `looks`."""
        return self._looks < 0

    def make(self, unit: str, party: str) -> None:
        """A party says that it brought the unit up."""
        self._made.add((unit, party))

    def pack(self, unit: str, packer: str, good: Good, amount: Decimal) -> None:
        """Something went in."""
        self._packers[unit].add(packer)
        amounts = self._contents.setdefault(unit, {}).setdefault(good, {})
        amounts[packer] = amount if good[1] == ONE else amounts.get(packer, NONE) + amount
        if good[1] == ONE:
            self._inner[unit][good[0]] = None

    def send(self, unit: str, giver: str, taker: str) -> None:
        """A party says that it sent the unit to this one, or to NOBODY."""
        if giver != taker:
            self._givers[unit, taker].add(giver)

    def receive(self, unit: str, taker: str) -> None:
        """A party says that it has the unit from somebody."""
        self._received.add((unit, taker))

    def contents(self, unit: str) -> dict[Good, Decimal] | None:
        """What whoever opens it may take out, by anybody's packing; None where there are too many things to look through."""
        contents = self._contents.get(unit, {})
        if not self._look(HEAVY * len(contents)):
            return None
        return {good: sum(amounts.values(), NONE) for good, amounts in contents.items()}

    def take_out(self, unit: str, party: str, goods: Mapping[Good, Decimal]) -> None:
        """A party took out so much of each; what it may not take out stays."""
        contents, line = self._contents.get(unit, {}), self._line(unit, party)
        for good, amount in goods.items():
            amounts = contents.get(good, {})
            # First what surely was inside: else a stranger's packing stands for what went, and what went for what is there.
            for packer in sorted(self._takes(unit, party, amounts), key=lambda one: one not in line):
                taken = min(amount, amounts[packer])
                amount, amounts[packer] = amount - taken, amounts[packer] - taken
                if not amounts[packer]:
                    del amounts[packer]
            if good in contents and not amounts:
                del contents[good]
                self._inner[unit].pop(good[0], None)
            if good[1] == ONE:
                self._hand_on(unit, good[0], party)

    def knows(self, unit: str) -> bool:
        """Whether anybody ever said what is in it."""
        return unit in self._contents

    def holds(self, unit: str, party: str) -> bool:
        """Whether something is inside, and not by the word of strangers alone."""
        return bool(self._contents.get(unit)) and self._is_known_to(unit, party)

    def is_emptied(self, unit: str, party: str) -> bool:
        """Whether it held something, not by the word of strangers alone, and all of it was taken out."""
        return self._contents.get(unit) == {} and self._is_known_to(unit, party)

    def may_hold(self, units: Iterable[str], goods: Iterable[Good]) -> dict[Good, Decimal]:
        """How much of each of these goods may be inside, and inside the units inside, by anybody's packing."""
        return self._inside(dict.fromkeys(units), dict.fromkeys(goods, NONE), ANY_AMOUNT)

    def surely_hold(self, units: Iterable[str], goods: Iterable[Good], party: str) -> dict[Good, Decimal]:
        """How much of each is inside by the packing of a party, and of those who handed the units on to it."""
        lines: dict[str, set[str] | None] = {unit: self._known_to(unit, [party]) for unit in units}
        return self._inside(lines, dict.fromkeys(goods, NONE), NONE)

    def walk(self, units: Iterable[str]) -> Iterator[tuple[Good, Decimal]]:
        """All that may be inside them, and inside the units inside; it ends early where that is too much to look through."""
        for unit, _ in self._nested(dict.fromkeys(units)):
            for good, amounts in self._contents.get(unit, {}).items():
                if not self._look(HEAVY):
                    return
                yield good, sum(amounts.values(), NONE)

    def _inside(self, units: Mapping[str, set[str] | None], found: dict[Good, Decimal], cut: Decimal) -> dict[Good, Decimal]:
        for unit, packers in self._nested(units):
            for good in found if self._look(len(found)) else ():
                amounts = self._contents.get(unit, {}).get(good, {})
                found[good] += sum((amounts[one] for one in amounts if packers is None or one in packers), NONE)
        return dict.fromkeys(found, cut) if self.is_cut else found

    def _nested(self, units: Mapping[str, set[str] | None]) -> Iterator[tuple[str, set[str] | None]]:
        # With those whose packings count, None for everybody's.  Each once: a crate may be said to be inside itself.
        level, known = dict(units), set[str]()
        for _ in range(MAX_NESTING):
            yield from level.items()
            known.update(level)
            nearer: dict[str, set[str] | None] = {}
            for unit, packers in level.items():
                if not self._look(1 + len(self._inner[unit])):
                    return
                for inner in [one for one in self._inner[unit] if one not in known]:
                    if packers is None or not packers.isdisjoint(self._contents[unit][inner, ONE]):
                        nearer[inner] = None if packers is None else self._known_to(inner, packers)
            level = nearer

    def _look(self, times: int) -> bool:
        self._looks -= times
        return not self.is_cut

    def _takes(self, unit: str, party: str, packers: Iterable[str]) -> list[str]:
        return [packer for packer in packers if packer == party or self._givers.get((unit, party))]

    def _is_known_to(self, unit: str, party: str) -> bool:
        return not self._packers[unit].isdisjoint(self._line(unit, party))

    def _known_to(self, unit: str, parties: Iterable[str]) -> set[str]:
        # Whoever packed it, and then handed it on to one of these, who says that it has it from somebody.
        return {one for party in parties for one in self._line(unit, party, strict=True)}

    def _line(self, unit: str, party: str, *, strict: bool = False) -> list[str]:
        # The party, who handed it the unit, who handed it to that one: as long as just one says so.
        line = [party]
        for one in line:
            is_its_own = strict or (unit, one) in self._made or one in self._packers[unit]
            others = self._givers_of(unit, one) if (unit, one) in self._received or not is_its_own else set()
            if len(others) != 1 or len(line) > MAX_NESTING:
                break
            line += others.difference(line)
        return line

    def _givers_of(self, unit: str, taker: str) -> set[str]:
        # What somebody sent to NOBODY may have come to anybody.
        return (self._givers.get((unit, taker), set()) | self._givers.get((unit, NOBODY), set())) - {taker}

    def _hand_on(self, unit: str, content: str, party: str) -> None:
        # A crate that was taken off a pallet came from whoever the pallet came from.
        for taker in self._line(unit, party):
            for giver in self._givers_of(unit, taker):
                self.send(content, giver, taker)
            if (unit, taker) in self._received:
                self.receive(content, taker)
