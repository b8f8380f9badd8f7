"""
The rows of one batch, gathered while it is judged and written at once.

Values in the order of the columns, never objects of the ORM: at 10,000 statements a second what is built per row decides.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import Session

from ledger.candidates import Candidate
from ledger.models import Base
from ledger.project import COLUMNS, DERIVED, TABLES, Told, store
from ledger.writing import write_tuples
from verify.merkle import Hash, leaf_hash

_ENTRY = ("index", "time_ms", "digest", "entry", "leaf")
_STATEMENT = (
    "index", "digest", "signing_input_hash", "kind", "issuer", "kid", "event_id", "event_key", "repeats", "valid_from", "jws",
    "disclosures", "erased_by",
)  # fmt: skip
_HOT = {
    name: ("index", *columns)
    for name, columns in COLUMNS.items()
    if not any(isinstance(column.type, JSON) for column in TABLES[name].__table__.c)
}
"""Derived tables without JSON; the others are rare, and take the way of project.store."""


@dataclass(frozen=True, slots=True)
class Sequenced:
    """The statement's place and time (ms since 1970); `repeated` where an earlier copy took it."""

    index: int
    digest: bytes
    time_ms: int
    repeated: bool = False


class Batch:
    """Rows of the entries of one batch.  `flush` writes them through `session`; nothing here commits."""

    def __init__(self, session: Session, time_ms: int) -> None:
        self.leaves: list[Hash] = []
        self._session = session
        self._time_ms = time_ms
        self._entries: list[tuple[Any, ...]] = []
        self._statements: list[tuple[Any, ...]] = []
        self._keys: list[tuple[bytes, int]] = []
        self._derived: dict[str, list[tuple[Any, ...]]] = {}

    def add(self, index: int, candidate: Candidate, entry: bytes, rows: Told, repeats: bool) -> None:
        """Gather the rows of one statement that got its index."""
        leaf = leaf_hash(entry)
        self.leaves.append(leaf)
        one = candidate
        self._entries.append((index, self._time_ms, one.digest, entry, leaf))
        self._statements.append((
            index, one.digest, one.signing_input_hash, one.kind, one.issuer, one.kid, one.event_id,
            None if repeats else one.event_key, int(repeats), one.valid_from, one.jws,
            json.dumps(list(one.disclosures)) if one.disclosures else "[]", None,
        ))  # fmt: skip
        self._keys += [(key, index) for key in one.keys]
        for name, told in rows.items():
            self._derived.setdefault(name, []).extend([(index, *row) for row in told])

    def flush(self) -> None:
        """Write what was gathered."""
        if not self._entries:
            return
        tables = Base.metadata.tables
        write_tuples(self._session, tables["entries"], _ENTRY, self._entries)
        write_tuples(self._session, tables["statements"], _STATEMENT, self._statements)
        write_tuples(self._session, tables["subject_keys"], ("key", "index"), self._keys)
        for table in DERIVED:
            name = table.__tablename__
            if name in _HOT:
                write_tuples(self._session, tables[name], _HOT[name], self._derived.get(name, ()))
        store(self._session, {TABLES[name]: _named(name, rows) for name, rows in self._derived.items() if name not in _HOT})
        self._entries, self._statements, self._keys, self._derived = [], [], [], {}

    def cut(self, entries: int) -> None:
        """Forget everything after the first `entries`, whose rows were written before."""
        del self.leaves[entries:]
        self._entries, self._statements, self._keys, self._derived = [], [], [], {}


def _named(name: str, rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(("index", *COLUMNS[name]), row, strict=True)) for row in rows]
