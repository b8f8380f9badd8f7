"""
Trees to test with: readers over leaves, a tree of a million leaves in no memory, and the slow twin of verify/merkle.py.

The twin is RFC 6962's own recursion over a list, written without a look at the fast code.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from verify.merkle import Hash, Reader, leaf_hash, node_hash


def some_leaves(count: int, salt: str = "") -> list[Hash]:
    """`count` different leaf hashes; another salt gives another log."""
    return [leaf_hash(f"{salt}/{index}".encode()) for index in range(count)]


def reader_of(leaves: Sequence[Hash]) -> Reader:
    """A reader over the leaves given."""

    @cache
    def read(level: int, index: int) -> Hash:
        if level == 0:
            return leaves[index]
        return node_hash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))

    return read


def reader_of_equal(leaf: Hash) -> Reader:
    """A reader over as many equal leaves as anyone asks for: a subtree's hash follows from its level alone."""

    @cache
    def read(level: int) -> Hash:
        return leaf if level == 0 else node_hash(read(level - 1), read(level - 1))

    return lambda level, _index: read(level)


def slow_root(leaves: Sequence[Hash]) -> Hash:
    """MTH(D[n]) of RFC 6962, section 2.1, over leaf hashes; at least one."""
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return sha256(b"\x01" + slow_root(leaves[:k]) + slow_root(leaves[k:])).digest()


def slow_consistency(old: int, leaves: Sequence[Hash]) -> list[Hash]:
    """PROOF(m, D[n]) of RFC 6962, section 2.1.2; 0 < old < len(leaves)."""
    return _subproof(old, leaves, True)


def _subproof(m: int, leaves: Sequence[Hash], known: bool) -> list[Hash]:
    n = len(leaves)
    if m == n:
        return [] if known else [slow_root(leaves)]
    k = _split(n)
    if m <= k:
        return [*_subproof(m, leaves[:k], known), slow_root(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], False), slow_root(leaves[:k])]


def _split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k
