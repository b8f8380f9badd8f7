"""
Auditing statements: what the tables hold of each entry, and whether it may stand where it stands.

    check_span     rows against entries and against what the statement itself says, one span of entries at a time
    check_rules    signature, authority and serials, judged again from what was logged before

Source: protocol.md sections 1 and 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.audit_derived import check_derived, read_span
from ledger.audit_event_ids import EventIds
from ledger.audit_keys import KeysCheck
from ledger.audit_tiles import Broken, Served, bundle_at, insist_same
from ledger.candidates import Candidate, candidate_of, read_stored
from ledger.finding import has_digest
from ledger.models import EntryRow, StatementRow
from ledger.problems import Fatal
from ledger.project import Rows, derive
from ledger.registry import SqlHistory
from ledger.tiles import TileStore
from verify.authority import check_control, check_serials, key_at
from verify.entry import Entry
from verify.errors import VerificationError
from verify.merkle import leaf_hash
from verify.statement import verify_signature
from verify.subjects import Record
from verify.tiles import WIDTH

# What an erased event or master data would have shown.  With nothing erased these are findings like any other.
_NEEDS_CONTENT = frozenset(("not-commissioner", "not-recall-owner"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What an audit keeps from span to span to compare with."""

    keys: KeysCheck
    event_ids: EventIds


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


Told = tuple[StatementRow, Record, Candidate]
"""A statement as stored and as read again."""


def check_span(
    session: Session, store: TileStore, start: int, entries: Sequence[bytes], report: Report, seen: Seen
) -> list[Told]:
    """Compare rows with entries, and derived rows with statements; returns the statements to be judged."""
    end, size = start + len(entries), report.served.checkpoint.size
    stored = {row.index: row for row in read_span(session, EntryRow, start, end)}
    held = {row.index: row for row in read_span(session, StatementRow, start, end)}
    told: list[Told] = []
    derived: list[Rows] = []
    for index, data in enumerate(entries, start):
        _check_entry(store, index, data, stored.get(index), size)
        if (row := held.get(index)) is None:
            raise Broken("it is missing in the table statements", index)
        read = _check_statement(session, Entry.decode(data), row, report, seen.event_ids)
        told += read[:1]
        if read:
            derived.append(_derived(session, *read[0][1:]))
        report.entries += 1
    report.derived += seen.keys.compare(start, entries, held)
    report.derived += check_derived(session, start, end, derived)
    return told


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


def _check_statement(session: Session, entry: Entry, row: StatementRow, report: Report, event_ids: EventIds) -> list[Told]:
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
    except Fatal as error:
        raise Broken(f"statements.jws or statements.disclosures: {error}", index) from None
    if candidate.keys != entry.keys:
        raise Broken("its subject keys are not its statement's", index)
    _check_columns(candidate, row, _repeats(record, candidate, row, event_ids))
    report.statements += 1
    return [(row, record, candidate)]


def _derived(session: Session, record: Record, candidate: Candidate) -> Rows:
    """The rows that a statement must have."""
    return derive(record, lambda digest: session.scalar(select(StatementRow.index).where(has_digest(digest))), candidate.rows)


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


def _repeats(record: Record, candidate: Candidate, row: StatementRow, event_ids: EventIds) -> bool:
    """Whether its event ID is an earlier event's on purpose.  Raises Broken where it is without one."""
    statement, event = record.statement, record.event
    if event is not None and event.error_declaration:
        return True
    if candidate.event_id is None:
        return False
    holder = event_ids.holder(statement.issuer, candidate.event_id, statement.digest)
    if holder == statement.digest:
        return False
    if statement.kind != "Adoption" or statement.subject.get("adopts") != holder.hex():
        raise Broken(f"its event ID {candidate.event_id} is an earlier event's", row.index)
    return True


def check_rules(history: SqlHistory, record: Record, candidate: Candidate, row: StatementRow, report: Report) -> None:
    """Judge a statement again by what was logged before it.  Raises Broken."""
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
