"""
What the commands share: opening the ledger, saying no, and getting a statement published with or without a running service.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from ledger import parcels
from ledger.candidates import Candidate
from ledger.db import Busy, Database, sequencer_lock
from ledger.examiners import examine_here
from ledger.keys import Keys, load_keys
from ledger.models import CheckpointRow, Log
from ledger.objects import HttpObjects, open_objects
from ledger.pooling import Outcome
from ledger.problems import Refused
from ledger.running import database_of, sequencer_of
from ledger.seen import own_file
from ledger.sequencer import system_clock
from ledger.settings import Settings
from ledger.soundness import is_out_of_reach, lacks_tables
from ledger.tiles import TileStore
from producers.epcis.validate import EventValidator
from producers.keys import KeyRefused
from producers.private import NotPrivate

WAIT = 30.0  # s for a running service to publish what a command submitted
POLL = 0.1  # s
USAGE, UNREACHED = 2, 3
"""Exit codes (cli.py), so that a watchman can tell a wrong setting or a stopped database from a broken log."""


@dataclass(frozen=True, slots=True)
class Office:
    """An opened ledger with its keys."""

    settings: Settings
    database: Database
    keys: Keys


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why not, and end with this exit code."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def why_unreached(error: DBAPIError) -> str | None:
    """Why the database could not be asked, and what to do; None where it was asked, and is wrong."""
    if not is_out_of_reach(error):
        return None
    what = "Run `originmark db upgrade`, or `originmark restore` where a log was; or set"
    more = what if lacks_tables(error) else "Start it, or correct"
    return f"the database cannot be used: {str(error.orig).strip()}\n{more} ORIGINMARK_DATA or ORIGINMARK_DATABASE_URL."


def insist_on_address(host: str, port: int) -> None:
    """End the command where nothing can listen now: the server itself would say so in the journal's form, after its start."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server, which takes over a port
            tried.bind(address)
    except OSError as error:
        why = f"cannot listen on {host} port {port}: {error.strerror or error}"
        fail(f"{why}\nEnd what listens there, or choose another --port or --host.", UNREACHED)


def tiles_at(where: str) -> TileStore:
    """Somebody's published log: an address prefix, a folder or a bucket; ends the command where there is none."""
    if where.startswith(("http://", "https://")):
        return TileStore(HttpObjects(where))
    if "://" not in where and not Path(where).is_dir():
        fail(f"{where} is no folder")
    return TileStore(open_objects(where))


@contextmanager
def opened() -> Iterator[Database]:
    """The configured database."""
    database = database_of(Settings())
    try:
        yield database
    finally:
        database.close()


@contextmanager
def office() -> Iterator[Office]:
    """The configured ledger; ends the command where keys are missing or readable by others, or the log has another origin."""
    settings = Settings()
    try:
        keys = load_keys(settings.keys, settings.origin)
    except (FileNotFoundError, KeyRefused, NotPrivate) as error:
        fail(f"{error}\nRun `originmark init` first, or set ORIGINMARK_DATA and ORIGINMARK_ORIGIN.", UNREACHED)
    file = own_file(settings)
    if file is not None and not file.exists():
        # Opening it would leave an empty one, which looks like a database to whoever comes next.
        fail(f"there is no {file}: where a log was, run `originmark restore`; or set ORIGINMARK_DATA", UNREACHED)
    with opened() as database:
        _insist_on_its_log(database, settings.origin)
        yield Office(settings, database, keys)


def _insist_on_its_log(database: Database, origin: str) -> None:
    """End the command where the database holds another log than the settings name: nothing of it would verify."""
    try:
        with database.reading() as session:
            # By both tables: where they differ the database is damaged, and the setting may be right.
            held = session.scalar(select(Log.origin).join(CheckpointRow, CheckpointRow.origin == Log.origin))
    except DBAPIError:
        return  # said by the command that reads it
    if held not in (None, origin):
        fail(f"this database holds the log {held}, and ORIGINMARK_ORIGIN is {origin}: set ORIGINMARK_ORIGIN={held}, or "
             "ORIGINMARK_DATA and ORIGINMARK_DATABASE_URL to where the other log is", USAGE)  # fmt: skip


def publish(desk: Office, raws: Sequence[bytes]) -> list[Outcome]:
    """Submit statements and wait until they are published or refused, sequencing here where no service runs."""
    found = examine_here(raws, system_clock(), EventValidator.build(), {})
    items = [one for one in found if isinstance(one, Candidate)]
    key = parcels.seal_key(desk.keys.log)
    with desk.database.writing() as session:
        limit = desk.settings.pool_limit
        row = parcels.send(session, items, key, now_ms=system_clock(), limit=limit) if items else None
        session.commit()
    told = iter(_sequenced(desk, row) if row is not None else ())
    return [Outcome("refused", b"", refused=one) if isinstance(one, Refused) else next(told) for one in found]


def _sequenced(desk: Office, row: int) -> list[Outcome]:
    try:
        with sequencer_lock(desk.database, desk.settings.data):
            sequencer = sequencer_of(desk.settings, desk.database, desk.keys)
            while _pending(desk.database, row):
                sequencer.step()
    except Busy:
        _wait(desk.database, row)
    with desk.database.reading() as session:
        return parcels.outcomes_of(session, row)


def _pending(database: Database, row: int) -> bool:
    with database.reading() as session:
        return any(one.state == "pending" for one in parcels.outcomes_of(session, row))


def _wait(database: Database, row: int) -> None:
    end = time.monotonic() + WAIT
    while _pending(database, row):
        if time.monotonic() > end:
            fail("submitted, and not published yet: the service is slow or stopped; it will be sequenced when it goes on")
        time.sleep(POLL)


def say(outcome: Outcome) -> None:
    """Print what became of a statement; ends the command where it was refused."""
    if outcome.refused is not None:
        fail(f"refused ({outcome.refused.code}): {outcome.refused.detail}")
    typer.echo(f"{outcome.state} at {outcome.index}: {outcome.digest.hex()}")
