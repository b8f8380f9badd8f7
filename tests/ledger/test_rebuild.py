"""The object store is derived: whatever is lost, torn or changed in it comes back from the database, byte for byte."""

import os
import shutil
import threading
import time

import pytest
from sqlalchemy import delete, update

from ledger.audit import audit_ledger
from ledger.collecting import collect_partials, collect_worker, partials_of
from ledger.models import EntryRow, Published
from ledger.problems import Fatal
from ledger.rebuild import Fault, check_root, find_checkpoint_fault, find_faults, read_truth
from tests.support.ledger import FARM, Rig, p256
from verify.tiles import tile_path

SIZES = (2, 90, 255, 256, 300, 520)


@pytest.fixture
def grown(farm: Rig) -> Rig:
    """The log at 520 entries, with the partial tiles of every checkpoint on the way."""
    for old, new in zip(SIZES, SIZES[1:], strict=False):
        farm.log(*(farm.event(FARM, p256("farm")) for _ in range(new - old)))
    return farm


def files(rig: Rig) -> dict[str, bytes]:
    """Everything that the public can read."""
    root = rig.folder / "tiles"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def rebuilt(rig: Rig, *, mend: bool) -> list[Fault]:
    """What `originmark tiles rebuild` finds."""
    keys = (rig.keys.log.vkey, rig.keys.clock.vkey)
    with rig.database.reading() as session:
        truth = read_truth(session, rig.store, *keys)
        check_root(session, truth, lambda _: None)
        found = list(find_faults(session, rig.store, truth.sizes, lambda _: None, mend=mend))
        last = find_checkpoint_fault(rig.store, truth, *keys, mend=mend)
    return [*found, *([last] if last else [])]


def test_each_damage_is_named_and_only_it_is_written(grown: Rig) -> None:
    root, good = grown.folder / "tiles", files(grown)
    (root / tile_path(0, 1)).write_bytes(b"")
    (root / tile_path(1, 0, 2)).unlink()
    changed = bytearray(good[tile_path("entries", 0)])
    changed[700] ^= 1
    (root / tile_path("entries", 0)).write_bytes(changed)
    (root / "checkpoint").write_bytes(b"nonsense")
    wrong = {(tile_path(0, 1), "torn"), (tile_path(1, 0, 2), "missing"), (tile_path("entries", 0), "other bytes"),
             ("checkpoint", "not ours")}  # fmt: skip
    assert {(one.path, one.what) for one in rebuilt(grown, mend=False)} == wrong
    assert files(grown) != good
    assert {(one.path, one.what) for one in rebuilt(grown, mend=True)} == wrong
    assert files(grown) == good
    assert rebuilt(grown, mend=True) == []
    audit_ledger(grown.database, grown.store, grown.keys.log.vkey, grown.keys.clock.vkey)


def test_an_empty_store_comes_back_whole(grown: Rig) -> None:
    good = files(grown)
    shutil.rmtree(grown.folder / "tiles")
    (grown.folder / "tiles").mkdir()
    rebuilt(grown, mend=True)
    needed = {name: data for name, data in good.items() if ".p/" not in name or name in set(partials_of(520))}
    assert {name: data for name, data in files(grown).items() if not name.startswith(".drafts")} == needed


def test_a_run_that_was_cut_short_goes_on_where_it_was(grown: Rig) -> None:
    tiles = grown.folder / "tiles" / "tile"
    shutil.rmtree(tiles)
    tiles.mkdir()
    (tiles / "entries").write_text("in the way")
    with pytest.raises(OSError, match="entries"):
        rebuilt(grown, mend=True)
    (tiles / "entries").unlink()
    left = {one.path for one in rebuilt(grown, mend=True)}
    assert {tile_path("entries", 0), tile_path("entries", 1), tile_path("entries", 2, 8)} <= left
    assert not {tile_path(0, 0), tile_path(0, 1)} & left  # written before it stopped
    assert rebuilt(grown, mend=True) == []


