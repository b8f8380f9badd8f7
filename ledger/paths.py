"""
Inclusion proofs of many leaves of one tree: each hash is read and checked once, whoever's way it lies on.

The leaves of a batch lie side by side and share all but the last steps of their ways.  From the root down, two halves are
believed where together they give a hash that is believed already; so a leaf is believed where its proof verifies.

Source: RFC 9162 section 2.1.3; verify/merkle.py, whose proofs these are.
"""

from verify.checkpoint import Checkpoint
from verify.errors import NotIncluded
from verify.merkle import Hash, Reader, node_hash, verify_inclusion

Span = tuple[int, int]
"""The leaves [start, end)."""


class Paths:
    """Proofs under one checkpoint, from what `reader` gives.  For one thread and one answer: what was checked is trusted."""

    def __init__(self, reader: Reader, checkpoint: Checkpoint) -> None:
        self._reader = reader
        self._size, self._root = checkpoint.size, checkpoint.root
        self._read: dict[Span, Hash] = {}
        self._checked: dict[Span, tuple[int, Hash, Hash]] = {}
        """Spans whose two halves lead to the root: where they meet, and their hashes."""
        self._way: list[tuple[Span, Hash]] = [((0, checkpoint.size), checkpoint.root)]
        """From the root to the leaf that was asked for last: spans and their hashes, all believed."""
        self._beside: list[Hash] = []
        """What lies beside that way; one less."""
        self._tried = False

    def of(self, index: int, leaf: Hash) -> tuple[Hash, ...]:
        """The proof that `leaf` is at `index`, which is below the size.  Raises NotIncluded, and what the reader raises."""
        here = self._go_to(index)
        NotIncluded.unless(here == leaf, f"the tree has another leaf at {index}")
        path = self._beside[::-1]
        if not self._tried:
            # One of them by the reader's own code: a fault of this module's must not become receipts that nobody can use.
            verify_inclusion(leaf, index=index, size=self._size, proof=path, root=self._root)
            self._tried = True
        return tuple(path)

    def _go_to(self, index: int) -> Hash:
        """Turn back to where the ways part, which for a neighbour is near the leaves, and go down; the hash that is there."""
        way, beside = self._way, self._beside
        while not way[-1][0][0] <= index < way[-1][0][1]:
            way.pop()
            beside.pop()
        (start, end), here = way[-1]
        while end - start > 1:
            middle, left, right = self._halves(start, end, here)
            if index < middle:
                end, here = middle, left
                beside.append(right)
            else:
                start, here = middle, right
                beside.append(left)
            way.append(((start, end), here))
        return here

    def _halves(self, start: int, end: int, here: Hash) -> tuple[int, Hash, Hash]:
        """Where the span is cut, and the halves' hashes, which must lead to `here`."""
        found = self._checked.get((start, end))
        if found is None:
            middle = _middle(start, end)
            left, right = self._hash(start, middle), self._hash(middle, end)
            NotIncluded.unless(node_hash(left, right) == here, f"the tiles over {start} to {end} lead to another root")
            found = self._checked[start, end] = middle, left, right
        return found

    def _hash(self, start: int, end: int) -> Hash:
        known = self._read.get((start, end))
        if known is None:
            known = self._read[start, end] = self._made(start, end)
        return known

    def _made(self, start: int, end: int) -> Hash:
        count = end - start
        if count & (count - 1) == 0:
            return self._reader(count.bit_length() - 1, start // count)
        middle = _middle(start, end)
        return node_hash(self._hash(start, middle), self._hash(middle, end))


def _middle(start: int, end: int) -> int:
    """Where RFC 6962 splits two or more leaves."""
    return start + (1 << ((end - start - 1).bit_length() - 1))
