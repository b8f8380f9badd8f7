"""The Merkle tree of RFC 6962: hash, prove over a reader, verify.  Size 0 has a root and no proofs.
A proof binds neither size nor index (one made for one size verifies for many): take size and root from one checkpoint.
Source: RFC 6962 section 2.1; RFC 9162 sections 2.1.3.2 and 2.1.4.2; protocol.md section 1 (multiproof)."""
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from .errors import NotConsistent, NotIncluded

Hash = bytes
Reader = Callable[[int, int], Hash]
"""reader(level, index) gives the hash of the complete subtree over leaves [index * 2^level, (index + 1) * 2^level)."""
MAX_SIZE = 2**53 - 1  # what both languages count exactly
EMPTY_ROOT = sha256(b"").digest()

def leaf_hash(entry: bytes) -> Hash:
    return sha256(b"\x00" + entry).digest()

def node_hash(left: Hash, right: Hash) -> Hash:
    return sha256(b"\x01" + left + right).digest()

def _middle(start: int, end: int) -> int:
    # Where RFC 6962 splits two or more leaves: after the largest power of two that is smaller than their number.
    return start + (1 << ((end - start - 1).bit_length() - 1))

def _subtree(reader: Reader, start: int, end: int) -> Hash:
    # The hash over leaves [start, end), where start is a multiple of the subtree's width.
    count = end - start
    if count & (count - 1) == 0:
        return reader(count.bit_length() - 1, start // count)
    middle = _middle(start, end)
    return node_hash(_subtree(reader, start, middle), _subtree(reader, middle, end))

def root(reader: Reader, size: int) -> Hash:
    """The root over the first `size` leaves; SHA-256 of nothing for size 0.  Reads O(log size) hashes."""
    return _subtree(reader, 0, size) if size else EMPTY_ROOT

def roots_reader(leaves: Sequence[Hash]) -> Reader:
    """A reader over leaf hashes held in memory; complete subtrees are hashed once."""
    levels = [list(leaves)]
    while len(below := levels[-1]) > 1:
        levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return lambda level, index: levels[level][index]

def _beside(index: int, size: int, *, whole: bool = False) -> list[tuple[int, int]]:
    # The subtrees that the way from the root to leaf `index` passes, the lowest first; those that start before it lie on
    # its left.  With `whole` the way ends as soon as it is in a subtree that ends with the leaf.
    start, end, passed = 0, size, []
    while end != index + 1 or (start != index and not whole):
        middle = _middle(start, end)
        passed.append((middle, end) if index < middle else (start, middle))
        start, end = (start, middle) if index < middle else (middle, end)
    return passed[::-1]

def prove_inclusion(reader: Reader, index: int, size: int) -> list[Hash]:
    """Prove that leaf `index` is in the tree of `size`: siblings from the leaf up, at most 53.  Raises ValueError."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    return [_subtree(reader, *other) for other in _beside(index, size)]

def prove_consistency(reader: Reader, old: int, new: int) -> list[Hash]:
    """Prove that the tree of `old` leaves is a prefix of the tree of `new`; empty where equal.  Raises ValueError."""
    if not 0 < old <= new <= MAX_SIZE:
        raise ValueError(f"no consistency proof from {old} to {new}")
    others = _beside(old - 1, new, whole=True)
    lefts = [end for start, end in others if start < old]
    return [_subtree(reader, *part) for part in ([(lefts[0], old), *others] if lefts else others)]

def verify_inclusion(leaf: Hash, *, index: int, size: int, proof: Sequence[Hash], root: Hash) -> None:
    """Verify that `leaf` is at `index` under (size, root).  Raises NotIncluded."""
    NotIncluded.unless(0 <= index < size <= MAX_SIZE, f"index {index} is not below the size {size}")
    others = _beside(index, size)
    NotIncluded.unless(len(proof) == len(others), "the proof has the wrong length")
    for (start, _), sibling in zip(others, proof, strict=True):
        leaf = node_hash(sibling, leaf) if start < index else node_hash(leaf, sibling)
    NotIncluded.unless(leaf == root, "the proof leads to another root")

def consistent_roots(*, old: int, new: int, old_root: Hash, proof: Sequence[Hash]) -> tuple[Hash, Hash]:
    """The roots at both sizes that `proof` gives; `old_root` counts where the proof leaves it out.  Raises NotConsistent."""
    NotConsistent.unless(0 < old <= new <= MAX_SIZE, f"the log cannot have gone from {old} to {new} entries")
    lefts = [start < old for start, _ in _beside(old - 1, new, whole=True)]
    # Where the old tree is a whole left subtree of the new one, its root is known and not repeated in the proof.
    first, *path = proof if any(lefts) and proof else [old_root, *proof]
    NotConsistent.unless(len(path) == len(lefts), "the proof has the wrong length")
    second = first
    for left, sibling in zip(lefts, path, strict=True):
        first = node_hash(sibling, first) if left else first
        second = node_hash(sibling, second) if left else node_hash(second, sibling)
    return first, second

def verify_consistency(*, old: int, new: int, old_root: Hash, new_root: Hash, proof: Sequence[Hash]) -> None:
    """Verify that (old, old_root) is a prefix of (new, new_root); both sizes at least 1.  Raises NotConsistent."""
    is_prefix = consistent_roots(old=old, new=new, old_root=old_root, proof=proof) == (old_root, new_root)
    NotConsistent.unless(is_prefix, "the proof does not lead from the old root to the new one")

def _fold(start: int, end: int, leaves: Mapping[int, Hash], bare: Reader) -> Hash:
    # The hash over leaves [start, end); `bare` gives it for the maximal subtrees without any of `leaves`, left to right.
    if not leaves or end - start == 1:
        return leaves[start] if leaves else bare(start, end)
    middle = _middle(start, end)
    left = _fold(start, middle, {index: leaf for index, leaf in leaves.items() if index < middle}, bare)
    return node_hash(left, _fold(middle, end, {index: leaf for index, leaf in leaves.items() if index >= middle}, bare))

def prove_multi(reader: Reader, indexes: Sequence[int], size: int) -> list[Hash]:
    """Prove several leaves at once: the maximal subtrees without any of them, left to right.  Raises ValueError."""
    if not indexes or not 0 <= indexes[0] <= indexes[-1] < size <= MAX_SIZE or sorted(set(indexes)) != list(indexes):
        raise ValueError("a multiproof is about one or more leaves below the size, distinct and ascending")
    nodes: list[Hash] = []

    def take(start: int, end: int) -> Hash:
        nodes.append(_subtree(reader, start, end))
        return nodes[-1]

    _fold(0, size, dict.fromkeys(indexes, b""), take)
    return nodes

def verify_multi(leaves: Mapping[int, Hash], *, size: int, proof: Sequence[Hash], root: Hash) -> None:
    """Verify leaves by index under (size, root); every node of the proof must be consumed.  Raises NotIncluded."""
    NotIncluded.unless(leaves and 0 <= min(leaves) <= max(leaves) < size <= MAX_SIZE, "no leaves, or not below the size")
    nodes = iter(proof)
    try:
        found = _fold(0, size, leaves, lambda start, end: next(nodes))
    except StopIteration:
        raise NotIncluded("the proof is too short") from None
    NotIncluded.unless(found == root and next(nodes, None) is None, "the proof is too long, or leads to another root")
