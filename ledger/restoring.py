"""
Restoring a backup without forking the log.

A backup is older than the log it was made of.  If anything was published since, a restored database that went on would sign a
second tree over the same sizes, and witnesses and the contract would convict us of it.  So the backup is compared with what
others have seen (seen.py); where it is behind, either every missing entry is recovered (recovering.py), or the log ends here
and a successor goes on.

The old database is put aside, never deleted.  Nothing here signs.

Source: c2sp.org/tlog-checkpoint ("MUST NOT sign any checkpoint inconsistent with one it previously signed").
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DatabaseError

from ledger.backup import FILE, BadBackup, copy_rows, read_backup, verified_head
from ledger.db import Database, open_database
from ledger.freezing import announce
from ledger.keys import Keys
from ledger.migrate import upgrade
from ledger.models import Base, Log
from ledger.models.freezing import FreezeRow
from ledger.objects import HttpObjects
from ledger.observing import Begin, unwatched
from ledger.recovering import finder, missing_entries, recover_entries, statements_in
from ledger.running import database_of, store_of
from ledger.seen import Seen, own_file, seen_by_database, seen_by_others
from ledger.settings import Settings
from ledger.tiles import RightEdge, TileStore
from producers.private import sync_path
from verify.checkpoint import Checkpoint


class Behind(Exception):
    """The backup is older than what was published: signing on from it would fork the log."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asks for."""

    folder: Path
    statements: Sequence[Path] = ()
    """Files with statements, one a line: from outboxes, partners, mirrors."""
    server: str = ""
    """A service that still answers reads of this log."""
    published_size: int | None = None
    """What the operator knows to have been published, from a receipt or a monitor."""
    successor: str | None = None
    """End the log at the backup, and name the log that goes on."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done."""

    size: int
    recovered: int
    frozen: bool
    aside: Sequence[Path]


def restore(settings: Settings, keys: Keys, wish: Wish, *, now_ms: int, begin: Begin = unwatched) -> Restored:
    """
    Put a backup in place of the configured database; the caller holds the sequencer's lock, and no service runs.

    Raises BadBackup, Behind, Gap; Fatal where tiles or statements are not this log's.
    """
    told = read_backup(wish.folder)
    if told.origin != settings.origin:
        raise BadBackup(f"this is a backup of {told.origin}, the log here is {settings.origin}")
    # A copy, so that the backup stays what it was; beside its place, so that it gets there in one step.
    work = settings.data / "restoring"
    shutil.rmtree(work, ignore_errors=True)  # a journal that a crash left beside an older copy would be played into this one
    work.mkdir(mode=0o700, parents=True)
    shutil.copyfile(wish.folder / FILE, work / FILE)
    try:
        copy = open_database(f"sqlite:///{work / FILE}")
        try:
            upgrade(copy)
            head, edge = verified_head(copy, keys.log.vkey, keys.clock.vkey, begin)
            behind = _behind(settings, keys, copy, told.checkpoint, head, wish)
            recovered = _bring_forward(settings, keys, copy, edge, wish, behind, now_ms) if behind or wish.successor else 0
        finally:
            copy.close()
        aside = _put_in_place(settings, work / FILE, f"before-restore-{now_ms}", begin)
    finally:
        shutil.rmtree(work)
    return Restored(head.size + recovered, recovered, wish.successor is not None, aside)


def _behind(settings: Settings, keys: Keys, copy: Database, body: str, head: Checkpoint, wish: Wish) -> list[Seen]:
    """Who saw a larger log than the backup's.  Raises Behind where nobody says anything, or nothing can be done about it."""
    seen = [*seen_by_others(settings, keys, copy, body, _store(settings, wish)), *_replaced(settings, keys, copy)]
    if wish.published_size is not None:
        seen.append(Seen("the operator", wish.published_size))
    if not seen:
        raise Behind(
            "nobody says how far the log was published: the tile store is empty, the old database unreadable, no witness and no "
            "chain answers.  Read the size off the newest receipt or monitor that anybody has: --published-size N"
        )
    ahead = [one for one in seen if one.size > head.size]
    if ahead and wish.successor is None and not (wish.statements or wish.server):
        newest = max(ahead, key=lambda one: one.size)
        raise Behind(
            f"the backup holds {head.size} entries, and {newest.who} has seen {newest.size}: signing on from it would fork the "
            "log.  Recover what lies in between with --statements FILE or --from URL, or end this log with --as-successor ORIGIN"
        )
    return ahead


