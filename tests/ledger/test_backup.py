"""A backup brings the log back, and never lets it say two things: not by being old, damaged, or of another log."""

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from ledger.audit import audit_ledger
from ledger.backup import DRAFT, FILE, KEYS, MANIFEST, BadBackup, make_backup, read_backup
from ledger.db import Busy, Database, alone_in, open_database
from ledger.freezing import freeze_of
from ledger.models import EntryRow, StatementRow
from ledger.problems import Fatal
from ledger.recovering import Gap
from ledger.restoring import Behind, Restored, Wish, restore
from ledger.settings import Settings
from ledger.witnessing.memory import Memory
from tests.support.ledger import FARM, ORIGIN, Rig, p256

KEY = p256("farm")


@dataclass
class Operator:
    """A ledger in a folder, with one backup and what was logged since."""

    rig: Rig
    backup: Path
    since: list[bytes] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        url = self.rig.database.engine.url.render_as_string(hide_password=False)
        return Settings(data=self.rig.folder, origin=ORIGIN, database_url="" if url.startswith("sqlite") else url)

    def grow(self, count: int) -> None:
        """More is logged after the backup."""
        raws = [self.rig.event(FARM, KEY) for _ in range(count)]
        self.rig.log(*raws)
        self.since += raws

    def restore(self, settings: Settings | None = None, **wishes: Any) -> Restored:
        return restore(settings or self.settings, self.rig.keys, Wish(self.backup, **wishes), now_ms=self.rig.now_ms)

    def file_of_since(self) -> Path:
        path = self.rig.folder / "outbox.txt"
        path.write_bytes(b"\n".join(self.since) + b"\nnot a statement\n")
        return path

    def reopened(self, url: str) -> Rig:
        """The ledger on the restored database, as a new process finds it."""
        rig = Rig(open_database(url), self.rig.folder, now_ms=self.rig.now_ms + 1000, numbers=self.rig.numbers)
        rig.sequencer.recover()
        return rig

    def entries(self, database: Database) -> list[bytes]:
        with database.reading() as session:
            return list(session.scalars(select(EntryRow.entry).order_by(EntryRow.index)))


@dataclass
class Fault:
    """Lets the disk refuse a sync, a link or a renaming, once: after `left` of them that it takes."""

    left: int

    def put_before(self, patch: pytest.MonkeyPatch) -> None:
        for name in ("fsync", "rename", "link"):
            patch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, call: Callable[..., None]) -> Callable[..., None]:
        def refused(*words: Any, **named: Any) -> None:
            self.left -= 1
            if self.left == -1:
                raise OSError(28, "No space left on device")
            call(*words, **named)

        return refused


def sqlite_settings(operator: Operator, folder: Path) -> Settings:
    return Settings(data=operator.rig.folder, origin=ORIGIN, database_url=f"sqlite:///{folder / 'ledger.db'}")


@pytest.fixture
def operator(database: Database, tmp_path: Path) -> Operator:
    """Ten entries, backed up, in a database of either engine."""
    rig = Rig(database, tmp_path / "data").create()
    rig.log(rig.grant(FARM, KEY))
    rig.log(*(rig.event(FARM, KEY) for _ in range(8)))
    make_backup(database, rig.keys, tmp_path / "backup", now_ms=rig.now_ms)
    return Operator(rig, tmp_path / "backup")


def audit(rig: Rig) -> int:
    return audit_ledger(rig.database, rig.store, rig.keys.log.vkey, rig.keys.clock.vkey).entries


