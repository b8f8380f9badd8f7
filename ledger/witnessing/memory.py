"""
A witness's memory: one SQLite file with the last tree it cosigned of every log, and what it caught.

Trusted: whoever rolls this file back can have a fork cosigned.  So it is made once, with the key it belongs to, and never made
anew beside a key that has cosigned.  WAL with synchronous=FULL: what was committed is on the disk, not only in the kernel.

It is plain sqlite3 and not the ledger's database, since a witness that shares a store with its log is no second memory.

Source: c2sp.org/tlog-witness ("The witness MUST persist the new checkpoint before responding"); sqlite.org/pragma.html.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from producers.private import sync_path
from verify.merkle import EMPTY_ROOT, Hash
from verify.note import VerifierKey

BUSY_S = 10.0  # how long one request waits for another's transaction
MAX_CLAIMS = 64  # a log; anyone can send a good checkpoint with a bad proof, so these must not fill the disk
VERSION = 1
TABLES = (
    "CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), vkey TEXT NOT NULL) STRICT",
    "CREATE TABLE log (vkey TEXT PRIMARY KEY, origin TEXT NOT NULL) STRICT",
    """CREATE TABLE head (
        origin TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        root BLOB NOT NULL,
        note TEXT NOT NULL,        -- with the log's line and ours; empty before the first
        time_s INTEGER NOT NULL,   -- of our cosignature
        convicted INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    """CREATE TABLE evidence (
        id INTEGER PRIMARY KEY,
        origin TEXT NOT NULL,
        convicts INTEGER NOT NULL,
        time_s INTEGER NOT NULL,
        body TEXT NOT NULL UNIQUE,
        remark TEXT NOT NULL DEFAULT ''  -- why a human let the log go on
    ) STRICT""",
)


class MemoryRefused(Exception):
    """This file is no memory that this witness may use."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The last tree of one log that was cosigned; size 0 and no note where none was."""

    origin: str
    size: int = 0
    root: Hash = EMPTY_ROOT
    note: str = ""
    time_s: int = 0
    convicted: bool = False
    """Two checkpoints of this log cannot both be true: nothing of it is cosigned until a human decides."""


@dataclass(frozen=True, slots=True)
class Caught:
    """A piece of evidence (verify/checkpoint.py).  One that does not convict is a claim: tiles may yet decide it."""

    origin: str
    convicts: bool
    time_s: int
    body: str
    remark: str


