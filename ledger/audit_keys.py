"""
The audit of what entries are found by, and that no two statements are the same.

    KeysCheck       subject_keys holds exactly the keys that the entries hold, hash_heads the heads of what statements are
                    found by
    check_unique    no signing input was logged twice
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledger.audit_tiles import Broken
from ledger.candidates import event_key
from ledger.earlier import heads_of
from ledger.models import Base, StatementRow
from ledger.spans import InOrder
from verify.entry import Entry

NAMES = {"subject_keys": "key", "hash_heads": "head"}


class KeysCheck:
    """Goes through both tables beside the entries, once for the whole audit."""

    def __init__(self, session: Session) -> None:
        tables = {name: Base.metadata.tables[name] for name in NAMES}
        self._rows = {name: InOrder(session, one, [one.c["index"], one.c[NAMES[name]]]) for name, one in tables.items()}

    def compare(self, start: int, entries: Sequence[bytes], held: Mapping[int, StatementRow]) -> int:
        """
        Compare with the entries from `start` on, which follow those of the call before, and with their statements.

        Returns the number of rows.  Raises Broken.
        """
        told = list(enumerate(entries, start))
        keys = [(index, key) for index, data in told for key in Entry.decode(data).keys]
        heads = [(index, head) for index, _ in told for head in sorted(_heads(held[index]))]
        for name, wanted in (("subject_keys", keys), ("hash_heads", heads)):
            found = self._rows[name].below(start + len(entries))
            if found != wanted:
                index, _ = min({*found}.symmetric_difference(wanted))
                raise Broken(f"the table {name} says something else than its statement", index)
        return len(keys) + len(heads)

    def check_end(self, committed: int) -> None:
        """Nothing is left of entries that do not exist.  Raises Broken."""
        for name, rows in self._rows.items():
            if (beyond := rows.first) is not None and beyond >= committed:
                raise Broken(f"{name}.index speaks of an entry that does not exist", beyond)


def _heads(row: StatementRow) -> tuple[int, ...]:
    return heads_of(row.digest, row.signing_input_hash, None if row.repeats else event_key(row.issuer, row.event_id))


def check_unique(session: Session) -> None:
    """No two statements have one signing input: no constraint of the database holds it.  Raises Broken."""
    twice = select(func.max(StatementRow.index)).group_by(StatementRow.signing_input_hash).having(func.count() > 1).limit(1)
    index = session.scalar(twice)
    if index is not None:
        raise Broken("statements.signing_input_hash is an earlier statement's too", index)
