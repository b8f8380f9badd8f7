"""
Writing many rows at once: prepared statements on SQLite, COPY on PostgreSQL.

The hot path never goes through the ORM: it costs more than the signature check.  Values are those of the columns' own
types; tables with JSON columns take the ordinary way, since they are rare.

Source: sqlite3's executemany; PostgreSQL's COPY, binary format.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Integer, LargeBinary, Table, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

# What is not here goes as text, JSON too: on the wire it is its text.
_WIRE = {BigInteger: "int8", Integer: "int4", LargeBinary: "bytea", Boolean: "bool"}


def write_rows(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows by the names of their columns."""
    if rows:
        # Core and not ORM: a third of the time.
        session.execute(insert(table), list(rows))


def write_tuples(
    session: Session | Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows whose values stand in the order of `columns`; JSON columns take their text."""
    if not rows:
        return
    connection = session.connection() if isinstance(session, Session) else session
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_insert(table.name, tuple(columns)), list(rows))
        return
    driver: Any = connection.connection.driver_connection
    command, base = _copy(table.name, tuple(columns)), connection.dialect.loaded_dbapi.Error
    try:
        with driver.cursor() as cursor, cursor.copy(command) as copy:
            copy.set_types([_wire(table, name) for name in columns])
            for row in rows:
                copy.write_row(row)
    except base as error:
        # The driver's own error would pass by whoever waits for SQLAlchemy's, and end the sequencer's thread.
        raise DBAPIError.instance(command, None, error, base) from error


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ",".join("?" * len(columns))
    return f"INSERT INTO {table} ({_names(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own tables


@lru_cache(maxsize=64)
def _copy(table: str, columns: tuple[str, ...]) -> str:
    return f"COPY {table} ({_names(columns)}) FROM STDIN (FORMAT BINARY)"


def _names(columns: Sequence[str]) -> str:
    return ",".join(f'"{name}"' for name in columns)


def _wire(table: Table, column: str) -> str:
    kind = type(table.c[column].type)
    return _WIRE.get(kind, "text")

