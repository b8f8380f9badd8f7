"""The outbox: what was signed is never lost, never sent as something else, and kept until others saw it."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers import records
from producers.answers import Unreachable
from producers.client import LogClient
from producers.delivery import deliver
from producers.keys import generate_key
from producers.outbox import EventIdTaken, Outbox
from producers.records import Withholding
from producers.sign import jwk_of
from producers.status import STUCK_MS, status
from producers.store import OutboxRefused
from tests.producers.fake_log import FakeLog
from tests.producers.farm import FARM, KEY, event_text, statement, statements
from verify.errors import VerificationError
from verify.policy import Policy
from verify.proof import TlogProof
from verify.statement import parse_statement

NOW = 1_790_000_100_000
DAY = 86_400_000
HERE = Path(__file__)


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
def client(log: FakeLog) -> Iterator[LogClient]:
    with LogClient(log.server) as client:
        yield client


def policy_of(log: FakeLog) -> Policy:
    return Policy.parse(log.policy)


class TestStore:
    def test_only_its_owner_can_read_it(self, tmp_path: Path) -> None:
        with Outbox.open(tmp_path / "farm" / "outbox.db") as outbox:
            outbox.add(statements(1), now_ms=NOW)
            for path in (tmp_path / "farm").iterdir():
                assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_the_same_statement_is_saved_once(self, outbox: Outbox) -> None:
        one = statement(1)
        assert outbox.add([one], now_ms=NOW).stored == 1
        assert outbox.add([one, one], now_ms=NOW).duplicate == 2
        assert outbox.counts()["saved"] == 1

    def test_the_same_event_signed_again_is_a_duplicate(self, outbox: Outbox) -> None:
        outbox.add([statement(1)], now_ms=NOW)
        assert outbox.add([statement(1)], now_ms=NOW).duplicate == 1  # ECDSA: another signature
        assert outbox.add([statement(1, key=generate_key("EdDSA"))], now_ms=NOW).duplicate == 1

    def test_the_same_event_withheld_otherwise_is_a_duplicate(self, outbox: Outbox) -> None:
        text = event_text(1)[:-1] + ',"sourceList":[{"type":"location","source":"urn:x:y"}]}'
        for withheld in ((), ("sourceList",), ("sourceList",)):
            made = records.event_record(text, issuer=FARM, withhold=Withholding(withheld))
            outbox.add([records.sign_record(made, KEY)], now_ms=NOW)
        assert outbox.counts()["saved"] == 1

    def test_an_event_id_cannot_come_to_mean_something_else(self, outbox: Outbox) -> None:
        for number, text in enumerate((event_text(1, event_id="urn:x:1"), event_text(2, event_id="urn:x:1"))):
            one = records.sign_record(records.event_record(text, issuer=FARM), KEY)
            if number == 0:
                outbox.add([one], now_ms=NOW)
            else:
                with pytest.raises(EventIdTaken):
                    outbox.add([statement(3), one], now_ms=NOW)
        assert outbox.counts()["saved"] == 1  # all or none: statement 3 is not there either

    def test_a_declaration_of_error_repeats_the_event_id_on_purpose(self, outbox: Outbox) -> None:
        wrong = event_text(1)
        declared = wrong[:-1] + ',"errorDeclaration":{"declarationTime":"2026-03-03T00:00:00Z","reason":"did_not_occur"}}'
        for text in (wrong, declared, declared):
            outbox.add([records.sign_record(records.event_record(text, issuer=FARM), KEY)], now_ms=NOW)
        assert outbox.counts()["saved"] == 2

    def test_a_file_of_something_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "outbox.db").write_bytes(b"tomatoes" * 1_000)
        with pytest.raises(OutboxRefused, match="发件箱"):
            Outbox.open(tmp_path / "outbox.db")

    def test_a_file_of_a_newer_version_is_left_alone(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "outbox.db") as connection:
            connection.execute("PRAGMA user_version = 99")
        with pytest.raises(OutboxRefused, match="newer"):
            Outbox.open(tmp_path / "outbox.db")

    def test_two_commands_at_once_wait_for_each_other(self, tmp_path: Path) -> None:
        def add(first: int) -> None:
            with Outbox.open(tmp_path / "outbox.db") as outbox:
                for number in range(first, first + 20):
                    outbox.add([statement(number)], now_ms=NOW)

        threads = [threading.Thread(target=add, args=(first,)) for first in (0, 100, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with Outbox.open(tmp_path / "outbox.db") as outbox:
            assert outbox.counts()["saved"] == 60


class TestDelivery:
    def test_what_is_sent_is_published_only_when_its_receipt_verifies(
        self, log: FakeLog, outbox: Outbox, client: LogClient
    ) -> None:
        outbox.add(statements(520), now_ms=NOW)
        done = deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert (done.published, done.waiting, done.stopped) == (520, 0, None)
        assert outbox.counts()["published"] == 520
        proof = outbox.proof(parse_statement(outbox_statement(outbox, 5)).digest)
        assert TlogProof.parse(proof or "").index == 4

    def test_receipts_in_bulk_cost_a_few_requests(self, log: FakeLog, outbox: Outbox, client: LogClient) -> None:
        outbox.add(statements(300), now_ms=NOW)
        deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert len(log.requests) < 10

    @pytest.mark.parametrize("whole", [True, False])
    def test_one_statement_needs_no_tiles_where_its_receipt_is_whole(
        self, log: FakeLog, outbox: Outbox, client: LogClient, whole: bool
    ) -> None:
        log.whole_receipts = whole
        outbox.add(statements(1), now_ms=NOW)
        assert deliver(outbox, client, policy_of(log), now_ms=NOW).published == 1
        assert any("tile" in request for request in log.requests) is not whole

    def test_sending_again_is_answered_with_the_first_place(self, log: FakeLog, outbox: Outbox, client: LogClient) -> None:
        sent = statements(3)
        for one in sent:
            log.append(one)
        outbox.add(sent, now_ms=NOW)
        done = deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert (done.duplicate, done.published, len(log.entries)) == (3, 0, 3)

    def test_a_record_logged_with_another_signature_of_ours_is_ours(
        self, log: FakeLog, outbox: Outbox, client: LogClient
    ) -> None:
        log.append(statement(1))
        outbox.add([statement(1)], now_ms=NOW, jwk=jwk_of(KEY.public_key()))
        assert deliver(outbox, client, policy_of(log), now_ms=NOW).duplicate == 1

    def test_a_duplicate_that_says_something_else_is_not_believed(self, log: FakeLog, outbox: Outbox, client: LogClient) -> None:
        mine, other = statement(1), statement(2)
        log.append(other)
        log.places[parse_statement(mine).signing_input] = (0, parse_statement(other).digest)
        outbox.add([mine], now_ms=NOW, jwk=jwk_of(KEY.public_key()))
        done = deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert (done.duplicate, done.waiting) == (0, 1)
        assert [alarm.code for alarm in outbox.seen.alarms()] == ["bad-receipt"]

    @pytest.mark.parametrize("lie", ["time", "index", "keys"])
    def test_a_receipt_for_another_entry_is_not_believed(self, log: FakeLog, outbox: Outbox, client: LogClient, lie: str) -> None:
        log.append(statement(7))
        outbox.add(statements(1), now_ms=NOW)
        receipt = log.receipt
        if lie == "time":
            log.receipt = lambda index: receipt(index) | {"time": 5}  # type: ignore[method-assign]
        elif lie == "index":
            log.receipt = lambda index: receipt(0) | {"time": receipt(index)["time"]}  # type: ignore[method-assign]
        else:
            log.whole_receipts = False
            append = log.append

            def omit_keys(raw: bytes) -> int:
                index = append(raw)
                log.entries[index] = log.entries[index][:-32]  # one subject fewer: a recall would not find the record
                return index

            log.append = omit_keys  # type: ignore[method-assign]
        done = deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert (done.published, done.waiting) == (0, 1)
        assert [alarm.code for alarm in outbox.seen.alarms()] == ["bad-receipt"]

    def test_a_log_with_another_key_is_not_believed_at_all(self, log: FakeLog, outbox: Outbox, client: LogClient) -> None:
        outbox.add(statements(2), now_ms=NOW)
        done = deliver(outbox, client, policy_of(FakeLog()), now_ms=NOW)
        assert (done.published, done.waiting) == (0, 2)
        assert "no key of the policy" in str(done.stopped)

    def test_a_server_that_does_not_show_our_log_is_told_nothing_and_its_refusal_does_not_count(
        self, log: FakeLog, outbox: Outbox, client: LogClient
    ) -> None:
        """Withheld members travel with a statement: the wrong server would read them."""
        outbox.add(statements(3), now_ms=NOW)
        with FakeLog().serve() as stranger, LogClient(stranger.server) as elsewhere:
            stranger.refuse = lambda one: {"code": "unknown-key"}
            done = deliver(outbox, elsewhere, policy_of(log), now_ms=NOW)
            assert isinstance(done.stopped, VerificationError)
            assert (done.refused, done.waiting, outbox.counts()["saved"]) == ([], 3, 3)
            assert "POST /statements" not in stranger.requests
        assert deliver(outbox, client, policy_of(log), now_ms=NOW).published == 3

    def test_a_refusal_is_kept_with_its_reason_and_can_be_tried_again(
        self, log: FakeLog, outbox: Outbox, client: LogClient
    ) -> None:
        outbox.add(statements(3), now_ms=NOW)
        log.refuse = lambda one: {"code": "unknown-key", "title": "no grant"} if "H7-1" in one.payload_text else None
        done = deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert [problem.code for _, problem in done.refused] == ["unknown-key"]
        assert (done.published, outbox.counts()["refused"]) == (2, 1)
        assert outbox.refusals.items()[0].problem == done.refused[0][1]
        log.refuse = lambda one: None  # the registrar granted the key
        assert deliver(outbox, client, policy_of(log), now_ms=NOW).published == 0
        assert outbox.refusals.retry(now_ms=NOW) == 1
        assert deliver(outbox, client, policy_of(log), now_ms=NOW).published == 1

    def test_a_record_ahead_of_the_clock_waits_and_is_not_lost(self, log: FakeLog, outbox: Outbox, client: LogClient) -> None:
        outbox.add(statements(1), now_ms=NOW)
        log.refuse = lambda one: {"code": "event-in-future", "retry_after": 60}
        done = deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert (done.refused, done.waiting) == ([], 1)
        log.refuse = lambda one: None
        assert deliver(outbox, client, policy_of(log), now_ms=NOW).published == 1

    def test_a_dead_network_loses_nothing(self, log: FakeLog, outbox: Outbox, client: LogClient) -> None:
        outbox.add(statements(3), now_ms=NOW)
        with LogClient("http://127.0.0.1:9") as nowhere:
            done = deliver(outbox, nowhere, policy_of(log), now_ms=NOW)
        assert isinstance(done.stopped, Unreachable)
        assert outbox.counts()["saved"] == 3

    def test_an_answer_that_was_lost_is_asked_for_again(self, log: FakeLog, outbox: Outbox, client: LogClient) -> None:
        outbox.add(statements(3), now_ms=NOW)
        log.before_answer = lambda path: "cut" if path == "/statements" else ""
        assert deliver(outbox, client, policy_of(log), now_ms=NOW).waiting == 3
        assert outbox.counts()["sent"] == 3
        log.before_answer = lambda path: ""
        done = deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert (done.duplicate, len(log.entries)) == (3, 3)

    def test_what_a_quorum_cosigned_is_witnessed_at_once(self, log: FakeLog, outbox: Outbox, client: LogClient) -> None:
        log.cosigned = True
        outbox.add(statements(2), now_ms=NOW)
        deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert outbox.counts()["witnessed"] == 2


class TestStatus:
    def test_nothing_to_do_is_no_alarm(self, log: FakeLog, outbox: Outbox) -> None:
        assert status(outbox, policy_of(log), now_ms=NOW).exit_code == 0

    def test_what_waits_is_said_and_after_a_day_it_alarms(self, log: FakeLog, outbox: Outbox) -> None:
        outbox.add(statements(2), now_ms=NOW)
        assert status(outbox, policy_of(log), now_ms=NOW).exit_code == 3
        late = status(outbox, policy_of(log), now_ms=NOW + STUCK_MS + 1)
        assert [alarm.code for alarm in late.alarms] == ["not-sent"]
        assert late.exit_code == 1

    def test_what_only_the_operator_saw_alarms_after_the_policys_max_age(
        self, log: FakeLog, outbox: Outbox, client: LogClient
    ) -> None:
        outbox.add(statements(2), now_ms=NOW)
        deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert status(outbox, policy_of(log), now_ms=NOW).exit_code == 0
        late = status(outbox, policy_of(log), now_ms=NOW + DAY + 1)
        assert [alarm.code for alarm in late.alarms] == ["not-covered"]

    def test_a_policy_without_third_parties_is_said_to_be_one(self, log: FakeLog, outbox: Outbox) -> None:
        bare = Policy.parse(f"log {log.signer.vkey.format()}")
        found = status(outbox, bare, now_ms=NOW)
        assert (found.alarms, found.exit_code) == ((), 3)
        assert "no witness and no anchor" in found.unchecked[0]

    def test_a_reason_that_many_refusals_share_is_one_alarm(self, log: FakeLog, outbox: Outbox, client: LogClient) -> None:
        outbox.add(statements(5), now_ms=NOW)
        log.refuse = lambda one: {"code": "unknown-key", "title": "no grant"}
        deliver(outbox, client, policy_of(log), now_ms=NOW)
        assert [alarm.detail for alarm in status(outbox, policy_of(log), now_ms=NOW).alarms] == ["5: no grant"]


WRITER = """
import sys
from pathlib import Path
from producers.outbox import Outbox
from tests.producers.farm import statement
with Outbox.open(Path(sys.argv[1])) as outbox:
    for number in range(100_000):
        outbox.add([statement(number)], now_ms=1)
        print(number, flush=True)
