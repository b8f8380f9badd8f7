"""
The file under an outbox: SQLite, its tables, and transactions that survive `kill -9` and a dead battery.

WAL with synchronous=FULL: what was committed is on the disk, not only in the kernel.  Mode 0600: it holds withheld members
in clear.  Not here: what the rows mean (outbox.py, seen.py).

Source: sqlite.org/pragma.html (synchronous, user_version).
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from producers.private import sync_path

BUSY_S = 10.0  # two commands at once: one waits for the other's transaction
# One tuple of statements per version.  A version that was ever used is never edited: another is appended.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE item (
            id INTEGER PRIMARY KEY,
            issuer TEXT NOT NULL,
            kid TEXT NOT NULL,
            kind TEXT NOT NULL,
            event_key TEXT,               -- eventID; of a declaration of error with its time
            content BLOB NOT NULL,        -- SHA-256 of what is told, however it was withheld
            signing_input BLOB NOT NULL UNIQUE,  -- SHA-256: a duplicate is judged by it
            digest BLOB NOT NULL,
            statement BLOB NOT NULL,
            state TEXT NOT NULL DEFAULT 'saved'
                CHECK (state IN ('saved', 'sent', 'published', 'witnessed', 'covered', 'refused')),
            saved_ms INTEGER NOT NULL,
            changed_ms INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            stored_digest BLOB,
            log_index INTEGER,
            time_ms INTEGER,
            proof TEXT,
            problem TEXT
        ) STRICT""",
        "CREATE UNIQUE INDEX item_event ON item (issuer, event_key) WHERE event_key IS NOT NULL",
        "CREATE INDEX item_state ON item (state, id)",
        "CREATE INDEX item_digest ON item (digest)",
        "CREATE INDEX item_stored ON item (stored_digest)",
        """CREATE TABLE log (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            policy TEXT NOT NULL,
            origin TEXT,
            size INTEGER,
            root BLOB,
            note TEXT,
            followed INTEGER NOT NULL DEFAULT 0  -- entries below this index were read
        ) STRICT""",
        "CREATE TABLE key (kid TEXT PRIMARY KEY, jwk TEXT NOT NULL) STRICT",  # public halves of what signed here
        """CREATE TABLE alarm (
            id INTEGER PRIMARY KEY,
            code TEXT NOT NULL,
            about TEXT NOT NULL,
            detail TEXT NOT NULL,
            at_ms INTEGER NOT NULL,
            UNIQUE (code, about)
        ) STRICT""",
    ),
    (
        # What was refused and replaced, or given up by its owner; an alarm that its owner has seen.
        "ALTER TABLE item ADD COLUMN ended TEXT CHECK (ended IN ('replaced', 'given up'))",
        "ALTER TABLE alarm ADD COLUMN acknowledged_ms INTEGER",
    ),
    # Hashes of item codes by the root that a commitment states, until the log has them (commitments.py).
    ("CREATE TABLE leaves (root BLOB PRIMARY KEY, leaves BLOB NOT NULL) STRICT",),
)


class OutboxRefused(ValueError):
    """This file is no outbox that this version can use."""


class OutboxBusy(Exception):
    """Another command writes to the outbox for longer than one waits."""

    def __init__(self) -> None:
        super().__init__(
            "another command is using the outbox: nothing was lost, try again when it has ended / "
            "另一个命令正在使用发件箱:没有丢失任何内容,请待其结束后重试"
        )


def connect(path: Path) -> sqlite3.Connection:
    """Open or create the file and bring its tables up to date.  Raises OutboxRefused, OutboxBusy, OSError."""
    if path.is_dir():
        raise OutboxRefused(f"{path} is a folder: an outbox is a file, as {path / 'outbox.db'} / 这是文件夹,发件箱应为文件")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _create(path)
    return _open(path)


def _create(path: Path) -> None:
    # Made whole beside its place and then linked there: two first commands at once would otherwise meet while one of
    # them switches to WAL, which SQLite does not let the other wait for.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite would let others read it
    try:
        _open(temporary).close()  # the last to close writes everything into the one file
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
    sync_path(path.parent)


def _open(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise _unusable(path, error) from None
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _migrate(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.DatabaseError | OutboxRefused):
            raise (OutboxBusy() if _is_busy(error) else _unusable(path, error)) from None
        raise
    return connection


def _unusable(path: Path, error: Exception) -> OutboxRefused:
    return OutboxRefused(f"{path} cannot be used as an outbox / 无法用作发件箱: {error}")


def _is_busy(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; whatever is raised inside passes through after a rollback.  Raises OutboxBusy."""
    # IMMEDIATE: whoever will write says so at once, so that two commands wait for each other and neither fails.
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if _is_busy(error):
            raise OutboxBusy from None
        raise
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    with transaction(connection):
        version = _version(connection)  # again: another command may have been first
        if version > len(MIGRATIONS):
            raise OutboxRefused(f"made by a newer version ({version}) / 由更新的版本创建")
        for migration in MIGRATIONS[version:]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
