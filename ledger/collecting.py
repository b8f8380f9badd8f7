"""
Collecting partial tiles: what every small checkpoint left behind, once the full tile says the same.

Never touched: the right edge of the published tree, a partial tile younger than a reader's longest look at an old checkpoint,
and any whose full tile cannot be read back.  A reader that asks for one that is gone takes the full tile instead.

Source: c2sp.org/tlog-tiles, "Partial tiles" (may be deleted once the full tile exists; clients fall back).
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from obstore.exceptions import BaseError
from sqlalchemy.exc import SQLAlchemyError

from ledger.db import Database
from ledger.objects import STREAMS, Shelf
from ledger.pooling import published_size
from ledger.tiles import HEIGHT, TileStore
from verify.tiles import WIDTH, tile_path

log = structlog.get_logger()

KEEP_FOR = 3_600.0  # s; nobody is still reading a tree that has been replaced for an hour
EVERY = 60.0  # s between two rounds


@dataclass(frozen=True, slots=True)
class Collected:
    """What one round deleted, and where the next may begin."""

    count: int
    below: int
    """No collectable partial tile is left among the first so many entries: the next round's `since`."""


def collect_partials(
    store: TileStore, size: int, keep_for_s: float = KEEP_FOR, *, since: int = 0, now_s: float | None = None
) -> Collected:
    """
    Delete partial tiles that the full ones of the published tree of `size` replace, if older than `keep_for_s`.

    `since` is the `below` of the round before; 0 looks at the whole log: two listings for each 256 entries.  Does nothing
    on a store that cannot list.  Raises as Objects; what was deleted then stays deleted.
    """
    shelf = store.objects
    if not isinstance(shelf, Shelf):
        return Collected(0, since)
    latest = (time.time() if now_s is None else now_s) - keep_for_s
    count, below = 0, size
    with ThreadPoolExecutor(STREAMS) as pool:
        told = list(_full_tiles(since, size))
        for (level, index, start), partials in zip(told, pool.map(shelf.listed, map(_folder, told)), strict=True):
            old = [one.path for one in partials if one.written_s <= latest]
            if len(old) < len(partials):
                below = min(below, start)
            if old and _is_readable(store, level, index):
                shelf.drop(old)
                count += len(old)
    return Collected(count, below)


def collect_worker(database: Database, store: TileStore, stop: threading.Event, *, every_s: float = EVERY) -> None:
    """Collect behind the published tree until `stop` is set.  Whatever fails is tried again: nobody waits for it."""
    since = 0
    while not stop.wait(every_s):
        try:
            with database.reading() as session:
                size = published_size(session)
            done = collect_partials(store, size, since=since)
        except (OSError, BaseError, SQLAlchemyError) as error:
            log.warning("collecting.failed", reason=str(error))
            continue
        since = done.below
        if done.count:
            log.info("collected", partial_tiles=done.count)


def partials_of(size: int) -> Iterator[str]:
    """The names of the partial tiles of the tree of `size`."""
    level = 0
    while count := size >> (HEIGHT * level):
        if width := count % WIDTH:
            yield tile_path(level, count // WIDTH, width)
            if level == 0:
                yield tile_path("entries", count // WIDTH, width)
        level += 1


Named = tuple[int | str, int, int]
"""Level, number of the tile, and the first entry under it."""


def _full_tiles(since: int, size: int) -> Iterator[Named]:
    level = 0
    while size >> (HEIGHT * (level + 1)):
        width = HEIGHT * (level + 1)  # of the tile, in bits of entries
        for index in range(since >> width, size >> width):
            yield level, index, index << width
            if level == 0:
                yield "entries", index, index << width
        level += 1


def _folder(named: Named) -> str:
    level, index, _ = named
    return tile_path(level, index) + ".p/"


def _is_readable(store: TileStore, level: int | str, index: int) -> bool:
    data = store.objects.read(tile_path(level, index))
    return bool(data) if level == "entries" else data is not None and len(data) == WIDTH * 32