@dataclass(frozen=True, slots=True)
class Memory:
    """The file.  Every call is one transaction of its own; several threads and processes may call."""

    path: Path

    @classmethod
    def create(cls, path: Path, vkey: VerifierKey) -> "Memory":
        """Make the file of a witness that has never cosigned.  Raises FileExistsError."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made whole beside its place and linked there: a crash on the way must not leave a memory without its tables.
        temporary = cls(path.with_name(f".{path.name}.{secrets.token_hex(8)}"))
        os.close(os.open(temporary.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            temporary._fill(vkey)
            os.link(temporary.path, path)
        finally:
            temporary.path.unlink()
        sync_path(path.parent)
        return cls(path)

    def _fill(self, vkey: VerifierKey) -> None:
        with self._reading() as db:
            db.execute("PRAGMA journal_mode=WAL")  # the file remembers it
        with self._writing() as db:
            for statement in TABLES:
                db.execute(statement)
            db.execute("INSERT INTO identity VALUES (1, ?)", (vkey.format(),))
            db.execute(f"PRAGMA user_version = {VERSION}")

    @classmethod
    def open(cls, path: Path, vkey: VerifierKey) -> "Memory":
        """Open the file that belongs to `vkey`.  Raises MemoryRefused where it is missing, damaged or another's."""
        if not path.exists():
            raise MemoryRefused(f"{path} is missing: a witness without its memory would cosign a fork")
        opened = cls(path)
        try:
            with opened._reading() as db:
                version = db.execute("PRAGMA user_version").fetchone()[0]
                (owner,) = db.execute("SELECT vkey FROM identity").fetchone()
        except (sqlite3.DatabaseError, TypeError) as error:
            raise MemoryRefused(f"{path} cannot be read: {error}") from None
        if version != VERSION or owner != vkey.format():
            raise MemoryRefused(f"{path} is the memory of another key or version ({owner}, {version})")
        return opened

    def follow(self, log: VerifierKey) -> None:
        """Cosign for a log from now on, also under this key."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO log VALUES (?, ?)", (log.format(), log.name))
            first = Remembered(log.name)
            db.execute("INSERT OR IGNORE INTO head VALUES (?, ?, ?, '', 0, 0)", (first.origin, first.size, first.root))

    def keys(self, origin: str) -> list[VerifierKey]:
        """The keys that we accept for a log; none where we do not follow it."""
        with self._reading() as db:
            rows = db.execute("SELECT vkey FROM log WHERE origin = ? ORDER BY vkey", (origin,)).fetchall()
        return [VerifierKey.parse(vkey) for (vkey,) in rows]

    def heads(self, origin: str | None = None) -> list[Remembered]:
        """Every log that we follow, by origin; or the one named."""
        wanted = "SELECT origin, size, root, note, time_s, convicted FROM head WHERE ?1 IN ('', origin) ORDER BY origin"
        with self._reading() as db:
            rows = db.execute(wanted, (origin or "",)).fetchall()
        return [Remembered(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in rows]

    def swap(self, old: Remembered, new: Remembered) -> bool:
        """Put `new` in the place of `old`, if that still stands; it is on the disk when this returns."""
        with self._writing() as db:
            done = db.execute(
                "UPDATE head SET size = ?, root = ?, note = ?, time_s = ?"
                " WHERE origin = ? AND size = ? AND root = ? AND time_s = ? AND convicted = 0",
                (new.size, new.root, new.note, new.time_s, old.origin, old.size, old.root, old.time_s),
            )
            return done.rowcount == 1

    def keep(self, caught: Caught) -> None:
        """Store evidence; what convicts ends the cosigning for its log in the same transaction."""
        with self._writing() as db:
            row = (caught.origin, caught.convicts, caught.time_s, caught.body)
            db.execute("INSERT OR IGNORE INTO evidence (origin, convicts, time_s, body) VALUES (?, ?, ?, ?)", row)
            if caught.convicts:
                db.execute("UPDATE head SET convicted = 1 WHERE origin = ?", (caught.origin,))
            db.execute(
                "DELETE FROM evidence WHERE origin = ?1 AND NOT convicts AND id NOT IN"
                " (SELECT id FROM evidence WHERE origin = ?1 AND NOT convicts ORDER BY id DESC LIMIT ?2)",
                (caught.origin, MAX_CLAIMS),
            )

    def caught(self, origin: str | None = None) -> list[Caught]:
        """All evidence, oldest first."""
        with self._reading() as db:
            rows = db.execute("SELECT origin, convicts, time_s, body, remark FROM evidence ORDER BY id").fetchall()
        found = [Caught(row[0], bool(row[1]), row[2], row[3], row[4]) for row in rows]
        return [one for one in found if origin in (None, one.origin)]

    def resume(self, origin: str, remark: str) -> bool:
        """Let a convicted log go on from the tree we cosigned last, and note why; False where nothing stands against it."""
        with self._writing() as db:
            done = db.execute("UPDATE head SET convicted = 0 WHERE origin = ? AND convicted = 1", (origin,))
            if done.rowcount == 1:
                noted = "UPDATE evidence SET remark = ltrim(remark || char(10) || ?, char(10)) WHERE origin = ? AND convicts"
                db.execute(noted, (remark, origin))
            return done.rowcount == 1

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        # Never `rwc`: a file that is gone must not come back empty.
        where = f"{self.path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(where, uri=True, timeout=BUSY_S, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=FULL")
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
