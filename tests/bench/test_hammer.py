"""The hammer itself: what it must notice, and what it must not blame on the log."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.hammer import check_again, own_log, policy_of, run
from tests.bench.hammering.book import Acknowledged, Book, pick, read_book, standstill
from tests.bench.hammering.following import Tree
from tests.bench.hammering.workers import Load
from verify import merkle

SMALL = {"writers": 1, "batch": 8, "posters": 1, "followers": 1, "samplers": 1, "processes": 1, "rate": 40.0}


def written(path: Path, *promises: Acknowledged) -> Path:
    book = Book(path)
    book.note(promises)
    book.close()
    return path


def test_a_lost_or_moved_acknowledgement_is_named_and_an_honest_log_passes(tmp_path: Path) -> None:
    with own_log() as (service, keys):
        policy = policy_of([service.url])
        load = Load([service.url], policy, keys, tmp_path / "book", 3, **SMALL)  # type: ignore[arg-type]
        total, found = run(load, Console(quiet=True))
        honest, _ = check_again([service.url], policy, load.book, 100)
        promises = read_book(load.book)
        assert total.faults == honest.faults == []
        assert total.counts["acknowledged"] == honest.counts["found"] == len(promises) > 10
        assert total.counts["entries verified"] > 10
        assert total.counts["random statements verified"] > 0
        assert dict((name, value) for name, value, _ in found)["hammer.faults"] == 0

        invented = replace(promises[0], digest="ab" * 32)
        moved = replace(promises[1], index=promises[2].index)
        for lie in (invented, moved):
            book = written(tmp_path / lie.digest, lie, promises[3])
            tally, _ = check_again([service.url], policy, book, 100)
            assert tally.counts["found"] == 1
            assert lie.digest in tally.faults[0]


def test_a_standstill_that_had_not_ended_counts_up_to_the_end() -> None:
    assert standstill([1_000, 2_000, 2_500], 1_500, 2_600) == 1.0
    assert standstill([1_000, 2_000], 1_500, 9_000) == 7.0
    assert standstill([], 1_000, 9_000) == 8.0


def test_the_readers_tree_gives_the_roots_of_the_verifier() -> None:
    leaves, tree = [merkle.leaf_hash(bytes([number])) for number in range(70)], Tree()
    for size, leaf in enumerate(leaves, 1):
        tree.append(leaf)
        assert tree.root(size) == merkle.root(merkle.roots_reader(leaves[:size]), size)


@pytest.mark.parametrize("count", [2, 50])
def test_any_acknowledgement_may_be_picked_and_none_is_half_read(tmp_path: Path, count: int) -> None:
    promises = [Acknowledged(1_795_000_000_000 + number, number, f"{number:064x}") for number in range(count)]
    path = written(tmp_path / "book", *promises)
    assert {pick(path) for _ in range(200)} - {None} <= set(promises)
    assert pick(tmp_path / "no book") is None
