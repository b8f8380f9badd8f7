"""
Every operation of a step fails once, in both ways; every operation of the recovery after it fails too.

After each: the audit finds nothing broken, nothing acknowledged is lost, and the log goes on.
"""

import shutil
from pathlib import Path

import pytest

from ledger.audit import audit_ledger
from ledger.db import Database, open_database
from ledger.models import CheckpointRow, EntryRow
from ledger.objects import ObstoreObjects
from ledger.problems import Fatal
from ledger.receipts import receipt
from tests.support.faults import Fault, FaultyObjects, Switch, faulty_database
from tests.support.ledger import FARM, GTIN, Rig, p256
from verify.statement import parse_statement


@pytest.fixture
def faulty(database: Database, tmp_path: Path) -> tuple[Rig, Switch]:
    """A log with one farm whose store and commits are behind a switch."""
    switch = Switch()
    objects = FaultyObjects(ObstoreObjects(str(tmp_path / "tiles")), switch)
    rig = Rig(database, tmp_path, objects=objects).create()
    rig.log(rig.grant(FARM, p256("farm"), mint=[GTIN]))
    rig.sequencer.database = rig.sequencer.publisher.database = faulty_database(database, switch)
    return rig, switch


def check_everything(rig: Rig, raws: list[bytes]) -> None:
    """The audit is clean, and every statement sent so far has a receipt that verifies."""
    report = audit_ledger(rig.database, rig.store, rig.keys.log.vkey, rig.keys.clock.vkey)
    assert report.entries == 2 + len(raws)
    with rig.database.reading() as session:
        for raw in raws[-3:]:
            receipt(session, rig.store, parse_statement(raw).digest)


def attempt(rig: Rig) -> bool:
    """One step; False where it failed."""
    try:
        rig.step()
    except Fault:
        return False
    return True


@pytest.mark.parametrize("stored", [False, True], ids=["not-stored", "stored"])
def test_a_failure_at_any_point_of_a_step_loses_nothing_and_the_log_goes_on(faulty: tuple[Rig, Switch], stored: bool) -> None:
    rig, switch = faulty
    raws: list[bytes] = []
    at, failed = 0, set()
    while True:
        at += 1
        raws.append(rig.event(FARM, p256("farm")))
        admitted = rig.submit(raws[-1])
        switch.arm(at, stored=stored)
        if attempt(rig):
            break
        failed.add(switch.names[-1].split(" ")[0])
        switch.disarm()
        if rig.results(admitted)[0].state != "pending":
            check_everything(rig, raws)  # whoever was answered can be checked, also before anything is repaired
        rig.step()
        assert rig.results(admitted)[0].state == "published"
        check_everything(rig, raws)
    assert failed == {"commit", "create", "replace", "settle"}
    assert at > 5  # two commits, a tile, a bundle, the checkpoint, two syncs


@pytest.mark.parametrize("stored", [False, True], ids=["not-stored", "stored"])
def test_a_second_failure_during_the_recovery_loses_nothing_either(faulty: tuple[Rig, Switch], stored: bool) -> None:
    rig, switch = faulty
    raws: list[bytes] = []
    for first in (1, 2, 5):  # the ordering commit, the first tile, the checkpoint
        second = 0
        while True:
            second += 1
            raws.append(rig.event(FARM, p256("farm")))
            rig.submit(raws[-1])
            switch.arm(first, stored=stored)
            assert not attempt(rig)
            switch.arm(second, stored=not stored)
            if attempt(rig):
                break
            switch.disarm()
            rig.step()
        switch.disarm()
        check_everything(rig, raws)


def test_nothing_is_sequenced_before_a_reload_has_succeeded(faulty: tuple[Rig, Switch]) -> None:
    rig, switch = faulty
    admitted = rig.submit(rig.event(FARM, p256("farm")))
    switch.arm(1, stored=False)
    assert not attempt(rig)
    size = rig.store.read_checkpoint()
    for point in (1, 2, 3):
        switch.arm(point, stored=False)
        assert not attempt(rig)
        switch.disarm()
        assert rig.store.read_checkpoint() == size
    assert rig.results(admitted)[0].state == "pending"


class TestAnOldCopy:
    """Whoever restores a backup must not fork the log."""

    def test_a_database_behind_what_is_served_stops(self, tmp_path: Path, sqlite_template: Path) -> None:
        path = tmp_path / "ledger.db"
        shutil.copyfile(sqlite_template, path)
        database = open_database(f"sqlite:///{path}")
        rig = Rig(database, tmp_path).create()
        rig.log(rig.grant(FARM, p256("farm"), mint=[GTIN]))
        database.close()
        shutil.copyfile(path, tmp_path / "backup.db")
        rig.log(rig.event(FARM, p256("farm")))
        database.close()
        shutil.copyfile(tmp_path / "backup.db", path)
        rig.fresh_sequencer()
        with pytest.raises(Fatal, match="does not know"):
            rig.sequencer.recover()
        database.close()

    def test_a_checkpoint_row_of_another_tree_stops(self, farm: Rig) -> None:
        with farm.database.writing() as session:
            session.get_one(CheckpointRow, farm.keys.log.name).root = bytes(32)
            session.commit()
        farm.fresh_sequencer()
        with pytest.raises(Fatal, match="contradicts"):
            farm.sequencer.recover()

    def test_a_changed_entry_is_never_signed_over(self, farm: Rig) -> None:
        with farm.database.writing() as session:
            session.get_one(EntryRow, 1).entry = b"other"
            session.commit()
        farm.submit(farm.event(FARM, p256("farm")))
        before = farm.store.read_checkpoint()
        farm.fresh_sequencer()
        (farm.folder / "tiles" / "tile" / "0" / "000.p" / "2").unlink()  # so that the tree must be built anew
        with pytest.raises(Fatal, match="signed root"):
            farm.step()
        assert farm.store.read_checkpoint() == before


def test_lost_and_torn_tiles_are_derived_again_at_the_next_start(farm: Rig) -> None:
    raws = [farm.event(FARM, p256("farm")) for _ in range(300)]
    farm.log(*raws)
    for path, data in (("tile/1/000.p/1", b""), ("tile/0/000", None), ("tile/entries/001.p/46", b"torn"), ("checkpoint", b"")):
        target = farm.folder / "tiles" / path
        target.unlink()
        if data is not None:
            target.write_bytes(data)
    farm.fresh_sequencer().recover()
    assert audit_ledger(farm.database, farm.store, farm.keys.log.vkey, farm.keys.clock.vkey).entries == 302
