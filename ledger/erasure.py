"""
Erasure: drop a statement's content because the law asks for it, and say so in the log.

The digest and the subject keys stay in the entry, so the tree is untouched and the gap can be counted.  The content goes in
the transaction that orders the Erasure (judging.py): there is no moment in which the log says one thing and the database
another.  Backups, and copies that others took, are not reached: the operator's procedure has to name them.

Source: protocol.md section 2, "erasure".
"""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import EntryRow, GrantRow, Log, StatementRow
from ledger.receipts import Unknown
from producers.control import Erasure
from producers.records import record, sign_record
from producers.sign import PrivateKey
from verify.entry import Entry


def erasure_statement(session: Session, key: PrivateKey, *, index: int, ground: str, now_ms: int) -> bytes:
    """
    The operator's signed Erasure of the statement at `index`; admit it like any other statement.

    `ground` is public for ever: the law's article, never the person's name.  Raises Unknown where there is no such entry.
    """
    origin = session.scalar(select(Log.origin))
    operator = session.scalar(select(GrantRow.party).where(GrantRow.index == 0))
    held = select(StatementRow.digest, EntryRow.entry).join(EntryRow, EntryRow.index == StatementRow.index)
    found = session.execute(held.where(StatementRow.index == index)).one_or_none()
    if found is None or origin is None or operator is None:
        raise Unknown(f"there is no entry {index} in this log")
    digest, entry = found
    subject = Erasure.of(digest, origin=origin, index=index, keys=Entry.decode(entry).keys, ground=ground)
    return sign_record(record(subject, issuer=operator, at=datetime.fromtimestamp(now_ms / 1000, UTC)), key)
