"""
How far a log was published, by everybody who could know it: what a restored backup must not fall behind.

The store that serves the tiles, the database that is being replaced, our witnesses, the chain, and whatever size the operator
read off a receipt.  Each may be silent; the largest word counts.  All silent, nobody knows, and nothing may be signed.

Source: c2sp.org/tlog-witness ("old 0" is answered with the size a witness cosigned last).
"""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from ledger.anchor_worker import anchoring_of
from ledger.anchors import AnchorError
from ledger.db import Database
from ledger.keys import Keys
from ledger.models import CheckpointRow, WitnessRow
from ledger.problems import Fatal
from ledger.settings import Settings
from ledger.signing import open_signed
from ledger.tiles import TileStore
from ledger.witnessing.memory import Memory


@dataclass(frozen=True, slots=True)
class Seen:
    """A log of at least `size` was published, says `who`."""

    who: str
    size: int


def seen_by_store(store: TileStore, keys: Keys) -> list[Seen]:
    """What the tile store serves under our keys; nothing where it serves nothing, or cannot be asked."""
    try:
        served = open_signed(store.read_checkpoint() or "", keys.log.vkey, keys.clock.vkey)
    except (Fatal, OSError):
        return []
    return [Seen("the tile store", served.checkpoint.size)]


def seen_by_others(settings: Settings, keys: Keys, backup: Database, body: str, store: TileStore) -> list[Seen]:
    """Ask the store, witnesses (`body` is our last known checkpoint) and the chain."""
    found = seen_by_store(store, keys)
    found += _own_witnesses(settings, keys.log.name)
    with backup.reading() as session:
        urls = {row.name: row.url for row in session.scalars(select(WitnessRow)) if row.url.startswith("http")}
    found += [one for name, url in urls.items() for one in _witness(name, url, body, settings.witness_timeout_s)]
    return found + list(_chain(settings, backup, store))


def seen_by_database(database: Database, keys: Keys) -> list[Seen]:
    """What the database that is being replaced had signed; nothing where it cannot be read."""
    try:
        with database.reading() as session:
            body = session.scalar(select(CheckpointRow.body).where(CheckpointRow.origin == keys.log.name))
        signed = open_signed(body or "", keys.log.vkey, keys.clock.vkey)
    except (DatabaseError, Fatal):
        return []
    return [Seen("the database that is being replaced", signed.checkpoint.size)]


def _own_witnesses(settings: Settings, origin: str) -> Iterator[Seen]:
    for path in sorted(settings.data.glob("witness-*.db")):
        try:
            yield from (Seen(f"our own witness ({path.name})", head.size) for head in Memory(path).heads(origin) if head.size)
        except sqlite3.DatabaseError:
            continue


def _witness(name: str, url: str, body: str, timeout_s: float) -> Iterator[Seen]:
    try:
        answer = httpx2.post(f"{url.rstrip('/')}/add-checkpoint", content=f"old 0\n\n{body}".encode(), timeout=timeout_s)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return
    if answer.status_code == 409 and re.fullmatch(r"[1-9][0-9]{0,15}\n", answer.text):
        yield Seen(f"witness {name}", int(answer.text))


def _chain(settings: Settings, backup: Database, store: TileStore) -> Iterator[Seen]:
    try:
        anchoring = anchoring_of(settings, backup, store)
        if anchoring is not None:
            yield Seen(f"the contract on chain {settings.anchor_chain_id}", anchoring.backend.head().size)
    except (AnchorError, OSError):
        return


def own_file(settings: Settings) -> Path | None:
    """The SQLite file that is configured, None on PostgreSQL."""
    return Path(settings.database.removeprefix("sqlite:///")) if settings.database.startswith("sqlite:///") else None
