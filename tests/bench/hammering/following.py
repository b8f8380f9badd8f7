"""
Full readers: follow the checkpoint, fetch every new entry and tile, and rebuild the tree from nothing but the entries.

A reader keeps every leaf it has seen.  That the next signed root comes out of the old leaves and the new ones is the proof
that the log only grew; and the tiles that others build proofs from must hold what the entries give.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.hammering.log import Away, IsOver, Missing, Remote, Trust
from verify import merkle
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.errors import NotConsistent, NotIncluded, VerificationError
from verify.merkle import Hash
from verify.tiles import WIDTH, parse_entries

POLL_S = 0.25
HEIGHT = 8  # levels of the tree in a tile
AT_ONCE = 8  # tiles asked for together


@dataclass(slots=True)
class Tree:
    """A tree that grows by leaves and keeps every complete subtree: what the reader of a proof needs, 64 bytes an entry."""

    levels: list[list[Hash]] = field(default_factory=lambda: [[]])

    @property
    def size(self) -> int:
        """Leaves."""
        return len(self.levels[0])

    def append(self, leaf: Hash) -> None:
        """Add a leaf and the subtrees that it completes."""
        self.levels[0].append(leaf)
        level = 0
        while len(self.levels[level]) % 2 == 0:
            if level + 1 == len(self.levels):
                self.levels.append([])
            left, right = self.levels[level][-2:]
            self.levels[level + 1].append(merkle.node_hash(left, right))
            level += 1

    def read(self, level: int, index: int) -> Hash:
        """See verify.merkle.Reader."""
        return self.levels[level][index]

    def root(self, size: int) -> Hash:
        """The root over the first `size` leaves."""
        return merkle.root(self.read, size)


@dataclass(slots=True)
class Follower:
    """Follows one log; whatever does not verify is a fault of the run."""

    remote: Remote
    trust: Trust
    tree: Tree = field(default_factory=Tree)
    digests: dict[bytes, int] = field(default_factory=dict)
    """Every statement's index: one that is there twice is a fault."""
    time_ms: int = 0
    time_s: int = 0
    failed: int = 0

    async def run(self, is_over: IsOver) -> None:
        """Follow until it is over."""
        while not is_over():
            try:
                await self.catch_up()
            except Away:
                pass
            except (VerificationError, Missing) as error:
                self.remote.tally.faults.append(f"a full reader at {self.tree.size}: {error}")
                self.failed += 1
                if self.failed > 3:
                    return
            await asyncio.sleep(POLL_S)

    async def catch_up(self) -> Checkpoint:
        """Read up to the checkpoint that is published now.  Raises Away, Missing, VerificationError."""
        checkpoint, time_s = self.trust.open(await self.remote.checkpoint())
        self.remote.tally.counts["checkpoints verified"] += 1
        if checkpoint.size < self.tree.size:
            raise NotConsistent(f"the log showed {self.tree.size} entries and now shows {checkpoint.size}")
        if checkpoint.size == self.tree.size and time_s < self.time_s:
            self.remote.tally.counts["older checkpoints of the same tree"] += 1
        before, self.time_s = self.tree.size, max(time_s, self.time_s)
        await self._read_entries(checkpoint.size)
        if self.tree.root(checkpoint.size) != checkpoint.root:
            raise NotConsistent(f"the entries do not give the root that was signed at {checkpoint.size}")
        if checkpoint.size > before:
            await self._check_tiles(before, checkpoint.size)
        return checkpoint

    async def _read_entries(self, size: int) -> None:
        for start in range(self.tree.size // WIDTH, -(-size // WIDTH), AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, -(-size // WIDTH)))
            widths = [min(WIDTH, size - number * WIDTH) for number in numbers]
            asked = [self.remote.tile("entries", number, width) for number, width in zip(numbers, widths, strict=True)]
            for number, width, data in zip(numbers, widths, await asyncio.gather(*asked), strict=True):
                self._take(number * WIDTH, cut_entries(data, width))

    def _take(self, first: int, entries: Sequence[bytes]) -> None:
        for index, data in enumerate(entries, first):
            leaf = merkle.leaf_hash(data)
            if index < self.tree.size:
                if self.tree.levels[0][index] != leaf:
                    raise NotConsistent(f"entry {index} has changed")
                continue
            entry = Entry.decode(data)
            if entry.time_ms < self.time_ms:
                raise NotConsistent(f"entry {index} is older than the one before it")
            if self.digests.setdefault(entry.digest, index) != index:
                raise NotConsistent(f"{entry.digest.hex()} is at {self.digests[entry.digest]} and again at {index}")
            self.time_ms = entry.time_ms
            self.tree.append(leaf)
            self.remote.tally.counts["entries verified"] += 1

    async def _check_tiles(self, before: int, size: int) -> None:
        level = 0
        while size >> (HEIGHT * level):
            row = self.tree.levels[HEIGHT * level]
            count, first = size >> (HEIGHT * level), (before >> (HEIGHT * level)) // WIDTH
            for number in range(first, -(-count // WIDTH)):
                hashes = row[number * WIDTH : min(count, (number + 1) * WIDTH)]
                data = await self.remote.tile(level, number, len(hashes))
                if data[: 32 * len(hashes)] != b"".join(hashes):
                    raise NotIncluded(f"tile {number} of level {level} is not what its entries give")
                self.remote.tally.counts["tiles verified"] += 1
            level += 1


def cut_entries(data: bytes, width: int) -> list[bytes]:
    """The first `width` entries of a tile that may be wider by now.  Raises Malformed."""
    end = 0
    for _ in range(width):
        end += 2 + int.from_bytes(data[end : end + 2], "big")
    return parse_entries(data[:end], width)
