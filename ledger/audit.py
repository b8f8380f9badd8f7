"""
The audit: derive everything again, from the entries up, and name the first thing that is not as it must be.

    audit_served      a store alone, ours or somebody else's
    audit_ledger      and the database: statements, signatures, grants, event IDs, control statements, every derived row,
                      subject keys (audit_keys.py), and what stands beside the log (audit_beside.py)

What the log says nothing of, and the audit therefore cannot vouch for, is listed in audit_columns.py.

The judgements are those of verify/, the derivations those of project.py; nothing here knows a rule of its own.  What an
erasure has made uncheckable is counted, not passed over in silence.

Source: Tessera's fsck; protocol.md sections 1 and 2.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, aliased

from ledger.audit_beside import check_beside, check_heads
from ledger.audit_keys import KeysCheck, check_unique
from ledger.audit_tiles import Broken, Served, audit_tiles, bundle_at, insist_same, read_served
from ledger.candidates import Candidate, candidate_of, read_stored
from ledger.db import Database
from ledger.finding import has_digest
from ledger.models import Base, EntryRow, RecallRow, StatementRow
from ledger.problems import Fatal, Refused
from ledger.project import CONTENT, Rows, derive
from ledger.registry import SqlHistory
from ledger.tiles import TileStore
from verify.authority import check_control, check_serials, key_at
from verify.entry import Entry
from verify.errors import VerificationError
from verify.history import Record
from verify.merkle import leaf_hash
from verify.note import VerifierKey
from verify.statement import verify_signature
from verify.tiles import WIDTH

# What an erased event or master data would have shown.  With nothing erased these are findings like any other.
_NEEDS_CONTENT = frozenset(("not-commissioner", "not-recall-owner"))
_ASIDE: dict[type[Base], frozenset[str]] = {RecallRow: frozenset(("closed_by",))}


@dataclass(slots=True)
class Report:
    """What an audit that found nothing broken has looked at."""

    served: Served
    entries: int = 0
    statements: int = 0
    """Statements whose content was checked: 0 where only a store was audited."""
    erased: int = 0
    derived: int = 0
    """Derived rows compared."""
    unchecked: int = 0
    """Control statements whose authority rested on content that was erased since."""
    event_ids: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)
    """Who used an event ID first: (issuer, event ID) -> digest."""


def audit_served(store: TileStore, log: VerifierKey | None = None, clock: VerifierKey | None = None) -> Report:
    """Audit a store under the keys that the auditor trusts; without a key the signature is not checked.  Raises Broken."""
    report = Report(read_served(store, log, clock))
    for _, entries in audit_tiles(store, report.served.checkpoint):
        report.entries += len(entries)
    return report


def audit_ledger(database: Database, store: TileStore, log: VerifierKey, clock: VerifierKey) -> Report:
    """Audit our own ledger: everything below the served checkpoint, and that nothing is beyond it.  Raises Broken."""
    with database.reading() as session:
        if database.is_sqlite:
            _check_file(session)
        else:  # SQLite reads one snapshot anyway
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        report = Report(read_served(store, log, clock))
        size = report.served.checkpoint.size
        keys = KeysCheck(session)
        check_heads(session, report.served, log, clock)
        history = None
        for start, entries in audit_tiles(store, report.served.checkpoint):
            told = _check_span(session, store, start, entries, report, keys)
            # What is judged by is compared first: a changed grant is named itself, and not those who lean on it.
            history = history or SqlHistory(session, log.name)
            for row, record, candidate in told:
                _check_rules(history, record, candidate, row, report)
            session.expunge_all()
        _check_ends(session, size, keys)
        check_unique(session)
        check_beside(session, store, report.served)
        return report


def _check_file(session: Session) -> None:
    """Have SQLite check its own pages: a damaged index or a table that nothing here reads would go unseen otherwise."""
    found = session.scalar(text("PRAGMA integrity_check(1)"))
    if found != "ok":
        raise Broken(f"the database file is damaged, restore it from a backup: {found}")


Told = tuple[StatementRow, Record, Candidate]
"""A statement as stored and as read again."""


def _check_span(
    session: Session, store: TileStore, start: int, entries: Sequence[bytes], report: Report, keys: KeysCheck
) -> list[Told]:
    """Compare rows with entries, and derived rows with statements; returns the statements to be judged."""
    end, size = start + len(entries), report.served.checkpoint.size
    stored = {row.index: row for row in _read(session, EntryRow, start, end)}
    held = {row.index: row for row in _read(session, StatementRow, start, end)}
    told: list[Told] = []
    derived: list[Rows] = []
    for index, data in enumerate(entries, start):
        _check_entry(store, index, data, stored.get(index), size)
        if (row := held.get(index)) is None:
            raise Broken("it is missing in the table statements", index)
        read = _check_statement(session, Entry.decode(data), row, report)
        told += read[:1]
        if read:
            derived.append(_derived(session, read[0][1]))
        report.entries += 1
    report.derived += keys.compare(start, entries, held)
    _check_derived(session, start, end, derived, report)
    return told


def _read(session: Session, table: type[Any], start: int, end: int) -> list[Any]:
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


def _check_entry(store: TileStore, index: int, data: bytes, row: EntryRow | None, size: int) -> None:
    if row is None:
        raise Broken("it is missing in the table entries", index)
    if row.entry != data:
        # The tile has the third copy: whom it contradicts is wrong.
        leaf = store.read_tile(0, index // WIDTH, size)[index % WIDTH]
        wrong = bundle_at(index, size) if leaf == leaf_hash(row.entry) else "entries.entry"
        raise Broken(f"{wrong} has other bytes than the tree", index)
    entry = Entry.decode(data)
    wanted = {"time_ms": entry.time_ms, "digest": entry.digest, "leaf": leaf_hash(data)}
    insist_same("entries", wanted, vars(row), index)


def _check_statement(session: Session, entry: Entry, row: StatementRow, report: Report) -> list[Told]:
    """Compare one statement with its entry; returns it as read again, nothing where it was erased."""
    index = row.index
    insist_same("statements", {"digest": entry.digest}, vars(row), index)
    if row.jws is None:
        _check_erased(session, row)
        report.erased += 1
        return []
    try:
        record = read_stored(row.jws, row.disclosures, row.digest, index, entry.time_ms)
        candidate = candidate_of(record)
    except (Fatal, Refused) as error:
        raise Broken(f"statements.jws or statements.disclosures: {error}", index) from None
    if candidate.keys != entry.keys:
        raise Broken("its subject keys are not its statement's", index)
    _check_columns(candidate, row, _repeats(record, candidate, row, report))
    report.statements += 1
    return [(row, record, candidate)]


def _derived(session: Session, record: Record) -> Rows:
    """The rows that a statement must have."""
    return derive(record, lambda digest: session.scalar(select(StatementRow.index).where(has_digest(digest))))


def _check_erased(session: Session, row: StatementRow) -> None:
    by = session.scalar(select(StatementRow).where(StatementRow.index == row.erased_by, StatementRow.kind == "Erasure"))
    if by is None or by.index <= row.index or row.disclosures:
        raise Broken("statements.erased_by: its content is gone and no Erasure says so", row.index)
    try:
        erasure = read_stored(by.jws or b"", by.disclosures, by.digest, by.index, 0).statement
    except Fatal as error:
        raise Broken(f"statements.jws or statements.disclosures: {error}", by.index) from None
    if erasure.subject["digest"] != row.digest.hex():
        raise Broken("statements.erased_by: the Erasure it names is of another statement", row.index)


def _check_columns(told: Candidate, row: StatementRow, repeats: bool) -> None:
    wanted = {
        "signing_input_hash": told.signing_input_hash, "kind": told.kind, "issuer": told.issuer, "kid": told.kid,
        "event_id": told.event_id, "valid_from": told.valid_from, "erased_by": None, "repeats": int(repeats),
    }  # fmt: skip
    insist_same("statements", wanted, vars(row), row.index)


def _repeats(record: Record, candidate: Candidate, row: StatementRow, report: Report) -> bool:
    """Whether its event ID is an earlier event's on purpose.  Raises Broken where it is without one."""
    statement, event = record.statement, record.event
    if event is not None and event.error_declaration:
        return True
    if candidate.event_id is None:
        return False
    holder = report.event_ids.setdefault((statement.issuer, candidate.event_id), statement.digest)
    if holder == statement.digest:
        return False
    if statement.kind != "Adoption" or statement.subject.get("adopts") != holder.hex():
        raise Broken(f"its event ID {candidate.event_id} is an earlier event's", row.index)
    return True


