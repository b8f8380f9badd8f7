"""
Backups: one folder with everything that cannot be derived, whichever database it came from.

    ledger.db        a SQLite file: of SQLite the file itself (online backup API), of PostgreSQL every row of one snapshot
    manifest.json    origin, size and root of the log in it, the checkpoint's note, the file's SHA-256
    keys/            only if asked for, mode 0600
    .unfinished/     all of these until they are whole; in the folder and not beside it, which may be another disk's

Not in it: tiles (the entries give them), what waits to be sequenced (nobody was promised anything), and the memory of our own
witnesses, since who rolls that back can have a fork cosigned.  A backup is read back and its root computed before it is
called one.
What was erased after it was made is still in it: keep backups no longer than the law lets you.

Source: sqlite.org/backup.html; PostgreSQL 15, sections 13.2.2 (repeatable read) and 26 (what this does not replace).
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, func, insert, select

from ledger.db import Database, alone_in, open_database
from ledger.keys import Keys
from ledger.migrate import check, upgrade
from ledger.models import Base, CheckpointRow, EntryRow, Log
from ledger.observing import Begin, unwatched
from ledger.problems import Fatal
from ledger.signing import open_signed
from ledger.tiles import RightEdge
from producers.private import create_private, sync_path
from verify.checkpoint import Checkpoint
from verify.merkle import leaf_hash
from verify.note import VerifierKey
from verify.strict import b64_decode, b64_encode

FILE, MANIFEST, KEYS, DRAFT = "ledger.db", "manifest.json", "keys", ".unfinished"
FORMAT = 1
ROWS = 5_000  # rows copied or hashed at once
LEFT_OUT = ("parcels", "refusals")  # tables whose rows are nobody's promise


class BadBackup(Exception):
    """The folder is no backup that may be restored, or none may be written there."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself; believed only after `read_backup` has computed it again."""

    format: int
    origin: str
    size: int
    root: str
    """Base64."""
    checkpoint: str
    """The signed note."""
    log_key: str
    made_ms: int
    engine: str
    sha256: str
    """Of FILE, hex."""


def make_backup(
    database: Database, keys: Keys, folder: Path, *, now_ms: int, keys_from: Path | None = None, begin: Begin = unwatched
) -> Manifest:
    """
    Write a backup into `folder`, which must be empty or absent; the log may go on meanwhile.

    Raises BadBackup where the copy does not give the signed root: then the database is damaged, and older backups matter; Busy
    where another backup is being written there.  Whatever it raises, the folder is as it was before; what a killed one left does
    not stop the next.
    """
    is_new = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone_in(folder):
        return _fill(folder, lambda draft: _write(database, keys, draft, now_ms, keys_from, begin), is_new)


def _fill(folder: Path, write: Callable[[Path], Manifest], is_new: bool) -> Manifest:
    draft = folder / DRAFT
    if draft.exists():
        # What a backup left that was killed.  It had begun to move its files where its manifest is still in the draft.
        _clear(folder, (FILE, KEYS) if (draft / MANIFEST).exists() else ())
    if any(folder.iterdir()):
        raise BadBackup(f"{folder} is not empty")
    draft.mkdir(mode=0o700)
    try:
        told = write(draft)
        for name in (FILE, KEYS, MANIFEST):
            if (draft / name).exists():
                (draft / name).rename(folder / name)
                sync_path(folder)
    except BaseException:
        _clear(folder, (MANIFEST, FILE, KEYS))
        if is_new:
            folder.rmdir()
        raise
    shutil.rmtree(draft)
    return told


def _write(
    database: Database, keys: Keys, folder: Path, now_ms: int, keys_from: Path | None, begin: Begin
) -> Manifest:
    target = folder / FILE
    target.touch(mode=0o600)
    if database.is_sqlite:
        _copy_file(Path(database.engine.url.database or ""), target)
    else:
        _copy_rows(database, target, begin)
    copy = open_database(f"sqlite:///{target}")
    try:
        head, _ = verified_head(copy, keys.log.vkey, keys.clock.vkey, begin)
        body = _body(copy)
    finally:
        copy.close()
    if keys_from is not None:
        copy_keys(keys_from, folder / KEYS)
    told = Manifest(
        FORMAT, head.origin, head.size, b64_encode(head.root), body, keys.log.vkey.format(), now_ms,
        database.engine.dialect.name, _digest(target),
    )  # fmt: skip
    _write_last(folder / MANIFEST, json.dumps(asdict(told), indent=1) + "\n")
    return told


