"""
FSMA 204: what a row is worth.

Whoever never had goods, nor had the right to make them, tells a third party's claim: its rows are shown and said to be that,
never counted, and no other row takes a word from them.  Not here: the words in other languages (fsma204_words.py).

Source: protocol.md section 2; holders.py for the judgement.
"""

from collections.abc import Collection, Iterable

from ledger.reports.facts import Book, Fact
from ledger.reports.holders import OVERDRAWN
from verify import edges

STANDS, SET_ASIDE = "stands", "declared wrong or withdrawn"
CLAIMED, UNKNOWN, TOO_MUCH = "claimed by a third party", "could not be checked", "more than its teller had"
_WORDS = {edges.CONFIRMED: STANDS, edges.UNKNOWN: UNKNOWN, OVERDRAWN: TOO_MUCH, edges.CLAIMED: CLAIMED}
"""What a row is worth by how its teller had the goods; the worst comes last."""


def standing(book: Book, fact: Fact, lots: Iterable[str]) -> str:
    """What an event's row about `lots` (made, used or moved in it) is worth: one of the five words above."""
    if fact.told.standing != "stands":
        return SET_ASIDE
    made = {uri for one in fact.event.commissioned for uri in one.uris}
    return _WORDS[_worst(_had(book, fact, lot, made) for lot in lots)]


def counts(book: Book, fact: Fact, lot: str) -> bool:
    """Whether another row may take a word from what this event says of a lot."""
    return standing(book, fact, [lot]) not in (SET_ASIDE, CLAIMED)


def _worst(states: Iterable[str]) -> str:
    return max(states, key=list(_WORDS).index, default=edges.CONFIRMED)


def _had(book: Book, fact: Fact, lot: str, made: Collection[str]) -> str:
    teller = fact.told.issuer
    if lot in made:
        return edges.CONFIRMED if teller in book.holders.makers(lot) else edges.CLAIMED
    judged = book.holders.state if fact.event.is_receiving else book.holders.gave
    if (state := judged(lot, teller)) is not None:
        return state
    # What travelled beside the asked lots has its story elsewhere: it is worth what they are.
    named = {uri for one in fact.event.objects for uri in one.uris}
    named |= {one.uri for uri in named for one in book.contents.get((uri, fact.told.time_ms), ())}
    states = (judged(uri, teller) for uri in sorted(named.difference(made)))
    return _worst(state for state in states if state is not None)
