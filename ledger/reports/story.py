"""
The verifier's account of one object (verify/edges.py, Story), in time that grows with the records and not with their square.

The rule stays the verifier's own.  It is asked of one party at a time, with the records that can decide about that party, and
anew only where something has changed: a sender of it turned out to have had the goods, or a unit's name was added.  For all
parties over all records, as a shopper's bundle can afford, a lot that went to 800 shops or through 200 hands costs a second.

Its slow twin is Story; tests/ledger_read/test_story.py compares them.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from verify.authority import History
from verify.edges import CONFIRMED, Held, Journey, Story, Told, packings


class QuickStory(Story):
    """A Story of which only who made, held and overdrew is asked; `events` are not changed any more."""

    def __init__(self, uri: str, events: Sequence[Told], history: History) -> None:
        self._around: dict[str, list[tuple[str, str]]] = defaultdict(list)
        """Who packed a thing into which unit."""
        for record, event in events:
            for child, unit in packings(event):
                self._around[child].append((record.issuer, unit))
        self._packers = {packer for found in self._around.values() for packer, _ in found}
        self._current: tuple[frozenset[str] | None, set[str]] | None = None
        super().__init__(uri, events, history, Journey())

    def overdrew(self, party: str) -> bool:
        """As `overdrawn`, of everything that `party` told."""
        return self.overdrawn(party, self._by_teller.get(party, []))

    def _names(self, holders: Collection[str] | None) -> set[str]:
        believed = None if holders is None else frozenset(one for one in self._packers if one in holders)
        if self._current is None or self._current[0] != believed:
            names = dict.fromkeys([self.uri])
            queue = [self.uri]
            for name in queue:
                packed = (unit for packer, unit in self._around.get(name, ()) if believed is None or packer in believed)
                new = [unit for unit in dict.fromkeys(packed) if unit not in names]
                names |= dict.fromkeys(new)
                queue += new
            self._current = believed, set(names)
        return self._current[1]

    def _holders(self) -> dict[str, Held]:
        self._by_teller: dict[str, list[Told]] = defaultdict(list)
        self._by_taker: dict[str, list[Told]] = defaultdict(list)
        """What a party received, and what was sent to it by name."""
        self._sent: dict[str, set[str]] = defaultdict(set)
        """To whom a party sent it."""
        self._open: list[Told] = []
        self._takers = {record.issuer for record, event in self.told if event.is_receiving}
        self._before: tuple[set[str], set[str]] = set(), set()
        for one in self.told:
            self._file(one)
        return super()._holders()

    def _file(self, told: Told) -> None:
        record, event = told
        self._by_teller[record.issuer].append(told)
        if event.is_receiving:
            self._by_taker[record.issuer].append(told)
        if event.is_shipping:
            named = {who for _, who in event.destinations}
            self._sent[record.issuer] |= named
            for party in named:
                self._by_taker[party].append(told)
            if not named and record.statement.withheld:
                self._open.append(told)

    def _receivers(self, held: Collection[str], state: str) -> dict[str, Held]:
        told, found = self.told, dict[str, Held]()
        for party in sorted(self._asked(held, state)):
            self.told = self._by_taker[party] if state == CONFIRMED else self._by_taker[party] + self._open
            found |= super()._receivers(held, state)
        self.told = told
        return found

    def _asked(self, held: Collection[str], state: str) -> set[str]:
        """Of which parties the answer may be another than it was."""
        if state != CONFIRMED:
            return self._takers.difference(held) if self._open else set()
        names, known = self._names(held), set(held)
        senders = known - self._before[0] if names == self._before[1] else known
        self._before = known, names
        return {party for sender in senders for party in self._sent.get(sender, ())}.intersection(self._takers) - known
