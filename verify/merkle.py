"""
The Merkle tree of RFC 6962: hash, prove over a reader, verify.

A proof binds neither size nor index (a proof made for one size verifies for many): take size and root together from one
signed checkpoint, and never from two places.  Size 0 has a root and no proofs.

Source: RFC 6962 section 2.1; RFC 9162 sections 2.1.3.2 and 2.1.4.2; protocol.md section 1 (multiproof).
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from .errors import NotConsistent, NotIncluded

Hash = bytes
Reader = Callable[[int, int], Hash]
"""reader(level, index) gives the hash of the complete subtree over leaves [index * 2^level, (index + 1) * 2^level)."""

MAX_SIZE = 2**53 - 1  # what both languages count exactly
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> Hash:
    """Hash one entry as a leaf: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Hash two subtrees as a node: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def split(count: int) -> int:
    """The largest power of two smaller than `count`; count >= 2."""
    return 1 << ((count - 1).bit_length() - 1)


def subtree(reader: Reader, start: int, end: int) -> Hash:
    """The hash over leaves [start, end), where start is a multiple of the subtree's width.  O(log n) reads."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return reader(level, start >> level)
    middle = start + split(count)
    return node_hash(subtree(reader, start, middle), subtree(reader, middle, end))


def root(reader: Reader, size: int) -> Hash:
    """The root over the first `size` leaves; SHA-256 of nothing for size 0."""
    return subtree(reader, 0, size) if size else EMPTY_ROOT


def roots_reader(leaves: Sequence[Hash]) -> Reader:
    """A reader over leaf hashes held in memory; complete subtrees are hashed once."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return lambda level, index: levels[level][index]


def prove_inclusion(reader: Reader, index: int, size: int) -> list[Hash]:
    """Prove that leaf `index` is in the tree of `size` leaves: siblings from the leaf up, at most 53 of 32 bytes."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            path.append(subtree(reader, middle, end))
            end = middle
        else:
            path.append(subtree(reader, start, middle))
            start = middle
    return path[::-1]


def prove_consistency(reader: Reader, old: int, new: int) -> list[Hash]:
    """Prove that the tree of `old` leaves is a prefix of the tree of `new`; empty where they are equal."""
    if not 0 < old <= new <= MAX_SIZE:
        raise ValueError(f"no consistency proof from {old} to {new}")
    start, end, path, whole = 0, new, [], True
    while end != old:
        middle = start + split(end - start)
        if old <= middle:
            path.append(subtree(reader, middle, end))
            end = middle
        else:
            path.append(subtree(reader, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(subtree(reader, start, end))
    return path[::-1]


def verify_inclusion(leaf: Hash, *, index: int, size: int, proof: Sequence[Hash], root: Hash) -> None:
    """Verify that `leaf` is at `index` under (size, root).  Raises NotIncluded."""
    if not 0 <= index < size <= MAX_SIZE:
        raise NotIncluded(f"index {index} is not below the size {size}")
    inner = (index ^ (size - 1)).bit_length()
    if len(proof) != inner + (index >> inner).bit_count():
        raise NotIncluded("the proof has the wrong length")
    found = leaf
    for level, sibling in enumerate(proof):
        left = level >= inner or index >> level & 1
        found = node_hash(sibling, found) if left else node_hash(found, sibling)
    if found != root:
        raise NotIncluded("the proof leads to another root")


def verify_consistency(*, old: int, new: int, old_root: Hash, new_root: Hash, proof: Sequence[Hash]) -> None:
    """Verify that (old, old_root) is a prefix of (new, new_root); both sizes at least 1.  Raises NotConsistent."""
    if not 0 < old <= new <= MAX_SIZE:
        raise NotConsistent(f"the log cannot have gone from {old} to {new} entries")
    if old == new:
        if proof or old_root != new_root:
            raise NotConsistent("two different trees of one size")
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path or not proof:
        raise NotConsistent("the proof is empty")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise NotConsistent("the proof is too long")
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    if last or first != old_root or second != new_root:
        raise NotConsistent("the proof does not lead from the old root to the new one")


def prove_multi(reader: Reader, indexes: Sequence[int], size: int) -> list[Hash]:
    """
    Prove several leaves at once: the roots of the maximal subtrees without a target, left to right, depth first.

    `indexes` distinct, ascending, below `size`, not empty.  Source: protocol.md section 1, Multiproof.
    """
    _check_indexes(indexes, size)
    nodes: list[Hash] = []

    def visit(start: int, end: int, inside: Sequence[int]) -> None:
        if not inside:
            nodes.append(subtree(reader, start, end))
        elif end - start > 1:
            middle = start + split(end - start)
            visit(start, middle, [index for index in inside if index < middle])
            visit(middle, end, [index for index in inside if index >= middle])

    visit(0, size, indexes)
    return nodes


def verify_multi(leaves: Mapping[int, Hash], *, size: int, proof: Sequence[Hash], root: Hash) -> None:
    """Verify leaves by index under (size, root); every node of the proof must be consumed.  Raises NotIncluded."""
    indexes = sorted(leaves)
    try:
        _check_indexes(indexes, size)
    except ValueError as error:
        raise NotIncluded(str(error)) from None
    nodes = iter(proof)

    def visit(start: int, end: int, inside: Sequence[int]) -> Hash:
        if not inside:
            try:
                return next(nodes)
            except StopIteration:
                raise NotIncluded("the proof is too short") from None
        if end - start == 1:
            return leaves[start]
        middle = start + split(end - start)
        left = visit(start, middle, [index for index in inside if index < middle])
        return node_hash(left, visit(middle, end, [index for index in inside if index >= middle]))

    found = visit(0, size, indexes)
    if next(nodes, None) is not None:
        raise NotIncluded("the proof is too long")
    if found != root:
        raise NotIncluded("the proof leads to another root")


def _check_indexes(indexes: Sequence[int], size: int) -> None:
    if not indexes or size > MAX_SIZE or indexes[0] < 0 or indexes[-1] >= size:
        raise ValueError("a multiproof is about one or more leaves below the size")
    if any(a >= b for a, b in zip(indexes, indexes[1:], strict=False)):
        raise ValueError("the indexes must be distinct and ascending")
