"""
The audit: derive everything again, from the entries up, and name the first thing that is not as it must be.

    audit_served      a store alone, ours or somebody else's
    audit_ledger      and the database: statements, signatures, grants, event IDs, control statements (audit_statements.py),
                      every derived row (audit_derived.py), subject keys (audit_keys.py), and what stands beside the log
                      (audit_beside.py)

What the log says nothing of, and the audit therefore cannot vouch for, is listed in audit_columns.py.

The judgements are those of verify/, the derivations those of project.py; nothing here knows a rule of its own.  What an
erasure has made uncheckable is counted, not passed over in silence.

Source: Tessera's fsck; protocol.md sections 1 and 2.
"""

from contextlib import closing

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledger.audit_beside import check_beside, check_heads
from ledger.audit_derived import check_ends
from ledger.audit_event_ids import EventIds
from ledger.audit_keys import KeysCheck, check_unique
from ledger.audit_statements import Report, Seen, check_rules, check_span
from ledger.audit_tiles import Broken, audit_tiles, read_served
from ledger.db import Database
from ledger.observing import Advance, Begin, unwatched
from ledger.registry import SqlHistory
from ledger.tiles import TileStore
from verify.note import VerifierKey

WHAT = "核对条目 entries audited"


def audit_served(
    store: TileStore, log: VerifierKey | None = None, clock: VerifierKey | None = None, begin: Begin = unwatched
) -> Report:
    """Audit a store under the keys that the auditor trusts; without a key the signature is not checked.  Raises Broken."""
    report = Report(read_served(store, log, clock))
    advance = begin(WHAT, report.served.checkpoint.size)
    for _, entries in audit_tiles(store, report.served.checkpoint):
        report.entries += len(entries)
        advance(len(entries))
    return report


def audit_ledger(
    database: Database, store: TileStore, log: VerifierKey, clock: VerifierKey, begin: Begin = unwatched
) -> Report:
    """Audit our own ledger: everything below the served checkpoint, and that nothing is beyond it.  Raises Broken."""
    with database.reading() as session:
        if database.is_sqlite:
            _check_file(session)
        else:  # SQLite reads one snapshot anyway
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        report = Report(read_served(store, log, clock))
        size = report.served.checkpoint.size
        check_heads(session, report.served, log, clock)
        with closing(EventIds()) as event_ids:
            seen = Seen(KeysCheck(session), event_ids)
            _check_entries(session, store, log.name, report, seen, begin(WHAT, size))
        check_ends(session, size, seen.keys)
        check_unique(session)
        check_beside(session, store, report.served)
        return report


def _check_entries(
    session: Session, store: TileStore, origin: str, report: Report, seen: Seen, advance: Advance
) -> None:
    history = None
    for start, entries in audit_tiles(store, report.served.checkpoint):
        told = check_span(session, store, start, entries, report, seen)
        # What is judged by is compared first: a changed grant is named itself, and not those who lean on it.
        history = history or SqlHistory(session, origin)
        for row, record, candidate in told:
            check_rules(history, record, candidate, row, report)
        session.expunge_all()
        advance(len(entries))


def _check_file(session: Session) -> None:
    """Have SQLite check its own pages: a damaged index or a table that nothing here reads would go unseen otherwise."""
    found = session.scalar(text("PRAGMA integrity_check(1)"))
    if found != "ok":
        raise Broken(f"the database file is damaged, restore it from a backup: {found}")
