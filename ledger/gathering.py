"""
What a bundle carries: the statements that the verifier's steps need for one label, and no more than fits.

First who made the thing and what it was made of, back to the fields; then every party that had it, each with all it told
about it, so that its amounts add up; then certificates, reports and master data; at last, without choice, every control
statement that touches a subject or place of these, and every registration and revocation of whoever is shown.

A popular lot has more events than a phone wants: what is beyond the budget is left out party by party, those to whom nobody
says to have sent it first, and never a part of a party's own account.  Control statements are never left out.

Source: protocol.md sections 1 (Bundle) and 3; verify/edges.py for what a way back needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ledger.ends import ends_of
from ledger.lineage import Lineage, lineage
from ledger.models import EventObject, EventRow, GrantRow, MasterRow, StatementRow, SubjectKey
from ledger.tallies import Tallies, Tally
from ledger.trace import naming
from ledger.units import Scope, chunks, commissions, spans_of, unindexed
from verify import gs1

MAX_SELVES = 512  # lots on the way back, and again units they travelled in
MAX_READ = 4_096  # events that are looked at before some are chosen
MAX_DOCUMENTS = 128  # of master data, and again of certificates and reports
ROUNDS = 16  # hands that one lot went through between two transformations
DOCUMENTS = ("Certificate", "CommitmentCertificate", "LabReport")
_SENT = ("shipping", "departing", "consigning")


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


@dataclass(slots=True)
class Gathered:
    """The chosen indexes; the subjects asked, by URI; tallies of subjects and of parties, for the answer note."""

    indexes: set[int]
    asked: set[str]
    subjects: Mapping[bytes, Tally] = field(default_factory=dict)
    parties: Mapping[bytes, Tally] = field(default_factory=dict)
    left_out: int = 0
    """Events about the label and its way back that did not fit."""

    @property
    def control(self) -> tuple[int, ...]:
        """Every control statement that the answer note must admit."""
        found = {index for tally in self.subjects.values() for index in tally.control}
        return tuple(sorted(found | {index for tally in self.parties.values() for index in tally.party}))


@dataclass(frozen=True, slots=True)
class _Fact:
    """What choosing needs to know of an event."""

    index: int
    issuer: str
    step: str | None
    action: str | None
    type: str
    size: int
    things: tuple[tuple[str, str, str | None], ...]
    """(role, URI, lot) of each object."""
    places: tuple[str, ...]
    receivers: tuple[str, ...]

    @property
    def names(self) -> set[str]:
        return {uri for _, one, lot in self.things for uri in (one, lot) if uri is not None}

    @property
    def made(self) -> set[str]:
        role = "output" if self.type == "TransformationEvent" else "epc" if self.action == "ADD" else ""
        return {uri for one, *uris in self.things if one == role for uri in uris if uri is not None}

    @property
    def packing(self) -> tuple[set[str], set[str]]:
        """What it put into which unit: (contents, units)."""
        if self.type != "AggregationEvent" or self.action != "ADD":
            return set(), set()
        contents = {uri for role, *uris in self.things if role == "child" for uri in uris if uri is not None}
        return contents, {uri for role, uri, _ in self.things if role == "parent"}


def gather(session: Session, label: Sequence[str], tallies: Tallies, *, size: int, budget: Budget) -> Gathered:
    """Choose for the canonical URIs that a label names, from entries below `size`.  Without any event: no indexes at all."""
    scope = Scope(before=size, doubtful=True, objects=MAX_SELVES)
    found = lineage(session, label, forward=False, scope=scope)
    own = Lineage(dict.fromkeys(label, 0), found.hops, tuple(spans_of(session, label, scope)[0]), (), found.truncated)
    read = {fact.index: fact for fact in (*_way_back(session, found, size), *_read(session, own, size))}
    facts = list(read.values())
    chosen, left_out = _choose(*_groups(facts, label, found.selves), _visited(facts, label), budget)
    if not chosen:
        return Gathered(set(), set(), left_out=left_out)
    subjects = _visited(chosen, label)
    homes = {place for fact in chosen if fact.made & subjects for place in fact.places}
    asked = _with_products({*subjects, *(place for fact in chosen for place in fact.places)})
    gathered = Gathered({0, *(fact.index for fact in chosen)}, asked, left_out=left_out)
    gathered.indexes |= _documents(session, asked, _with_products(subjects | homes), size)
    _close(session, gathered, tallies, size)
    return gathered


def _way_back(session: Session, found: Lineage, size: int) -> list[_Fact]:
    """Events about what the label's thing was made of, by the parties on the way from its makers to who used it."""
    facts = _read(session, found, size, commissions())
    on_the_way = {fact.issuer for fact in facts}
    for _ in range(ROUNDS):
        told = unindexed(EventRow.issuer).in_(sorted(on_the_way)) & unindexed(EventRow.biz_step).not_in(_SENT)
        indexes = _indexes(session, found, size, told) | _sent_to(session, found, size, on_the_way)
        seen = _facts(session, sorted(indexes)[:MAX_READ])
        senders = {fact.issuer for fact in seen}
        if senders <= on_the_way:
            return [*facts, *seen]
        on_the_way |= senders
    return [*facts, *seen]


