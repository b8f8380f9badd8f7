"""Proofs that share their ways are those that a reader's own code makes, and a damaged tile gives none."""

import random

import pytest

from ledger.paths import Paths
from verify.checkpoint import Checkpoint
from verify.errors import NotIncluded
from verify.merkle import Hash, leaf_hash, prove_inclusion, root, roots_reader, verify_inclusion

LEAVES = [leaf_hash(bytes([number])) for number in range(80)]


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint("log.example/paths", size, root(roots_reader(LEAVES[:size]), size))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 31, 64, 65, 79, 80])
def test_every_leaf_has_the_proof_that_it_would_have_alone(size: int) -> None:
    reader, paths = roots_reader(LEAVES[:size]), Paths(roots_reader(LEAVES[:size]), checkpoint(size))
    shuffled = random.Random(size).sample(range(size), size)
    for index in (*reversed(range(size)), *range(size), *shuffled):
        path = paths.of(index, LEAVES[index])
        assert list(path) == prove_inclusion(reader, index, size)
        verify_inclusion(LEAVES[index], index=index, size=size, proof=path, root=checkpoint(size).root)


@pytest.mark.parametrize("size", [3, 7, 64, 80])
def test_no_proof_goes_by_a_hash_that_is_damaged(size: int) -> None:
    reader, whole = roots_reader(LEAVES[:size]), checkpoint(size)
    for level, at in {(0, 0), (0, size - 1), (1, 0)}:

        def damaged(depth: int, index: int, bad: tuple[int, int] = (level, at)) -> Hash:
            return bytes(32) if (depth, index) == bad else reader(depth, index)

        proved, paths = 0, Paths(damaged, whole)
        for index in range(size):
            try:
                path = paths.of(index, LEAVES[index])
            except NotIncluded:
                continue
            verify_inclusion(LEAVES[index], index=index, size=size, proof=path, root=whole.root)
            proved += 1
        assert proved < size


def test_another_leaf_than_the_stored_one_has_no_proof() -> None:
    paths = Paths(roots_reader(LEAVES), checkpoint(80))
    paths.of(4, LEAVES[4])
    with pytest.raises(NotIncluded):
        paths.of(5, LEAVES[4])
