"""The tiles on a real S3: what a racing writer, a lost answer, a restart and a wrong key do to the log."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.audit import audit_ledger, audit_served
from ledger.buckets import BucketObjects, BucketSettings
from ledger.db import open_database
from ledger.objects import write_all
from ledger.problems import Fatal
from ledger.receipts import receipt
from ledger.stored import StoreRefused, StoreUnavailable
from tests.support.ledger import FARM, GTIN, Rig, p256
from tests.support.s3 import S3, LosingProxy, running_s3
from verify.checkpoint import Checkpoint
from verify.note import parse_note
from verify.tiles import tile_path

pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """One S3 for this file; each test has a prefix of its own."""
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A place in the bucket that nobody else uses."""
    return request.node.name


@pytest.fixture
def rig(sqlite_template: Path, tmp_path: Path, s3: S3, prefix: str) -> Iterator[Rig]:
    """A log whose tiles are in the bucket, with one farm."""
    target = tmp_path / "ledger.db"
    target.write_bytes(sqlite_template.read_bytes())
    database = open_database(f"sqlite:///{target}")
    rig = Rig(database, tmp_path, objects=s3.objects(prefix)).create()
    rig.log(rig.grant(FARM, p256("farm"), mint=[GTIN]))
    yield rig
    database.close()


def audited(rig: Rig) -> int:
    """Audit the ledger and the bucket alone; returns the size."""
    report = audit_ledger(rig.database, rig.store, rig.keys.log.vkey, rig.keys.clock.vkey)
    assert audit_served(rig.store, rig.keys.log.vkey).entries == report.entries
    return report.entries


def test_a_log_on_s3_publishes_proves_and_passes_its_audit(rig: Rig, s3: S3, prefix: str) -> None:
    for _ in range(3):
        rig.log(*(rig.event(FARM, p256("farm")) for _ in range(100)))
    assert audited(rig) == 302
    with rig.database.reading() as session:
        told = receipt(session, rig.store, rig.entry(77).digest)
    assert (told.index, Checkpoint.parse(parse_note(told.proof.checkpoint).text).size) == (77, 302)
    # What a stranger with the bucket's address reads is the same.
    stranger = s3.objects(prefix)
    assert stranger.read("checkpoint") == (rig.store.read_checkpoint() or "").encode()
    assert len(stranger.read(tile_path(0, 0)) or b"") == 256 * 32


def test_of_racing_writers_one_wins_and_the_others_are_told(s3: S3, prefix: str) -> None:
    start = threading.Barrier(8)

    def race(number: int) -> bool:
        objects = s3.objects(prefix)
        start.wait()
        try:
            objects.create("tile/0/000", b"%d" % number)
        except Fatal:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(race, range(8)))
    assert won.count(True) == 1
    assert s3.objects(prefix).read("tile/0/000") == b"%d" % won.index(True)


def test_the_same_bytes_may_be_written_again_and_others_never(s3: S3, prefix: str) -> None:
    one, two = s3.objects(prefix), s3.objects(prefix)
    items = {tile_path(0, at): b"%d" % at for at in range(40)}
    write_all(one, items, replace=False)
    write_all(two, items, replace=False)
    with pytest.raises(Fatal, match="other bytes"):
        write_all(two, items | {tile_path(0, 7): b"else", tile_path(0, 99): b"new"}, replace=False)
    assert one.read(tile_path(0, 7)) == b"7"
    write_all(two, {tile_path(0, 7): b"else"}, replace=True)
    assert one.read(tile_path(0, 7)) == b"else"


def test_a_checkpoint_is_replaced_and_a_writer_left_behind_cannot_put_an_old_one_back(s3: S3, prefix: str) -> None:
    one, two = s3.objects(prefix), s3.objects(prefix)
    for body in (b"1", b"2", b"3"):
        one.replace("checkpoint", body)
    two.replace("checkpoint", b"4")
    with pytest.raises(Fatal, match="another writer"):
        one.replace("checkpoint", b"old")
    assert two.read("checkpoint") == b"4"
    one.replace("checkpoint", b"5")  # having looked again
    assert two.read("checkpoint") == b"5"


def test_a_write_whose_answer_is_lost_is_found_and_not_called_a_fork(s3: S3, prefix: str) -> None:
    with LosingProxy(s3.endpoint) as proxy:
        objects = s3.objects(prefix, endpoint=proxy.endpoint)
        objects.replace("checkpoint", b"0")
        proxy.losses = 1
        objects.create("tile/0/000", b"tile")
        proxy.losses = 1
        objects.replace("checkpoint", b"1")
        assert proxy.lost == 2
        objects.replace("checkpoint", b"2")
        assert (objects.read("tile/0/000"), objects.read("checkpoint")) == (b"tile", b"2")


def test_a_restart_of_the_store_delays_the_log_and_loses_nothing(rig: Rig, s3: S3) -> None:
    rig.log(rig.event(FARM, p256("farm")))
    s3.kill()
    s3.start()  # comes up while the log already writes
    rig.log(rig.event(FARM, p256("farm")))
    assert audited(rig) == 4


def test_a_store_that_stays_away_fails_the_batch_in_bounded_time_and_the_next_one_goes_on(rig: Rig, s3: S3, prefix: str) -> None:
    admitted = rig.submit(rig.event(FARM, p256("farm")))
    rig.store.objects = s3.objects(prefix, endpoint="http://127.0.0.1:9", timeout_s=0.5)
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9") as caught:
        rig.step()
    assert "\n" not in str(caught.value)
    assert rig.results(admitted)[0].state == "pending"
    rig.store.objects = s3.objects(prefix)
    rig.step()
    assert rig.results(admitted)[0].state == "published"
    assert audited(rig) == 3


class TestCredentials:
    def test_wrong_ones_are_said_so_at_once_and_never_shown(self, s3: S3, prefix: str) -> None:
        s3.objects(prefix).create("tile/0/000", b"")
        objects = s3.objects(prefix, secret="not-the-secret")
        for attempt in (lambda: objects.read("checkpoint"), lambda: objects.create("x", b""), lambda: objects.replace("y", b""),
                        lambda: objects.listed("tile/"), lambda: objects.drop(["x"])):  # fmt: skip
            with pytest.raises(StoreRefused, match=r"SignatureDoesNotMatch$|403 Forbidden$") as caught:
                attempt()
            assert not any(word in str(caught.value) for word in (s3.access, s3.secret, "not-the-secret", "\n"))

    def test_a_missing_bucket_is_not_an_empty_log(self, s3: S3) -> None:
        with pytest.raises(StoreRefused, match="NoSuchBucket"):
            s3.objects("log", bucket="nowhere").read("checkpoint")

    def test_a_file_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "s3.ini"
        path.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
        path.chmod(0o644)
        with pytest.raises(StoreRefused, match="chmod 600"):
            BucketObjects("s3://tiles", BucketSettings(credentials=path))

    def test_a_file_in_another_form_is_refused_without_its_content(self, tmp_path: Path) -> None:
        path = tmp_path / "s3.ini"
        path.touch(0o600)
        path.write_text("secret-in-no-section")
        with pytest.raises(StoreRefused, match="form") as caught:
            BucketObjects("s3://tiles", BucketSettings(credentials=path))
        assert "secret-in" not in str(caught.value)
