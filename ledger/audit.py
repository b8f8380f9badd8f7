"""
The audit: derive everything again, from the entries up, and name the first thing that is not as it must be.

    audit_served      a store alone, ours or somebody else's
    audit_ledger      and the database: statements, signatures, grants, event IDs, control statements, every derived row

The judgements are those of verify/, the derivations those of project.py; nothing here knows a rule of its own.  What an
erasure has made uncheckable is counted, not passed over in silence.

Source: Tessera's fsck; protocol.md sections 1 and 2.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, aliased

from ledger.audit_tiles import Broken, Served, audit_tiles, read_served
from ledger.candidates import Candidate, candidate_of, read_stored
from ledger.db import Database
from ledger.models import Base, CheckpointRow, EntryRow, Log, Published, RecallRow, StatementRow, SubjectKey
from ledger.problems import Fatal, Refused
from ledger.project import DERIVED, Rows, derive
from ledger.registry import SqlHistory
from ledger.tiles import TileStore
from verify.authority import check_control, check_serials, key_at
from verify.entry import Entry
from verify.errors import VerificationError
from verify.history import Record
from verify.merkle import leaf_hash
from verify.note import VerifierKey
from verify.statement import verify_signature

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
        _check_heads(session, report.served)
        history = SqlHistory(session, log.name)
        for start, entries in audit_tiles(store, report.served.checkpoint):
            _check_span(session, history, start, entries, report)
        _check_ends(session, size)
        return report


def _check_file(session: Session) -> None:
    """Have SQLite check its own pages: a damaged index or a table that nothing here reads would go unseen otherwise."""
    found = session.scalar(text("PRAGMA integrity_check(1)"))
    if found != "ok":
        raise Broken(f"the database file is damaged, restore it from a backup: {found}")


def _check_heads(session: Session, served: Served) -> None:
    known, row = session.get(Log, 1), session.scalar(select(CheckpointRow))
    published = session.scalar(select(Published))
    checkpoint = served.checkpoint
    if known is None or row is None or published is None or {known.origin, row.origin, published.origin} != {checkpoint.origin}:
        raise Broken("log, checkpoint and published rows do not name one log")
    if not published.size <= checkpoint.size <= row.size:
        raise Broken(f"served {checkpoint.size}, published {published.size}, committed {row.size}")
    if row.size == checkpoint.size and row.root != checkpoint.root:
        raise Broken("the committed root is not the served one")
    if session.scalar(select(StatementRow.digest).where(StatementRow.index == 0)) != known.genesis_digest:
        raise Broken("the first statement is not the genesis of this log", 0)


def _check_span(session: Session, history: SqlHistory, start: int, entries: Sequence[bytes], report: Report) -> None:
    end = start + len(entries)
    stored = {row.index: row for row in session.scalars(_span(EntryRow, start, end))}
    told = {row.index: row for row in session.scalars(_span(StatementRow, start, end))}
    derived: list[Rows] = []
    for index, data in enumerate(entries, start):
        _check_entry(index, data, stored.get(index))
        if (row := told.get(index)) is None:
            raise Broken("its statement is missing", index)
        entry = Entry.decode(data)
        derived.append(_check_statement(session, history, entry, row, report))
        report.entries += 1
    _check_derived(session, start, end, derived, report)
    session.expunge_all()


def _span(table: type[Any], start: int, end: int) -> Any:
    return select(table).where(table.index >= start, table.index < end).order_by(table.index)


def _check_entry(index: int, data: bytes, row: EntryRow | None) -> None:
    if row is None or row.entry != data:
        raise Broken("the database holds other bytes than the tiles", index)
    entry = Entry.decode(data)
    if (row.time_ms, row.digest, row.leaf) != (entry.time_ms, entry.digest, leaf_hash(data)):
        raise Broken("its row contradicts its bytes", index)


def _check_statement(session: Session, history: SqlHistory, entry: Entry, row: StatementRow, report: Report) -> Rows:
    """Check one statement against its entry and the log below it; returns the rows it must have."""
    index = row.index
    if row.digest != entry.digest:
        raise Broken("it commits to another statement", index)
    if row.jws is None:
        _check_erased(session, row)
        report.erased += 1
        return {SubjectKey: [{"key": key, "index": index} for key in entry.keys]}
    try:
        record = read_stored(row.jws, row.disclosures, row.digest, index, entry.time_ms)
        candidate = candidate_of(record)
    except (Fatal, Refused) as error:
        raise Broken(str(error), index) from None
    if candidate.keys != entry.keys:
        raise Broken("its subject keys are not its statement's", index)
    _check_rules(history, record, candidate, row, report)
    _check_columns(candidate, row)
    report.statements += 1

    def index_of(digest: bytes) -> int | None:
        return session.scalar(select(StatementRow.index).where(StatementRow.digest == digest))

    return derive(record, index_of)


def _check_erased(session: Session, row: StatementRow) -> None:
    by = session.scalar(select(StatementRow).where(StatementRow.index == row.erased_by, StatementRow.kind == "Erasure"))
    if by is None or by.index <= row.index or row.disclosures:
        raise Broken("its content is gone and no Erasure says so", row.index)
    erasure = read_stored(by.jws or b"", by.disclosures, by.digest, by.index, 0).statement
    if erasure.subject["digest"] != row.digest.hex():
        raise Broken("the Erasure it names is of another statement", row.index)


def _check_columns(candidate: Candidate, row: StatementRow) -> None:
    told = candidate
    event_key = None if row.repeats else told.event_key
    wanted = (told.signing_input_hash, told.kind, told.issuer, told.kid, told.event_id, event_key, told.valid_from, None)
    held = (
        row.signing_input_hash, row.kind, row.issuer, row.kid, row.event_id, row.event_key, row.valid_from, row.erased_by,
    )  # fmt: skip
    if held != wanted:
        raise Broken("its row contradicts its statement", row.index)


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
    repeats = event is not None and event.error_declaration
    if candidate.event_id is not None and not repeats:
        holder = report.event_ids.setdefault((statement.issuer, candidate.event_id), statement.digest)
        repeats = holder != statement.digest
        if repeats and (statement.kind != "Adoption" or statement.subject.get("adopts") != holder.hex()):
            raise Broken(f"its event ID {candidate.event_id} is an earlier event's", index)
    if row.repeats != int(repeats):
        raise Broken("its row contradicts its event ID", index)


def _check_derived(session: Session, start: int, end: int, derived: Sequence[Rows], report: Report) -> None:
    for table in DERIVED:
        columns = [one for one in table.__table__.c if one.name not in {"id", *_ASIDE.get(table, ())}]
        position = table.__table__.c.index
        rows = session.execute(select(*columns).where(position >= start, position < end))
        held = Counter(_canonical(row._mapping) for row in rows)
        names = {one.name for one in columns}
        told = (row for rows in derived for row in rows.get(table, ()))
        wanted = Counter(_canonical({name: value for name, value in row.items() if name in names}) for row in told)
        if held != wanted:
            first = min((json.loads(one) for one in (held - wanted) + (wanted - held)), key=lambda one: int(one["index"]))
            raise Broken(f"the table {table.__tablename__} says something else than its statement", first["index"])
        report.derived += sum(wanted.values())


def _canonical(row: Any) -> str:
    return json.dumps(dict(row), sort_keys=True, default=lambda value: value.hex() if isinstance(value, bytes) else str(value))


def _check_ends(session: Session, size: int) -> None:
    """Nothing is derived from entries that do not exist, and every closed recall is closed by the first that says so."""
    committed = session.scalar(select(func.count()).select_from(EntryRow)) or 0
    tables: tuple[type[Base], ...] = (StatementRow, *DERIVED)
    for table in tables:
        beyond = session.scalar(select(func.min(table.__table__.c.index)).where(table.__table__.c.index >= committed))
        if beyond is not None:
            raise Broken(f"the table {table.__tablename__} speaks of an entry that does not exist", beyond)
    notice, closing = aliased(RecallRow), aliased(RecallRow)
    first = select(func.min(closing.index)).where(closing.closes == notice.digest).scalar_subquery()
    for index, closed_by, wanted in session.execute(select(notice.index, notice.closed_by, first)):
        if closed_by != wanted and index < size:
            raise Broken("the recall is not closed by the notice that closes it first", index)
