"""
Receipts: what a submitter keeps, checkable offline for ever.

A tlog-proof: index, inclusion proof and the published checkpoint with every signature it has now.  Always made from what is
stored and never from what was sent; witnesses and anchors that come later are in a receipt asked for later.

Source: c2sp.org/tlog-proof; Sunlight v0.8.1 and tesseract#884 for why the stored leaf decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from ledger.db import chunks
from ledger.finding import has_digest
from ledger.models import EntryRow, Published, StatementRow
from ledger.paths import Paths
from ledger.tiles import TileStore
from producers.sign import format_proof
from verify.checkpoint import Checkpoint
from verify.entry import HEAD, Entry
from verify.errors import VerificationError
from verify.merkle import leaf_hash
from verify.note import parse_note
from verify.proof import TlogProof

Place = tuple[int, bytes]
"""Where a statement is told to be, and its digest."""
# By the tables and without the ORM: asked for every batch.
_SHOWN = select(Published.__table__.c.body)
_ENTRIES = 'SELECT "index", entry FROM entries WHERE "index"'
_DIGEST = slice(9, HEAD)  # of an entry; the bytes are sure once they lead to the root


class Unknown(LookupError):
    """This log has published no statement of that digest."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The place of one statement in the published log."""

    index: int
    digest: bytes
    time_ms: int
    """Sequencing time."""
    proof: TlogProof

    def as_json(self) -> dict[str, Any]:
        """The answer of POST /statements."""
        time = datetime.fromtimestamp(self.time_ms // 1000, UTC).replace(microsecond=self.time_ms % 1000 * 1000)
        return {
            "index": self.index, "digest": self.digest.hex(), "time": time.isoformat(timespec="milliseconds"),
            "proof": format_proof(self.proof), "checkpoint": self.proof.checkpoint,
        }  # fmt: skip


def receipt(session: Session, store: TileStore, digest: bytes) -> Receipt:
    """The receipt of one statement.  Raises Unknown; Fatal where tiles are lost; NotIncluded where they are damaged."""
    (found,) = receipts(session, store, [digest])
    return found


def receipts(session: Session, store: TileStore, digests: Iterable[bytes]) -> list[Receipt]:
    """Receipts in the order of `digests`, all against one checkpoint, reading each tile once.  Raises as `receipt`."""
    wanted = list(digests)
    body, checkpoint = _shown(session)
    entries = _entries(session, wanted, checkpoint.size)
    paths = Paths(store.reader(checkpoint.size), checkpoint)
    try:
        return [_receipt(entries, digest, paths, body) for digest in wanted]
    except VerificationError:
        store.forget()  # a tile was damaged when it was read; once it is repaired, the next receipt is good
        raise


def proofs_at(session: Session, store: TileStore, places: Sequence[Place]) -> list[TlogProof]:
    """
    The tlog-proofs of statements whose places were just told, in order; as receipts, without the search for the places.

    Each is made from the entry that is stored there, which must have the statement's digest.  Raises as `receipt`.
    """
    body, checkpoint = _shown(session)
    entries = _stored(session.connection(), [index for index, _ in places if index < checkpoint.size])
    paths = Paths(store.reader(checkpoint.size), checkpoint)
    try:
        return [TlogProof(index, paths.of(index, leaf_hash(_entry_at(entries, index, digest))), body) for index, digest in places]
    except VerificationError:
        store.forget()
        raise


def _shown(session: Session) -> tuple[str, Checkpoint]:
    body = session.connection().execute(_SHOWN).scalar()
    if body is None:
        raise Unknown("nothing is published yet")
    return body, Checkpoint.parse(parse_note(body).text)


def _stored(connection: Connection, indexes: Sequence[int]) -> dict[int, bytes]:
    """The entries at these indexes."""
    if connection.dialect.name != "sqlite":
        return dict(connection.exec_driver_sql(f"{_ENTRIES} = ANY(%s::int8[])", (list(indexes),)).all())
    found: dict[int, bytes] = {}
    for part in chunks(indexes):
        found |= connection.exec_driver_sql(f"{_ENTRIES} IN ({','.join('?' * len(part))})", tuple(part)).all()
    return found


def _entry_at(entries: Mapping[int, bytes], index: int, digest: bytes) -> bytes:
    entry = entries.get(index, b"")
    if entry[_DIGEST] != digest:
        raise Unknown(f"this log has published no statement {digest.hex()} at {index}")
    return entry


def _entries(session: Session, digests: list[bytes], size: int) -> dict[bytes, tuple[int, bytes]]:
    found: dict[bytes, tuple[int, bytes]] = {}
    for part in chunks(digests):
        # By way of the statements: entries have no index of digests.
        rows = select(StatementRow.digest, EntryRow.index, EntryRow.entry).join(EntryRow, EntryRow.index == StatementRow.index)
        rows = rows.where(has_digest(*part), EntryRow.index < size)
        found |= {digest: (index, entry) for digest, index, entry in session.execute(rows)}
    return found


def _receipt(entries: dict[bytes, tuple[int, bytes]], digest: bytes, paths: Paths, body: str) -> Receipt:
    if digest not in entries:
        raise Unknown(f"this log has published no statement {digest.hex()}")
    index, entry = entries[digest]
    # Checked up to the root, before it is handed out: a damaged tile must not become a receipt that fails years later.
    path = paths.of(index, leaf_hash(entry))
    return Receipt(index, digest, Entry.decode(entry).time_ms, TlogProof(index, path, body))
