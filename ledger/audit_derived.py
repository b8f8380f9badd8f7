"""
Auditing derived rows: each is what its statement tells (project.py), none is missing, and none speaks of no entry.

    check_derived    the rows of one span of entries
    check_ends       what only the whole shows: rows beyond the last entry, and which notice closed a recall

Source: protocol.md section 1.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from ledger.audit_keys import KeysCheck
from ledger.audit_tiles import Broken
from ledger.models import Base, EntryRow, RecallRow, StatementRow
from ledger.project import CONTENT, Rows

_ASIDE: dict[type[Base], frozenset[str]] = {RecallRow: frozenset(("closed_by",))}


def read_span(session: Session, table: type[Any], start: int, end: int) -> list[Any]:
    """The rows of a span.  Raises Broken for the one that cannot be read: SQLite takes anything for JSON."""
    try:
        return list(session.scalars(_span(table, start, end)))
    except ValueError:
        for index in range(start, end):
            try:
                session.scalars(_span(table, index, index + 1)).all()
            except ValueError as error:
                raise Broken(f"a column of {table.__tablename__} is no JSON: {error}", index) from None
        raise


def _span(table: type[Any], start: int, end: int) -> Any:
    return select(table).where(table.index >= start, table.index < end).order_by(table.index)


def check_derived(session: Session, start: int, end: int, derived: Sequence[Rows]) -> int:
    """Compare the rows of a span with those that its statements tell; returns how many.  Raises Broken."""
    compared = 0
    for table in CONTENT:
        columns = [one for one in table.__table__.c if one.name not in _ASIDE.get(table, ())]
        names = [one.name for one in columns]
        position = table.__table__.c.index
        try:
            rows = session.execute(select(*columns).where(position >= start, position < end)).all()
        except ValueError:
            read_span(session, table, start, end)
            raise
        held = Counter(_canonical(row._mapping) for row in rows)
        told = (row for rows in derived for row in rows.get(table, ()))
        wanted = Counter(_canonical({name: row[name] for name in names}) for row in told)
        if held != wanted:
            _name_the_row(table.__tablename__, held - wanted, wanted - held)
        compared += sum(wanted.values())
    return compared


def _name_the_row(table: str, held: Counter[str], wanted: Counter[str]) -> NoReturn:
    """Raise Broken for the first row that is not as it must be, with its column where only one differs."""
    false, true = (sorted(map(json.loads, rows), key=lambda one: int(one["index"])) for rows in (held, wanted))
    index = min(int(one["index"]) for one in (*false[:1], *true[:1]))
    if len(false) == len(true) == 1:
        for column, value in true[0].items():
            if false[0][column] != value:
                raise Broken(f"{table}.{column} is not what its statement says", index)
    raise Broken(f"the table {table} says something else than its statement", index)


def _canonical(row: Any) -> str:
    return json.dumps(dict(row), sort_keys=True, default=lambda value: value.hex() if isinstance(value, bytes) else str(value))


def check_ends(session: Session, size: int, keys: KeysCheck) -> None:
    """Nothing is derived from entries that do not exist, and every closed recall is closed by the first that says so."""
    committed = session.scalar(select(func.count()).select_from(EntryRow)) or 0
    keys.check_end(committed)
    tables: tuple[type[Base], ...] = (StatementRow, *CONTENT)
    for table in tables:
        beyond = session.scalar(select(func.min(table.__table__.c.index)).where(table.__table__.c.index >= committed))
        if beyond is not None:
            raise Broken(f"{table.__tablename__}.index speaks of an entry that does not exist", beyond)
    notice, closing = aliased(RecallRow), aliased(RecallRow)
    first = select(func.min(closing.index)).where(closing.closes == notice.digest).scalar_subquery()
    for index, closed_by, wanted in session.execute(select(notice.index, notice.closed_by, first)):
        if closed_by != wanted and index < size:
            raise Broken("recalls.closed_by is not the notice that closes it first", index)
