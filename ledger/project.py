"""
Derived rows: what a sequenced statement means for the tables that trace, report and judge by.

`told_rows` is a pure function of the record, made at admission, long before there is an index; `derive` is the same with one,
so that the audit can compare; `store` writes, `drop` takes back what an erased statement told.  A row never says more than
its statement: what events tell is in project_events.py, other kinds in project_control.py.

Source: protocol.md section 1.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from ledger.column_text import digest_or_none
from ledger.models import (
    Base,
    CommitmentRow,
    EventObject,
    EventRow,
    GrantRow,
    Link,
    MasterRow,
    RecallRow,
    RecallScope,
    RevocationRow,
    SubjectKey,
    WithdrawalRow,
)
from ledger.project_control import MAKERS
from ledger.project_events import SIDES, event_rows
from ledger.writing import write_rows
from producers.sign import public_disclosures
from verify.subjects import Record

Rows = Mapping[type[Base], Sequence[dict[str, Any]]]
Told = Mapping[str, Sequence[tuple[Any, ...]]]
"""Rows by the name of their table, each without its index: what a statement tells before it has a place."""
# In the order in which they are written.  Subject keys survive an erasure: the entry names them for ever.
CONTENT: tuple[type[Base], ...] = (
    EventRow, EventObject, Link, MasterRow, CommitmentRow, RecallRow, RecallScope, GrantRow, RevocationRow,
    WithdrawalRow,
)  # fmt: skip
DERIVED: tuple[type[Base], ...] = (SubjectKey, *CONTENT)
TABLES: Mapping[str, type[Base]] = {table.__tablename__: table for table in DERIVED}
# Columns of each table in the order of its rows: first their place, which is its statement's index and, where one statement
# tells several, which of them this is.
PLACES: Mapping[str, tuple[str, ...]] = {
    name: tuple(one for one in ("index", "ordinal") if one in table.__table__.c) for name, table in TABLES.items()
}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    name: (*PLACES[name], *(one.name for one in table.__table__.c if one.name not in PLACES[name]))
    for name, table in TABLES.items()
}


def told_rows(record: Record) -> Told:
    """
    What one record tells, whose statement has every disclosure that the log keeps, without its index and its subject keys.

    Pure.  Values stand in the order of COLUMNS, without their place.  A withdrawal's target is not told: only the log knows
    its index.
    """
    rows: dict[str, list[tuple[Any, ...]]] = {}
    statement = record.statement
    if record.event is not None:
        adopts = statement.subject.get("adopts") if statement.kind == "Adoption" else None
        public = {*statement.subject, *(shown.name for shown in public_disclosures(statement))}
        shown = [side for side in SIDES if statement.kind != "TraceabilityEvent" or f"{side}List" in public]
        rows |= event_rows(record.event, statement.issuer, digest_or_none(adopts), shown)
    elif make := MAKERS.get(statement.kind):
        rows |= make(statement)
    return rows


def derive(record: Record, index_of: Callable[[bytes], int | None], told: Told | None = None) -> Rows:
    """
    The rows of `told_rows`, which are made unless the caller has them, as the tables hold them.

    `index_of` finds the statement that a withdrawal names.
    """
    rows: dict[type[Base], list[dict[str, Any]]] = {SubjectKey: [{"key": key, "index": record.index} for key in record.keys]}
    for name, some in (told_rows(record) if told is None else told).items():
        rows[TABLES[name]] = named(name, placed(name, [(record.index, some)]))
    for row in rows.get(WithdrawalRow, ()):
        row["target"] = index_of(row["digest"])
    return rows


def placed(name: str, told: Iterable[tuple[int, Sequence[tuple[Any, ...]]]]) -> list[tuple[Any, ...]]:
    """The rows that statements tell for a table, from (index, rows) of each, with their place."""
    if len(PLACES[name]) == 2:
        return [(index, at, *row) for index, rows in told for at, row in enumerate(rows)]
    return [(index, *row) for index, rows in told for row in rows]


def named(name: str, rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows by the names of their columns."""
    return [dict(zip(COLUMNS[name], row, strict=True)) for row in rows]


def store(session: Session, rows: Rows) -> None:
    """Write rows of any tables; closes the recalls that a notice closes."""
    for table in (*(t for t in rows if t not in DERIVED), *(t for t in DERIVED if t in rows)):
        write_rows(session, Base.metadata.tables[table.__tablename__], rows[table])
    for notice in rows.get(RecallRow, ()):
        if notice["closes"] is not None:
            closed = update(RecallRow).where(RecallRow.digest == notice["closes"], RecallRow.closed_by.is_(None))
            session.execute(closed.values(closed_by=notice["index"]))


def drop(session: Session, index: int) -> None:
    """Delete what the statement at `index` told; its subject keys stay."""
    for table in CONTENT:
        session.execute(delete(table).where(table.__table__.c.index == index))
