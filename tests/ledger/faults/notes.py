"""
What a power cut does to notes: every commit of `Database.noting` since the last one of `Database.writing` is lost, at once.

The databases that tests use lose nothing, so the rows are kept as they were before the first of them, and put back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, event, insert, select
from sqlalchemy.orm import Session, sessionmaker

from ledger.db import Database
from ledger.models import Base
from tests.ledger.faults.wire import Wire

TABLES = ("published", "cosignatures", "parcels")
"""All that notes write to."""


@dataclass
class Notes:
    """`held` are the rows before the first note that is not on the disk; None where all are."""

    wire: Wire
    held: Mapping[str, Sequence[Mapping[str, Any]]] | None = None

    def keep(self, _session: Session, _transaction: object, connection: Connection) -> None:
        """A note begins."""
        if self.held is None:
            with self.wire.unseen():
                self.held = {name: _rows(connection, name) for name in TABLES}

    def outlast(self, _session: Session) -> None:
        """A commit is on the disk, and with it every note before it."""
        self.held = None

    def lose(self, database: Database) -> None:
        """The power cut."""
        held, self.held = self.held, None
        if held is None:
            return
        with database.writing() as session:
            for name, rows in held.items():
                session.execute(delete(Base.metadata.tables[name]))
                if rows:
                    session.execute(insert(Base.metadata.tables[name]), list(rows))
            session.commit()


def _rows(connection: Connection, name: str) -> list[Mapping[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(select(Base.metadata.tables[name]))]


def noted(database: Database, wire: Wire) -> tuple[Database, Notes]:
    """The same database, whose notes can be lost."""
    notes, writing, noting = Notes(wire), *(sessionmaker(one.kw["bind"]) for one in (database.writing, database.noting))
    event.listen(writing, "after_commit", notes.outlast)
    event.listen(noting, "after_begin", notes.keep)
    return replace(database, writing=writing, noting=noting), notes