def _read(session: Session, found: Lineage, size: int, *conditions: ColumnElement[bool]) -> list[_Fact]:
    """Read what is told about a lineage, lowest indexes first: who crowds in later crowds nobody out."""
    return _facts(session, sorted(_indexes(session, found, size, *conditions))[:MAX_READ])


def _indexes(session: Session, found: Lineage, size: int, *conditions: ColumnElement[bool]) -> set[int]:
    indexes: set[int] = set()
    for named in naming(found, forward=False):
        wanted = select(EventRow.index).join(EventObject, EventObject.index == EventRow.index)
        wanted = wanted.where(named, EventRow.index < size, *conditions).distinct()
        indexes |= set(session.scalars(wanted.order_by(EventRow.index).limit(MAX_READ)))
    return indexes


def _sent_to(session: Session, found: Lineage, size: int, parties: set[str]) -> set[int]:
    """Shipments to one of these parties, and those that name no receiver; the lowest MAX_READ of each part."""
    indexes: set[int] = set()
    for named in naming(found, forward=False):
        wanted = select(EventRow.index, EventRow.parties).join(EventObject, EventObject.index == EventRow.index)
        wanted = wanted.where(named, EventRow.index < size, unindexed(EventRow.biz_step).in_(_SENT)).order_by(EventRow.index)
        kept: set[int] = set()
        for index, ends in session.execute(wanted).yield_per(MAX_READ):
            to = {end.uri for end in ends_of(ends) if end.direction == "destination"}
            if not to or to & parties:
                kept.add(index)
            if len(kept) == MAX_READ:
                break
        indexes |= kept
    return indexes


def _facts(session: Session, indexes: Sequence[int]) -> list[_Fact]:
    things: dict[int, list[tuple[str, str, str | None]]] = {}
    found = []
    for part in chunks(indexes):
        named = select(EventObject.index, EventObject.role, EventObject.uri, EventObject.lot)
        named = named.where(EventObject.index.in_(part)).order_by(EventObject.index, EventObject.ordinal)
        for index, role, uri, lot in session.execute(named):
            things.setdefault(index, []).append((role, uri, lot))
        # An erased statement has no bytes, and no derived rows either.
        wanted = select(EventRow, func.length(StatementRow.jws)).join(StatementRow, StatementRow.index == EventRow.index)
        for row, size in session.execute(wanted.where(EventRow.index.in_(part), StatementRow.jws.is_not(None))):
            places = tuple(place for place in (row.read_point, row.biz_location) if place is not None)
            ends = [end for end in ends_of(row.parties) if end.direction == "destination" and end.type != "location"]
            found.append(_Fact(row.index, row.issuer, row.biz_step, row.action, row.type, size, tuple(things.get(row.index, ())),
                               places, tuple(end.uri for end in ends)))  # fmt: skip
    return found