def _clear(folder: Path, names: Sequence[str]) -> None:
    """Take away what a backup wrote that did not come to its end; the draft last, since it says that the rest is ours."""
    for path in (*(folder / name for name in names), folder / DRAFT):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def read_backup(folder: Path) -> Manifest:
    """Read a backup's manifest and check its file against it.  Raises BadBackup."""
    try:
        told = Manifest(**json.loads((folder / MANIFEST).read_text("utf-8")))
        b64_decode(told.root, length=32)
    except (OSError, ValueError, TypeError) as error:
        raise BadBackup(f"{folder} holds no complete backup: {error}") from None
    if told.format != FORMAT:
        raise BadBackup(f"the backup has format {told.format}, this version reads {FORMAT}")
    if _digest(folder / FILE) != told.sha256:
        raise BadBackup(f"{folder / FILE} is not the file that was written: it is damaged, or was opened by something")
    return told


def verified_head(
    database: Database, log: VerifierKey, clock: VerifierKey, begin: Begin = unwatched
) -> tuple[Checkpoint, RightEdge]:
    """The checkpoint of a database whose entries give its root, every byte hashed anew, and their tree.  Raises BadBackup."""
    edge = RightEdge()
    try:
        signed = open_signed(_body(database), log, clock)
    except Fatal as error:
        raise BadBackup(str(error)) from None
    advance = begin("读回条目 entries read back", signed.checkpoint.size)
    with database.reading() as session:
        for start in range(0, signed.checkpoint.size, ROWS):
            end = min(start + ROWS, signed.checkpoint.size)
            wanted = select(EntryRow.entry).where(EntryRow.index >= start, EntryRow.index < end).order_by(EntryRow.index)
            edge = edge.extend([leaf_hash(entry) for entry in session.scalars(wanted)])[0]
            advance(end - start)
    if (edge.size, edge.root() if edge.size else b"") != (signed.checkpoint.size, signed.checkpoint.root):
        raise BadBackup(f"the entries do not give the signed root of {signed.checkpoint.size}")
    return signed.checkpoint, edge


def copy_rows(source: Connection, target: Connection, begin: Begin = unwatched) -> None:
    """Copy every row of our tables, in an order in which none misses another."""
    tables = [table for table in Base.metadata.sorted_tables if table.name not in LEFT_OUT]
    advance = begin("复制行 rows copied", sum(source.scalar(select(func.count()).select_from(table)) or 0 for table in tables))
    for table in tables:
        found = source.execution_options(yield_per=ROWS).execute(select(table))
        for part in found.mappings().partitions(ROWS):
            target.execute(insert(table), [dict(row) for row in part])
            advance(len(part))


def copy_keys(source: Path, target: Path) -> None:
    """Copy private keys, readable by nobody else; a key that is there already is kept."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in sorted(source.glob("*.pem")):
        if not (target / path.name).exists():
            # Whole and on the disk, or not there at all: a key that a power cut left empty would pass for one that is kept.
            create_private(target / path.name, path.read_bytes())


def _copy_file(source: Path, target: Path) -> None:
    # In one step, under one read transaction: in steps it would begin anew whenever the sequencer commits.
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new, pages=-1)
        for name in LEFT_OUT:
            new.execute(f"DELETE FROM {name}")  # noqa: S608 - our own names
        new.commit()
        new.execute("PRAGMA journal_mode=DELETE")  # one file, complete when it is closed


def _copy_rows(source: Database, target: Path, begin: Begin) -> None:
    check(source)
    copy = open_database(f"sqlite:///{target}")
    try:
        upgrade(copy)
        with source.engine.connect().execution_options(isolation_level="REPEATABLE READ") as old, copy.engine.begin() as new:
            copy_rows(old, new, begin)
        with copy.engine.connect() as last:
            last.connection.driver_connection.execute("PRAGMA journal_mode=DELETE")  # type: ignore[union-attr]
    finally:
        copy.close()


def _body(database: Database) -> str:
    with database.reading() as session:
        origin = session.scalar(select(Log.origin))
        body = session.scalar(select(CheckpointRow.body).where(CheckpointRow.origin == origin))
    if body is None:
        raise BadBackup("there is no log in it")
    return body


def _digest(path: Path) -> str:
    seen = sha256()
    with path.open("rb") as file:
        while block := file.read(1_048_576):
            seen.update(block)
    return seen.hexdigest()


def _write_last(path: Path, text: str) -> None:
    """A folder without a manifest is no backup: it is written when everything else is on the disk."""
    sync_path(path.parent / FILE)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_path(path.parent)
