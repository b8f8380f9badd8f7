"""
FSMA 204: what a row is worth.

Whoever never had goods, nor had the right to make them, tells a third party's claim, also where it says that it packed them
onto a unit that others moved: what it tells is shown and said to be that, never counted, and no other row takes a word from it.
Not here: the words in other languages (fsma204_words.py).

Source: protocol.md section 2; holders.py and fsma204_inside.py for the judgement.
"""

from collections.abc import Collection, Iterable

from ledger.reports.facts import Book, Fact
from ledger.reports.fsma204_columns import Row
from ledger.reports.fsma204_inside import Insides
from ledger.reports.holders import OVERDRAWN
from verify import edges

STANDS, SET_ASIDE = "stands", "declared wrong or withdrawn"
CLAIMED, UNKNOWN, TOO_MUCH = "claimed by a third party", "could not be checked", "more than its teller had"
_WORDS = {edges.CONFIRMED: STANDS, edges.UNKNOWN: UNKNOWN, OVERDRAWN: TOO_MUCH, edges.CLAIMED: CLAIMED}
"""What a row is worth by how its teller had the goods; the worst comes last."""


class Standing:
    """What the rows of a book are worth."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.insides = Insides(book)

    def of(self, row: Row) -> str:
        """One of the five words above."""
        return self._word(row.fact, row.lots, row.packed.state if row.packed is not None else edges.CONFIRMED)

    def counts(self, fact: Fact, lot: str) -> bool:
        """Whether another row may take a word from what this event says of a lot."""
        return self._word(fact, [lot]) not in (SET_ASIDE, CLAIMED)

    def _word(self, fact: Fact, lots: Iterable[str], packed: str = edges.CONFIRMED) -> str:
        if fact.told.standing != "stands":
            return SET_ASIDE
        if packed == edges.CLAIMED:
            return CLAIMED
        made = {uri for one in fact.event.commissioned for uri in one.uris}
        return _WORDS[_worst((packed, *(self._had(fact, lot, made) for lot in lots)))]

    def _had(self, fact: Fact, lot: str, made: Collection[str]) -> str:
        holders, teller = self._book.holders, fact.told.issuer
        if lot in made:
            return edges.CONFIRMED if teller in holders.makers(lot) else edges.CLAIMED
        judged = holders.state if fact.event.is_receiving else holders.gave
        if (state := judged(lot, teller)) is not None:
            return state
        # What travelled beside the asked lots has its story elsewhere: it is worth what they are.
        named = {uri for one in fact.event.objects for uri in one.uris}
        named |= {one.content.uri for uri in named for one in self.insides.sure(fact, uri)}
        states = (judged(uri, teller) for uri in sorted(named.difference(made)))
        return _worst(state for state in states if state is not None)


def _worst(states: Iterable[str]) -> str:
    return max(states, key=list(_WORDS).index, default=edges.CONFIRMED)
