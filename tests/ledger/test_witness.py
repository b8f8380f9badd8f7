"""
Asking witnesses: what is taken from them, what is not, and how long they may keep us waiting.

Witnesses that lie or dawdle are played by transports; the good one is ledger/witnessing/, over a socket where that matters.
"""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.db import Database
from ledger.publishing import NotPublished
from ledger.witness import MAX_ANSWER, Submit, Witness, WitnessFailed, over_http
from ledger.witnesses import collect
from ledger.witnessing.app import create_witness_app
from ledger.witnessing.cosigner import Cosigner
from ledger.witnessing.memory import Remembered
from ledger.witnessing.wire import Reply, parse_request
from producers.sign import Signer, cosign
from tests.support.ledger import FARM, Rig, p256
from tests.support.witness import KNOWN, LOG_KEY, NOW_S, OTHER, WITNESS_KEY, asked, cosigner, note, prove_to, request, serving
from verify.cosignature import verify_cosignature
from verify.note import COSIGNER, lines_of, parse_note


@pytest.fixture
def witness(tmp_path: Path) -> Cosigner:
    """A witness that knows the one log."""
    return cosigner(tmp_path)


def named(name: str, submit: Callable[[str], Reply], **more: float) -> Witness:
    """A witness under another name and key that signs whatever it is shown, if `submit` lets it come to that."""
    own = Signer(name, COSIGNER, WITNESS_KEY.private)

    def signing(body: str) -> Reply:
        submit(body)
        return Reply(200, cosign(parse_request(body).note.text, own, NOW_S))

    return asked(signing, own.vkey, **more)


def at_once(body: str) -> Reply:
    """Nothing stands in the way."""
    return Reply(200, "")


def away(body: str) -> Reply:
    """Nobody listens."""
    raise OSError("away")


def said(witness: Witness, size: int = 6) -> WitnessFailed:
    """Why it did not cosign."""
    with pytest.raises(WitnessFailed) as told:
        witness.cosign(note(size), prove_to(size))
    return told.value


class TestOverHttp:
    """A real server, a real client."""

    def test_the_witness_corrects_what_we_remember(self, witness: Cosigner) -> None:
        with serving(create_witness_app(witness)) as url:
            asked(over_http(url, 5)).cosign(note(6), prove_to(6))
            forgetful = asked(over_http(url, 5))
            assert forgetful.cosign(note(8), prove_to(8)) == KNOWN
        assert forgetful.size == 8
        assert forgetful.standing.outcome == "cosigned"
        assert forgetful.standing.cosigned_s == NOW_S

    def test_an_answer_that_is_too_long_is_not_read_to_its_end(self) -> None:
        with answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_ANSWER + 1)) as url:
            assert said(asked(over_http(url, 5))).code == "no-answer"

    def test_what_is_no_http_is_no_answer(self) -> None:
        with answering(b"SSH-2.0-OpenSSH\r\n") as url:
            assert said(asked(over_http(url, 5))).code == "no-answer"

    def test_a_redirect_is_not_followed(self, witness: Cosigner) -> None:
        with serving(create_witness_app(witness)) as target:
            answer = f"HTTP/1.1 307 Moved\r\nlocation: {target}/add-checkpoint\r\ncontent-length: 0\r\n\r\n"
            with answering(answer.encode()) as url:
                assert said(asked(over_http(url, 5))).status == 307
        assert witness.memory.heads()[0].size == 0

    def test_a_witness_that_answers_drop_by_drop_is_given_up(self) -> None:
        with answering(b"HTTP/1.1 200 OK\r\n\r\n", then_wait=True) as url:
            assert said(asked(over_http(url, 0.2))).code == "no-answer"


class answering:  # noqa: N801 - used as a function
    """A server that sends `data` to whoever comes, whatever they ask, and then closes or waits for the block's end."""

    def __init__(self, data: bytes, *, then_wait: bool = False) -> None:
        self.data, self.done = data, threading.Event()
        if not then_wait:
            self.done.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(self.data)
            self.done.wait()

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
        self.listener.close()


