"""
Is this database fit to serve from: readable, whole, of this version, with a log in it.

Asked before a server starts, so that the answer is one sentence and not a stack trace in the middle of a request.  What it
cannot see (a changed row in a file that is whole) is the audit's work.

Source: sqlite.org/pragma.html#pragma_quick_check; sqlite.org/c3ref/progress_handler.html.
"""

import time
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ledger.db import Database
from ledger.models import EntryRow, Log

LOOK_S = 5.0  # a whole check of a large file takes minutes; what it finds in this time is found, and the audit finds the rest
STEPS = 20_000  # instructions of SQLite's machine between two looks at the clock
_LOST = "or `originmark restore` where there was one"
_RESTORE = "Stop what writes to it, keep a copy of it, and restore the newest backup (`originmark restore`)."


class Unsound(Exception):
    """Nothing may be served from this database; the message is a sentence for the operator."""


def check_sound(database: Database) -> None:
    """Raise Unsound where a server must not start."""
    try:
        with database.engine.connect() as connection:
            if database.is_sqlite:
                _check_pages(connection)
            origin = connection.scalar(select(Log.origin))
            connection.scalar(select(func.max(EntryRow.index)))
    except (OperationalError, PoolTimeout) as error:
        raise Unsound(_why_not(database, error)) from None
    except DatabaseError as error:
        raise Unsound(f"the database {_name(database)} is damaged: {error.orig}.\n{_RESTORE}") from None
    if origin is None:
        raise Unsound(f"this database has no log: run `originmark init`, {_LOST}")


def _check_pages(connection: Connection) -> None:
    """SQLite's own check of its file, for a few seconds."""
    driver, end = connection.connection.driver_connection, time.monotonic() + LOOK_S
    if driver is None:
        return
    driver.set_progress_handler(lambda: time.monotonic() > end, STEPS)
    try:
        found = driver.execute("PRAGMA quick_check(1)").fetchone()[0]
    except driver.OperationalError as error:
        if "interrupted" not in str(error):
            raise Unsound(f"the database cannot be read: {error}") from None
        return
    except driver.DatabaseError as error:
        found = str(error)
    finally:
        driver.set_progress_handler(None, 0)
    if found != "ok":
        raise Unsound(f"the database file is damaged: {' '.join(found.split())[:200]}.\n{_RESTORE}")


def lacks_tables(error: Exception) -> bool:
    """Whether a table is missing: nobody made this log yet, or its tables are of an earlier version."""
    cause = getattr(error, "orig", error)
    return "no such table" in str(cause) or "UndefinedTable" in type(cause).__name__


def is_out_of_reach(error: DBAPIError) -> bool:
    """Whether a database could not be asked, which says nothing of what it holds."""
    return isinstance(error, OperationalError | InterfaceError) or lacks_tables(error)


def _why_not(database: Database, error: Exception) -> str:
    text = str(getattr(error, "orig", error)).split("\n")[0]
    if lacks_tables(error):
        return f"this database has not all tables of this version: run `originmark db upgrade`; or `originmark init`, {_LOST}"
    return f"the database {_name(database)} cannot be read: {text}"


def _name(database: Database) -> str:
    """Without a password."""
    url = database.engine.url
    return Path(url.database or "").name if database.is_sqlite else url.render_as_string(hide_password=True)
