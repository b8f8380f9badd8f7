"""What the log does not say: anchors under way, witnesses, accounts, what regulators looked at, item codes."""

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ledger.models.base import Base


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