def _replaced(settings: Settings, keys: Keys, copy: Database) -> list[Seen]:
    """What the database in place knows.  Raises Behind as `_insist_it_grows` does."""
    own = own_file(settings)
    if own is not None and not own.exists():
        return []  # opening it would make an empty one
    database = database_of(settings)
    try:
        _insist_it_grows(database, copy)
        return seen_by_database(database, keys)
    finally:
        database.close()


def _insist_it_grows(database: Database, copy: Database) -> None:
    """Raise Behind where the database that is being replaced was frozen and the backup does not know."""
    try:
        with database.reading() as session, copy.reading() as other:
            frozen = session.scalar(select(FreezeRow.successor)) is not None
            if frozen and other.scalar(select(FreezeRow.successor)) is None:
                raise Behind("this log was frozen after the backup was made; restored, it would grow again")
    except DatabaseError:
        return  # unreadable, or no table yet: nothing is known of a freeze


def _bring_forward(
    settings: Settings, keys: Keys, copy: Database, edge: RightEdge, wish: Wish, ahead: Sequence[Seen], now_ms: int
) -> int:
    """Recover what is missing, or end the log; how many entries came back."""
    if wish.successor is not None:
        with copy.writing() as session:
            announce(session, settings.origin, successor=wish.successor, url="", now_ms=now_ms)
            session.commit()
        return 0
    kept = statements_in(line for path in wish.statements for line in path.read_bytes().split(b"\n"))
    missing = missing_entries(_store(settings, wish), keys, edge)
    if missing.published.checkpoint.size < max(one.size for one in ahead):
        raise Behind("the public tiles at hand are older than what others have seen: give another mirror with --from")
    with copy.writing() as session:
        recover_entries(session, settings.origin, missing, finder(kept, wish.server))
        session.commit()
    return len(missing.entries)


def _store(settings: Settings, wish: Wish) -> TileStore:
    """Our own tiles, or those of a mirror where one is named and ours are gone."""
    own = store_of(settings)
    if wish.server and own.read_checkpoint() is None:
        return TileStore(HttpObjects(f"{wish.server.rstrip('/')}/log"))
    return own


def _put_aside(database_file: Path, mark: str) -> list[Path]:
    """Rename a SQLite file and its journal, so that nothing of it is lost; returns the new names."""
    moved = []
    for path in (database_file, *(database_file.with_name(database_file.name + end) for end in ("-wal", "-shm"))):
        if path.exists():
            aside = path.with_name(f"{path.name}.{mark}")
            shutil.move(path, aside)
            moved.append(aside)
    return moved


def _put_in_place(settings: Settings, file: Path, mark: str, begin: Begin) -> list[Path]:
    own = own_file(settings)
    if own is not None:
        own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = _put_aside(own, mark)
        sync_path(file)
        # A crash before this line leaves no database, and the backup; after it, the restored one.
        shutil.move(file, own)
        sync_path(own.parent)
        return aside
    target, source = database_of(settings), open_database(f"sqlite:///{file}")
    try:
        upgrade(target)
        with target.reading() as session:
            if session.scalar(select(Log.origin)) is not None:
                raise BadBackup("the configured database holds a log: create an empty one and name it in ORIGINMARK_DATABASE_URL")
        with source.engine.connect() as old, target.engine.begin() as new:
            copy_rows(old, new, begin)
            _set_counters(new)
    finally:
        source.close()
        target.close()
    return []


def _set_counters(connection: Connection) -> None:
    """Let PostgreSQL number new rows after the copied ones."""
    for table in Base.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        newest = connection.scalar(select(func.max(column)))
        if newest is not None:
            sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name})
            if sequence is not None:
                connection.execute(text("SELECT setval(:sequence, :newest)"), {"sequence": sequence, "newest": newest})

