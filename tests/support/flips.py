"""One byte changed somewhere: in any column of any row, or in any object that the served tree needs; and changed back."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import JSON, Boolean, Column, Engine, Table, text
from sqlalchemy.exc import DBAPIError

from ledger.models import Base

Value = bytes | str | int | bool


class Refused(Exception):
    """The database does not take this change, or nothing is there to change."""


@dataclass(frozen=True, slots=True)
class Flip:
    """What was changed: a table's column, or a path."""

    table: str
    column: str
    path: str = ""


def changed(value: Value, chance: random.Random) -> Value:
    """The value with one bit of one byte changed; text stays printable."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ 1 << chance.randrange(16)
    if isinstance(value, bytes):
        at = chance.randrange(len(value))
        return value[:at] + bytes([value[at] ^ 1 << chance.randrange(8)]) + value[at + 1 :]
    places = [at for at, letter in enumerate(value) if "!" <= letter <= "~"]
    at = chance.choice(places)
    letters = [other for bit in (1, 2, 4) if "!" <= (other := chr(ord(value[at]) ^ bit)) <= "~"]
    return value[:at] + chance.choice(letters) + value[at + 1 :]


@contextmanager
def flipped_column(engine: Engine, table: Table, column: Column[object], chance: random.Random) -> Iterator[Flip]:
    """Change one value of a column for a moment.  Raises Refused."""
    names = [one.name for one in table.primary_key]
    shown = f'CAST("{column.name}" AS TEXT)' if isinstance(column.type, JSON) else f'"{column.name}"'
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT {shown}, {_list(names)} FROM {table.name} ORDER BY {_list(names)}")).all()
    rows = [row for row in found if row[0] not in (None, "", b"")]
    if not rows:
        raise Refused
    before, *key = chance.choice(rows)
    value = bool(before) if isinstance(column.type, Boolean) else before
    after = changed(value, chance)
    keys = dict(zip(names, key, strict=True))
    _write(engine, table, column, keys, after)
    try:
        yield Flip(table.name, column.name)
    finally:
        _write(engine, table, column, keys | ({column.name: after} if column.name in keys else {}), before)


def _write(engine: Engine, table: Table, column: Column[object], keys: dict[str, object], value: object) -> None:
    marks = " AND ".join(f'"{name}" = :key_{name}' for name in keys)
    wire = "CAST(:value AS JSON)" if isinstance(column.type, JSON) and engine.dialect.name == "postgresql" else ":value"
    command = text(f'UPDATE {table.name} SET "{column.name}" = {wire} WHERE {marks}')
    try:
        with engine.begin() as connection:
            done = connection.execute(command, {"value": value} | {f"key_{name}": one for name, one in keys.items()})
    except DBAPIError as error:
        raise Refused from error
    assert done.rowcount == 1


@contextmanager
def flipped_object(folder: Path, path: str, chance: random.Random) -> Iterator[Flip]:
    """Change one byte of a file for a moment."""
    before = (folder / path).read_bytes()
    after = changed(before, chance)
    assert isinstance(after, bytes)
    (folder / path).write_bytes(after)
    try:
        yield Flip("", "", path)
    finally:
        (folder / path).write_bytes(before)


def columns() -> list[tuple[Table, Column[object]]]:
    """Every column of every table."""
    return [(table, column) for table in Base.metadata.sorted_tables for column in table.columns]


def _list(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
