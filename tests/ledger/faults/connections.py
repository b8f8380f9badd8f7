"""
A database on the wire: every statement and every commit, at the driver, so that nothing the code does with a raw connection
escapes.  The error is the driver's own, as a broken disk or a lost connection raises it.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import event

from ledger.db import Database
from tests.ledger.faults.wire import Wire

_TABLE = re.compile(r'\b(?:INTO|FROM|UPDATE|JOIN|COPY)\s+"?(\w+)', re.IGNORECASE)


def tap(database: Database, wire: Wire) -> None:
    """Put the database's connections on the wire, those to come and, by closing them, those that are."""

    def connect(dialect: Any, _record: Any, words: Any, options: Any) -> Any:
        return wire.carry("connect", lambda: _connect(dialect, words, options, wire), _refusal(database))

    for engine in {database.engine, database.writer}:
        event.listen(engine, "do_connect", connect)
    database.close()


def _refusal(database: Database) -> Callable[[str], Exception]:
    return sqlite3.OperationalError if database.is_sqlite else psycopg.OperationalError


def _connect(dialect: Any, words: Any, options: Any, wire: Wire) -> Any:
    if dialect.name == "sqlite":
        return dialect.loaded_dbapi.connect(*words, **options, factory=_sqlite(wire))
    return _postgres(wire).connect(*words, **options, cursor_factory=_cursor(psycopg.Cursor, wire, psycopg.OperationalError))


def _sqlite(wire: Wire) -> type[sqlite3.Connection]:
    cursors = _cursor(sqlite3.Cursor, wire, sqlite3.OperationalError)

    class Tapped(sqlite3.Connection):
        """A connection whose statements and commits go over the wire; PRAGMAs of its making do not."""

        def cursor(self, factory: Any = cursors) -> Any:
            return super().cursor(factory)

        def commit(self) -> None:
            wire.carry("commit", super().commit, sqlite3.OperationalError)

    return Tapped


def _postgres(wire: Wire) -> type[Any]:
    class Tapped(psycopg.Connection):  # type: ignore[type-arg]
        """The same for psycopg."""

        def commit(self) -> None:
            wire.carry("commit", super().commit, psycopg.OperationalError)

    return Tapped


def _cursor(base: type[Any], wire: Wire, refuse: Callable[[str], Exception]) -> type[Any]:
    class Tapped(base):  # type: ignore[misc]
        """A cursor whose statements go over the wire."""

        def execute(self, query: Any, *words: Any, **options: Any) -> Any:
            return wire.carry(name_of(query), lambda: super(Tapped, self).execute(query, *words, **options), refuse)

        def executemany(self, query: Any, *words: Any, **options: Any) -> Any:
            return wire.carry(name_of(query), lambda: super(Tapped, self).executemany(query, *words, **options), refuse)

        @contextmanager
        def copy(self, query: Any, *words: Any, **options: Any) -> Iterator[Any]:
            with super().copy(query, *words, **options) as opened:
                yield opened
            wire.carry(name_of(query), lambda: None, refuse)

    return Tapped


def name_of(query: Any) -> str:
    """A statement's class: its verb and its table.  COMMIT told as a statement is a commit."""
    text = query.decode() if isinstance(query, bytes) else str(query)
    verb = text.split(None, 1)[0].upper()
    if verb in ("COMMIT", "END"):
        return "commit"
    table = _TABLE.search(text)
    return f"sql {verb}" + (f" {table.group(1)}" if table else "")
