"""The log itself: what waits to enter it, what is in it, and the checkpoint over it."""

from typing import Any

from sqlalchemy import JSON, Index
from sqlalchemy.orm import Mapped, mapped_column

from ledger.models.base import Base


class Log(Base):
    """The one log of this database.  Trusted: the origin names what the log key signs."""

    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Always 1."""
    origin: Mapped[str]
    genesis_digest: Mapped[bytes]
    created_ms: Mapped[int]


class CheckpointRow(Base):
    """The last signed checkpoint, replaced by compare-and-swap.  Trusted: whoever writes it can make the log sign a fork."""

    __tablename__ = "checkpoint"
    origin: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    root: Mapped[bytes]
    body: Mapped[str]
    """The signed note with the log's and the clock's lines."""
    time_ms: Mapped[int]
    """Sequencing time of the newest entry, or of the checkpoint where it is later."""


class Published(Base):
    """What the object store serves.  Submitters are answered when this passes their index."""

    __tablename__ = "published"
    origin: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    body: Mapped[str]
    """The checkpoint's note with all cosignatures."""
    time_ms: Mapped[int]
    settled: Mapped[int] = mapped_column(default=0, server_default="0")
    """The tree whose objects are known to be on the disk: a start derives the rest again.  Too small costs time, no more."""


class ParcelRow(Base):
    """Candidates from another process on their way to the sequencer.  At worst an unacknowledged submission is lost."""

    __tablename__ = "parcels"
    __table_args__ = (Index("ix_parcels_state_id", "state", "id"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    count: Mapped[int]
    together: Mapped[bool]
    """Logged all or none."""
    content: Mapped[bytes]
    """Sealed candidates (parcels.py); empty once judged: the log keeps what it took."""
    digests: Mapped[bytes]
    """Of the statements in order, 32 bytes each."""
    state: Mapped[str]
    """waiting, sequenced (judged, not yet visible), done."""
    verdicts: Mapped[str | None]
    """JSON, one outcome a statement."""
    top: Mapped[int | None]
    """The highest index it got: done once that is published."""
    received_ms: Mapped[int]
    done_ms: Mapped[int | None]


class RefusalRow(Base):
    """Why the sequencer refused a statement, for a day.  Misleads its submitter at worst."""

    __tablename__ = "refusals"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    problem: Mapped[dict[str, Any]] = mapped_column(JSON(none_as_null=True))
    done_ms: Mapped[int] = mapped_column(index=True)


class EntryRow(Base):
    """The log.  Any change breaks verification; at worst the log stops."""

    __tablename__ = "entries"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time_ms: Mapped[int]
    digest: Mapped[bytes]
    entry: Mapped[bytes]
    leaf: Mapped[bytes]


class StatementRow(Base):
    """What the entries commit to.  Each is bound to its entry by digest; erasable.  Found by a hash through HashHead."""

    __tablename__ = "statements"
    # PostgreSQL would try to compress each row of more than 2 KB: a signature does not compress, and trying costs as much as
    # half of all the rest.  Long statements still go out of line.
    __table_args__ = ({"postgresql_with": {"toast_tuple_target": 8_160}},)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes]
    signing_input_hash: Mapped[bytes]
    """What a duplicate is judged by: an ECDSA signature has a twin, the signing input has none.  Unique: judging.py."""
    kind: Mapped[str]
    issuer: Mapped[str]
    kid: Mapped[str]
    event_id: Mapped[str | None]
    """No issuer takes one twice: judging.py."""
    repeats: Mapped[int] = mapped_column(default=0)
    """1 where an event ID is repeated on purpose (error declaration, adoption of a logged statement)."""
    valid_from: Mapped[str]
    """As signed: the party's claim, with its offset."""
    jws: Mapped[bytes | None]
    """None once erased."""
    disclosures: Mapped[list[Any]]
    """Texts of the disclosures as they travel; none once erased."""
    erased_by: Mapped[int | None]
    """Index of the Erasure."""


class HashHead(Base):
    """
    Which statements have a hash that begins so: their digest, or what no second statement may take (earlier.py).

    Derived.  Damage hides a statement, so that it can be logged twice; the audit finds either.  Only 8 bytes, in a table of
    their own that batches are sorted into: an index at random places costs more than anything else that a statement brings.
    """

    __tablename__ = "hash_heads"
    __table_args__ = ({"sqlite_with_rowid": False},)
    head: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """finding.head"""
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