class TestOutcomes:
    """Every answer has a name."""

    @pytest.mark.parametrize(
        ("status", "code"),
        [(404, "unknown-log"), (403, "denied"), (422, "forked"), (400, "refused"), (500, "refused"), (301, "refused")],
    )
    def test_a_refusal_is_classified(self, status: int, code: str) -> None:
        error = said(asked(lambda body: Reply(status, "no")))
        assert (error.code, error.status, error.is_alarming) == (code, status, code == "forked")

    def test_a_witness_ahead_of_us_says_that_we_are_an_old_copy(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 8))
        error = said(asked(witness.add_checkpoint))
        assert (error.code, error.is_alarming) == ("ahead", True)

    def test_a_fork_is_told_as_such(self, witness: Cosigner) -> None:
        witness.add_checkpoint(request(0, 6, tree=OTHER))
        assert said(asked(witness.add_checkpoint)).code == "forked"
        witness.memory.resume(LOG_KEY.name, "for the next line of this test")
        assert said(asked(witness.add_checkpoint), 8).code == "forked"

    def test_a_fork_is_told_by_409_too_as_version_1_0_0_has_it(self) -> None:
        known = asked(lambda body: Reply(409, "6\n"))
        known.size = 6
        assert said(known).code == "forked"

    @pytest.mark.parametrize("text", ["", "x", "06\n", "6\n6\n", "-1\n", "9" * 40, "٦\n"])
    def test_a_size_that_is_none_is_a_bad_answer(self, text: str) -> None:
        assert said(asked(lambda body: Reply(409, text))).code == "bad-answer"

    def test_a_witness_that_changes_its_mind_for_ever_is_given_up(self) -> None:
        sizes = iter(range(1, 100))
        assert said(asked(lambda body: Reply(409, f"{next(sizes)}\n")), 8).code == "bad-answer"


class TestLies:
    """A cosignature counts if it is by the witness's key, over exactly our text, made now."""

    def lie(self, line: str) -> str:
        error = said(asked(lambda body: Reply(200, line)))
        assert error.code == "bad-answer"
        return str(error)

    def test_over_another_text(self) -> None:
        assert "does not verify" in self.lie(cosign(parse_note(note(5)).text, WITNESS_KEY, NOW_S))

    def test_by_another_key(self) -> None:
        thief = Signer(WITNESS_KEY.name, COSIGNER, LOG_KEY.private)
        assert "no line by its key" in self.lie(cosign(parse_note(note(6)).text, thief, NOW_S))

    @pytest.mark.parametrize("time_s", [0, NOW_S - 301, NOW_S + 301, 2**63])
    def test_at_another_time(self, time_s: int) -> None:
        assert "signed the time" in self.lie(cosign(parse_note(note(6)).text, WITNESS_KEY, time_s))

    @pytest.mark.parametrize(
        "line", ["", "ok\n", "— witness.example/w1 AAAA\n", KNOWN[:-1], KNOWN + "\n", "\n\n" + KNOWN, "x" * MAX_ANSWER]
    )
    def test_in_another_form(self, line: str) -> None:
        self.lie(line)

    def test_one_good_line_beside_a_bad_one_of_the_same_key_is_not_enough(self) -> None:
        text = parse_note(note(6)).text
        self.lie(cosign(text, WITNESS_KEY, NOW_S) + cosign(parse_note(note(5)).text, WITNESS_KEY, NOW_S))

    def test_lines_of_other_keys_are_ignored(self) -> None:
        text = parse_note(note(6)).text
        good, other = cosign(text, WITNESS_KEY, NOW_S), cosign(text, Signer("x.example", COSIGNER, LOG_KEY.private), 1)
        assert asked(lambda body: Reply(200, other + good)).cosign(note(6), prove_to(6)) == good


