"""
Deriving what the object store has lost: what every reload does, before anything is published.

    left of the settled tree, and further than `look_back`    listed, once a process (mending.py)
    left of it, nearer                                         compared, once a process
    right of it                                                compared; on a start, or after a failed sync, written anew

Written anew, since the process before may have met an error of the disk that the kernel tells only once: it may call pages
clean that were never written, and what is read of them is right until the power goes.

The entries must give the signed root before anything is written.  Not here: what is signed, served or noted.

Source: PostgreSQL wiki, "Fsync Errors"; Tessera's fsck.
"""

from collections.abc import Container, Iterable

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.mending import mend, mend_partials
from ledger.models import EntryRow
from ledger.problems import Fatal
from ledger.rebuild import SPAN, find_faults
from ledger.tiles import RightEdge, TileStore, paths_between
from verify.checkpoint import Checkpoint
from verify.merkle import Hash, leaf_hash
from verify.tiles import WIDTH

log = structlog.get_logger()

LOOK_BACK = 65_536  # entries left of the settled tree that a start compares as well: a disk may say yes to a sync and lie


def derive_lost(
    session: Session, store: TileStore, new: Checkpoint, *, settled: int, shown: int, look_back: int, anew: bool, first: bool
) -> RightEdge:
    """
    Make every object right that the trees of `shown`, which readers may be at, and of `new` need; returns the edge of `new`.

    `first` in this process, and `anew` whatever is read of what is not settled.  Raises Fatal where the entries do not give
    the signed root.
    """
    size, back = new.size, look_back if first else 0
    since, edge = _edges(session, store, max(0, settled - back) // WIDTH * WIDTH, settled, new)
    unsettled = {*paths_between(settled, shown), *paths_between(settled, size)}
    # The root was checked: from here on what differs from the entries is what the disk has lost.
    sizes = sorted({shown, size} - {0})
    faults = find_faults(session, store, sizes, since=since, mend=True, anew=unsettled if anew else ())
    _tell([fault.path for fault in faults], unsettled)
    mend_partials(store, settled, size)
    _tell(mend(session, store, size) if first else ())
    store.forget()
    return edge


def _edges(session: Session, store: TileStore, start: int, settled: int, new: Checkpoint) -> tuple[RightEdge, RightEdge]:
    """The right edge at `start`, or at 0 where what is stored of it is damaged, and the one that it grows to."""
    for at in (start, 0):
        try:
            edge = since = store.read_edge(at, settled)
        except Fatal as error:
            log.warning("tiles.damaged", error=str(error))
            continue
        while edge.size < new.size:
            edge, _ = edge.extend(_leaves(session, edge.size, min(edge.size + SPAN, new.size)))
        if edge.root() == new.root:
            return since, edge
    raise Fatal("the entries do not give the signed root")


def _leaves(session: Session, start: int, end: int) -> list[Hash]:
    wanted = select(EntryRow.entry).where(EntryRow.index >= start, EntryRow.index < end).order_by(EntryRow.index)
    leaves = [leaf_hash(entry) for entry in session.scalars(wanted)]
    if len(leaves) != end - start:
        raise Fatal(f"entries are missing between {start} and {end}")
    return leaves


def _tell(written: Iterable[str], expected: Container[str] = ()) -> None:
    """What was not settled may be gone after any crash; what was is a disk's fault, or somebody's."""
    for path in written:
        if path not in expected:
            log.warning("tiles.mended", path=path)
