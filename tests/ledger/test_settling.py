"""A step waits for the disk once; what is synced later is derived again after a power cut, before anybody is shown anything."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from ledger.audit import audit_ledger
from ledger.db import Database
from ledger.folder import FolderObjects
from ledger.models import Published
from ledger.settling import Settled
from ledger.stored import StoreUnavailable
from ledger.tiles import CHECKPOINT, TileStore, paths_between
from tests.ledger.faults.stage import Stage
from tests.support.ledger import FARM, Rig, p256
from verify.tiles import tile_path


def mark(rig: Rig) -> int | None:
    """How far the store is known to be on the disk."""
    with rig.database.reading() as session:
        return session.scalar(select(Published.settled))


def readers(rig: Rig, *, quorum: bool = False, patience_s: float = 60) -> Settled:
    """What another process that starts now shows."""
    keys = rig.keys.log.vkey, rig.keys.clock.vkey
    return Settled(FolderObjects(rig.folder / "tiles"), rig.database, keys, quorum=quorum, look_s=0, patience_s=patience_s)


def audited(rig: Rig) -> int:
    """The size of a log in which everything is right."""
    return audit_ledger(rig.database, rig.store, rig.keys.log.vkey, rig.keys.clock.vkey).entries


def test_a_step_syncs_nothing_but_the_commit_of_its_order(database: Database, tmp_path: Path) -> None:
    stage = Stage(database, tmp_path).create()
    stage.submit([stage.event()])
    stage.wire.arm()
    stage.rig.step()
    names = [point.name for point in stage.wire.disarm()]
    assert "settle" not in names
    assert names.count("commit") == 2  # the order's, and the note of what is published


def test_a_note_is_seen_by_everybody_and_waits_for_no_disk(database: Database) -> None:
    ask = text("PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit")
    with database.noting() as session:
        assert session.scalar(ask) in (1, "off")
    with database.writing() as session:
        assert session.scalar(ask) in (2, "on")


def test_settling_says_how_far_the_store_is_on_the_disk(farm: Rig) -> None:
    assert mark(farm) == 1  # the start settled the genesis
    farm.log(*(farm.event(FARM, p256("farm")) for _ in range(3)))
    assert mark(farm) == 1
    farm.sequencer.publisher.settle()
    assert mark(farm) == 5


@pytest.mark.parametrize(("old", "size"), [(0, 1), (0, 256), (255, 257), (256, 257), (300, 70_000), (65_535, 65_536)])
def test_what_lies_between_two_trees_is_what_the_second_has_and_the_first_has_not(old: int, size: int) -> None:
    assert set(paths_between(old, size)) == set(paths_between(0, size)) - set(paths_between(0, old))
    assert len(list(paths_between(0, size))) == len(set(paths_between(0, size)))


@pytest.mark.parametrize("lost", [lambda data: bytes(len(data)), lambda data: b"", lambda data: data[:-1]])
def test_files_that_lost_their_bytes_are_right_again_before_anybody_reads_them(farm: Rig, lost: type[bytes]) -> None:
    farm.sequencer.publisher.settle()
    farm.log(*(farm.event(FARM, p256("farm")) for _ in range(300)))
    root = farm.folder / "tiles"
    for path in (*paths_between(2, 302), CHECKPOINT):
        (root / path).write_bytes(lost((root / path).read_bytes()))
    shut = readers(farm)
    with pytest.raises(StoreUnavailable):
        shut.read(tile_path(0, 0))
    farm.fresh_sequencer().recover()
    assert len(shut.read(tile_path(0, 0)) or b"") == 256 * 32
    assert (audited(farm), mark(farm)) == (302, 302)


def test_readers_of_a_log_that_rests_are_let_in_at_once_and_nobody_waits_for_a_sequencer(farm: Rig) -> None:
    farm.log(farm.event(FARM, p256("farm")))
    farm.sequencer.publisher.settle()
    assert TileStore(readers(farm)).read_checkpoint() == farm.store.read_checkpoint()
    with pytest.raises(PermissionError):
        readers(farm).replace(CHECKPOINT, b"")


def test_while_witnesses_are_away_readers_see_what_was_published(farm: Rig) -> None:
    farm.sequencer.publisher.settle()
    with farm.database.writing() as session:
        session.execute(update(Published).values(size=1, settled=1))  # one entry is committed, and not published
        session.commit()
    assert readers(farm, quorum=True, patience_s=0).read(CHECKPOINT)
    with pytest.raises(StoreUnavailable):
        readers(farm).read(CHECKPOINT)
    # Right after a start it may have been shown, and the power gone before that was noted: it is waited for.
    with pytest.raises(StoreUnavailable):
        readers(farm, quorum=True).read(CHECKPOINT)


class BrokenDisk(FolderObjects):
    """Says once that it failed; the next time it would say yes, as kernels do."""

    failed = False

    def settle(self, paths: Iterable[str]) -> None:
        """See Objects."""
        if not self.failed:
            self.failed = True
            raise OSError("input/output error")
        super().settle(paths)


def test_after_a_sync_that_failed_the_files_are_written_anew_and_only_then_called_settled(farm: Rig) -> None:
    farm.store.objects = BrokenDisk(farm.folder / "tiles")
    farm.log(farm.event(FARM, p256("farm")))
    file = farm.folder / "tiles" / tile_path("entries", 0, 3)
    before = file.stat().st_ino
    with pytest.raises(OSError, match="input/output"):
        farm.sequencer.publisher.settle()
    farm.sequencer.publisher.settle()  # says nothing, and settles nothing
    assert mark(farm) == 1
    farm.log(farm.event(FARM, p256("farm")))
    farm.sequencer.publisher.settle()
    assert (mark(farm), audited(farm)) == (4, 4)
    assert file.stat().st_ino != before


def test_a_process_that_starts_trusts_no_file_that_the_one_before_did_not_settle(farm: Rig) -> None:
    """That one may have been told of an error, once, and ended."""
    farm.log(farm.event(FARM, p256("farm")))
    file = farm.folder / "tiles" / tile_path("entries", 0, 3)
    before = file.stat().st_ino
    farm.fresh_sequencer().recover()
    assert file.stat().st_ino != before
    settled = file.stat().st_ino
    farm.fresh_sequencer().recover()
    assert file.stat().st_ino == settled
