"""
A tile with the hashes over it, and a bounded memory of such tiles.

A proof needs one hash of each level; without this, every proof would hash the tile anew.  Tiles never change, so nothing here
grows old, but what was damaged in the store stays damaged in memory: whoever finds that calls `forget`.
"""

from collections import OrderedDict
from threading import Lock

from verify.merkle import Hash, node_hash

LENGTH = 32  # bytes of a hash
Rows = tuple[bytes, ...]
"""rows[d] holds, one behind the other, the hashes of the complete subtrees of 2^d hashes of the tile."""
Key = tuple[int, int, int]
"""Level of tiles, number, width."""


def rows_over(tile: bytes) -> Rows:
    """Hash a tile up as far as its subtrees are complete; 255 hashes for a full one."""
    rows = [tile]
    while len(below := rows[-1]) >= 2 * LENGTH:
        starts = range(0, len(below) - LENGTH, 2 * LENGTH)
        rows.append(b"".join(node_hash(below[at : at + LENGTH], below[at + LENGTH : at + 2 * LENGTH]) for at in starts))
    return tuple(rows)


def hash_at(rows: Rows, depth: int, offset: int) -> Hash:
    """The hash of the subtree of 2^depth hashes, counted from the left.  IndexError where the tile has no such subtree."""
    found = rows[depth][offset * LENGTH : (offset + 1) * LENGTH]
    if len(found) != LENGTH:
        raise IndexError(f"no subtree {offset} at depth {depth}")
    return found


class TileCache:
    """The tiles used last, up to `limit` bytes.  Any thread may ask."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._tiles: OrderedDict[Key, Rows] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Key) -> Rows | None:
        """The tile, if it is still here."""
        with self._lock:
            rows = self._tiles.get(key)
            if rows is not None:
                self._tiles.move_to_end(key)
            return rows

    def keep(self, key: Key, rows: Rows) -> None:
        """Remember a tile, and let go of those that nobody asked for longest."""
        with self._lock:
            if key in self._tiles:
                return
            self._tiles[key] = rows
            self._held += _weight(rows)
            while self._held > self._limit:
                _, oldest = self._tiles.popitem(last=False)
                self._held -= _weight(oldest)

    def forget(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._tiles.clear()
            self._held = 0

    @property
    def held(self) -> int:
        """Bytes in use, without Python's own for the containers (a few hundred a tile)."""
        return self._held


def _weight(rows: Rows) -> int:
    return sum(map(len, rows))
