"""
The database: one engine, sessions that read, that write, and that note.

SQLite has one writer: a transaction that will write says so when it begins (BEGIN IMMEDIATE), since one that reads first and
then wants to write cannot wait its turn.  Nothing here commits; whoever opens a unit of work does, at its end.

A commit of `writing` is on the disk when it returns.  One of `noting` is seen by everybody at once, and may be lost in a power
cut, with every later note and with nothing else: both databases write one journal in order, and the next commit of `writing`
takes all before it to the disk.  So a note may hold only what a start can find out again.  Where replicas confirm commits it
waits for them as any other.

Source: sqlite.org/wal.html, sqlite.org/lang_transaction.html, sqlite.org/pragma.html#pragma_synchronous; PostgreSQL manual,
"Asynchronous Commit".
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

BUSY = 10_000  # ms that a writer waits for another
SEQUENCER_LOCK = 0x4F726967  # "Orig": one advisory lock of PostgreSQL per database
# What only a sequencer writes.  Whoever gets the right to sequence ends the transactions of whoever had it: a frozen process
# would hold its rows for ever, and everybody would wait for it.
_FENCE = """
    SELECT pg_terminate_backend(l.pid) FROM pg_locks l
      JOIN pg_class c ON c.oid = l.relation JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
     WHERE l.mode = 'RowExclusiveLock' AND c.relname IN ('entries', 'checkpoint', 'published') AND l.pid <> pg_backend_pid()
"""
# Where replicas confirm commits they confirm notes, too: one of them is the next primary, and readers would be told by it, until
# a sequencer has begun there, that what they have a receipt of is pending.
_UNHURRIED = """
    SELECT set_config('synchronous_commit',
                      CASE current_setting('synchronous_standby_names') WHEN '' THEN 'off' ELSE 'on' END, true)
