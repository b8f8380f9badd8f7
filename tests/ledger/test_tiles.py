"""Tiles are a function of the entries alone: however the log grew, the same files come out."""

import os
import random
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.folder import DRAFTS, STALE, FolderObjects
from ledger.objects import HttpObjects, write_all
from ledger.problems import Fatal
from ledger.tiles import RightEdge, Tile, TileStore, reader_of, width_at
from tests.support.trees import slow_root
from verify import merkle
from verify.tiles import tile_path

LEAVES = [sha256(number.to_bytes(4, "big")).digest() for number in range(1_500)]


def grown(*steps: int) -> RightEdge:
    """The edge after appending so many leaves at a time."""
    edge = RightEdge()
    for step in steps:
        edge, _ = edge.extend(LEAVES[edge.size : edge.size + step])
    return edge


@settings(max_examples=60)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_the_root_is_rfc_6962s_however_the_log_grew(steps: list[int]) -> None:
    steps = steps[: next((at for at in range(len(steps)) if sum(steps[: at + 1]) > len(LEAVES)), len(steps))]
    edge = grown(*steps)
    assert edge.root() == merkle.root(merkle.roots_reader(LEAVES[: edge.size]), edge.size)


def literal_tiles(leaves: list[merkle.Hash]) -> dict[tuple[int, int], Tile]:
    """
    Every tile of a tree as the sentence of tlog-tiles has it, without growing anything: "the i-th hash of tile n of level l
    is the hash of the 256^l entries from (n * 256 + i) * 256^l on", and only full tiles feed the level above.
    """
    tiles: dict[tuple[int, int], Tile] = {}
    level = 0
    while count := len(leaves) // 256**level:
        hashes = [slow_root(leaves[at * 256**level : (at + 1) * 256**level]) for at in range(count)]
        tiles |= {(level, n): tuple(hashes[n * 256 : (n + 1) * 256]) for n in range(-(-count // 256))}
        level += 1
    return tiles


@settings(max_examples=40)
@given(st.lists(st.integers(1, 600), min_size=1, max_size=4))
def test_growing_gives_the_tiles_that_the_standard_defines(steps: list[int]) -> None:
    edge, kept = RightEdge(), dict[tuple[int, int], Tile]()
    for step in steps:
        edge, touched = edge.extend(LEAVES[edge.size : edge.size + step])
        kept |= touched
    wanted = literal_tiles(LEAVES[: edge.size])
    assert kept == wanted
    assert edge.tiles == {at: tile for at, tile in wanted.items() if (at[0], at[1] + 1) not in wanted}


@settings(max_examples=60)
@given(st.integers(1, 1_000), st.integers(1, 500))
def test_the_edge_proves_its_own_growth(old: int, more: int) -> None:
    before = grown(old)
    after, touched = before.extend(LEAVES[old : old + more])
    proof = merkle.prove_consistency(reader_of({**before.tiles, **touched}), before.size, after.size)
    merkle.verify_consistency(old=old, new=old + more, old_root=before.root(), new_root=after.root(), proof=proof)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 1_300])
def test_the_edge_read_back_from_the_store_is_the_edge_that_was_written(size: int, tmp_path: Path) -> None:
    store = TileStore(FolderObjects(tmp_path))
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
    store = TileStore(FolderObjects(tmp_path))
    store.write(touched, {0: entries})
    assert (tmp_path / tile_path(0, 0, 15)).read_bytes() == (conformance / "tlog" / "tile-0.15").read_bytes()
    assert (tmp_path / tile_path("entries", 0, 15)).read_bytes() == (conformance / "tlog" / "entries.15").read_bytes()


def test_a_partial_tile_that_was_collected_is_read_from_the_full_one(tmp_path: Path) -> None:
    store = TileStore(FolderObjects(tmp_path))
    entries = [number.to_bytes(2, "big") * 20 for number in range(256)]
    _, touched = RightEdge().extend(LEAVES[:256])
    store.write(touched, {0: entries})
    assert store.read_tile(0, 0, 100) == tuple(LEAVES[:100])
    assert store.read_entries(0, 100) == entries[:100]


class TestProofs:
    """Proofs come from tiles in memory where they can."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> TileStore:
        """1,500 entries, and room for two full tiles in memory."""
        store = TileStore(FolderObjects(tmp_path), cache_bytes=40_000)
        store.write(RightEdge().extend(LEAVES)[1], {})
        return store

    def test_they_are_those_of_the_whole_tree_from_any_thread_in_bounded_memory(self, store: TileStore) -> None:
        whole = merkle.roots_reader(LEAVES)

        def prove(seed: int) -> None:
            rnd = random.Random(seed)
            for _ in range(60):
                size = rnd.choice((300, 1_024, 1_500))  # older trees have narrower tiles
                index = rnd.randrange(size)
                store.write(RightEdge().extend(LEAVES[:size])[1], {}) if size != 1_500 else None
                found = merkle.prove_inclusion(store.reader(size), index, size)
                assert found == merkle.prove_inclusion(whole, index, size)
                assert store._cache.held <= 40_000

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(prove, range(4)))

    def test_what_was_damaged_when_it_was_read_is_read_again_after_the_repair(self, store: TileStore, tmp_path: Path) -> None:
        path = tmp_path / tile_path(0, 2)
        good = path.read_bytes()
        path.write_bytes(bytes(32) + good[32:])
        assert store.reader(1_500)(0, 512) == bytes(32)
        store.write({(0, 2): tuple(LEAVES[512:768])}, {}, repair=True)
        assert path.read_bytes() == good
        assert store.reader(1_500)(0, 512) == LEAVES[512]

    def test_a_torn_tile_is_never_hashed(self, store: TileStore, tmp_path: Path) -> None:
        for torn in (b"", bytes(8_191), bytes(8_193)):
            (tmp_path / tile_path(0, 2)).write_bytes(torn)
            with pytest.raises(Fatal, match="tile/0/002 is missing or torn"):
                store.reader(1_500)(3, 64)


class TestObjects:
    def test_the_same_bytes_may_be_written_again_and_others_never(self, tmp_path: Path) -> None:
        objects = FolderObjects(tmp_path)
        objects.create("tile/0/000", b"same")
        objects.create("tile/0/000", b"same")
        with pytest.raises(Fatal, match="other bytes"):
            objects.create("tile/0/000", b"else")
        assert objects.read("tile/0/000") == b"same"
        objects.settle(["tile/0/000"])

    def test_what_is_not_there_is_none(self, tmp_path: Path) -> None:
        assert FolderObjects(tmp_path).read("checkpoint") is None

    def test_somebody_elses_log_is_never_written(self) -> None:
        with pytest.raises(PermissionError):
            HttpObjects("https://log.example").create("checkpoint", b"")
        with pytest.raises(ValueError, match="http"):
            HttpObjects("file:///etc")

    def test_a_file_that_cannot_be_written_whole_never_gets_its_name(self, tmp_path: Path) -> None:
        objects = FolderObjects(tmp_path)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
        try:
            for write in (objects.create, objects.replace):
                with pytest.raises(OSError, match="large"):
                    write("tile/0/000", bytes(8_192))
            with pytest.raises(OSError, match="large"):
                write_all(objects, {"tile/0/001": b"small", "tile/0/002": bytes(8_192)}, replace=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_what_a_crash_left_half_written_is_swept_away_and_a_neighbours_work_is_not(self, tmp_path: Path) -> None:
        (tmp_path / DRAFTS).mkdir()
        for name, age in (("crashed", STALE + 60), ("at-work", 0)):
            (tmp_path / DRAFTS / name).write_bytes(b"half")
            os.utime(tmp_path / DRAFTS / name, (time.time() - age,) * 2)
        FolderObjects(tmp_path).create("tile/0/000", b"")
        assert [path.name for path in (tmp_path / DRAFTS).iterdir()] == ["at-work"]
