"""Tables that are derived from the log (project.py) and compared with it by the audit: damage misleads until then."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ledger.models.base import Base

# Few events take one back.
_IN_SQLITE, _IN_POSTGRESQL = text("error_declaration = 1"), text("error_declaration")


class SubjectKey(Base):
    """Derived: which entries name a subject.  The other way round, the entry itself holds its keys."""

    __tablename__ = "subject_keys"
    __table_args__ = ({"sqlite_with_rowid": False},)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class GrantRow(Base):
    """Derived: a key bound to a party; the genesis counts as one.  See verify.authority.Grant."""

    __tablename__ = "grants"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    party: Mapped[str] = mapped_column(index=True)
    thumbprint: Mapped[str] = mapped_column(index=True)
    jwk: Mapped[dict[str, Any]]
    roles: Mapped[list[Any]]
    mint: Mapped[list[Any]]
    name: Mapped[dict[str, Any]]
    registrar: Mapped[str]


class RevocationRow(Base):
    """Derived: the end of (party, thumbprint), final."""

    __tablename__ = "revocations"
    __table_args__ = (UniqueConstraint("party", "thumbprint"),)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    party: Mapped[str]
    thumbprint: Mapped[str]
    compromised_from: Mapped[int | None]
    reason: Mapped[str]


class EventRow(Base):
    """
    Derived: one EPCIS event, told by a TraceabilityEvent or an Adoption.

    Found through subject_keys, by whatever it names: an index of its own for every column would cost each statement more
    than its signature does.
    """

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_event_id", "event_id", sqlite_where=_IN_SQLITE, postgresql_where=_IN_POSTGRESQL),)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str]
    action: Mapped[str | None]
    biz_step: Mapped[str | None]
    """The bare CBV word (`shipping`), else the URI as given; so also the disposition."""
    disposition: Mapped[str | None]
    event_id: Mapped[str | None]
    event_time: Mapped[int]
    """ms since 1970, UTC: the party's claim."""
    offset: Mapped[str]
    """eventTimeZoneOffset as given."""
    issuer: Mapped[str]
    read_point: Mapped[str | None]
    biz_location: Mapped[str | None]
    parties: Mapped[str | None]
    """Counterparties as JSON (ends.py), since nothing is looked for by them; None where it names none."""
    error_declaration: Mapped[bool]
    """The event takes back an earlier one of the same event ID."""
    transformation_id: Mapped[str | None]
    adopts: Mapped[bytes | None]
    """Digest that an Adoption names; where that is logged too, mass balance counts only this event."""


class EventObject(Base):
    """Derived: one object that an event names.  Found through subject_keys (finding.names), a product's lots by the product."""

    __tablename__ = "event_objects"
    __table_args__ = ({"sqlite_with_rowid": False},)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0, as the event has them."""
    role: Mapped[str]
    """epc, parent, child, input or output."""
    uri: Mapped[str]
    lot: Mapped[str | None]
    """The lot, where `uri` is an item and the event names its lot."""
    product: Mapped[str | None] = mapped_column(index=True)
    quantity: Mapped[str | None]
    """Decimal, as text."""
    uom: Mapped[str | None]


class Link(Base):
    """Derived: an edge of the object graph, from upstream to downstream."""

    __tablename__ = "links"
    __table_args__ = ({"sqlite_with_rowid": False},)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    from_uri: Mapped[str] = mapped_column(index=True)
    to_uri: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    """transform (input to output), contain (content into unit), uncontain (unit to what was taken out)."""


class RecallRow(Base):
    """Derived: a recall, or the closing of one (`closes` is the digest that it closes)."""

    __tablename__ = "recalls"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(unique=True)
    issuer: Mapped[str]
    class_: Mapped[str] = mapped_column("class")
    closes: Mapped[bytes | None]
    closed_by: Mapped[int | None]
    """Index of the first notice that closes this one."""
    body: Mapped[dict[str, Any]]


class RecallScope(Base):
    """Derived: what a recall names."""

    __tablename__ = "recall_scope"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    """lot, product or place."""
    uri: Mapped[str] = mapped_column(primary_key=True, index=True)


class CommitmentRow(Base):
    """Derived: a lot's label commitment."""

    __tablename__ = "commitments"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lot: Mapped[str] = mapped_column(index=True)
    root: Mapped[bytes] = mapped_column(index=True)
    count: Mapped[int]
    previous: Mapped[bytes | None]
    issuer: Mapped[str]


class MasterRow(Base):
    """Derived: master data of a place or product, by anybody; whose word counts is told in ledger/described.py."""

    __tablename__ = "master_data"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    uri: Mapped[str] = mapped_column(index=True)
    type: Mapped[str]
    """Place or Product."""
    issuer: Mapped[str]
    body: Mapped[dict[str, Any]]


class WithdrawalRow(Base):
    """Derived: a statement taken back by its issuer or the issuer's registrar."""

    __tablename__ = "withdrawals"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(index=True)
    target: Mapped[int] = mapped_column(index=True)
    """Index of the statement taken back."""