class TestWaiting:
    """Nobody can make the log wait longer than it wants to."""

    def test_enough_signatures_end_the_waiting_and_the_slow_one_is_left_behind(self) -> None:
        held = threading.Event()
        slow = named("slow.example", lambda body: Reply(200, str(held.wait(60))), timeout_s=60)
        quick = [named(f"quick{number}.example", at_once) for number in range(2)]
        start = time.monotonic()
        lines, failed = collect([slow, *quick], note(6), prove_to(6), enough=2, grace_s=0.01)
        assert time.monotonic() - start < 30
        assert (set(lines), [one.code for one in failed]) == ({"quick0.example", "quick1.example"}, ["slower"])
        lines, failed = collect([slow, *quick], note(8), prove_to(8), enough=2, grace_s=0.01)
        assert (len(lines), [one.code for one in failed]) == (2, ["resting"])  # it is not asked twice at a time
        held.set()

    def test_a_witness_that_never_answers_costs_one_timeout_and_then_nothing(self) -> None:
        held = threading.Event()
        slow = named("slow.example", lambda body: Reply(200, str(held.wait(60))), timeout_s=0.05)
        assert [one.code for one in collect([slow], note(6), prove_to(6))[1]] == ["no-answer"]
        assert [one.code for one in collect([slow], note(6), prove_to(6))[1]] == ["resting"]
        assert (slow.standing.failures, slow.standing.outcome) == (1, "no-answer")
        held.set()

    def test_a_dead_witness_is_left_alone_for_longer_each_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [1000.0]
        monkeypatch.setattr("ledger.witness.time.monotonic", lambda: now[0])
        dead, rests = asked(away), []
        for _ in range(9):
            said(dead)
            before = now[0]
            while dead.is_resting:
                now[0] += 0.5
            rests.append(now[0] - before)
        assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]

    def test_who_rests_is_asked_all_the_same_where_too_few_are_awake(self, witness: Cosigner) -> None:
        up = [False]
        one = asked(lambda body: witness.add_checkpoint(body) if up[0] else away(body))
        assert collect([one], note(6), prove_to(6), enough=1)[0] == {}
        up[0] = True
        assert one.is_resting
        assert collect([one], note(6), prove_to(6))[0] == {}
        assert set(collect([one], note(6), prove_to(6), enough=1)[0]) == {WITNESS_KEY.name}
        assert (one.is_resting, one.standing.failures) == (False, 0)

    def test_a_witness_that_is_away_fails_and_the_others_are_kept(self, witness: Cosigner) -> None:
        dead = asked(over_http("http://127.0.0.1:9", 1), Signer("away.example/w", COSIGNER, LOG_KEY.private).vkey)
        lines, failed = collect([dead, asked(witness.add_checkpoint)], note(6), prove_to(6))
        assert set(lines) == {WITNESS_KEY.name}
        assert [one.code for one in failed] == ["no-answer"]

    def test_what_our_own_tiles_cannot_prove_is_not_blamed_on_the_witness(self, witness: Cosigner) -> None:
        class TileLost(Exception):
            """Our own store is damaged."""

        def prove(old: int) -> list[bytes]:
            raise TileLost

        with pytest.raises(TileLost):
            collect([asked(witness.add_checkpoint)], note(6), prove)

    def test_nobody_to_ask_is_no_work(self) -> None:
        assert collect([], note(6), prove_to(6)) == ({}, [])
        assert collect([], note(6), prove_to(6), enough=2) == ({}, [])

    def test_many_checkpoints_at_once_from_one_witness_leave_one_memory(self, tmp_path: Path) -> None:
        witness = cosigner(tmp_path)
        with serving(create_witness_app(witness)) as url, ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda size: _try(asked(over_http(url, 30)), size), [3, 4, 5, 6, 7, 8] * 4))
        assert "cosigned" in found
        assert set(found) <= {"cosigned", "ahead", "bad-answer"}
        assert witness.memory.heads()[0].size == 8


def _try(witness: Witness, size: int) -> str:
    try:
        witness.cosign(note(size), prove_to(size))
    except WitnessFailed as error:
        return error.code
    return "cosigned"


class TestPublishing:
    """A checkpoint is cosigned before it is served."""

    def witness_for(self, rig: Rig) -> Cosigner:
        return cosigner(rig.folder, rig.keys.log.vkey, now_s=lambda: rig.now_ms // 1000)

    def asking(self, rig: Rig, submit: Submit) -> Witness:
        return Witness(WITNESS_KEY.vkey, submit, now_s=lambda: rig.now_ms / 1000)

    def test_what_is_served_carries_the_cosignature(self, farm: Rig) -> None:
        farm.witnesses = [self.asking(farm, self.witness_for(farm).add_checkpoint)]
        farm.fresh_sequencer()
        farm.log(farm.event(FARM, p256("farm")))
        served = parse_note(farm.store.read_checkpoint() or "")
        (line,) = lines_of(served, WITNESS_KEY.vkey)
        verify_cosignature(served.text, line, WITNESS_KEY.vkey)

    def test_without_its_quorum_a_strict_log_answers_nobody_and_stands(self, database: Database, tmp_path: Path) -> None:
        rig = Rig(database, tmp_path)
        local = self.witness_for(rig)
        up = [True]

        def submit(body: str) -> Reply:
            if not up[0]:
                raise OSError("away")
            return local.add_checkpoint(body)

        rig.witnesses, rig.quorum = [self.asking(rig, submit)], 1
        rig.fresh_sequencer()
        rig.create().log(rig.grant(FARM, p256("farm")))
        up[0] = False
        first = rig.submit(rig.event(FARM, p256("farm")))
        for _ in range(2):
            with pytest.raises(NotPublished):
                rig.step()
        second = rig.submit(rig.event(FARM, p256("farm")))
        assert [rig.results(one)[0].state for one in (first, second)] == ["pending", "pending"]
        up[0] = True
        rig.step()
        assert [rig.results(one)[0].state for one in (first, second)] == ["published", "published"]

    def test_a_witness_that_saw_a_larger_tree_refuses_a_restored_database(self, farm: Rig) -> None:
        local = self.witness_for(farm)
        farm.witnesses, farm.quorum = [self.asking(farm, local.add_checkpoint)], 1
        farm.fresh_sequencer()
        farm.log(farm.event(FARM, p256("farm")))
        (head,) = local.memory.heads()
        local.memory.swap(head, Remembered(head.origin, 9, bytes(32), head.note, head.time_s))
        farm.submit(farm.event(FARM, p256("farm")))
        with pytest.raises(NotPublished):
            farm.step()
        assert farm.witnesses[0].standing.outcome == "ahead"
