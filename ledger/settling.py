"""
Settling: how far the object store is known to be on the disk, behind the answers and never before them.

    settle           sync what the published tree has and the settled one has not; then note its size
    settle_worker    the same every `SETTLE_S`, while this process sequences
    Settled          the store for readers: nothing is shown before what a power cut took is back

The database is the truth, so a step syncs once, at the commit of its order, and writes its files without a sync.  What lies right
of the settled tree may therefore be missing, empty, torn, or zeros of the right size after a power cut, and the checkpoint
may be there though its tiles are not.  `recover` (publishing.py) derives all of it again and settles; until it has, no reader
of this service is shown any object.  Partial tiles that a later batch replaced are not synced at all.

Crash points: before the sync, the mark is the old one and a start derives more than it must.  Between the sync and the
commit of the mark, and where that commit is lost, the same.  The mark is never ahead of the disk, unless the disk lies:
a start therefore looks back a little further, and lists what is further left (mending.py).

Source: man 2 fsync; PostgreSQL wiki, "Fsync Errors" (after a failed sync, only writing anew helps).
"""

import threading
import time
from collections.abc import Callable, Iterable

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from ledger.db import Database
from ledger.models import CheckpointRow, Published
from ledger.objects import Objects
from ledger.pooling import published_size
from ledger.problems import Fatal
from ledger.signing import open_signed
from ledger.stored import StoreUnavailable
from ledger.tiles import CHECKPOINT, TileStore, paths_between
from verify.note import VerifierKey

log = structlog.get_logger()

SETTLE_S = 2.0  # s; what is published in this time is what a start after a power cut has to derive
LOOK_S = 0.05  # s between two looks whether a start is over
PATIENCE_S = 30.0  # s that a start may take to have its committed tree cosigned again, before readers get what was published


def settle(database: Database, store: TileStore, *, signed_anew: bool = False) -> None:
    """
    Make what is published durable, and note so.  `signed_anew`: also where only the checkpoint's signatures are new.

    Raises OSError, SQLAlchemyError; the mark is then the old one.
    """
    with database.reading() as session:
        found = session.execute(select(Published.settled, Published.size)).one_or_none()
    if found is None or (found.settled >= found.size and not signed_anew):
        return
    store.objects.settle([*paths_between(found.settled, found.size), CHECKPOINT])
    with database.noting() as session:
        session.execute(update(Published).where(Published.settled < found.size).values(settled=found.size))
        session.commit()


def settle_worker(work: Callable[[], None], stop: threading.Event, *, every_s: float = SETTLE_S) -> None:
    """Do `work` (Publisher.settle) now and then until `stop` is set, and once more at the end."""
    while not stop.wait(every_s):
        _try(work)
    _try(work)


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except (OSError, SQLAlchemyError, Fatal) as error:
        # Nobody's answer waits for this; what is not settled is derived again, whenever the power goes.
        log.warning("settling.failed", reason=str(error))


class Settled:
    """
    See objects.Objects: read-only, and shut until the tree that was committed when it was opened is settled and shown.

    `keys` are the log's and the clock's.  `quorum`: what the log publishes may lie behind what it committed for as long as
    witnesses are away, and what it published is committed for good; after `patience_s` that tree decides.  Not at once, since a
    power cut may have come between a checkpoint's showing and that commit.

    Raises StoreUnavailable while it is shut.
    """

    def __init__(
        self, objects: Objects, database: Database, keys: tuple[VerifierKey, VerifierKey], *, quorum: bool,
        look_s: float = LOOK_S, patience_s: float = PATIENCE_S,
    ) -> None:
        self._objects, self._database, self._keys, self._every_s = objects, database, keys, look_s
        self._open, self._looked_s = False, 0.0
        self._patient_until_s = time.monotonic() + patience_s
        with database.reading() as session:
            self._wanted = session.scalar(select(CheckpointRow.size)) or 0
            self._least = published_size(session) if quorum else self._wanted

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        if not self._open:
            self._look()
        return self._objects.read(path)

    def create(self, path: str, data: bytes) -> None:
        """Refused: this is for readers."""
        raise PermissionError("read-only")

    replace = create

    def settle(self, paths: Iterable[str]) -> None:
        """See Objects; nothing is ever written."""

    def _look(self) -> None:
        if time.monotonic() - self._looked_s >= self._every_s:
            with self._database.reading() as session:
                settled = session.scalar(select(Published.settled)) or 0
            self._looked_s = time.monotonic()
            wanted = self._wanted if self._looked_s < self._patient_until_s else self._least
            self._open = min(settled, self._shown()) >= wanted
        if not self._open:
            raise StoreUnavailable("the tiles are compared with the entries after a start: come back in a moment")

    def _shown(self) -> int:
        """The tree of the checkpoint that is there; the last one may have been lost though every tile was settled."""
        try:
            return open_signed((self._objects.read(CHECKPOINT) or b"").decode("utf-8", "replace"), *self._keys).checkpoint.size
        except Fatal:
            return 0
