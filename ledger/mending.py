"""
What a start looks at beyond the right edge: is every full tile and every bundle there, and of a size that it can have.

A disk that said yes without writing loses the newest files, which may be full tiles by then, and the right edge alone would
never tell.  The look is a listing, two names for each 256 entries and nothing read: 1.2 s of a core for 10,000,000 entries
in a folder, a request for each 1,000 names in a bucket.  What has the right size and other bytes is found by the audit and by
`tiles rebuild`.

Source: kernel documentation of ext4 (delayed allocation leaves empty files); c2sp.org/tlog-tiles.
"""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import EntryRow
from ledger.objects import Shelf
from ledger.problems import Fatal
from ledger.tile_cache import LENGTH, hash_at, rows_over
from ledger.tiles import HEIGHT, TileStore, paths_between
from verify.entry import Entry
from verify.merkle import Hash, leaf_hash
from verify.tiles import WIDTH, tile_path

FOLDER = 1_000  # tiles under one prefix; tlog-tiles
SMALLEST = WIDTH * (2 + len(Entry(0, bytes(32), (bytes(32),)).encode()))  # bytes of a full bundle
Named = tuple[int | str, int]
"""Level of tiles or `entries`, and number."""


def find_lost(store: TileStore, size: int) -> list[Named]:
    """Full tiles and bundles of the tree of `size` that are missing, empty or torn, bundles first, then level by level."""
    shelf, held = store.objects, dict[str, int]()
    if not isinstance(shelf, Shelf):
        return []
    lost = []
    for level, index in _full(size):
        path = tile_path(level, index)
        if index % FOLDER == 0 and path not in held:  # a bucket lists deeper than a folder does
            held |= {one.path: one.size for one in shelf.listed(path.rpartition("/")[0] + "/")}
        found = held.get(path, 0)
        if found < SMALLEST if level == "entries" else found != WIDTH * LENGTH:
            lost.append((level, index))
    return lost


def mend(session: Session, store: TileStore, size: int) -> list[str]:
    """
    Derive what `find_lost` names anew, and write it; returns the paths.

    The right edge must be whole.  Raises Fatal where a tile that was derived is not what the tree above it says.
    """
    lost = find_lost(store, size)
    for level, index in lost:
        if level == "entries":
            store.write({}, {index: _entries(session, index)}, repair=True)
        else:
            store.write({(int(level), index): _hashes(session, store, int(level), index, size)}, {}, repair=True)
    # From the top: each is compared with one that was compared before it.
    for level, index in reversed(lost):
        if level != "entries":
            _check_above(store, int(level), index, size)
    return [tile_path(*named) for named in lost]


def mend_partials(store: TileStore, old: int, size: int) -> list[str]:
    """
    Write partial tiles anew that are not what the tree of `size`, which is whole, begins with; returns the paths.

    Those of the trees between `old` and `size`, as far as they are there: nobody syncs them, since the next batch replaces
    them, and somebody may still read by an older checkpoint.
    """
    shelf, mended = store.objects, list[str]()
    if not isinstance(shelf, Shelf) or old == size:
        return []
    for path in paths_between(old, size):
        full = path.partition(".p/")[0]
        wide = b"" if (stored := shelf.read(path)) is None else stored
        for one in shelf.listed(f"{full}.p/"):
            width = int(one.path.rpartition("/")[2])
            right = _beginning(wide, width, entries=full.startswith("tile/entries/"))
            if right and shelf.read(one.path) != right:
                store.objects.replace(one.path, right)
                mended.append(one.path)
    return mended


def _beginning(tile: bytes, width: int, *, entries: bool) -> bytes:
    """The partial tile of `width`; empty where `tile` is narrower."""
    end = 0 if entries else width * LENGTH
    for _ in range(width if entries else 0):
        end += 2 + int.from_bytes(tile[end : end + 2], "big")
    return tile[:end] if end <= len(tile) else b""


def _full(size: int) -> Iterator[Named]:
    yield from (("entries", index) for index in range(size // WIDTH))
    level = 0
    while count := size >> (HEIGHT * (level + 1)):
        yield from ((level, index) for index in range(count))
        level += 1


def _entries(session: Session, index: int) -> list[bytes]:
    first = index * WIDTH
    wanted = select(EntryRow.entry).where(EntryRow.index >= first, EntryRow.index < first + WIDTH).order_by(EntryRow.index)
    entries = list(session.scalars(wanted))
    if len(entries) != WIDTH:
        raise Fatal(f"entries are missing between {first} and {first + WIDTH}")
    return entries


def _hashes(session: Session, store: TileStore, level: int, index: int, size: int) -> tuple[Hash, ...]:
    if level == 0:
        return tuple(leaf_hash(entry) for entry in _entries(session, index))
    below = range(index * WIDTH, (index + 1) * WIDTH)
    return tuple(_root(store, level - 1, number, size) for number in below)


def _root(store: TileStore, level: int, index: int, size: int) -> Hash:
    return hash_at(rows_over(b"".join(store.read_tile(level, index, size))), HEIGHT, 0)


def _check_above(store: TileStore, level: int, index: int, size: int) -> None:
    if _root(store, level, index, size) != store.read_tile(level + 1, index // WIDTH, size)[index % WIDTH]:
        raise Fatal(f"{tile_path(level, index)} as the entries give it is not what the tree above it says")
