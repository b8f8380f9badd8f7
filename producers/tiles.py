"""
Reading a log's tiles over HTTP: hashes for proofs, entries for those who follow.

Tiles are not trusted and need not be: whatever is built of them must lead to a root that the log signed.

Source: c2sp.org/tlog-tiles; verify/tiles.py for paths and bytes.
"""

from collections.abc import Sequence

from producers.answers import Unexpected
from producers.client import LogClient
from verify.errors import NotIncluded
from verify.merkle import Hash, leaf_hash, node_hash, root, roots_reader
from verify.tiles import WIDTH, parse_entries

HEIGHT = 8  # levels of the tree in one tile


def format_entries(entries: Sequence[bytes]) -> bytes:
    """Print entries as one tile, as `verify.tiles.parse_entries` reads it."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


class TileReader:
    """A `merkle.Reader` over the log's tiles at one size; every tile is fetched once."""

    def __init__(self, client: LogClient, size: int) -> None:
        self.size = size
        self._client = client
        self._tiles: dict[tuple[int, int], list[Hash]] = {}
        self._entries: dict[int, list[bytes]] = {}

    def __call__(self, level: int, index: int) -> Hash:
        """The hash of a complete subtree of the tree at `size`.  Raises LogError."""
        tile_level, below = divmod(level, HEIGHT)
        tile, at = divmod(index << below, WIDTH)
        return roots_reader(self._tile(tile_level, tile)[at : at + (1 << below)])(below, 0)

    def entries(self, first: int, last: int) -> list[bytes]:
        """
        Read entries [first, last) and verify nothing; see `verify_entries`.  Raises LogError, Malformed.
        """
        found: list[bytes] = []
        for tile in range(first // WIDTH, -(-last // WIDTH)):
            inside = self._entry_tile(tile)
            found += inside[max(first - tile * WIDTH, 0) : last - tile * WIDTH]
        return found

    def _tile(self, level: int, tile: int) -> list[Hash]:
        if (level, tile) not in self._tiles:
            width = min(WIDTH, (self.size >> HEIGHT * level) - tile * WIDTH)
            data = self._client.tile(level, tile, width)
            if len(data) not in (width * 32, WIDTH * 32):
                raise Unexpected(f"tile {level}/{tile} has {len(data)} bytes")
            self._tiles[level, tile] = [data[at : at + 32] for at in range(0, width * 32, 32)]
        return self._tiles[level, tile]

    def _entry_tile(self, tile: int) -> list[bytes]:
        if tile not in self._entries:
            width = min(WIDTH, self.size - tile * WIDTH)
            data = self._client.tile("entries", tile, width)
            end = 0
            for _ in range(width):  # the full tile may have come in place of the partial one
                end += 2 + int.from_bytes(data[end : end + 2], "big")
            self._entries = {tile: parse_entries(data[:end], width)}  # one at a time: a log is long
        return self._entries[tile]


def verify_entries(reader: TileReader, entries: Sequence[bytes], first: int, expected: Hash) -> None:
    """
    Verify that `entries` stand at `first`, `first` + 1 ... under the root `expected` of the reader's size.

    Their leaves are hashed here and only what lies beside them is taken from tiles, so neither a changed nor a left-out
    entry leads to the signed root.  Raises NotIncluded, LogError.
    """
    leaves = [leaf_hash(entry) for entry in entries]
    last = first + len(leaves)

    def mixed(level: int, index: int) -> Hash:
        start, end = index << level, index + 1 << level
        if end <= first or last <= start:
            return reader(level, index)
        if level == 0:
            return leaves[start - first]
        return node_hash(mixed(level - 1, 2 * index), mixed(level - 1, 2 * index + 1))

    if root(mixed, reader.size) != expected:
        raise NotIncluded(f"entries {first} to {last - 1} do not lead to the signed root", code="bad-tile")
