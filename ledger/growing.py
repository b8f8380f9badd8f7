"""
Growing the tree: what a batch wrote becomes leaves, a root and a signed checkpoint, inside the transaction that orders it.

    grow    read the entries back, extend the right edge, prove consistency, sign, swap
    swap    replace the checkpoint row by compare-and-swap

Nothing here commits, and nothing is seen by anybody before the caller has: a crash leaves no trace of it.

Source: Sunlight (internal/ctlog, sequencePool); RFC 9162 section 2.1.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, bindparam, select, update
from sqlalchemy.orm import Session

from ledger.keys import Keys
from ledger.models import CheckpointRow, EntryRow
from ledger.problems import Fatal
from ledger.publishing import Unpublished
from ledger.signing import Signed, sign_checkpoint
from ledger.tiles import RightEdge, reader_of
from verify.checkpoint import Checkpoint
from verify.merkle import Hash, leaf_hash, prove_consistency, root

# By the tables and not through the ORM, as everything that every batch does.
_SWAP = update(CheckpointRow.__table__).where(  # type: ignore[arg-type]
    CheckpointRow.origin == bindparam("log"), CheckpointRow.body == bindparam("old")
)
_STORED = (
    select(EntryRow.__table__.c.entry, EntryRow.__table__.c.leaf)
    .where(EntryRow.__table__.c["index"] >= bindparam("start", type_=BigInteger))
    .order_by(EntryRow.__table__.c["index"])
)


@dataclass(frozen=True, slots=True)
class Head:
    """What is committed: the signed checkpoint, the right edge of its tree, and the newest time given (ms since 1970)."""

    signed: Signed
    edge: RightEdge
    time_ms: int


def grow(session: Session, keys: Keys, head: Head, leaves: Sequence[Hash], now: int) -> tuple[Head, Unpublished | None]:
    """
    Extend the tree by what was just written, sign it, and swap the checkpoint; the same head and None without leaves.

    Raises Fatal where what is stored is not what was judged, where signing is refused, and what `swap` raises.
    """
    if not leaves:
        return head, None
    entries = _read_back(session, head.edge.size, leaves)
    edge, touched = head.edge.extend(leaves)
    reader = reader_of({**head.edge.tiles, **touched})
    new = Checkpoint(keys.log.name, edge.size, root(reader, edge.size))
    signed = sign_checkpoint(keys, head.signed, new, prove_consistency(reader, head.edge.size, edge.size), now // 1000)
    swap(session, head.signed, signed, now)
    return Head(signed, edge, now), Unpublished(head.edge.size, touched, entries)


def swap(session: Session, old: Signed, new: Signed, now: int) -> None:
    """Put `new` in the place of `old`.  Raises Fatal where another sequencer did so first."""
    made, origin = new.checkpoint, old.checkpoint.origin
    values = {"size": made.size, "root": made.root, "body": new.body, "time_ms": now}
    done = session.connection().execute(_SWAP, values | {"log": origin, "old": old.body})
    if done.rowcount != 1:
        raise Fatal("another sequencer replaced the checkpoint")


def _read_back(session: Session, start: int, leaves: Sequence[Hash]) -> list[bytes]:
    """Hash the entries once more as stored: one flipped bit under a signature could never be repaired."""
    rows = session.connection().execute(_STORED, {"start": start}).all()
    if [leaf_hash(entry) for entry, _ in rows] != list(leaves) or [leaf for _, leaf in rows] != list(leaves):
        raise Fatal("the stored entries are not those that were judged")
    return [entry for entry, _ in rows]
