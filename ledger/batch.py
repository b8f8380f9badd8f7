"""
The rows of one batch, gathered while it is judged and written at once.

Values in the order of the columns, never objects of the ORM: at 10,000 statements a second what is built per row decides.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import JSON, Connection
from sqlalchemy.orm import Session

from ledger.candidates import Candidate
from ledger.earlier import heads_of
from ledger.models import Base
from ledger.project import COLUMNS, TABLES, Told, named, placed, store
from ledger.writing import write_tuples
from verify.merkle import Hash, leaf_hash

ENTRY = ("index", "time_ms", "digest", "entry", "leaf")
_SAME = Candidate._fields[: Candidate._fields.index("event_key")]  # a candidate's members that are columns by the same names
STATEMENT = ("index", *_SAME, "repeats", "jws", "disclosures")
_HOT = [name for name, table in TABLES.items() if not any(isinstance(column.type, JSON) for column in table.__table__.c)]
"""Derived tables without JSON; the others are rare, and take the way of project.store."""


_One = tuple[int, Candidate, bytes, Hash, Told, bool]
"""A statement that got its index, until its rows are written: the index, itself, its entry and leaf, what it tells, whether its
event ID is another's on purpose."""
_by_first = itemgetter(0)


class Batch:
    """Rows of the entries of one batch.  `flush` writes them through `session`; nothing here commits."""

    def __init__(self, session: Session, time_ms: int) -> None:
        self.leaves: list[Hash] = []
        self._session = session
        self._connection: Connection
        self._time_ms = time_ms
        self._gathered: list[_One] = []

    def add(self, index: int, candidate: Candidate, entry: bytes, rows: Told, repeats: bool) -> None:
        """Gather the rows of one statement that got its index."""
        leaf = leaf_hash(entry)
        self.leaves.append(leaf)
        self._gathered.append((index, candidate, entry, leaf, rows, repeats))

    def flush(self) -> None:
        """Write what was gathered."""
        if not self._gathered:
            return
        gathered, self._gathered = self._gathered, []
        self._connection = self._session.connection()  # asked once: each time costs as much as an insertion
        time_ms = self._time_ms
        self._write("entries", ENTRY, [(at, time_ms, one.digest, entry, leaf) for at, one, entry, leaf, _, _ in gathered])
        self._write("statements", STATEMENT, [_statement(at, one, repeats) for at, one, _, _, _, repeats in gathered])
        # What stands by hashes is sorted in: each page is touched once, and not again and again at random.
        # By the first column alone, which takes half of the time: they are gathered in the order of the second.
        heads = [(head, at) for at, one, _, _, _, repeats in gathered for head in _heads(one, repeats)]
        self._write("hash_heads", ("head", "index"), sorted(heads, key=_by_first))
        keys = [(key, at) for at, one, _, _, _, _ in gathered for key in one.keys]
        self._write("subject_keys", ("key", "index"), sorted(keys, key=_by_first))
        self._derive(gathered)

    def _derive(self, gathered: Sequence[_One]) -> None:
        told: dict[str, list[tuple[int, Sequence[tuple[Any, ...]]]]] = defaultdict(list)
        for at, _, _, _, rows, _ in gathered:
            for name, some in rows.items():
                told[name].append((at, some))
        placed_rows = {name: placed(name, told[name]) for name in TABLES if name in told}
        for name in _HOT:
            self._write(name, COLUMNS[name], placed_rows.get(name, ()))
        store(self._session, {TABLES[name]: named(name, rows) for name, rows in placed_rows.items() if name not in _HOT})

    def _write(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        write_tuples(self._connection, Base.metadata.tables[table], columns, rows)

    def cut(self, entries: int) -> None:
        """Forget everything after the first `entries`, whose rows were written before."""
        del self.leaves[entries:]
        self._gathered = []


def _statement(index: int, one: Candidate, repeats: bool) -> tuple[Any, ...]:
    disclosures = json.dumps(list(one.disclosures)) if one.disclosures else "[]"
    return (index, *one[: len(_SAME)], int(repeats), one.jws, disclosures)


def _heads(one: Candidate, repeats: bool) -> tuple[int, ...]:
    return heads_of(one.digest, one.signing_input_hash, None if repeats else one.event_key)
