"""Tiles are a function of the entries alone: however the log grew, the same files come out."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.objects import HttpObjects, ObstoreObjects
from ledger.problems import Fatal
from ledger.tiles import RightEdge, TileStore, reader_of, width_at
from verify import merkle
from verify.tiles import tile_path

LEAVES = [sha256(number.to_bytes(4, "big")).digest() for number in range(1_500)]


def grown(*steps: int) -> RightEdge:
    """The edge after appending so many leaves at a time."""
    edge = RightEdge()
    for step in steps:
        edge, _ = edge.extend(LEAVES[edge.size : edge.size + step])
    return edge


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_the_root_is_rfc_6962s_however_the_log_grew(steps: list[int]) -> None:
    steps = steps[: next((at for at in range(len(steps)) if sum(steps[: at + 1]) > len(LEAVES)), len(steps))]
    edge = grown(*steps)
    assert edge.root() == merkle.root(merkle.roots_reader(LEAVES[: edge.size]), edge.size)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 1_000), st.integers(1, 500))
def test_the_edge_proves_its_own_growth(old: int, more: int) -> None:
    before = grown(old)
    after, touched = before.extend(LEAVES[old : old + more])
    proof = merkle.prove_consistency(reader_of({**before.tiles, **touched}), before.size, after.size)
    merkle.verify_consistency(old=old, new=old + more, old_root=before.root(), new_root=after.root(), proof=proof)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 1_300])
def test_the_edge_read_back_from_the_store_is_the_edge_that_was_written(size: int, tmp_path: Path) -> None:
    store = TileStore(ObstoreObjects(str(tmp_path)))
    edge = RightEdge()
    for step in (size // 2, size - size // 2):
        edge, touched = edge.extend(LEAVES[edge.size : edge.size + step])
        store.write(touched, {})
    assert store.read_edge(size) == edge


def test_a_level_exists_only_where_the_one_below_has_a_full_tile() -> None:
    """Size 70,000: 273 full tiles of level 0 and one of 112; one full of level 1 and one of 17; one of level 2."""
    assert [width_at(0, 272, 70_000), width_at(0, 273, 70_000), width_at(0, 274, 70_000)] == [256, 112, 0]
    assert [width_at(1, 0, 70_000), width_at(1, 1, 70_000), width_at(2, 0, 70_000)] == [256, 17, 1]
    assert (width_at(1, 0, 256), width_at(0, 1, 256)) == (1, 0)


def test_the_conformance_log_is_reproduced_byte_for_byte(conformance: Path, tmp_path: Path) -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf"]
    words += ["threeten", "fourten", "fivten"]
    entries = [word.encode() for word in words]
    _, touched = RightEdge().extend([merkle.leaf_hash(entry) for entry in entries])
    store = TileStore(ObstoreObjects(str(tmp_path)))
    store.write(touched, {0: entries})
    assert (tmp_path / tile_path(0, 0, 15)).read_bytes() == (conformance / "tlog" / "tile-0.15").read_bytes()
    assert (tmp_path / tile_path("entries", 0, 15)).read_bytes() == (conformance / "tlog" / "entries.15").read_bytes()


def test_a_partial_tile_that_was_collected_is_read_from_the_full_one(tmp_path: Path) -> None:
    store = TileStore(ObstoreObjects(str(tmp_path)))
    entries = [number.to_bytes(2, "big") * 20 for number in range(256)]
    _, touched = RightEdge().extend(LEAVES[:256])
    store.write(touched, {0: entries})
    assert store.read_tile(0, 0, 100) == tuple(LEAVES[:100])
    assert store.read_entries(0, 100) == entries[:100]


class TestObjects:
    def test_the_same_bytes_may_be_written_again_and_others_never(self, tmp_path: Path) -> None:
        objects = ObstoreObjects(str(tmp_path))
        objects.create("tile/0/000", b"same")
        objects.create("tile/0/000", b"same")
        with pytest.raises(Fatal, match="other bytes"):
            objects.create("tile/0/000", b"else")
        assert objects.read("tile/0/000") == b"same"
        objects.settle()

    def test_what_is_not_there_is_none(self, tmp_path: Path) -> None:
        assert ObstoreObjects(str(tmp_path)).read("checkpoint") is None

    def test_somebody_elses_log_is_never_written(self) -> None:
        with pytest.raises(PermissionError):
            HttpObjects("https://log.example").create("checkpoint", b"")
        with pytest.raises(ValueError, match="http"):
            HttpObjects("file:///etc")
