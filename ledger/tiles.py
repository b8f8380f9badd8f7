"""
Tiles: the tree as static files, 256 hashes each, and the right edge from which it grows.

    RightEdge       the last tile of every level at one size: all that is needed to append and to prove consistency
    TileStore       tiles, entry bundles and the checkpoint in an object store, and a reader for proofs

All of it is derived from the entries, idempotently: the same entries give the same files, byte for byte.

Source: c2sp.org/tlog-tiles v0.1.0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledger.objects import Objects
from ledger.problems import Fatal
from verify import merkle
from verify.merkle import Hash
from verify.tiles import WIDTH, format_entries, parse_entries, tile_path

HEIGHT = 8  # levels of the tree in a tile
CHECKPOINT = "checkpoint"
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


def reader_of(tiles: Tiles) -> merkle.Reader:
    """A reader over tiles in memory; KeyError where a proof needs one that is not there."""

    def read(level: int, index: int) -> Hash:
        height, depth = divmod(level, HEIGHT)
        number, offset = divmod(index, WIDTH >> depth)
        return _within(tiles[height, number], depth, offset)

    return read


class TileStore:
    """What the public reads: `tile/…`, `tile/entries/…` and `checkpoint` under one prefix."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def read_tile(self, level: int, index: int, size: int) -> Tile:
        """A tile as it is in the tree of `size` leaves, also from a wider one.  Raises Fatal where it is lost or torn."""
        width = width_at(level, index, size)
        data = self._read(level, index, width)
        if data is None or len(data) % 32 or len(data) < width * 32:
            raise Fatal(f"{tile_path(level, index, width)} is missing or torn")
        return tuple(data[at : at + 32] for at in range(0, width * 32, 32))

    def read_entries(self, index: int, size: int) -> list[bytes]:
        """The entries of one bundle in the log of `size`.  Raises Fatal where it is lost, Malformed where it is torn."""
        width = width_at(0, index, size)
        data = self._read("entries", index, width)
        if data is None:
            raise Fatal(f"{tile_path('entries', index, width)} is missing")
        end = 0
        for _ in range(width):
            end += 2 + int.from_bytes(data[end : end + 2], "big")
        return parse_entries(data[:end], width)

    def _read(self, level: int | str, index: int, width: int) -> bytes | None:
        data = self.objects.read(tile_path(level, index, width))
        # A partial tile may be gone once the full one exists.
        return self.objects.read(tile_path(level, index)) if data is None and width < WIDTH else data

    def reader(self, size: int, overlay: Tiles | None = None) -> merkle.Reader:
        """A reader for proofs up to `size` that keeps what it read; `overlay` holds tiles that are not stored yet."""
        known = dict(overlay or {})

        def read(level: int, index: int) -> Hash:
            height, depth = divmod(level, HEIGHT)
            number, offset = divmod(index, WIDTH >> depth)
            tile = known.get((height, number))
            if tile is None:
                tile = known[height, number] = self.read_tile(height, number, size)
            return _within(tile, depth, offset)

        return read

    def read_edge(self, size: int) -> RightEdge:
        """The right edge at `size`, as stored.  Raises Fatal where a tile is lost; the caller compares the root."""
        tiles: dict[tuple[int, int], Tile] = {}
        level = 0
        while count := size >> (HEIGHT * level):
            tiles[level, (count - 1) // WIDTH] = self.read_tile(level, (count - 1) // WIDTH, size)
            level += 1
        return RightEdge(size, tiles)

    def write(self, tiles: Tiles, bundles: Mapping[int, Sequence[bytes]], *, repair: bool = False) -> None:
        """
        Write tiles and entry bundles under the names of their widths.

        `repair` overwrites: only for what no published checkpoint covers yet, or what was just re-derived and verified.
        """
        write = self.objects.replace if repair else self.objects.create
        for (level, index), tile in tiles.items():
            write(tile_path(level, index, len(tile)), b"".join(tile))
        for index, entries in bundles.items():
            write(tile_path("entries", index, len(entries)), format_entries(list(entries)))
        self.objects.settle()

    def read_checkpoint(self) -> str | None:
        """The published checkpoint, None where there is none or it is not text."""
        data = self.objects.read(CHECKPOINT)
        return None if data is None else data.decode("utf-8", "replace")

    def write_checkpoint(self, body: str) -> None:
        """Publish a checkpoint: after its tiles, never before."""
        self.objects.replace(CHECKPOINT, body.encode())
        self.objects.settle()