"""
SENDER = """
import sys
from pathlib import Path
from producers.client import LogClient
from producers.delivery import deliver
from producers.outbox import Outbox
from verify.errors import VerificationError
from verify.policy import Policy
with Outbox.open(Path(sys.argv[1])) as outbox, LogClient(sys.argv[2]) as client:
    deliver(outbox, client, Policy.parse(outbox.seen.policy()), now_ms=1)
"""


class TestKill:
    """kill -9, at whatever moment, loses nothing that was reported as saved."""

    def run(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        root = HERE.parents[2]
        return subprocess.Popen(
            [sys.executable, "-c", script, *arguments], cwd=root, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip

    @pytest.mark.parametrize("after", [1, 7, 40])
    def test_every_statement_that_was_reported_saved_is_there(self, tmp_path: Path, after: int) -> None:
        path = tmp_path / "outbox.db"
        with self.run(WRITER, str(path)) as process:
            assert process.stdout is not None
            said = [int(process.stdout.readline()) for _ in range(after)]
            process.send_signal(signal.SIGKILL)
            said += [int(line) for line in process.stdout if line.endswith("\n")]
        with Outbox.open(path) as outbox:
            found = outbox.counts()["saved"]
            assert found in (len(said), len(said) + 1)  # the last may be saved and not yet reported
            for item in outbox.waiting(after=0, limit=found):
                parse_statement(item.statement)
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_killed_while_sending_it_sends_again_and_nothing_is_logged_twice(
        self, tmp_path: Path, log: FakeLog, moment: str
    ) -> None:
        path = tmp_path / "outbox.db"
        with Outbox.open(path) as outbox:
            outbox.seen.pin(log.policy)
            outbox.add(statements(20), now_ms=NOW)
        arrived, killed = threading.Event(), threading.Event()

        def hold(request: str) -> str:
            if request == "/statements" and not killed.is_set():
                arrived.set()
                killed.wait(30)
                return "cut"
            return ""

        if moment == "before":
            log.before_request = hold
        else:
            log.before_answer = hold
        with self.run(SENDER, str(path), log.server) as process:
            assert arrived.wait(30)
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed.set()
        with Outbox.open(path) as outbox, LogClient(log.server) as client:
            assert outbox.counts()["saved"] == 20
            done = deliver(outbox, client, policy_of(log), now_ms=NOW)
            assert done.published + done.duplicate == 20
            assert outbox.counts()["published"] == 20
        assert len(log.entries) == 20


def outbox_statement(outbox: Outbox, number: int) -> bytes:
    row = outbox._db.execute("SELECT statement FROM item WHERE id = ?", (number,)).fetchone()
    return bytes(row[0])
