"""
Auditing what the public sees: every entry, every tile, the root and the signatures, from a store alone.

Needs no database, so it also audits somebody else's log over HTTP or from a folder.  What the entries mean is audit.py's.

Source: Tessera's fsck; c2sp.org/tlog-tiles.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ledger.problems import Fatal
from ledger.tiles import RightEdge, Tiles, TileStore, width_at
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.entry import Entry
from verify.errors import VerificationError
from verify.merkle import Hash, leaf_hash
from verify.note import VerifierKey, lines_of, open_note, parse_note
from verify.tiles import WIDTH, tile_path

SPAN = 16 * WIDTH  # entries looked at together


class Broken(Exception):
    """The first thing that is not as it must be, by table and column or by path; `index` where it belongs to one entry."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message if index is None else f"entry {index}: {message}")
        self.index = index


def insist_same(table: str, wanted: Mapping[str, object], held: Mapping[str, object], index: int | None = None) -> None:
    """Raise Broken for the first column of a row that is not what it must be."""
    for column, value in wanted.items():
        if held[column] != value:
            raise Broken(f"{table}.{column} is not what the log says", index)


@dataclass(frozen=True, slots=True)
class Served:
    """The checkpoint that the store serves, and whether its signature was checked."""

    checkpoint: Checkpoint
    time_s: int | None
    """By the log's clock; None where its key was not given."""
    is_signed: bool


def read_served(store: TileStore, log: VerifierKey | None, clock: VerifierKey | None) -> Served:
    """Read the served checkpoint under the keys that the auditor trusts.  Raises Broken."""
    body = store.read_checkpoint()
    if body is None:
        raise Broken("the store serves no checkpoint")
    try:
        note = parse_note(body)
        checkpoint = Checkpoint.parse(note.text)
        if log is not None:
            open_note(note, [log])
        times = [] if clock is None else [verify_cosignature(note.text, line, clock) for line in lines_of(note, clock)]
    except VerificationError as error:
        raise Broken(f"the served checkpoint: {error.message}") from None
    if clock is not None and not times:
        raise Broken("the served checkpoint: no line by the log's clock")
    if log is not None and checkpoint.origin != log.name:
        raise Broken(f"the served checkpoint is of the log {checkpoint.origin}")
    return Served(checkpoint, times[0] if times else None, log is not None)


def audit_tiles(store: TileStore, checkpoint: Checkpoint) -> Iterator[tuple[int, list[bytes]]]:
    """
    Re-derive every tile and the root from the entry bundles; yields (first index, entries) as it goes.

    Raises Broken at the first entry that is malformed or whose time runs back, tile that is lost or wrong, and at the end
    where the root is another.  Exhaust it, or the root was not checked.
    """
    edge, size, time_ms = RightEdge(), checkpoint.size, 0
    for start in range(0, size, SPAN):
        entries = list(_entries(store, start, min(start + SPAN, size), size))
        time_ms = _check_times(start, entries, time_ms, size)
        edge, touched = edge.extend([leaf_hash(entry) for entry in entries])
        _compare(store, {at: tile for at, tile in touched.items() if len(tile) == WIDTH}, size)
        yield start, entries
    _compare(store, edge.tiles, size)
    if edge.root() != checkpoint.root:
        raise Broken(f"the entries do not give the root of the checkpoint of {size}")


def _entries(store: TileStore, start: int, end: int, size: int) -> Iterator[bytes]:
    for bundle in range(start // WIDTH, -(-end // WIDTH)):
        try:
            yield from store.read_entries(bundle, size)
        except (Fatal, VerificationError) as error:
            raise Broken(f"{bundle_at(bundle * WIDTH, size)} is damaged: {error}", bundle * WIDTH) from None


def bundle_at(index: int, size: int) -> str:
    """The path of the bundle with this entry in the tree of `size`."""
    return tile_path("entries", index // WIDTH, width_at(0, index // WIDTH, size))


def _check_times(start: int, entries: Sequence[bytes], time_ms: int, size: int) -> int:
    for index, data in enumerate(entries, start):
        try:
            entry = Entry.decode(data)
        except VerificationError as error:
            raise Broken(f"{bundle_at(index, size)}: {error.message}", index) from None
        if entry.time_ms < time_ms:
            raise Broken(f"{bundle_at(index, size)}: its time is before the entry's before it", index)
        time_ms = entry.time_ms
    return time_ms


def _compare(store: TileStore, tiles: Tiles, size: int) -> None:
    for (level, index), derived in tiles.items():
        try:
            stored: Sequence[Hash] = store.read_tile(level, index, size)
        except Fatal as error:
            raise Broken(str(error)) from None
        if tuple(stored) != derived:
            path = tile_path(level, index, len(derived))
            raise Broken(f"{path} is not what its entries give")