class TestBackup:
    """Everything that cannot be derived, read back before it is called a backup."""

    def test_a_backup_says_what_is_in_it_and_holds_no_key(self, operator: Operator) -> None:
        told = read_backup(operator.backup)
        assert (told.origin, told.size) == (ORIGIN, 10)
        assert not (operator.backup / KEYS).exists()
        assert not list(operator.backup.glob("witness-*"))
        for path in operator.backup.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path

    def test_keys_come_along_only_when_asked_for_and_for_nobody_else(self, operator: Operator, tmp_path: Path) -> None:
        rig = operator.rig
        make_backup(rig.database, rig.keys, tmp_path / "all", now_ms=rig.now_ms, keys_from=rig.folder / "keys")
        names = {path.name for path in (tmp_path / "all" / KEYS).iterdir()}
        assert {"log.pem", "clock.pem", "registrar.pem"} <= names
        assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "all" / KEYS).iterdir()} == {0o600}

    def test_keys_are_on_the_disk_before_the_manifest_calls_it_a_backup(
        self, operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[int] = []
        sync = os.fsync

        def noted(descriptor: int) -> None:
            sync(descriptor)
            synced.append(os.fstat(descriptor).st_ino)

        monkeypatch.setattr(os, "fsync", noted)
        folder = tmp_path / "all"
        make_backup(operator.rig.database, operator.rig.keys, folder, now_ms=0, keys_from=operator.rig.folder / "keys")
        whole = {path.stat().st_ino for path in (folder / FILE, *(folder / KEYS).iterdir(), folder / KEYS)}
        assert whole <= set(synced[: synced.index((folder / MANIFEST).stat().st_ino)])

    def test_a_folder_in_use_is_not_written_into(self, operator: Operator) -> None:
        with pytest.raises(BadBackup, match="not empty"):
            make_backup(operator.rig.database, operator.rig.keys, operator.backup, now_ms=0)

    def test_a_database_with_one_changed_entry_makes_no_backup(self, operator: Operator, tmp_path: Path) -> None:
        with operator.rig.database.engine.begin() as connection:
            moved = select(EntryRow.entry).where(EntryRow.index == 3).scalar_subquery()
            connection.execute(update(EntryRow).where(EntryRow.index == 4).values(entry=moved))
        with pytest.raises(BadBackup, match="do not give the signed root"):
            make_backup(operator.rig.database, operator.rig.keys, tmp_path / "late", now_ms=0)
        assert not (tmp_path / "late").exists()

    @pytest.mark.parametrize("killed", [False, True])
    def test_a_backup_that_fails_anywhere_leaves_the_folder_as_it_was_and_a_killed_one_stops_no_other(
        self, operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
    ) -> None:
        rig, points = operator.rig, 0
        while True:
            folder, fault = tmp_path / f"late-{points}", Fault(points)
            exists = points % 2 == rig.database.is_sqlite  # every point with a folder on one engine, without on the other
            if exists:
                folder.mkdir()
            with monkeypatch.context() as patch:
                fault.put_before(patch)
                if killed:
                    patch.setattr("ledger.backup._clear", lambda *_: None)  # whoever is killed tidies nothing up
                with suppress(OSError):
                    make_backup(rig.database, rig.keys, folder, now_ms=0, keys_from=rig.folder / "keys")
            if fault.left >= 0:
                break  # fewer calls than that
            if not killed:
                assert (list(folder.iterdir()) if exists else folder.exists()) in ([], False), points
            if not (folder / MANIFEST).exists():
                make_backup(rig.database, rig.keys, folder, now_ms=0, keys_from=rig.folder / "keys")
            assert {path.name for path in folder.iterdir()} - {DRAFT} == {FILE, KEYS, MANIFEST}
            assert read_backup(folder).size == 10
            points += 1
        assert points > 10

    def test_what_others_put_into_an_unfinished_backup_is_not_taken_away(self, operator: Operator, tmp_path: Path) -> None:
        folder = tmp_path / "late"
        (folder / DRAFT).mkdir(parents=True)
        (folder / FILE).write_bytes(b"somebody's ledger")
        with pytest.raises(BadBackup, match="not empty"):
            make_backup(operator.rig.database, operator.rig.keys, folder, now_ms=0)
        assert (folder / FILE).read_bytes() == b"somebody's ledger"

    def test_a_backup_that_rotted_is_not_restored(self, operator: Operator) -> None:
        path = operator.backup / FILE
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(BadBackup, match="not the file that was written"):
            operator.restore()

    def test_an_unfinished_backup_is_none(self, operator: Operator) -> None:
        (operator.backup / "manifest.json").unlink()
        with pytest.raises(BadBackup, match="no complete backup"):
            operator.restore()

    def test_another_logs_backup_is_not_restored(self, operator: Operator) -> None:
        with pytest.raises(BadBackup, match=r"here is other\.example"):
            operator.restore(operator.settings.model_copy(update={"origin": "other.example"}))


class TestRestore:
    """A restored log goes on where it was, or it does not go on."""

    def test_a_backup_of_the_whole_log_goes_on_whatever_it_was_made_of(self, operator: Operator, tmp_path: Path) -> None:
        settings = sqlite_settings(operator, tmp_path / "new")
        done = operator.restore(settings)
        assert (done.size, done.recovered, done.frozen) == (10, 0, False)
        rig = operator.reopened(settings.database)
        assert rig.log(rig.event(FARM, KEY)) == [10]
        assert audit(rig) == 11

    def test_a_backup_goes_on_on_an_empty_postgresql(self, operator: Operator, postgres: Any) -> None:
        name = postgres.lend()
        settings = operator.settings.model_copy(update={"database_url": postgres.url_of(name)})
        operator.restore(settings)
        with pytest.raises(BadBackup, match="holds a log"):
            operator.restore(settings)
        rig = operator.reopened(settings.database)
        assert rig.log(rig.event(FARM, KEY), rig.event(FARM, KEY)) == [10, 11]
        assert audit(rig) == 12
        rig.database.close()
        postgres.take_back(name)

    def test_an_older_backup_is_refused_and_nothing_is_touched(self, operator: Operator) -> None:
        operator.grow(3)
        before = operator.entries(operator.rig.database)
        with pytest.raises(Behind, match="holds 10 entries, and the tile store has seen 13: signing on from it would fork"):
            operator.restore()
        assert operator.entries(operator.rig.database) == before
        operator.grow(1)

    def test_a_witness_that_saw_more_is_enough_to_refuse(self, operator: Operator, tmp_path: Path) -> None:
        memory = Memory.create(operator.rig.folder / "witness-w1.db", operator.rig.keys.clock.vkey)
        memory.follow(operator.rig.keys.log.vkey)
        (head,) = memory.heads(ORIGIN)
        assert memory.swap(head, replace(head, size=12))
        with pytest.raises(Behind, match="our own witness"):
            operator.restore(sqlite_settings(operator, tmp_path / "new"))

    def test_where_nobody_knows_how_far_the_log_was_nothing_is_restored(self, operator: Operator, tmp_path: Path) -> None:
        shutil.rmtree(operator.rig.folder / "tiles")
        settings = sqlite_settings(operator, tmp_path / "new")
        with pytest.raises(Behind, match="nobody says how far"):
            operator.restore(settings)
        with pytest.raises(Behind, match="the operator has seen 11"):
            operator.restore(settings, published_size=11)
        assert operator.restore(settings, published_size=10).size == 10
        assert audit(operator.reopened(settings.database)) == 10

    def test_without_the_check_the_sequencer_itself_refuses_to_fork(self, operator: Operator, tmp_path: Path) -> None:
        operator.grow(3)
        shutil.copytree(operator.backup, tmp_path / "by-hand")
        rig = Rig(open_database(f"sqlite:///{tmp_path / 'by-hand' / FILE}"), operator.rig.folder, now_ms=operator.rig.now_ms)
        with pytest.raises(Fatal, match="does not know"):
            rig.sequencer.recover()

    def test_an_older_backup_may_end_the_log_and_name_its_successor(self, operator: Operator, tmp_path: Path) -> None:
        operator.grow(2)
        settings = sqlite_settings(operator, tmp_path / "new")
        assert operator.restore(settings, successor="log.example/next").frozen
        database = open_database(settings.database)
        with database.reading() as session:
            freeze = freeze_of(session)
        database.close()
        assert freeze is not None
        assert freeze.refusal().code == "log-frozen"
        assert "log.example/next" in freeze.refusal().detail


class TestRecovery:
    """The public tiles say what the log was; whoever kept the statements gives it back."""

    def test_what_was_published_since_comes_back_byte_for_byte(self, operator: Operator, tmp_path: Path) -> None:
        operator.rig.log(operator.rig.grant("https://new.example/", p256("new")))
        with operator.rig.database.reading() as session:
            operator.since += [jws for jws in session.scalars(select(StatementRow.jws).where(StatementRow.index == 10)) if jws]
        operator.since += [operator.rig.event("https://new.example/", p256("new"))]
        operator.rig.log(operator.since[-1])
        operator.grow(5)
        before, body = operator.entries(operator.rig.database), operator.rig.store.read_checkpoint()
        settings = sqlite_settings(operator, tmp_path / "new")
        done = operator.restore(settings, statements=[operator.file_of_since()])
        assert (done.size, done.recovered, done.frozen) == (17, 7, False)
        rig = operator.reopened(settings.database)
        assert operator.entries(rig.database) == before
        assert rig.store.read_checkpoint() == body
        assert audit(rig) == 17
        assert rig.log(rig.event("https://new.example/", p256("new"))) == [17]
        assert audit(rig) == 18

    def test_one_statement_that_nobody_kept_stops_it_by_name(self, operator: Operator, tmp_path: Path) -> None:
        operator.grow(4)
        lost = operator.since.pop(2)
        settings = sqlite_settings(operator, tmp_path / "new")
        with pytest.raises(Gap, match="1 statements are missing, the first at 12") as gap:
            operator.restore(settings, statements=[operator.file_of_since()])
        assert [index for index, _ in gap.value.missing] == [12]
        assert not (tmp_path / "new" / "ledger.db").exists()
        operator.since.append(lost)
        assert operator.restore(settings, statements=[operator.file_of_since()]).recovered == 4

    def test_tiles_of_another_history_are_no_recovery(self, operator: Operator, tmp_path: Path) -> None:
        """Somebody restored by hand, went on, and forked: the backup does not lead to what is served."""
        operator.grow(2)
        entries = operator.rig.folder / "tiles" / "tile" / "entries" / "000.p" / "12"
        data = bytearray(entries.read_bytes())
        data[-1] ^= 1
        entries.chmod(0o600)
        entries.write_bytes(data)
        with pytest.raises(Fatal, match="do not continue the backup"):
            operator.restore(sqlite_settings(operator, tmp_path / "new"), statements=[operator.file_of_since()])


def test_a_second_backup_into_one_folder_leaves_the_first_ones_work_alone(operator: Operator, tmp_path: Path) -> None:
    """It would have taken the first one's draft for what a killed one left."""
    folder = tmp_path / "twice"
    (folder / DRAFT).mkdir(parents=True)
    (folder / DRAFT / FILE).write_bytes(b"half a copy")
    with alone_in(folder), pytest.raises(Busy, match="another process works in"):
        make_backup(operator.rig.database, operator.rig.keys, folder, now_ms=operator.rig.now_ms)
    assert (folder / DRAFT / FILE).read_bytes() == b"half a copy"
    assert make_backup(operator.rig.database, operator.rig.keys, folder, now_ms=operator.rig.now_ms).size
