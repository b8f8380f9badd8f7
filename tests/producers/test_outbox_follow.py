"""Following the log: it may only grow, others must have seen it, and nothing stands in it under our name that we did not send."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from producers import records
from producers.answers import LogError
from producers.client import LogClient
from producers.control import PartyRegistration
from producers.delivery import deliver
from producers.follow import Watch, follow
from producers.keys import enrol, generate_key
from producers.outbox import Outbox
from producers.status import status
from producers.tiles import format_entries
from tests.producers.fake_log import FakeLog
from tests.producers.farm import FARM, KEY, statement, statements
from verify import merkle
from verify.errors import Malformed, NotConsistent, NotIncluded, NotTrusted
from verify.policy import AnchorPin, Policy

NOW = 1_790_000_100_000
MAINNET = "1"
CONTRACT, LOG_ID, SIGNER = "0x" + "11" * 20, "0x" + "22" * 32, "0x" + "33" * 20


@pytest.fixture
def log() -> Iterator[FakeLog]:
    with FakeLog().serve() as log:
        yield log


@pytest.fixture
def outbox(tmp_path: Path, log: FakeLog) -> Iterator[Outbox]:
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        outbox.seen.pin(log.policy)
        yield outbox


@pytest.fixture
def watch(log: FakeLog, outbox: Outbox) -> Iterator[Watch]:
    with LogClient(log.server) as client:
        yield Watch(outbox, client, Policy.parse(log.policy), now_ms=NOW)


def send(watch: Watch, count: int, first: int = 0) -> None:
    watch.outbox.add(statements(count, first=first), now_ms=NOW)
    assert deliver(watch.outbox, watch.client, watch.policy, now_ms=NOW).waiting == 0


def others(log: FakeLog, count: int) -> None:
    key = generate_key("EdDSA")
    for number in range(count):
        log.append(statement(number, key=key, issuer="https://farm.example/wang"))


def alarms(watch: Watch) -> list[str]:
    return [alarm.code for alarm in watch.outbox.seen.alarms()]


class TestCoverage:
    """A producer's outbox keeps an item until its policy's quorum or an anchor covers it by consistency."""

    def test_a_later_checkpoint_that_the_quorum_cosigned_covers_earlier_records(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 3)
        others(log, 300)
        follow(watch)
        assert watch.outbox.counts()["published"] == 3
        log.cosigned = True
        others(log, 5)
        assert follow(watch).head.size == 308
        assert watch.outbox.counts()["witnessed"] == 3

    def test_the_quorum_covers_nothing_on_another_tree(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 3)
        log.cosigned = True
        log.entries = []
        others(log, 8)
        with pytest.raises(NotConsistent):
            follow(watch)
        assert watch.outbox.counts()["published"] == 3

    def anchored(self, watch: Watch, chain: str = MAINNET) -> Watch:
        text = watch.outbox.seen.policy() or ""
        text += f"anchor {chain} {CONTRACT} {LOG_ID} {SIGNER}\n"
        return Watch(watch.outbox, watch.client, Policy.parse(text), now_ms=NOW)

    def test_an_anchor_covers_what_is_below_its_size(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 3)
        others(log, 4)
        send(watch, 2, first=100)
        root = merkle.root(log.reader(), 7)

        def heads(pin: AnchorPin) -> tuple[int, bytes]:
            return 7, root

        assert follow(self.anchored(watch), heads=heads).unchecked == []
        counts = watch.outbox.counts()
        assert (counts["covered"], counts["published"]) == (3, 2)

    def test_an_anchor_that_holds_another_root_is_an_alarm(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 5)
        with pytest.raises(NotConsistent):
            follow(self.anchored(watch), heads=lambda pin: (3, bytes(32)))
        assert alarms(watch) == ["anchor-mismatch"]
        assert watch.outbox.counts()["covered"] == 0

    @pytest.mark.parametrize(("chain", "said"), [(MAINNET, "no RPC"), ("31337", "desk")])
    def test_what_cannot_be_asked_is_named_and_not_green(self, log: FakeLog, watch: Watch, chain: str, said: str) -> None:
        send(watch, 2)
        assert said in follow(self.anchored(watch, chain)).unchecked[0]
        assert watch.outbox.counts()["covered"] == 0

    def test_an_rpc_that_fails_or_is_ahead_is_named(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 2)

        def down(pin: AnchorPin) -> tuple[int, bytes]:
            raise OSError("no route")

        assert "no route" in follow(self.anchored(watch), heads=down).unchecked[0]
        assert "holds size 9" in follow(self.anchored(watch), heads=lambda pin: (9, bytes(32))).unchecked[0]


class TestGrowth:
    """The log may only grow; what was seen once is held against it for ever."""

    def test_a_log_that_rewrites_an_old_entry_is_caught_and_the_evidence_kept(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 3)
        before = log.checkpoint()
        log.entries[1] = log.entries[0]
        others(log, 4)
        with pytest.raises(NotConsistent):
            follow(watch)
        alarm = watch.outbox.seen.alarms()[0]
        assert alarm.code == "fork"
        assert before in alarm.detail
        assert log.checkpoint() in alarm.detail
        assert status(watch.outbox, watch.policy, now_ms=NOW).exit_code == 1

    def test_two_trees_of_one_size_are_caught(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 3)
        log.entries[2] = log.entries[0]
        with pytest.raises(NotConsistent):
            follow(watch)

    def test_an_older_view_of_the_same_tree_is_no_fork_and_not_kept(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 3)
        others(log, 5)
        follow(watch)
        log.entries = log.entries[:4]  # a cache that lags
        with pytest.raises(LogError):
            follow(watch)  # the tiles of what was seen are gone, so it cannot be checked
        assert alarms(watch) == []
        head = watch.outbox.seen.head()
        assert head is not None
        assert head.size == 8

    def test_an_alarm_stays_and_the_same_is_raised_once(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 3)
        log.entries[1] = log.entries[0]
        for _ in range(2):
            with pytest.raises(NotConsistent):
                follow(watch)
        assert alarms(watch) == ["fork"]


class TestOwnName:
    """`producers status` alarms on entries under its own key that it did not send."""

    def test_own_and_others_records_are_no_alarm(self, log: FakeLog, watch: Watch) -> None:
        others(log, 10)
        send(watch, 3)
        others(log, 10)
        assert follow(watch).read == 23
        assert alarms(watch) == []

    def test_a_record_signed_with_a_stolen_key_is_found(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 3)
        index = log.append(statement(900))
        follow(watch)
        alarm = watch.outbox.seen.alarms()[0]
        assert (alarm.code, alarm.detail.startswith(f"index {index}:")) == ("foreign-entry", True)

    def test_a_record_under_our_name_with_another_key_is_found(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 1)
        log.append(statement(900, key=generate_key()))
        follow(watch)
        assert alarms(watch) == ["foreign-key"]

    def test_a_registrar_that_speaks_about_us_is_no_alarm(self, log: FakeLog, watch: Watch) -> None:
        request = enrol(KEY, origin="log.example/fake", party=FARM, name={"en": "Li"}, roles=["producer"])
        at = datetime(2026, 3, 1, tzinfo=UTC)
        registrar = records.record(PartyRegistration.of(request), issuer="https://registrar.example/r", at=at)
        log.append(records.sign_record(registrar, generate_key()))
        send(watch, 1)
        follow(watch)
        assert alarms(watch) == []

    def test_a_party_that_sent_nothing_yet_can_be_watched(self, log: FakeLog, watch: Watch) -> None:
        log.append(statement(900))
        follow(watch, parties=[FARM])
        assert alarms(watch) == ["foreign-key"]

    @pytest.mark.parametrize("shown", ["nothing", "junk", "another"])
    def test_an_entry_about_us_whose_content_is_not_shown_is_an_alarm(self, log: FakeLog, watch: Watch, shown: str) -> None:
        send(watch, 1)
        log.append(statement(900))
        digest = list(log.statements)[-1]
        if shown == "nothing":
            del log.statements[digest]
        else:
            log.statements[digest] = b"tomatoes" if shown == "junk" else statement(0)
        follow(watch)
        assert alarms(watch) == ["not-shown"]

    def test_an_entry_left_out_of_the_tiles_does_not_lead_to_the_signed_root(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 2)
        log.append(statement(900))
        tile, tampered = log.tile, [*log.entries[:2], log.entries[0]]
        log.tile = lambda path: format_entries(tampered) if "entries" in path else tile(path)  # type: ignore[method-assign]
        with pytest.raises(NotIncluded):
            follow(watch)
        assert watch.outbox.seen.followed() == 0

    def test_what_was_read_is_not_read_again_and_what_was_not_is(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 2)
        assert follow(watch).read == 2
        others(log, 300)
        read: list[tuple[int, int]] = []
        assert follow(watch, on_read=lambda done, size: read.append((done, size))).read == 300
        assert read == [(302, 302)]
        assert follow(watch).read == 0

    def test_a_server_error_in_between_is_no_answer(self, log: FakeLog, watch: Watch) -> None:
        send(watch, 1)
        log.append(statement(900))
        log.before_request = lambda path: "cut" if "statements" in path else ""
        with pytest.raises(LogError):
            follow(watch)
        assert watch.outbox.seen.followed() == 0
        log.before_request = lambda path: ""
        follow(watch)
        assert alarms(watch) == ["foreign-entry"]


def test_an_outbox_belongs_to_one_log(log: FakeLog, watch: Watch) -> None:
    send(watch, 1)
    other = FakeLog(signer=replace(log.signer, name="log.example/other"))
    other.append(statement(5))
    log.checkpoint = other.checkpoint  # type: ignore[method-assign]
    strangers = Watch(watch.outbox, watch.client, Policy.parse(other.policy), now_ms=NOW)
    with pytest.raises(NotTrusted, match="belongs to log"):
        follow(strangers)


def test_a_server_that_is_no_log_is_not_believed(log: FakeLog, watch: Watch) -> None:
    log.checkpoint = lambda: "hello"  # type: ignore[method-assign]
    with pytest.raises(Malformed, match="signed note"):
        follow(watch)
