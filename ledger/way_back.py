"""
The events that a bundle is chosen from: what is told about a label's thing, and about what it was made of.

    way_back      by the parties on the way from the makers of what went in to whoever used it
    read_facts    all that is told about a lineage

At most MAX_READ of each part are looked at, the lowest indexes first: who crowds in later crowds nobody out.

Source: protocol.md section 3; verify/edges.py for what a way back needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ledger.ends import ends_of
from ledger.lineage import Lineage
from ledger.models import EventObject, EventRow, StatementRow
from ledger.told_events import SENT
from ledger.trace import naming
from ledger.units import chunks, commissions, unindexed

MAX_READ = 4_096  # events that are looked at before some are chosen
ROUNDS = 16  # hands that one lot went through between two transformations


@dataclass(frozen=True, slots=True)
class Fact:
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
        """Its objects and their lots."""
        return {uri for _, one, lot in self.things for uri in (one, lot) if uri is not None}

    @property
    def made(self) -> set[str]:
        """What there was not before it."""
        role = "output" if self.type == "TransformationEvent" else "epc" if self.action == "ADD" else ""
        return {uri for one, *uris in self.things if one == role for uri in uris if uri is not None}

    @property
    def packing(self) -> tuple[set[str], set[str]]:
        """What it put into which unit: (contents, units)."""
        if self.type != "AggregationEvent" or self.action != "ADD":
            return set(), set()
        contents = {uri for role, *uris in self.things if role == "child" for uri in uris if uri is not None}
        return contents, {uri for role, uri, _ in self.things if role == "parent"}


def way_back(session: Session, found: Lineage, size: int) -> list[Fact]:
    """Events about what the label's thing was made of, by the parties on the way from its makers to who used it."""
    facts = read_facts(session, found, size, commissions())
    on_the_way = {fact.issuer for fact in facts}
    for _ in range(ROUNDS):
        told = unindexed(EventRow.issuer).in_(sorted(on_the_way)) & unindexed(EventRow.biz_step).not_in(SENT)
        indexes = _indexes(session, found, size, told) | _sent_to(session, found, size, on_the_way)
        seen = _facts(session, sorted(indexes)[:MAX_READ])
        senders = {fact.issuer for fact in seen}
        if senders <= on_the_way:
            return [*facts, *seen]
        on_the_way |= senders
    return [*facts, *seen]


def read_facts(session: Session, found: Lineage, size: int, *conditions: ColumnElement[bool]) -> list[Fact]:
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
        wanted = wanted.where(named, EventRow.index < size, unindexed(EventRow.biz_step).in_(SENT)).order_by(EventRow.index)
        kept: set[int] = set()
        for index, ends in session.execute(wanted).yield_per(MAX_READ):
            to = {end.uri for end in ends_of(ends) if end.direction == "destination"}
            if not to or to & parties:
                kept.add(index)
            if len(kept) == MAX_READ:
                break
        indexes |= kept
    return indexes


def _facts(session: Session, indexes: Sequence[int]) -> list[Fact]:
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
            found.append(Fact(row.index, row.issuer, row.biz_step, row.action, row.type, size, tuple(things.get(row.index, ())),
                               places, tuple(end.uri for end in ends)))  # fmt: skip
    return found