"""
WRITE, NOTE = "write", "note"  # kinds of transactions
POOLS = (10, 5)  # connections to PostgreSQL that read, and that write, and 5 more of each in need: it has 100, for all processes
SILENCE_S = 15  # a leader that checked nothing for so long is taken for dead, though its machine keeps the connection open


CHUNK = 500  # values of one IN; SQLite takes 32,766
T = TypeVar("T")


class Busy(Exception):
    """Another process holds the lock that this one needs."""


class LeaseLost(Exception):
    """The connection that held the right to sequence is gone, and the right with it: another process may have it now."""


@dataclass(frozen=True, slots=True)
class Database:
    """An engine, and how to open sessions on it.  `writing` and `noting` take SQLite's write lock at once; keep those short."""

    engine: Engine
    reading: sessionmaker[Session]
    writing: sessionmaker[Session]
    noting: sessionmaker[Session]
    writer: Engine
    """Where those two get their connections: few, that are used again and again and keep what they have learnt.  On SQLite one,
    since nobody else writes in this process."""

    @property
    def is_sqlite(self) -> bool:
        """Whether there is one writer and one process."""
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Close every connection."""
        self.writer.dispose()
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open a database by URL (`sqlite:///…`, `postgresql://…`); creates the folder of a SQLite file, no tables."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        # Keepalives: a primary that vanished without a word is noticed in seconds, not in TCP's two hours.
        alive = {"keepalives": 1, "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3, "connect_timeout": 5}
        engine, writer = (
            create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True, pool_size=size, max_overflow=5, pool_use_lifo=True,
                connect_args={name: value for name, value in alive.items() if name not in parsed.query},
            )
            for size in POOLS
        )  # fmt: skip
        event.listen(writer, "connect", _plan_once)
    else:
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _adapt_nothing()
        engine, writer = create_engine(parsed), create_engine(parsed, pool_size=1, max_overflow=0, pool_timeout=BUSY / 1000)
    for one in {engine, writer}:
        if one.dialect.name == "sqlite":
            event.listen(one, "connect", _configure)
        event.listen(one, "begin", _begin)
        event.listen(one, "reset", _end)
    writing, noting = (sessionmaker(writer.execution_options(originmark=kind)) for kind in (WRITE, NOTE))
    return Database(engine, sessionmaker(engine), writing, noting, writer)


def _adapt_nothing() -> None:
    # sqlite3 looks twice for what bytes and None should become, for as long as the rest of their insertion takes.  Told that
    # they become themselves, it looks nowhere; a statement has fifteen of them.
    sqlite3.register_adapter(bytes, bytes.__bytes__)
    sqlite3.register_adapter(type(None), {None: None}.get)


def _plan_once(connection: Any, _record: object) -> None:
    # Whoever looks for thousands of hashes and finds none would be taken, while statistics are young, for one who finds
    # thousands: PostgreSQL would rather read whole tables, on every core, than use the index for each.  A plan made without
    # the values uses the index.
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.commit()


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    # secure_delete: what the law made us erase must not linger in free pages.
    # The cache holds the inner pages of every index of 10^7 entries; the WAL is folded in by 128 MB, since batches
    # change the same pages again and again.
    durable = ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "cache_size=-65536", "wal_autocheckpoint=32768")
    for pragma in (f"busy_timeout={BUSY}", *durable):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("originmark")
    if connection.dialect.name != "sqlite":
        if kind == NOTE:
            connection.exec_driver_sql(_UNHURRIED)
        return
    if kind is not None:
        # Said each time: a connection goes from hand to hand, and what the last one wanted must not decide.
        connection.exec_driver_sql(f"PRAGMA synchronous = {'NORMAL' if kind == NOTE else 'FULL'}")
    connection.exec_driver_sql("BEGIN" if kind is None else "BEGIN IMMEDIATE")


def _end(connection: Any, _record: object, _state: object) -> None:
    # SQLAlchemy takes a COMMIT that failed for the end of its transaction.  Where it is still open, the pool would hand out a
    # connection that can begin no other, and that holds SQLite's only write lock for as long as the process lives.
    connection.rollback()


@contextmanager
def single_process_lock(data: Path, name: str = "serve.lock") -> Iterator[None]:
    """Hold a lock of a data folder; raises Busy where another process has it.  Released when the process ends."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another process works on {data}") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same out of a folder; raises Busy.  No file is made, and none is left."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another process works in {folder}") from None
        except OSError:
            pass  # a network's file system that locks no folders: nobody is kept out, as before
        yield
    finally:
        os.close(descriptor)


@contextmanager
def sequencer_lock(database: Database, data: Path, *, silence_s: int = 0) -> Iterator[Callable[[], None]]:
    """
    Hold the right to sequence; raises Busy where another process has it.  Yields a check that raises LeaseLost.

    On PostgreSQL the right lives as long as one connection: a leader that dies, or is cut off, loses it within seconds, and
    one that has frozen after `silence_s` without a check (0: never).  What it had not committed then is rolled back.
    Two sequencers by mistake cannot fork the log (compare-and-swap): the lock only saves them the collisions.
    """
    if database.is_sqlite:
        with single_process_lock(data, "sequencer.lock"):
            yield lambda: None
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": SEQUENCER_LOCK}):
            raise Busy("another process sequences this log")
        connection.detach()  # its settings end with it, and a frozen holder's is ended from outside
        connection.execute(text(f"SET idle_session_timeout = {1000 * silence_s:d}"))
        connection.execute(text(_FENCE))
        try:
            yield lambda: _check_lease(connection)
        finally:
            with suppress(SQLAlchemyError):  # a connection that is gone has given it back already
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": SEQUENCER_LOCK})


def _check_lease(connection: Connection) -> None:
    try:
        connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise LeaseLost(f"the connection that held the lock is gone: {error}") from None


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Cut values into lists short enough for one IN."""
    whole = list(values)
    for at in range(0, len(whole), CHUNK):
        yield whole[at : at + CHUNK]
