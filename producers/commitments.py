"""
Label commitments of an outbox, and the leaf hashes of their item codes until the log has them.

A commitment proves a scanned code only with the leaves under its root.  They are kept before the commitment is signed and
go when the log has taken them, so that neither a dead network nor a refusal in between leaves codes that nobody can prove.
Leaves are hashes: no code can be made of them.  Not here: the statements themselves and how they are sent (outbox.py,
delivery.py), codes and secrets (labels.py).

Source: protocol.md section 1, Item code.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from producers.answers import Unexpected
from producers.client import LogClient
from producers.outbox import COVERED, PUBLISHED, REFUSED, SAVED, WITNESSED
from producers.store import connect, transaction
from verify.bundle import parse_bundle
from verify.merkle import Hash
from verify.statement import Statement, parse_statement
from verify.strict import b64u_decode

LOGGED = frozenset((PUBLISHED, WITNESSED, COVERED))


@dataclass(frozen=True, slots=True)
class Commitment:
    """A LabelCommitment, and where it stands."""

    lot: str
    root: Hash
    digest: str
    """Lower-case hex, of the statement that the log holds: what a top-up names as `previous`."""
    previous: str | None
    kid: str
    state: str
    """As of an item of the outbox."""
    item: int = 0
    """Number in the outbox; 0 where another outbox sent it."""


class Commitments:
    """A second view on the file of an outbox; used by one thread, closed by `with`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the outbox at `path`, or create it.  Raises OutboxRefused."""
        return cls(connect(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.close()

    def keep(self, root: Hash, leaves: Sequence[Hash]) -> None:
        """Keep the leaves under `root`.  What is kept and never committed to does no harm: it is never due."""
        with transaction(self._db):
            self._db.execute("INSERT OR IGNORE INTO leaves (root, leaves) VALUES (?, ?)", (root, b"".join(leaves)))

    def told(self) -> list[Commitment]:
        """Every commitment that was signed here, in log order; those that are not logged at the end."""
        rows = self._db.execute(
            "SELECT statement, state, coalesce(stored_digest, digest), id FROM item "
            "WHERE kind = 'LabelCommitment' AND ended IS NULL ORDER BY log_index IS NULL, log_index, id"
        )
        return [_commitment(parse_statement(raw), state, digest, item) for raw, state, digest, item in rows]

    def retry(self, one: Commitment) -> None:
        """Put a refused one back to be sent: signing the same anew would leave the old one to be refused for ever."""
        with transaction(self._db):
            self._db.execute("UPDATE item SET state = ?, ended = NULL WHERE id = ? AND state = ?", (SAVED, one.item, REFUSED))

    def due(self) -> list[Hash]:
        """Roots of commitments that are logged and whose leaves the log was not given yet."""
        kept = {row[0] for row in self._db.execute("SELECT root FROM leaves")}
        # Most outboxes keep none, and then no statement is read.
        return list(dict.fromkeys(one.root for one in self.told() if one.state in LOGGED and one.root in kept)) if kept else []

    def hand_in(self, root: Hash, client: LogClient) -> None:
        """Give the log the leaves under `root`, and keep them no longer.  Raises LogError."""
        row = self._db.execute("SELECT leaves FROM leaves WHERE root = ?", (root,)).fetchone()
        if row is None:
            return  # another command that sends handed them in since they were due
        client.hand_in([row[0]])
        # Killed here, they are handed in again, which changes nothing in the log.
        with transaction(self._db):
            self._db.execute("DELETE FROM leaves WHERE root = ?", (root,))


def commitments_in_log(client: LogClient, lot: str) -> list[Commitment]:
    """
    The commitments that the log shows for `lot` (canonical URI), in log order.  Nothing is verified: it serves to ask before
    labels are printed for nothing.  Raises LogError, Malformed.
    """
    try:
        bundle = parse_bundle(client.bundle(lot))
    except Unexpected as error:
        if error.status != 404:
            raise
        return []
    found = [one.statement for one in bundle.statements if one.statement.kind == "LabelCommitment"]
    return [one for one in (_commitment(told, PUBLISHED, told.digest, 0) for told in found) if one.lot == lot]


def _commitment(told: Statement, state: str, digest: bytes, item: int) -> Commitment:
    subject = told.subject
    root = b64u_decode(subject["root"], length=32)
    return Commitment(subject["id"], root, digest.hex(), subject.get("previous"), told.kid, state, item)
