"""
Writing many rows at once: prepared statements on SQLite, COPY on PostgreSQL.

The hot path never goes through the ORM: it costs more than the signature check.  Values are those of the columns' own
types; tables with JSON columns take the ordinary way, since they are rare.

Source: sqlite3's executemany; PostgreSQL's COPY, binary format.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Integer, LargeBinary, Table, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

TOGETHER = 32
"""Rows that one step of SQLite takes: the driver lets go of the interpreter at each, and may wait to have it again."""
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
        _insert_into(connection, table.name, tuple(columns), rows)
        return
    base = connection.dialect.loaded_dbapi.Error
    try:
        _copy_into(connection.connection.driver_connection, table, tuple(columns), rows)
    except base as error:
        # The driver's own error would pass by whoever waits for SQLAlchemy's, and end the sequencer's thread.
        raise DBAPIError.instance(_copy(table.name, tuple(columns)), None, error, base) from error


def _insert_into(connection: Connection, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    whole = len(rows) - len(rows) % TOGETHER
    for start, end, count in ((0, whole, TOGETHER), (whole, len(rows), 1)):
        if start < end:
            several = [tuple(chain.from_iterable(rows[at : at + count])) for at in range(start, end, count)]
            connection.exec_driver_sql(_insert(table, columns, count), several)


def _copy_into(driver: Any, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    from psycopg.types.string import BytesBinaryDumper  # here, or a log on SQLite would load it for nothing

    with driver.cursor() as cursor, cursor.copy(_copy(table.name, columns)) as copy:
        # Asked for by the type's name, bytes would go through Python, each at five times the cost; a statement has ten of them.
        cursor.adapters.register_dumper(bytes, BytesBinaryDumper)
        copy.set_types([_wire(table, name) for name in columns])
        for row in rows:
            copy.write_row(row)


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...], count: int) -> str:
    marks = ",".join([f"({','.join('?' * len(columns))})"] * count)
    return f"INSERT INTO {table} ({_names(columns)}) VALUES {marks}"  # noqa: S608 - names of our own tables


@lru_cache(maxsize=64)
def _copy(table: str, columns: tuple[str, ...]) -> str:
    return f"COPY {table} ({_names(columns)}) FROM STDIN (FORMAT BINARY)"


def _names(columns: Sequence[str]) -> str:
    return ",".join(f'"{name}"' for name in columns)


def _wire(table: Table, column: str) -> str:
    kind = type(table.c[column].type)
    return _WIRE.get(kind, "text")
