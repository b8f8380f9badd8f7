"""
The tables.  What each is for, and who can hurt us through it, stands at its class.

Three of them are the log itself (entries, statements, checkpoint).  The derived tables are rebuilt from those by project.py
and compared by audit.py: at worst their damage misleads a report until the next audit.  No module but this one names a type.

Digests, keys and hashes are raw bytes (32 unless said otherwise), times are ms since 1970 in UTC, URIs are canonical
(verify/gs1.py).  alembic owns the schema (migrations/); `index` is always a position in the log.
"""

from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Index, Integer, LargeBinary, MetaData, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

BIG = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up only a column of type INTEGER
NAMES = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can drop it on both engines."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BIG, str: Text(), bytes: LargeBinary(), dict[str, Any]: JSON(), list[Any]: JSON(),
    }  # fmt: skip


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


class Pool(Base):
    """Admitted, not yet judged in order.  At worst an unacknowledged submission is lost."""

    __tablename__ = "pool"
    __table_args__ = (Index("ix_pool_state_id", "state", "id"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    signing_input_hash: Mapped[bytes]
    digest: Mapped[bytes] = mapped_column(index=True)
    jws: Mapped[bytes]
    disclosures: Mapped[list[Any]]
    received_ms: Mapped[int]
    state: Mapped[str]
    """pending, sequenced (has an index, not yet visible), then published, duplicate or refused."""
    repeated: Mapped[bool] = mapped_column(default=False)
    """The index is that of an earlier copy: will be a duplicate, not published."""
    together: Mapped[str | None]
    """Rows of one request with the same word are logged all or none."""
    index: Mapped[int | None] = mapped_column(index=True)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    done_ms: Mapped[int | None]


class EntryRow(Base):
    """The log.  Any change breaks verification; at worst the log stops."""

    __tablename__ = "entries"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time_ms: Mapped[int]
    digest: Mapped[bytes] = mapped_column(unique=True)
    entry: Mapped[bytes]
    leaf: Mapped[bytes]


class StatementRow(Base):
    """What the entries commit to.  Each is bound to its entry by digest; erasable."""

    __tablename__ = "statements"
    __table_args__ = (
        Index(
            "uq_statements_issuer_event_id",
            "issuer",
            "event_id",
            unique=True,
            sqlite_where=text("repeats = 0"),
            postgresql_where=text("repeats = 0"),
        ),
        Index("ix_statements_kind_index", "kind", "index"),
    )
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(unique=True)
    signing_input_hash: Mapped[bytes] = mapped_column(unique=True)
    """What a duplicate is judged by: an ECDSA signature has a twin, the signing input has none."""
    kind: Mapped[str]
    issuer: Mapped[str]
    kid: Mapped[str]
    event_id: Mapped[str | None]
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


class SubjectKey(Base):
    """Derived: which entries name a subject."""

    __tablename__ = "subject_keys"
    key: Mapped[bytes] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)


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
    """Derived: one EPCIS event, told by a TraceabilityEvent or an Adoption."""

    __tablename__ = "events"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(index=True)
    action: Mapped[str | None]
    biz_step: Mapped[str | None] = mapped_column(index=True)
    """The bare CBV word (`shipping`), else the URI as given; so also the disposition."""
    disposition: Mapped[str | None]
    event_id: Mapped[str | None] = mapped_column(index=True)
    event_time: Mapped[int] = mapped_column(index=True)
    """ms since 1970, UTC: the party's claim."""
    offset: Mapped[str]
    """eventTimeZoneOffset as given."""
    issuer: Mapped[str] = mapped_column(index=True)
    read_point: Mapped[str | None] = mapped_column(index=True)
    biz_location: Mapped[str | None] = mapped_column(index=True)
    error_declaration: Mapped[bool]
    """The event takes back an earlier one of the same event ID."""
    transformation_id: Mapped[str | None] = mapped_column(index=True)
    adopts: Mapped[bytes | None]
    """Digest that an Adoption names; where that is logged too, mass balance counts only this event."""


class EventObject(Base):
    """Derived: one object that an event names."""

    __tablename__ = "event_objects"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    index: Mapped[int] = mapped_column(index=True)
    role: Mapped[str]
    """epc, parent, child, input or output."""
    uri: Mapped[str] = mapped_column(index=True)
    lot: Mapped[str | None] = mapped_column(index=True)
    """The lot, where `uri` is an item and the event names its lot."""
    product: Mapped[str | None] = mapped_column(index=True)
    quantity: Mapped[str | None]
    """Decimal, as text."""
    uom: Mapped[str | None]


class EventParty(Base):
    """Derived: a counterparty of an event."""

    __tablename__ = "event_parties"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    index: Mapped[int] = mapped_column(index=True)
    direction: Mapped[str]
    """source or destination."""
    type: Mapped[str]
    """possessing_party, owning_party, location, or the URI as given."""
    uri: Mapped[str] = mapped_column(index=True)
    withheld: Mapped[bool]
    """Disclosed to the log but not to the public: only for regulators and trading partners."""


class Link(Base):
    """Derived: an edge of the object graph, from upstream to downstream."""

    __tablename__ = "links"
    __table_args__ = (UniqueConstraint("index", "from_uri", "to_uri", "kind"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    from_uri: Mapped[str] = mapped_column(index=True)
    to_uri: Mapped[str] = mapped_column(index=True)
    index: Mapped[int]
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
    root: Mapped[bytes]
    count: Mapped[int]
    previous: Mapped[bytes | None]
    issuer: Mapped[str]


class MasterRow(Base):
    """Derived: master data of a place or product; the newest of an owner counts."""

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


class AnchorRow(Base):
    """The outbox to a chain: one head each.  See ledger/anchoring.py."""

    __tablename__ = "anchors"
    __table_args__ = (UniqueConstraint("chain_id", "contract", "signer", "size"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    chain_id: Mapped[int]
    contract: Mapped[str]
    """0x and 40 lower-case hexadecimal digits; so also the signer."""
    signer: Mapped[str]
    log_id: Mapped[bytes]
    """Leaf hash of the genesis entry."""
    size: Mapped[int]
    root: Mapped[bytes]
    state: Mapped[str] = mapped_column(index=True)
    """queued, submitted, included, safe, final; or superseded, conflict, refused."""
    tx_hash: Mapped[bytes | None]
    block: Mapped[int | None]
    block_time_s: Mapped[int | None]
    """The chain's time, never ours."""
    remark: Mapped[str | None]
    created_ms: Mapped[int]
    changed_ms: Mapped[int]


class AnchorAttempt(Base):
    """A signed transaction, stored before it was sent: these bytes may be sent again, others must not."""

    __tablename__ = "anchor_attempts"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    anchor_id: Mapped[int] = mapped_column(index=True)
    nonce: Mapped[int]
    raw: Mapped[bytes]
    tx_hash: Mapped[bytes] = mapped_column(unique=True)
    max_fee: Mapped[int]
    """wei per gas; so also the tip."""
    tip: Mapped[int]
    created_ms: Mapped[int]
    sent_ms: Mapped[int | None]


class CosignatureRow(Base):
    """A witness's line for a checkpoint, verified before it was stored."""

    __tablename__ = "cosignatures"
    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[bytes]
    line: Mapped[str]


class WitnessRow(Base):
    """A witness we ask.  Whom a reader believes is in the reader's policy, not here."""

    __tablename__ = "witnesses"
    name: Mapped[str] = mapped_column(primary_key=True)
    vkey: Mapped[str]
    url: Mapped[str]
    """Submission prefix; `local:` and a name for one that runs in this process."""


class ApiKey(Base):
    """A regulator's or operator's key to the HTTP service.  Trusted; submitting needs none."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    """The key's public prefix."""
    sha256: Mapped[bytes]
    """Of the whole key, which is 256 random bits: no salt, no stretching."""
    name: Mapped[str]
    role: Mapped[str]
    """regulator or operator."""
    created_ms: Mapped[int]
    revoked_ms: Mapped[int | None]


class Look(Base):
    """One look that a regulator took."""

    __tablename__ = "looks"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at_ms: Mapped[int] = mapped_column(index=True)
    api_key: Mapped[str] = mapped_column(index=True)
    what: Mapped[str]
    query: Mapped[str]


class LabelTree(Base):
    """Leaf hashes of a lot's item codes, from the farm: enough to prove a scanned code, too little to mint one."""

    __tablename__ = "label_trees"
    root: Mapped[bytes] = mapped_column(primary_key=True)
    lot: Mapped[str] = mapped_column(index=True)
    leaves: Mapped[bytes]
    """32 bytes each, in order."""


class Scan(Base):
    """How often an item code was seen.  The operator's word, and shown as that."""

    __tablename__ = "scans"
    leaf: Mapped[bytes] = mapped_column(primary_key=True)
    """The code's leaf hash in the lot's label tree: the serial itself is not kept."""
    lot: Mapped[str] = mapped_column(index=True)
    first_ms: Mapped[int]
    last_ms: Mapped[int]
    count: Mapped[int]