def _groups(
    facts: Sequence[_Fact], label: Sequence[str], selves: Mapping[str, int]
) -> tuple[list[list[_Fact]], list[list[_Fact]]]:
    """
    Sort events: the way back (who made the thing; each ancestor, the nearest first), and each party's account of the thing,
    with all that it told and all that it was sent.

    Of a group everything is carried or nothing: half of an account would look like a lie.
    """
    names = _with_units(facts, label)
    made = [fact for fact in facts if fact.made & set(label)]
    others = [fact for fact in facts if fact.made.isdisjoint(label)]
    accounts: dict[str, list[_Fact]] = {}
    about: dict[str, list[_Fact]] = {}
    for fact in others:
        if fact.names & names:
            for owner in fact.receivers if fact.step in _SENT and fact.receivers else (fact.issuer,):
                accounts.setdefault(owner, []).append(fact)
        else:
            for uri in fact.names:
                about.setdefault(uri, []).append(fact)
    makers = {fact.issuer for fact in made}
    expected = {to for fact in others if fact.step in _SENT for to in fact.receivers if to != fact.issuer}
    ancestors = [_about(about, facts, uri) for uri in sorted(selves, key=lambda uri: selves[uri])]

    def order(party: str) -> tuple[bool, bool, int]:
        # Last come those who only say themselves that they had it: a stranger cannot crowd out the farm.
        return party not in makers, party not in expected, min(fact.index for fact in accounts[party])

    return [group for group in (made, *ancestors) if group], [accounts[party] for party in sorted(accounts, key=order)]


def _about(about: Mapping[str, Sequence[_Fact]], facts: Sequence[_Fact], uri: str) -> list[_Fact]:
    names = _with_units(facts, [uri]) if uri in about else set()
    return list({fact.index: fact for name in names for fact in about.get(name, ())}.values())


def _with_units(facts: Sequence[_Fact], names: Iterable[str]) -> set[str]:
    """`names`, and every unit that one of these events puts them into, at any depth."""
    known = set(names)
    packings = [fact.packing for fact in facts if fact.packing[1]]
    while grown := {unit for contents, units in packings if contents & known for unit in units} - known:
        known |= grown
    return known


def _with_products(uris: set[str]) -> set[str]:
    return uris | {product for uri in uris for product in [gs1.product_of(uri)] if product is not None}


def _choose(
    way: Sequence[list[_Fact]], accounts: Sequence[list[_Fact]], visited: set[str], budget: Budget
) -> tuple[list[_Fact], int]:
    chosen: dict[int, _Fact] = {}
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


def _visited(facts: Sequence[_Fact], label: Iterable[str]) -> set[str]:
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


def _documents(session: Session, named: set[str], papered: set[str], size: int) -> set[int]:
    """Master data of `named`, certificates and reports about `papered`.  The oldest master data says who may produce."""
    found: set[int] = set()
    for part in chunks(sorted(named)):
        master = select(MasterRow.index).where(MasterRow.uri.in_(part), MasterRow.index < size)
        found |= set(session.scalars(master.order_by(MasterRow.index).limit(MAX_DOCUMENTS)))
    for part in chunks(sorted(papered)):
        papers = select(StatementRow.index).join(SubjectKey, SubjectKey.index == StatementRow.index)
        papers = papers.where(SubjectKey.key.in_([_key(uri) for uri in part]), unindexed(StatementRow.kind).in_(DOCUMENTS))
        papers = papers.where(StatementRow.jws.is_not(None), StatementRow.index < size).distinct()
        found |= set(session.scalars(papers.order_by(StatementRow.index.desc()).limit(MAX_DOCUMENTS)))
    return set(sorted(found)[: 2 * MAX_DOCUMENTS])


def _close(session: Session, gathered: Gathered, tallies: Tallies, size: int) -> None:
    """Add what may not be missing, until nothing is added: each control statement brings an issuer, each issuer its grants."""
    operator = session.scalar(select(GrantRow.party).where(GrantRow.index == 0))
    gathered.subjects = tallies.read(session, map(_key, gathered.asked), size)
    while True:
        parties = _issuers(session, gathered.indexes | set(gathered.control)) - {operator}
        gathered.parties = tallies.read(session, map(_key, parties), size)
        added = set(gathered.control) - gathered.indexes
        gathered.indexes |= added
        if not added:
            return


def _issuers(session: Session, indexes: Iterable[int]) -> set[str]:
    """Everybody but registrars who signed one of these."""
    found: set[str] = set()
    for part in chunks(sorted(indexes)):
        others = StatementRow.kind.not_in(("Genesis", "PartyRegistration"))
        found |= set(session.scalars(select(StatementRow.issuer).where(StatementRow.index.in_(part), others).distinct()))
    return found


def _key(uri: str) -> bytes:
    return sha256(uri.encode()).digest()
