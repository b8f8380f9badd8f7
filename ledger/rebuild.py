"""
Re-deriving the object store from the database: what is missing, torn or other than the entries say.

First the entries must give the signed root, and only then is anything written: a damaged database never overwrites good tiles.
Each object is compared before it is written, so that a run that was cut short goes on where it was.  Memory stays bounded: a
span of entries at a time.

Source: Tessera's fsck; c2sp.org/tlog-tiles.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import CheckpointRow, EntryRow, Published
from ledger.objects import read_all, write_all
from ledger.problems import Fatal
from ledger.signing import Signed, open_signed
from ledger.tiles import CHECKPOINT, RightEdge, TileStore
from producers.tiles import format_entries
from verify.merkle import leaf_hash
from verify.note import VerifierKey
from verify.tiles import WIDTH, tile_path

SPAN = 64 * WIDTH  # entries looked at together
Told = Callable[[int], None]
"""Is told how many entries were looked at, as it goes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One object that is not as the entries say."""

    path: str
    what: str
    """missing, torn (of another length), other bytes, not ours (a checkpoint) or behind (a checkpoint)."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the database says: the committed checkpoint, and the published one with its cosignatures, if there is one."""

    committed: Signed
    published: Signed | None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The trees whose right edges somebody may read, ascending."""
        sizes = {self.committed.checkpoint.size} | ({self.published.checkpoint.size} if self.published else set())
        return tuple(sorted(sizes))


def read_truth(session: Session, store: TileStore, log: VerifierKey, clock: VerifierKey) -> Truth:
    """
    Read the checkpoints and verify them under our keys.

    Raises Fatal where a signature fails, or where the store serves a larger tree than the database knows: then the database
    is an old copy, and tiles made from it would be a fork.
    """
    row, out = session.scalar(select(CheckpointRow)), session.scalar(select(Published))
    if row is None:
        raise Fatal("the checkpoint row is missing")
    truth = Truth(open_signed(row.body, log, clock), open_signed(out.body, log, clock) if out else None)
    served = _served(store, log, clock)
    if served is not None and served.checkpoint.size > truth.committed.checkpoint.size:
        known = truth.committed.checkpoint.size
        raise Fatal(f"the store serves a tree of {served.checkpoint.size} that this database ({known}) does not know")
    return truth


def check_root(session: Session, truth: Truth, told: Told) -> None:
    """Raises Fatal unless the entries give every signed root."""
    signed = {one.checkpoint.size: one.checkpoint.root for one in (truth.committed, truth.published) if one is not None}
    edge = RightEdge()
    for start, end in _spans(truth.sizes):
        edge, _ = edge.extend([leaf_hash(entry) for entry in _entries(session, start, end)])
        if end in signed and edge.root() != signed[end]:
            raise Fatal(f"the entries do not give the signed root of {end}")
        told(end - start)


def find_faults(
    session: Session, store: TileStore, sizes: Sequence[int], told: Told = lambda _: None, *, mend: bool,
    since: RightEdge = RightEdge(), anew: Container[str] = (),
) -> Iterator[Fault]:  # fmt: skip
    """
    Compare every object of the trees of `sizes` (ascending) with the store; with `mend`, write what is not right.

    `since`, of a size without a partial bundle: only what was added after that tree.  `anew`: what is written though it reads
    well.
    """
    for start, end, objects in _derived(session, sizes, since):
        stored = read_all(store.objects, objects)
        faults = [_fault(path, data, found) for (path, data), found in zip(objects.items(), stored, strict=True)]
        wrong = [one for one in faults if one is not None and not _is_collected(store, one)]
        written = [one.path for one in wrong] + [path for path in objects if path in anew]
        if mend and written:
            write_all(store.objects, {path: objects[path] for path in written}, replace=True)
            store.objects.settle(written)
        yield from wrong
        told(end - start)


def find_checkpoint_fault(store: TileStore, truth: Truth, log: VerifierKey, clock: VerifierKey, *, mend: bool) -> Fault | None:
    """Look at the served checkpoint, last; with `mend`, publish again what was published."""
    if truth.published is None:
        return None
    served, body = _served(store, log, clock), store.read_checkpoint()
    if served is not None and served.checkpoint.size >= truth.published.checkpoint.size:
        return None  # a running service may have gone on meanwhile
    if mend:
        store.write_checkpoint(truth.published.body)
        store.objects.settle([CHECKPOINT])
    return Fault(CHECKPOINT, "behind" if served else "missing" if body is None else "not ours")


def _served(store: TileStore, log: VerifierKey, clock: VerifierKey) -> Signed | None:
    try:
        return open_signed(store.read_checkpoint() or "", log, clock)
    except Fatal:
        return None


def _spans(sizes: Sequence[int], start: int = 0) -> Iterator[tuple[int, int]]:
    for size in sizes:
        while start < size:
            end = min(size, start - start % SPAN + SPAN)
            yield start, end
            start = end


def _entries(session: Session, start: int, end: int) -> Sequence[bytes]:
    wanted = select(EntryRow.entry).where(EntryRow.index >= start, EntryRow.index < end).order_by(EntryRow.index)
    entries = session.scalars(wanted).all()
    if len(entries) != end - start:
        raise Fatal(f"entries are missing between {start} and {end}")
    return entries


def _derived(session: Session, sizes: Sequence[int], edge: RightEdge) -> Iterator[tuple[int, int, dict[str, bytes]]]:
    """Every object of the trees of `sizes` after `edge`, a span at a time: full tiles as they fill, right edges at each size."""
    bundle = list[bytes]()
    if edge.size in sizes:
        yield edge.size, edge.size, dict(_right_edge(edge, bundle))
    for start, end in _spans(sizes, edge.size):
        entries = _entries(session, start, end)
        edge, touched = edge.extend([leaf_hash(entry) for entry in entries])
        objects = {tile_path(*at): b"".join(tile) for at, tile in touched.items() if len(tile) == WIDTH}
        bundle += entries
        first = end // WIDTH - len(bundle) // WIDTH
        while len(bundle) >= WIDTH:
            objects[tile_path("entries", first)], bundle = format_entries(bundle[:WIDTH]), bundle[WIDTH:]
            first += 1
        if end in sizes:
            objects |= _right_edge(edge, bundle)
        yield start, end, objects


def _right_edge(edge: RightEdge, bundle: list[bytes]) -> Mapping[str, bytes]:
    tiles = {(level, at, len(tile)): tile for (level, at), tile in edge.tiles.items() if len(tile) < WIDTH}
    objects = {tile_path(*named): b"".join(tile) for named, tile in tiles.items()}
    if bundle:
        objects[tile_path("entries", edge.size // WIDTH, len(bundle))] = format_entries(bundle)
    return objects


def _fault(path: str, derived: bytes, stored: bytes | None) -> Fault | None:
    if stored is None:
        return Fault(path, "missing")
    return None if stored == derived else Fault(path, "torn" if len(stored) != len(derived) else "other bytes")


def _is_collected(store: TileStore, fault: Fault) -> bool:
    """Whether a partial tile of the smaller tree is gone because the larger one has the full tile."""
    full, _, width = fault.path.partition(".p/")
    return bool(width) and fault.what == "missing" and store.objects.read(full) is not None
