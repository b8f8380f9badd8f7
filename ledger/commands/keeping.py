"""Commands that keep a log alive, and end it: backup, restore, freeze, rotate-clock."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ledger.backup import KEYS, BadBackup, copy_keys, make_backup
from ledger.commands.common import UNREACHED, Office, fail, office
from ledger.commands.progress import bars
from ledger.db import Busy, sequencer_lock
from ledger.freezing import announce, complete
from ledger.keys import load_keys
from ledger.pooling import published_size
from ledger.problems import Fatal
from ledger.recovering import Gap
from ledger.restoring import Behind, Wish
from ledger.restoring import restore as restore_backup
from ledger.rotation import next_clock, rotate_clock
from ledger.running import database_of, sequencer_of, store_of
from ledger.seen import seen_by_store
from ledger.sequencer import system_clock
from ledger.settings import Settings
from producers.keys import KeyRefused
from producers.private import NotPrivate


def backup(
    folder: Annotated[Path, typer.Argument(help="Empty or new folder.")],
    with_keys: Annotated[bool, typer.Option(help="Copy the private keys too: guard the folder as you guard them.")] = False,
) -> None:
    """Write a backup while the service runs, read it back, and compute its root."""
    with office() as desk, bars() as begin:
        keys_from = desk.settings.keys if with_keys else None
        try:
            made = make_backup(desk.database, desk.keys, folder, now_ms=system_clock(), keys_from=keys_from, begin=begin)
        except (BadBackup, Busy) as error:
            fail(str(error))
        except (OSError, sqlite3.OperationalError) as error:
            fail(f"no backup was written to {folder}: {error}", UNREACHED)
    more = ", and the private keys" if with_keys else ""
    typer.echo(f"{folder}: {made.size} entries of {made.origin}, root {made.root}{more}")


def restore(
    folder: Annotated[Path, typer.Argument(help="A backup.")],
    statements: Annotated[list[Path] | None, typer.Option(help="Files of statements, one a line, for entries it lacks.")] = None,
    server: Annotated[str, typer.Option("--from", help="A service that still answers reads of this log.")] = "",
    published_size: Annotated[int | None, typer.Option(help="How far the log was published, where nobody else can tell.")] = None,
    as_successor: Annotated[str, typer.Option(help="End this log here; origin of the log that goes on.")] = "",
) -> None:
    """Put a backup in place of the database; refused where that would fork the log.  Stop the service first."""
    settings = Settings()
    try:
        if not (settings.keys / "log.pem").exists() and (folder / KEYS).is_dir():
            copy_keys(folder / KEYS, settings.keys)
        keys = load_keys(settings.keys, settings.origin)
        wish = Wish(folder, tuple(statements or ()), server, published_size, as_successor or None)
        with _stopped(settings):
            with bars() as begin:
                done = restore_backup(settings, keys, wish, now_ms=system_clock(), begin=begin)
            for path in done.aside:
                typer.echo(f"put aside  {path}")
            if not done.frozen:
                database = database_of(settings)
                sequencer_of(settings, database, keys).recover()
                database.close()
    except (BadBackup, Behind, Gap, Fatal, FileNotFoundError, KeyRefused, NotPrivate) as error:
        fail(str(error))
    more = f", {done.recovered} of them recovered" if done.recovered else ""
    typer.echo(f"restored   {done.size} entries{more}" + ("; the log is frozen here" if done.frozen else ""))
    typer.echo("Now run `originmark audit`.")


def freeze(
    successor: Annotated[str, typer.Option(help="Origin of the log that goes on; empty where none does.")] = "",
    url: Annotated[str, typer.Option(help="Where its statements are taken.")] = "",
) -> None:
    """End this log: take nothing new, publish what was taken, sign the last checkpoint.  Reads go on for ever."""
    with office() as desk:
        try:
            with desk.database.writing() as session:
                announce(session, desk.settings.origin, successor=successor, url=url, now_ms=system_clock())
                session.commit()
            size = _end(desk)
        except Fatal as error:
            fail(str(error))
    typer.echo(f"{desk.settings.origin} ends at {size} entries" + (f"; {successor} goes on" if successor else ""))


def rotate_clock_key(
    announce_only: Annotated[bool, typer.Option("--announce", help="Make the key, and only propose it to readers.")] = False,
) -> None:
    """
    Sign the newest checkpoint and all later ones with a new clock key.

    First with --announce: its line then stands in the proposed policy, and readers can take it before the first bundle bears
    it.  Then, when they have, without: stop the service before, and start it again.
    """
    with office() as desk:
        if announce_only:
            typer.echo(f"next       clock {next_clock(desk.settings.keys, desk.settings.origin).format()}")
            return
        _rotate(desk)


def _rotate(desk: Office) -> None:
    with _stopped(desk.settings):
        try:
            _insist_nothing_newer(desk)
            old, new = rotate_clock(desk.database, desk.settings.keys, desk.keys, now_ms=system_clock())
        except Fatal as error:
            fail(str(error))
        sequencer_of(desk.settings, desk.database, new).recover()
    typer.echo(f"was        clock {old.format()}\nnow        clock {new.clock.vkey.format()}")


def _insist_nothing_newer(desk: Office) -> None:
    """Under the new key the checkpoint that is served cannot be read any more: compare it while it can.  Raises Fatal."""
    with desk.database.reading() as session:
        size = published_size(session)
    for seen in seen_by_store(store_of(desk.settings), desk.keys):
        if seen.size > size:
            raise Fatal(f"the store serves {seen.size} entries, this database has {size}: it is an old copy")


@contextmanager
def _stopped(settings: Settings) -> Iterator[None]:
    """Hold the sequencer's lock; ends the command where a service runs."""
    database = database_of(settings)
    try:
        with sequencer_lock(database, settings.data):
            yield
    except Busy as error:
        fail(f"{error}: stop the service first")
    finally:
        database.close()


def _end(desk: Office) -> int:
    """Publish what was admitted, here or by the running service, and sign the last checkpoint."""
    try:
        with sequencer_lock(desk.database, desk.settings.data):
            sequencer = sequencer_of(desk.settings, desk.database, desk.keys)
            while sequencer.step().judged:
                pass
            size = _complete(desk)
            sequencer.recover()
            return size
    except Busy:
        fail("the service runs: nothing new is taken from now on.  Stop it, run this again, and start it to answer reads")


def _complete(desk: Office) -> int:
    with desk.database.writing() as session:
        size = complete(session, desk.keys, now_ms=system_clock())
        session.commit()
    with desk.database.reading() as session:
        if published_size(session) > size:
            raise Fatal("more was published than is frozen")
    return size
