"""
A log in this process that is fed entries without statements, through the sequencer's own append, signing and publishing.

What is left out is what grows with a statement's content and not with the log: its parsing, its signature and the rows derived
from it.  What is measured is all that could grow with the log: the table of entries and its index of digests, the tiles, the
consistency proof before each signature, the publication, and memory.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, select

from ledger.db import Database
from ledger.genesis import create_log
from ledger.keys import Keys, create_keys
from ledger.migrate import upgrade
from ledger.models import EntryRow
from ledger.receipts import Receipt, receipt
from ledger.running import database_of, sequencer_of, store_of
from ledger.sequencer import Sequencer, system_clock
from ledger.settings import Settings
from ledger.tiles import TileStore
from tests.bench.stage import ORIGIN
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import leaf_hash
from verify.note import parse_note

SUBJECTS = 4  # keys of an entry: an event's issuer, product, lot and place


@dataclass(slots=True)
class SyntheticLog:
    """A log and its sequencer."""

    settings: Settings
    database: Database
    store: TileStore
    keys: Keys
    sequencer: Sequencer
    size: int = 1

    def append(self, entries: list[bytes]) -> None:
        """Sequence, commit, sign and publish one batch; on disk when it returns."""
        sequencer = self.sequencer
        head = sequencer._head or sequencer.recover()
        now = system_clock()
        leaves = [leaf_hash(entry) for entry in entries]
        rows = [
            {"index": index, "time_ms": now, "digest": entry[9:41], "entry": entry, "leaf": leaf}
            for index, (entry, leaf) in enumerate(zip(entries, leaves, strict=True), self.size)
        ]
        with self.database.writing() as session:
            session.execute(insert(EntryRow), rows)
            grown, fresh = sequencer._grow(session, head, leaves, now)
            session.commit()
        sequencer._head = grown
        assert fresh is not None
        sequencer.publisher.take(fresh)
        sequencer.publisher.publish(grown.signed)
        self.size += len(entries)

    @property
    def root(self) -> bytes:
        """The published root."""
        return Checkpoint.parse(parse_note(self.store.read_checkpoint() or "").text).root

    def digest_at(self, index: int) -> bytes:
        """What the entry at `index` commits to."""
        with self.database.reading() as session:
            return session.scalars(select(EntryRow.digest).where(EntryRow.index == index)).one()

    def prove(self, digest: bytes) -> Receipt:
        """The receipt as `GET /statements/{digest}/proof` makes it, verified before it is handed out."""
        with self.database.reading() as session:
            return receipt(session, self.store, digest)

    def restart(self) -> None:
        """What a new process does before it takes over: load, verify, derive the right edge."""
        self.sequencer = sequencer_of(self.settings, self.database, self.keys)
        self.sequencer.recover()


@contextmanager
def synthetic_log(folder: Path, url: str = "") -> Iterator[SyntheticLog]:
    """A fresh log in `folder`; SQLite unless `url` names another database."""
    settings = Settings(data=folder / "operator", database_url=url, tiles_url="", origin=ORIGIN)
    keys = create_keys(settings.keys, ORIGIN)
    database = database_of(settings)
    try:
        upgrade(database)
        with database.writing() as session:
            create_log(session, keys, now_ms=system_clock())
            session.commit()
        sequencer = sequencer_of(settings, database, keys)
        sequencer.recover()
        yield SyntheticLog(settings, database, store_of(settings), keys, sequencer)
    finally:
        database.close()


def entries(count: int) -> list[bytes]:
    """Entries of random digests and subjects, as long as those of events."""
    now = system_clock()
    return [Entry(now, os.urandom(32), tuple(sorted(os.urandom(32) for _ in range(SUBJECTS)))).encode() for _ in range(count)]
