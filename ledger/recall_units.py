"""
What was in each pallet, crate or container, while events are gone through in the order of their claimed times.

Only whoever packed something, or was sent the unit by somebody else, takes it out by what it tells: a stranger's word does not.

Source: EPCIS 2.0 section 7.4.3 (aggregation).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from ledger.units import MAX_NESTING

Good = tuple[str, str]
"""What is counted: a URI, and a unit of measure (UN/CEFACT), empty for pieces."""
ONE = "one"
"""In place of a unit of measure: a thing that is one, such as a crate."""


class Units:
    """Every unit's recalled contents, by who packed them; and to which parties others sent it."""

    def __init__(self) -> None:
        self._contents: dict[str, dict[Good, dict[str, Decimal]]] = {}
        self._sent: dict[str, set[str]] = defaultdict(set)

    def pack(self, unit: str, packer: str, good: Good, amount: Decimal) -> None:
        """Something went in."""
        amounts = self._contents.setdefault(unit, {}).setdefault(good, {})
        amounts[packer] = amount if good[1] == ONE else amounts.get(packer, Decimal(0)) + amount

    def send(self, unit: str, party: str) -> None:
        """Somebody else sent the unit to this party."""
        self._sent[unit].add(party)

    def held_for(self, unit: str, party: str) -> dict[Good, Decimal]:
        """What a party may take out of a unit."""
        known = {good: self._packers(unit, party, good) for good in self._contents.get(unit, {})}
        return {good: sum((self._contents[unit][good][one] for one in mine), Decimal(0)) for good, mine in known.items()}

    def take_out(self, unit: str, party: str, goods: Mapping[Good, Decimal]) -> None:
        """A party took out so much of each; what it may not take out stays."""
        for good, amount in goods.items():
            for packer in self._packers(unit, party, good):
                amounts = self._contents[unit][good]
                taken = min(amount, amounts[packer])
                amount, amounts[packer] = amount - taken, amounts[packer] - taken

    def holds(self, unit: str) -> bool:
        """Whether something is known to be in it."""
        return any(any(amounts.values()) for amounts in self._contents.get(unit, {}).values())

    def is_emptied(self, unit: str) -> bool:
        """Whether it held something, and all of it was taken out."""
        return unit in self._contents and not self.holds(unit)

    def inside(self, units: Iterable[str]) -> dict[Good, Decimal]:
        """All that is inside them, and inside the units inside."""
        found: dict[Good, Decimal] = defaultdict(Decimal)
        level, known = list(dict.fromkeys(units)), set[str]()
        for _ in range(MAX_NESTING):
            known.update(level)  # each once: a crate may be said to be inside itself
            nearer: list[str] = []
            for unit in level:
                for good, amounts in self._contents.get(unit, {}).items():
                    if amount := sum(amounts.values(), Decimal(0)):
                        found[good] += amount
                        nearer += [good[0]] if good[1] == ONE and good[0] not in known else []
            level = list(dict.fromkeys(nearer))
        return found

    def _packers(self, unit: str, party: str, good: Good) -> list[str]:
        amounts = self._contents.get(unit, {}).get(good, {})
        return [packer for packer in amounts if packer == party or party in self._sent[unit]]
