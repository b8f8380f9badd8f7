"""What the log refused for its key is told under another one, is not taken for told before, or is given up."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from producers import records
from producers.cli.app import main
from producers.client import LogClient
from producers.delivery import deliver
from producers.epcis.text import parse
from producers.keys import generate_key, write_key
from producers.outbox import EventIdTaken, Outbox
from producers.resigning import sign_again
from producers.seen import Alarm
from producers.sign import jwk_of
from producers.status import status
from producers.store import MIGRATIONS
from tests.producers.fake_log import FakeLog
from tests.producers.farm import FARM, KEY, event_text, statement
from verify.entry import Entry
from verify.policy import Policy
from verify.statement import Statement, parse_statement, thumbprint, verify_signature

NOW = 1_790_000_100_000
NEW = generate_key()
OLD_KID = thumbprint(jwk_of(KEY.public_key()))


@pytest.fixture
def log() -> Iterator[FakeLog]:
    with FakeLog().serve() as log:
        log.refuse = lambda one: {"code": "revoked-key"} if one.kid == OLD_KID else None
        yield log


@pytest.fixture
def outbox(tmp_path: Path, log: FakeLog) -> Iterator[Outbox]:
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        outbox.seen.pin(log.policy)
        yield outbox


def send(outbox: Outbox, log: FakeLog) -> tuple[int, int]:
    """How many were published, and how many refused."""
    with LogClient(log.server) as client:
        done = deliver(outbox, client, Policy.parse(log.policy), now_ms=NOW)
    return done.published, len(done.refused)


def logged(log: FakeLog) -> list[Statement]:
    return [parse_statement(log.statements[Entry.decode(entry).digest]) for entry in log.entries]


def event(number: int) -> dict[str, Any]:
    return cast(dict[str, Any], parse(event_text(number)))


def withheld(number: int) -> bytes:
    """A harvest whose price is for the regulator only."""
    text = event_text(number)[:-1] + ',"originmark:price":"3.20"}'
    return records.sign_record(records.event_record(text, issuer=FARM, withhold=records.Withholding(["originmark:price"])), KEY)


def test_an_event_that_was_refused_can_be_told_with_another_key(outbox: Outbox, log: FakeLog) -> None:
    outbox.add([statement(1)], now_ms=NOW)
    assert send(outbox, log) == (0, 1)
    assert not outbox.has_event(FARM, event(1))
    assert outbox.add([statement(1, key=NEW)], now_ms=NOW).stored == 1
    assert send(outbox, log) == (1, 0)
    assert (outbox.counts()["published"], outbox.counts()["refused"]) == (1, 0)
    # What took its place is told; the old one is not brought back.
    assert outbox.add([statement(1), statement(1, key=NEW)], now_ms=NOW).duplicate == 2
    assert outbox.refusals.retry(now_ms=NOW) == 0


def test_the_same_statement_told_again_after_a_refusal_is_sent_again(outbox: Outbox, log: FakeLog) -> None:
    outbox.add([statement(1)], now_ms=NOW)
    send(outbox, log)
    log.refuse = lambda one: None
    assert outbox.add([statement(1)], now_ms=NOW).stored == 1
    assert send(outbox, log) == (1, 0)
    assert len(log.entries) == 1


def test_what_the_log_has_is_not_told_twice(outbox: Outbox, log: FakeLog) -> None:
    outbox.add([statement(1, key=NEW)], now_ms=NOW)
    send(outbox, log)
    assert outbox.add([statement(1)], now_ms=NOW).duplicate == 1
    with pytest.raises(EventIdTaken):
        outbox.has_event(FARM, event(1) | {"action": "OBSERVE"})


class TestSignAgain:
    def test_a_queue_signed_with_a_revoked_key_is_adopted_under_a_new_one(self, outbox: Outbox, log: FakeLog) -> None:
        old = [parse_statement(statement(number)) for number in range(3)]
        outbox.add([statement(number) for number in range(3)], now_ms=NOW, jwk=jwk_of(KEY.public_key()))
        send(outbox, log)
        assert sign_again(outbox, NEW, now_ms=NOW) == 3
        assert send(outbox, log) == (3, 0)
        for before, after in zip(old, logged(log), strict=True):
            verify_signature(after, jwk_of(NEW.public_key()))
            assert (after.kind, after.issuer, after.subject["adopts"]) == ("Adoption", FARM, before.digest.hex())
            assert after.subject["event"] == before.subject
        assert sign_again(outbox, NEW, now_ms=NOW) == 0
        assert outbox.has_event(FARM, event(1))
        assert outbox.counts()["refused"] == 0

    def test_what_was_withheld_stays_withheld(self, outbox: Outbox, log: FakeLog) -> None:
        outbox.add([withheld(1)], now_ms=NOW)
        send(outbox, log)
        sign_again(outbox, NEW, now_ms=NOW)
        assert send(outbox, log) == (1, 0)
        (told,) = logged(log)
        assert (told.kind, "originmark:price" in told.payload_text) == ("TraceabilityEvent", False)
        assert told.disclosed["originmark:price"] == "3.20"

    def test_what_was_refused_for_what_it_says_is_not_signed_again(self, outbox: Outbox, log: FakeLog) -> None:
        log.refuse = lambda one: {"code": "serial-before-sale"}
        outbox.add([statement(1)], now_ms=NOW)
        send(outbox, log)
        assert sign_again(outbox, NEW, now_ms=NOW) == 0

    def test_by_the_command_line(self, tmp_path: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        box = tmp_path / "farm.db"
        with Outbox.open(box) as outbox:
            outbox.add([statement(1)], now_ms=NOW)
        write_key(tmp_path / "new.pem", NEW, None)
        ask = ["submit", "--outbox", str(box), "--server", log.server]
        assert main(ask) == 1
        said = capsys.readouterr().err
        assert "--sign-again" in said
        assert main([*ask, "--sign-again", str(tmp_path / "new.pem")]) == 0
        assert [one.kind for one in logged(log)] == ["Adoption"]


    def test_what_was_replaced_while_another_command_was_sending_it_is_not_sent_again(
        self, outbox: Outbox, log: FakeLog, tmp_path: Path
    ) -> None:
        outbox.add([statement(1)], now_ms=NOW)
        with Outbox.open(tmp_path / "outbox.db") as other:
            (item,) = other.waiting(after=0, limit=9)
            send(outbox, log)
            assert sign_again(outbox, NEW, now_ms=NOW) == 1
            other.mark([(item.id, "saved", None)], now_ms=NOW)  # its answer, later than all that: "later"
        (waiting,) = outbox.waiting(after=0, limit=9)
        assert parse_statement(waiting.statement).kind == "Adoption"
        assert send(outbox, log) == (1, 0)
        assert len(log.entries) == 1


class TestGivingUp:
    def test_what_was_given_up_is_kept_and_alarms_no_more(self, outbox: Outbox, log: FakeLog) -> None:
        outbox.add([statement(1), statement(2)], now_ms=NOW)
        send(outbox, log)
        assert [alarm.code for alarm in status(outbox, None, now_ms=NOW).alarms] == ["refused"]
        assert outbox.refusals.give_up(now_ms=NOW) == 2
        assert (status(outbox, None, now_ms=NOW).alarms, outbox.refusals.retry(now_ms=NOW)) == ((), 0)
        assert outbox.has_digest(parse_statement(statement(1)).digest)
        assert outbox.add([statement(1)], now_ms=NOW).stored == 1  # told again after all

    def test_an_acknowledged_alarm_is_not_shown_again_and_a_lie_of_the_logs_cannot_be(self, outbox: Outbox) -> None:
        for code in ("foreign-entry", "fork"):
            outbox.seen.alarm(Alarm(code, "a", "b", NOW))
        assert outbox.seen.acknowledge(now_ms=NOW) == 1
        outbox.seen.alarm(Alarm("foreign-entry", "a", "b", NOW))
        assert [alarm.code for alarm in outbox.seen.alarms()] == ["fork"]
        outbox.seen.alarm(Alarm("foreign-entry", "another", "b", NOW))
        assert len(outbox.seen.alarms()) == 2


def test_an_outbox_of_the_first_version_is_taken_over_with_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        for command in MIGRATIONS[0]:
            old.execute(command)
        old.execute("PRAGMA user_version = 1")
        raw = statement(1)
        told = parse_statement(raw)
        old.execute(
            "INSERT INTO item (issuer, kid, kind, content, signing_input, digest, statement, saved_ms, changed_ms, state) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, 1, 1, 'refused')",
            (FARM, told.kid, told.kind, b"", b"x", told.digest, raw),
        )
    old.close()
    path.chmod(0o600)
    with Outbox.open(path) as outbox:
        assert [item.statement for item in outbox.refusals.items()] == [raw]