def test_a_damaged_database_never_overwrites_good_tiles(grown: Rig) -> None:
    good = files(grown)
    with grown.database.writing() as session:
        row = session.get_one(EntryRow, 300)
        session.execute(update(EntryRow).where(EntryRow.index == 300).values(entry=row.entry[:-1] + b"\0"))
        session.commit()
    with pytest.raises(Fatal, match="root of 520"):
        rebuilt(grown, mend=True)
    with grown.database.writing() as session:
        session.execute(delete(EntryRow).where(EntryRow.index == 300))
        session.commit()
    with pytest.raises(Fatal, match="entries are missing"):
        rebuilt(grown, mend=True)
    assert files(grown) == good


def test_a_database_older_than_the_store_writes_nothing(grown: Rig) -> None:
    ahead = grown.store.read_checkpoint() or ""
    with grown.database.writing() as session:
        session.execute(delete(Published))
        session.commit()
    assert rebuilt(grown, mend=True) == []  # committed, and not yet published: recovery's work
    grown.store.write_checkpoint(ahead)
    with grown.database.writing() as session:
        session.execute(delete(EntryRow).where(EntryRow.index > 0))
        session.commit()
    with pytest.raises(Fatal):
        rebuilt(grown, mend=True)


class TestCollecting:
    def test_partial_tiles_go_once_full_ones_exist_and_nobody_notices(self, grown: Rig) -> None:
        root, before = grown.folder / "tiles", files(grown)
        done = collect_partials(grown.store, 520, 0, now_s=time.time() + 1)
        gone = set(before) - set(files(grown))
        replaced = tuple(tile_path(level, at) + ".p/" for level in (0, "entries") for at in (0, 1))
        assert gone == {name for name in before if name.startswith(replaced)}
        assert (done.count, done.below) == (len(gone), 520)
        assert set(partials_of(520)) <= set(files(grown))
        assert not (root / (tile_path(0, 0) + ".p")).exists()
        audit_ledger(grown.database, grown.store, grown.keys.log.vkey, grown.keys.clock.vkey)
        assert grown.store.read_tile(0, 0, 90) == grown.store.read_tile(0, 0, 520)[:90]  # an old checkpoint's reader
        assert rebuilt(grown, mend=False) == []

    def test_young_ones_stay_and_are_met_again_in_the_next_round(self, grown: Rig) -> None:
        before = files(grown)
        done = collect_partials(grown.store, 520, 3_600)
        assert (done.count, done.below, files(grown)) == (0, 0, before)
        later = collect_partials(grown.store, 520, 3_600, since=done.below, now_s=time.time() + 4_000)
        assert later.count > 0
        assert collect_partials(grown.store, 520, 0, since=later.below, now_s=time.time() + 4_000).count == 0

    def test_one_whose_full_tile_is_lost_or_torn_stays(self, grown: Rig) -> None:
        root, before = grown.folder / "tiles", files(grown)
        (root / tile_path(0, 0)).write_bytes(b"torn")
        (root / tile_path("entries", 1)).unlink()
        collect_partials(grown.store, 520, 0, now_s=time.time() + 1)
        kept = {name for name in before if name.startswith((tile_path(0, 0) + ".p", tile_path("entries", 1) + ".p"))}
        assert kept
        assert kept <= set(files(grown))

    def test_the_service_collects_behind_itself(self, grown: Rig) -> None:
        before, old = files(grown), time.time() - 4_000
        for name in before:
            os.utime(grown.folder / "tiles" / name, (old, old))
        collect_worker(grown.database, grown.store, OneRound(), every_s=0)
        assert set(files(grown)) < set(before)
        audit_ledger(grown.database, grown.store, grown.keys.log.vkey, grown.keys.clock.vkey)


class OneRound(threading.Event):
    """Is set when it is asked for the second time."""

    def wait(self, timeout: float | None = None) -> bool:
        """See threading.Event."""
        asked, _ = self.is_set(), self.set()
        return asked
