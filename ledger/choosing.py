"""
Choosing what fits: which events of the way back, and whose accounts, a bundle carries.  Pure, over what way_back.py read.

A popular lot has more events than a phone wants: what is beyond the budget is left out party by party, those to whom nobody
says to have sent it first, and never a part of a party's own account.

Source: protocol.md sections 1 (Bundle) and 3.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ledger.told_events import SENT
from ledger.way_back import Fact
from verify import gs1


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a bundle may hold beside control statements."""

    statements: int
    """Events of the way back: who made it, and what it was made of."""
    accounts: int
    """Events besides, of parties that had it."""
    subjects: int
    """Subjects and places asked in the answer note."""
    size: int
    """Bytes of statements."""

    def halved(self) -> "Budget":
        """The next one to try, where control statements did not fit in beside the rest."""
        return Budget(self.statements // 2, self.accounts // 2, self.subjects // 2, self.size // 2)


def groups(facts: Sequence[Fact], label: Sequence[str], selves: Mapping[str, int]) -> tuple[list[list[Fact]], list[list[Fact]]]:
    """
    Sort events: the way back (who made the thing; each ancestor, the nearest first), and each party's account of the thing,
    with all that it told and all that it was sent.

    Of a group everything is carried or nothing: half of an account would look like a lie.
    """
    names = _with_units(facts, label)
    made = [fact for fact in facts if fact.made & set(label)]
    others = [fact for fact in facts if fact.made.isdisjoint(label)]
    accounts: dict[str, list[Fact]] = {}
    about: dict[str, list[Fact]] = {}
    for fact in others:
        if fact.names & names:
            for owner in fact.receivers if fact.step in SENT and fact.receivers else (fact.issuer,):
                accounts.setdefault(owner, []).append(fact)
        else:
            for uri in fact.names:
                about.setdefault(uri, []).append(fact)
    makers = {fact.issuer for fact in made}
    expected = {to for fact in others if fact.step in SENT for to in fact.receivers if to != fact.issuer}
    ancestors = [_about(about, facts, uri) for uri in sorted(selves, key=lambda uri: selves[uri])]

    def order(party: str) -> tuple[bool, bool, int]:
        # Last come those who only say themselves that they had it: a stranger cannot crowd out the farm.
        return party not in makers, party not in expected, min(fact.index for fact in accounts[party])

    return [group for group in (made, *ancestors) if group], [accounts[party] for party in sorted(accounts, key=order)]


def _about(about: Mapping[str, Sequence[Fact]], facts: Sequence[Fact], uri: str) -> list[Fact]:
    names = _with_units(facts, [uri]) if uri in about else set()
    return list({fact.index: fact for name in names for fact in about.get(name, ())}.values())


def _with_units(facts: Sequence[Fact], names: Iterable[str]) -> set[str]:
    """`names`, and every unit that one of these events puts them into, at any depth."""
    known = set(names)
    packings = [fact.packing for fact in facts if fact.packing[1]]
    while grown := {unit for contents, units in packings if contents & known for unit in units} - known:
        known |= grown
    return known


def with_products(uris: set[str]) -> set[str]:
    """`uris`, and the products of those that are lots or items."""
    return uris | {product for uri in uris for product in [gs1.product_of(uri)] if product is not None}


def choose(
    way: Sequence[list[Fact]], accounts: Sequence[list[Fact]], visited: set[str], budget: Budget
) -> tuple[list[Fact], int]:
    """Take whole groups of the way back and then whole accounts, as far as the budget goes; with how many were left out."""
    chosen: dict[int, Fact] = {}
    subjects: set[str] = set()
    size = left_out = 0
    for groups, room in ((way, budget.statements), (accounts, budget.accounts)):
        most = len(chosen) + room
        for group in groups:
            fresh = [fact for fact in group if fact.index not in chosen]
            names = subjects | {uri for fact in fresh for uri in (*(fact.names & visited), *fact.places)}
            weight = size + sum(fact.size for fact in fresh)
            if len(chosen) + len(fresh) > most or len(names) > budget.subjects or weight > budget.size:
                left_out += len(fresh)
                continue
            subjects, size = names, weight
            chosen |= {fact.index: fact for fact in fresh}
    return list(chosen.values()), left_out


def visited(facts: Sequence[Fact], label: Iterable[str]) -> set[str]:
    """
    Every subject that the verifier's way back can visit among these events, and more rather than less.

    An answer that covers too much is longer; one that covers too little is refused.
    """
    subjects = set(label)
    while True:
        inputs = {lot or uri for fact in facts if fact.made & subjects for role, uri, lot in fact.things if role == "input"}
        contents = {uri for fact in facts if fact.packing[1] & subjects for uri in fact.packing[0]}
        if inputs | contents <= subjects:
            return _with_units(facts, subjects)
        subjects |= inputs | contents
