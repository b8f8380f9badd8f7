"""
Tiles: the tree as static files, 256 hashes each, and the right edge from which it grows.

    RightEdge       the last tile of every level at one size: all that is needed to append and to prove consistency
    TileStore       tiles, entry bundles and the checkpoint in an object store, and a reader for proofs

All of it is derived from the entries, idempotently: the same entries give the same files, byte for byte.

Source: c2sp.org/tlog-tiles v0.1.0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.objects import Objects, write_all
from ledger.problems import Fatal
from ledger.tile_cache import Rows, TileCache, hash_at, rows_over
from producers.tiles import format_entries
from verify import merkle
from verify.merkle import Hash
from verify.tiles import WIDTH, parse_entries, tile_path

HEIGHT = 8  # levels of the tree in a tile
CHECKPOINT = "checkpoint"
CACHE = 64 * 1_048_576  # bytes of tiles kept for proofs: 4,000 tiles, the newest 1,000,000 entries
Tile = tuple[Hash, ...]
Tiles = Mapping[tuple[int, int], Tile]
"""(level of tiles, number) -> its hashes; a full tile has 256."""


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes tile `index` of `level` has in the tree of `size` leaves; 0 where it does not exist yet."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - index * WIDTH))


@dataclass(frozen=True, slots=True)
class RightEdge:
    """The tree of `size` leaves as far as growing needs it.  Never changed: `extend` returns the next one."""

    size: int = 0
    tiles: Tiles = field(default_factory=dict)
    """The last tile of each level, also where it is full."""

    def extend(self, leaves: Sequence[Hash]) -> tuple["RightEdge", Tiles]:
        """Append leaves; returns the new edge and every tile that is new or wider than before, with its full content."""
        touched: dict[tuple[int, int], Tile] = {}
        level, fresh, start = 0, list(leaves), self.size
        while fresh:
            made = self._fill(level, start, fresh)
            touched |= {(level, index): tile for index, tile in made.items()}
            fresh = [_tile_root(tile) for _, tile in sorted(made.items()) if len(tile) == WIDTH]
            level, start = level + 1, start // WIDTH
        size = self.size + len(leaves)
        known = {**self.tiles, **touched}
        last = {at: tile for at, tile in known.items() if width_at(at[0], at[1] + 1, size) == 0}
        return RightEdge(size, last), touched

    def _fill(self, level: int, start: int, fresh: Sequence[Hash]) -> dict[int, Tile]:
        """Put `fresh` behind the `start` hashes that the level has; returns the tiles that changed."""
        first, have = divmod(start, WIDTH)
        row = [*(self.tiles[level, first] if have else ()), *fresh]
        return {first + at // WIDTH: tuple(row[at : at + WIDTH]) for at in range(0, len(row), WIDTH)}

    def root(self) -> Hash:
        """The root over all leaves."""
        return merkle.root(reader_of(self.tiles), self.size)


def _tile_root(tile: Tile) -> Hash:
    row: Sequence[Hash] = tile
    while len(row) > 1:
        row = [merkle.node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def _within(tile: Tile, depth: int, offset: int) -> Hash:
    return _tile_root(tile[offset << depth : (offset + 1) << depth])


def objects_of(tiles: Tiles, bundles: Mapping[int, Sequence[bytes]]) -> dict[str, bytes]:
    """The objects that hold these tiles and bundles, by path."""
    items = {tile_path(level, index, len(tile)): b"".join(tile) for (level, index), tile in tiles.items()}
    return items | {tile_path("entries", at, len(entries)): format_entries(list(entries)) for at, entries in bundles.items()}


def paths_between(old: int, size: int) -> Iterator[str]:
    """The objects of the tree of `size` that the tree of `old` has not, bundles included."""
    level = 0
    while old >> (HEIGHT * level) < size >> (HEIGHT * level):
        for index in range((old >> (HEIGHT * level)) // WIDTH, -(-(size >> (HEIGHT * level)) // WIDTH)):
            yield tile_path(level, index, width_at(level, index, size))
            if level == 0:
                yield tile_path("entries", index, width_at(level, index, size))
        level += 1


def reader_of(tiles: Tiles) -> merkle.Reader:
    """A reader over tiles in memory, each hashed up once; KeyError where a proof needs one that is not there."""
    hashed: dict[tuple[int, int], Rows] = {}

    def read(level: int, index: int) -> Hash:
        height, depth = divmod(level, HEIGHT)
        number, offset = divmod(index, WIDTH >> depth)
        rows = hashed.get((height, number))
        if rows is None:
            rows = hashed[height, number] = rows_over(b"".join(tiles[height, number]))
        return hash_at(rows, depth, offset)

    return read


class TileStore:
    """What the public reads: `tile/…`, `tile/entries/…` and `checkpoint` under one prefix."""

    def __init__(self, objects: Objects, cache_bytes: int = CACHE) -> None:
        self.objects = objects
        self._cache = TileCache(cache_bytes)

    def read_tile(self, level: int, index: int, size: int) -> Tile:
        """A tile as it is in the tree of `size` leaves, also from a wider one.  Raises Fatal where it is lost or torn."""
        data = self._read_tile(level, index, width_at(level, index, size))
        return tuple(data[at : at + 32] for at in range(0, len(data), 32))

    def _read_tile(self, level: int, index: int, width: int) -> bytes:
        data, held = self._read(level, index, width)
        if data is None or len(data) != held * 32:
            raise Fatal(f"{tile_path(level, index, held)} is missing or torn")
        return data[: width * 32]

    def read_entries(self, index: int, size: int) -> list[bytes]:
        """The entries of one bundle in the log of `size`.  Raises Fatal where it is lost, Malformed where it is torn."""
        width = width_at(0, index, size)
        data, held = self._read("entries", index, width)
        if data is None:
            raise Fatal(f"{tile_path('entries', index, width)} is missing")
        return parse_entries(data, held)[:width]

    def _read(self, level: int | str, index: int, width: int) -> tuple[bytes | None, int]:
        """The object with this tile, and how wide the tile in it is."""
        data = self.objects.read(tile_path(level, index, width))
        if data is not None or width == WIDTH:
            return data, width
        # A partial tile may be gone once the full one exists.
        data = self.objects.read(tile_path(level, index))
        return data, width if data is None else WIDTH

    def reader(self, size: int, overlay: Tiles | None = None) -> merkle.Reader:
        """A reader for proofs up to `size`, from memory where it can; `overlay` holds tiles that are not stored yet."""
        fresh = overlay or {}

        def read(level: int, index: int) -> Hash:
            height, depth = divmod(level, HEIGHT)
            number, offset = divmod(index, WIDTH >> depth)
            tile = fresh.get((height, number))
            return hash_at(self._rows(height, number, size), depth, offset) if tile is None else _within(tile, depth, offset)

        return read

    def _rows(self, level: int, index: int, size: int) -> Rows:
        key = (level, index, width_at(level, index, size))
        rows = self._cache.find(key)
        if rows is None:
            rows = rows_over(self._read_tile(*key))
            self._cache.keep(key, rows)
        return rows

    def forget(self) -> None:
        """Read tiles anew from now on: after damage was found, or repaired."""
        self._cache.forget()

    def read_edge(self, size: int, stored: int = 0) -> RightEdge:
        """
        The right edge at `size`, as stored for the tree of `stored`, if that is larger.

        Raises Fatal where a tile is lost; the caller compares the root.
        """
        tiles: dict[tuple[int, int], Tile] = {}
        level = 0
        while count := size >> (HEIGHT * level):
            index = (count - 1) // WIDTH
            tiles[level, index] = self.read_tile(level, index, max(size, stored))[: width_at(level, index, size)]
            level += 1
        return RightEdge(size, tiles)

    def write(self, tiles: Tiles, bundles: Mapping[int, Sequence[bytes]], *, repair: bool = False) -> None:
        """
        Write tiles and entry bundles under the names of their widths.

        `repair` overwrites, and returns once it is durable: only for what was just re-derived and verified.
        """
        items = objects_of(tiles, bundles)
        write_all(self.objects, items, replace=repair)
        if repair:
            self.objects.settle(items)
            self.forget()

    def read_checkpoint(self) -> str | None:
        """The published checkpoint, None where there is none or it is not text."""
        data = self.objects.read(CHECKPOINT)
        return None if data is None else data.decode("utf-8", "replace")

    def write_checkpoint(self, body: str) -> None:
        """Publish a checkpoint: after its tiles, never before."""
        self.objects.replace(CHECKPOINT, body.encode())
