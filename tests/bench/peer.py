"""
Beside a peer: pymerkle's SQLite tree appends and proves the same entries in the same run; and what others publish of theirs.

pymerkle keeps entries and their hashes in SQLite and nothing else: no signature, no tiles, no statement.  Both commit every batch
to disk, both must come to the same root, and our time for a proof includes reading the entry and verifying.  pymerkle is GPL-3:
installed for this measurement, imported by nothing else.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from typing import Protocol, TypeVar

from tests.bench.figures import Report
from tests.bench.growth import BATCH, FILL, batches_at, median, sizes_to
from tests.bench.stage import workspace
from tests.bench.synthetic import SyntheticLog, entries, synthetic_log

PROOFS = 100
QUOTED = (
    ("tessera.posix.e2-micro", 1_500, "Tessera docs/performance.md: POSIX files, 2 shared vCPU, 1 GB"),
    ("tessera.posix.e2-micro.antispam", 600, "Tessera docs/performance.md: the same, refusing duplicates"),
    ("tesseract.e2-standard-2", 600, "TesseraCT docs/performance.md: 2 vCPU, 8 GB, Spanner of 100 PU, 12 hours"),
    ("tesseract.e2-standard-2.awaited", 500, "TesseraCT docs/performance.md: the same, answered after publication"),
)
T = TypeVar("T")


class Tree(Protocol):
    """What we use of pymerkle's tree; its indexes count from one."""

    def append_entries(self, entries: Iterable[bytes]) -> int:
        """Append in one transaction."""

    def prove_inclusion(self, index: int) -> object:
        """Prove against the tree as it is."""

    def get_root(self) -> bytes:
        """The root of the tree as it is."""


def run(name: str, largest: int, report: Report) -> None:
    """Measure pymerkle and ourselves at each size, then quote the others."""
    try:
        from pymerkle import SqliteTree
    except ImportError:
        raise SystemExit("pymerkle is not installed: pip install --require-hashes -r requirements-bench.txt") from None
    with ExitStack() as held:
        folder = held.enter_context(workspace())
        log = held.enter_context(synthetic_log(folder))
        tree = held.enter_context(closing(SqliteTree(str(folder / "peer.db"))))
        tree.append_entries(log.store.read_entries(0, 1))
        for size in sizes_to(largest):
            while log.size < size:
                batch = entries(min(FILL, size - log.size))
                log.append(batch)
                tree.append_entries(batch)
            _compare(f"{name}.{size}", size, log, tree, report)
    for system, rate, source in QUOTED:
        report.add(f"{name}.quoted.{system}", rate, "entries/s", against=f"not measured here: {source}")


def _compare(name: str, size: int, log: SyntheticLog, tree: Tree, report: Report) -> None:
    batches = batches_at(size)
    count = BATCH * len(batches)
    theirs, ours = sum(_times(tree.append_entries, batches)), sum(_times(log.append, batches))
    report.add(f"{name}.append.pymerkle", count / theirs, "entries/s")
    report.add(f"{name}.append", count / ours, "entries/s", to=count / theirs, against=f"{name}.append.pymerkle")
    indexes = random.sample(range(log.size), PROOFS)
    first, *others = _times(tree.prove_inclusion, [index + 1 for index in indexes])
    ours_first, *ours_others = _times(log.prove, indexes)
    for what, their, our in (("first", first, ours_first), ("p50", median(others), median(ours_others))):
        report.add(f"{name}.prove.{what}.pymerkle", their * 1_000, "ms")
        report.add(f"{name}.prove.{what}", our * 1_000, "ms", to=their * 1_000, against=f"{name}.prove.{what}.pymerkle")
    if tree.get_root() != log.root:
        raise SystemExit("two roots of the same entries")


def _times(work: Callable[[T], object], items: Iterable[T]) -> list[float]:
    return list(_each(work, items))


def _each(work: Callable[[T], object], items: Iterable[T]) -> Iterator[float]:
    for item in items:
        begun = time.perf_counter()
        work(item)
        yield time.perf_counter() - begun
