"""
A log in this process that is fed entries without payloads, through the sequencer's own append, signing and publishing.

Left out is what a statement's content brings along: its parsing, its signature and the rows derived from it.  Where `indexed`,
each entry has its row among the statements, as if its content had been erased: there stand the indexes of digests and of what a
statement takes for itself, which grow with the log at random places.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ledger.batch import ENTRY
from ledger.batch import STATEMENT as STORED
from ledger.db import Database
from ledger.earlier import heads_of
from ledger.genesis import create_log
from ledger.growing import grow
from ledger.keys import Keys, create_keys
from ledger.migrate import upgrade
from ledger.models import EntryRow, Published, StatementRow
from ledger.paths import Paths
from ledger.receipts import Receipt, _receipt, receipt
from ledger.running import database_of, sequencer_of, store_of
from ledger.sequencer import Sequencer, system_clock
from ledger.settings import Settings
from ledger.settling import settle, settle_worker
from ledger.tiles import TileStore
from ledger.writing import write_tuples
from tests.bench.stage import ORIGIN
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import leaf_hash
from verify.note import parse_note

STATEMENT = (*STORED, "erased_by")
SUBJECTS = 4  # keys of an entry: an event's issuer, product, lot and place
DIGEST = slice(9, 41)  # of an entry: behind version and time


@dataclass(slots=True)
class SyntheticLog:
    """A log and its sequencer."""

    settings: Settings
    database: Database
    store: TileStore
    keys: Keys
    sequencer: Sequencer
    indexed: bool
    size: int = 1

    def append(self, entries: list[bytes]) -> None:
        """Sequence, commit, sign and publish one batch; on disk when it returns."""
        sequencer = self.sequencer
        head = sequencer._head or sequencer.recover()
        now = system_clock()
        leaves = [leaf_hash(entry) for entry in entries]
        numbered = list(enumerate(entries, self.size))
        with self.database.writing() as session:
            write_tuples(session, EntryRow.metadata.tables["entries"], ENTRY, [
                (index, now, entry[DIGEST], entry, leaf) for (index, entry), leaf in zip(numbered, leaves, strict=True)
            ])  # fmt: skip
            if self.indexed:
                rows = [_statement(index, entry[DIGEST]) for index, entry in numbered]
                write_tuples(session, StatementRow.metadata.tables["statements"], STATEMENT, rows)
                heads = [(found, row[0]) for row in rows for found in heads_of(row[1], row[2], None)]
                write_tuples(session, StatementRow.metadata.tables["hash_heads"], ("head", "index"), sorted(heads))
            grown, fresh = grow(session, sequencer.keys, head, leaves, now)
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

    def prove(self, index: int) -> Receipt:
        """
        The receipt as `GET /statements/{digest}/proof` makes it, verified before it is handed out.

        Where there are no statements, the entry is found by its index instead of its digest.
        """
        with self.database.reading() as session:
            entry = session.scalars(select(EntryRow.entry).where(EntryRow.index == index)).one()
            if self.indexed:
                return receipt(session, self.store, entry[DIGEST])
            body = session.scalars(select(Published.body)).one()
            checkpoint = Checkpoint.parse(parse_note(body).text)
            paths = Paths(self.store.reader(checkpoint.size), checkpoint)
            return _receipt({entry[DIGEST]: (index, entry)}, entry[DIGEST], paths, body)

    def restart(self) -> None:
        """What a new process does before it takes over: load, verify, derive the right edge."""
        self.sequencer = sequencer_of(self.settings, self.database, self.keys)
        self.sequencer.recover()


@contextmanager
def synthetic_log(folder: Path, url: str = "", *, indexed: bool = False) -> Iterator[SyntheticLog]:
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
        with _settling(database, store_of(settings)):
            yield SyntheticLog(settings, database, store_of(settings), keys, sequencer, indexed)
    finally:
        database.close()


@contextmanager
def _settling(database: Database, store: TileStore) -> Iterator[None]:
    """Sync what is published every few seconds, as the service does: a start derives whatever is not."""
    over = threading.Event()
    worker = threading.Thread(target=settle_worker, args=(partial(settle, database, store), over))
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def entries(count: int) -> list[bytes]:
    """Entries of random digests and subjects, as long as those of events."""
    now = system_clock()
    return [Entry(now, os.urandom(32), tuple(sorted(os.urandom(32) for _ in range(SUBJECTS)))).encode() for _ in range(count)]


def _statement(index: int, digest: bytes) -> tuple[Any, ...]:
    other = sha256(digest).digest()
    return (
        index, digest, other, "TraceabilityEvent", "https://farm.example/bench", "", f"urn:uuid:{digest[:16].hex()}",
        "2026-11-01T06:00:00+08:00", 0, None, "[]", 0,
    )  # fmt: skip