def _check_rules(history: SqlHistory, record: Record, candidate: Candidate, row: StatementRow, report: Report) -> None:
    statement, event, index = record.statement, record.event, row.index
    try:
        # The genesis grants its own key: it is judged as if it stood one entry later.
        verify_signature(statement, key_at(history, statement.issuer, statement.kid, max(index, 1)).jwk)
        check_control(statement, index, history)
        if event is None or not event.is_selling:
            check_serials(record.uris, index, history)
    except VerificationError as error:
        if error.code not in _NEEDS_CONTENT or not report.erased:
            raise Broken(f"{error.code}: {error.message}", index) from None
        report.unchecked += 1


def _check_derived(session: Session, start: int, end: int, derived: Sequence[Rows], report: Report) -> None:
    for table in CONTENT:
        columns = [one for one in table.__table__.c if one.name not in _ASIDE.get(table, ())]
        names = [one.name for one in columns]
        position = table.__table__.c.index
        try:
            rows = session.execute(select(*columns).where(position >= start, position < end)).all()
        except ValueError:
            _read(session, table, start, end)
            raise
        held = Counter(_canonical(row._mapping) for row in rows)
        told = (row for rows in derived for row in rows.get(table, ()))
        wanted = Counter(_canonical({name: row[name] for name in names}) for row in told)
        if held != wanted:
            _name_the_row(table.__tablename__, held - wanted, wanted - held)
        report.derived += sum(wanted.values())


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


def _check_ends(session: Session, size: int, keys: KeysCheck) -> None:
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
