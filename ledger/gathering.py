"""
What a bundle carries: the statements that the verifier's steps need for one label, and no more than fits.

First who made the thing and what it was made of, back to the fields (way_back.py); then every party that had it, each with
all it told about it, so that its amounts add up (choosing.py); then certificates, reports and master data; at last, without
choice, every control statement that touches a subject or place of these, and every registration and revocation of whoever
is shown.  Control statements are never left out.

Source: protocol.md sections 1 (Bundle) and 3; verify/edges.py for what a way back needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledger.choosing import Budget, choose, groups, visited, with_products
from ledger.described import descriptions
from ledger.lineage import Lineage, lineage
from ledger.models import GrantRow, StatementRow, SubjectKey
from ledger.tallies import Tallies, Tally
from ledger.units import Scope, chunks, spans_of, unindexed
from ledger.way_back import read_facts, way_back

MAX_SELVES = 512  # lots on the way back, and again units they travelled in
MAX_DOCUMENTS = 128  # of master data, and again of certificates and reports
DOCUMENTS = ("Certificate", "CommitmentCertificate", "LabReport")


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


def gather(session: Session, label: Sequence[str], tallies: Tallies, *, size: int, budget: Budget) -> Gathered:
    """Choose for the canonical URIs that a label names, from entries below `size`.  Without any event: no indexes at all."""
    scope = Scope(before=size, doubtful=True, objects=MAX_SELVES)
    found = lineage(session, label, forward=False, scope=scope)
    own = Lineage(dict.fromkeys(label, 0), found.hops, tuple(spans_of(session, label, scope)[0]), (), found.truncated)
    read = {fact.index: fact for fact in (*way_back(session, found, size), *read_facts(session, own, size))}
    facts = list(read.values())
    chosen, left_out = choose(*groups(facts, label, found.selves), visited(facts, label), budget)
    if not chosen:
        return Gathered(set(), set(), left_out=left_out)
    subjects = visited(chosen, label)
    homes = {place for fact in chosen if fact.made & subjects for place in fact.places}
    asked = with_products({*subjects, *(place for fact in chosen for place in fact.places)})
    gathered = Gathered({0, *(fact.index for fact in chosen)}, asked, left_out=left_out)
    gathered.indexes |= _documents(session, asked, with_products(subjects | homes), size)
    _close(session, gathered, tallies, size)
    return gathered


def _documents(session: Session, named: set[str], papered: set[str], size: int) -> set[int]:
    """
    Master data of `named`, certificates and reports about `papered`.

    Of master data what counts alone: of each thing the newest, which names it, and then the oldest, which say who may produce.
    Of papers each issuer's newest before anybody's second: a stranger who tells a hundred crowds out nobody's.
    """
    told = descriptions(session, named, size)
    newest = {one.uri: one.index for one in told}
    found = set(list(dict.fromkeys((*newest.values(), *(one.index for one in told))))[:MAX_DOCUMENTS])
    papers: list[tuple[int, int]] = []
    for part in chunks(sorted(papered)):
        rows = select(StatementRow.index, StatementRow.issuer).join(SubjectKey, SubjectKey.index == StatementRow.index)
        rows = rows.where(SubjectKey.key.in_([_key(uri) for uri in part]), unindexed(StatementRow.kind).in_(DOCUMENTS))
        each = rows.where(StatementRow.jws.is_not(None), StatementRow.index < size).distinct().subquery()
        turn = func.row_number().over(partition_by=each.c.issuer, order_by=each.c.index.desc()).label("turn")
        ordered = select(turn, each.c.index).order_by("turn", each.c.index.desc()).limit(MAX_DOCUMENTS)
        papers += [(number, index) for number, index in session.execute(ordered)]
    return found | {index for _, index in sorted(papers)[:MAX_DOCUMENTS]}


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
