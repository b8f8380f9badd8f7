"""
FSMA 204: what was inside the units that an event moved, and how sure that is.

Anybody may sign that it packed something onto a pallet: that puts nothing into the mouth of who moves the pallet.  A packer's
word counts for goods that it had.  For a unit, and for what travelled beside the asked lots, whose story is told elsewhere,
it counts where the packer had goods that the mover had too.

Not here: what a unit held by anybody's word (ledger/units.py); what a row is worth (fsma204_standing.py).

Source: protocol.md section 2; holders.py for the judgement.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.reports.facts import Book, Fact
from ledger.units import MAX_NESTING, Content
from verify.edges import CLAIMED, CONFIRMED, UNKNOWN

_SURE = (CONFIRMED, UNKNOWN, CLAIMED)  # the worst comes last


@dataclass(frozen=True, slots=True)
class Packed:
    """A content, how sure it is that it was inside, and whose word that is."""

    content: Content
    state: str
    by: str


class Insides:
    """The units of a book's events, each judged once."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._known: dict[tuple[int, str], list[Packed]] = {}
        self._shared: dict[int, list[str]] = {}

    def of(self, fact: Fact, unit: str) -> Sequence[Packed]:
        """Everything that anybody said was inside `unit` when the event happened, outer before inner."""
        key = (fact.told.index, unit)
        if key not in self._known:
            self._known[key] = self._read(fact, unit)
        return self._known[key]

    def sure(self, fact: Fact, unit: str) -> list[Packed]:
        """What was inside, without what a third party claims."""
        return [one for one in self.of(fact, unit) if one.state != CLAIMED]

    def _read(self, fact: Fact, unit: str) -> list[Packed]:
        # Two who say the same of a crate double nothing in it.
        found = list(dict.fromkeys(self._told(fact, unit)))
        links = [(one, _SURE.index(self._link(fact, one))) for one in found]
        best = {unit: (0, "")}
        for _ in range(MAX_NESTING):
            before = dict(best)
            for one, sure in links:
                if one.unit in best:
                    best[one.uri] = min(_through(best[one.unit], sure, one), best.get(one.uri, (len(_SURE), "")))
            if best == before:
                break
        ways = ((one, _through(best[one.unit], sure, one)) for one, sure in links)
        return [Packed(one, _SURE[sure], by) for one, (sure, by) in ways]

    def _told(self, fact: Fact, unit: str) -> Iterable[Content]:
        return self._book.contents.get((unit, fact.told.time_ms), ())

    def _link(self, fact: Fact, one: Content) -> str:
        """How sure it is that this content went into its own unit."""
        holders = self._book.holders
        if one.packer == fact.told.issuer:
            return CONFIRMED  # its own word, judged with the row
        state = holders.state(one.uri, one.packer)
        if state is not None and holders.makers(one.uri):
            return state
        states = (holders.state(uri, one.packer) or CLAIMED for uri in self._common(fact))
        return min(states, key=_SURE.index, default=CLAIMED)

    def _common(self, fact: Fact) -> list[str]:
        """The goods of this event that its teller had; a unit, which whoever packs onto it is said to have, is none."""
        if (index := fact.told.index) not in self._shared:
            holders, teller = self._book.holders, fact.told.issuer
            named = {uri for one in fact.event.objects for uri in one.uris}
            named |= {one.uri for uri in named for one in self._told(fact, uri)}
            had = (uri for uri in sorted(named) if holders.state(uri, teller) not in (None, CLAIMED))
            self._shared[index] = [uri for uri in had if holders.makers(uri)]
        return self._shared[index]


def _through(unit: tuple[int, str], sure: int, one: Content) -> tuple[int, str]:
    """What is said of a unit's content is worth no more than what is said of the unit."""
    return max(unit, (sure, one.packer), key=lambda way: way[0])
