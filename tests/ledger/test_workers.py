"""Workers answer everybody's own question, and a worker that dies answers nobody with what was meant for another."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.workers import DEPTH, Team

LARGE = 400_000  # bytes: more than a socket holds, so that a question waits for room


def echo() -> Callable[[bytes], bytes]:
    """Answers with the question and the process, after a moment that the question names."""

    def answer(question: bytes) -> bytes:
        time.sleep(int(question[:2]) / 1000)
        return question + str(os.getpid()).encode()

    return answer


def unable() -> Callable[[bytes], bytes]:
    """A worker that cannot begin."""
    raise SystemExit(1)


@pytest.fixture
def team() -> Iterator[Team]:
    """Two workers."""
    found = Team(echo, 2)
    yield found
    found.end()


def question(number: int) -> bytes:
    """Of its own, and some of them long."""
    return b"%02d question %d " % (number * 7 % 10, number) + b"x" * (LARGE if number % 3 == 0 else 0)


def test_many_who_ask_at_once_get_each_the_answer_to_their_own_question(team: Team) -> None:
    asked = [question(number) for number in range(60)]
    with ThreadPoolExecutor(2 * DEPTH) as threads:
        told = list(threads.map(team.ask, asked))
    assert all(answer is not None and answer.startswith(one) for one, answer in zip(asked, told, strict=True))
    assert {answer.rpartition(b"x")[2].rpartition(b" ")[2] for answer in told if answer} == {
        str(pid).encode() for pid in team.pids
    }


def test_when_workers_die_every_answer_is_still_to_its_own_question(team: Team) -> None:
    asked, over = [question(number) for number in range(80)], threading.Event()

    def kill() -> None:
        while not over.wait(0.15):
            for pid in team.pids[:1]:
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with ThreadPoolExecutor(2 * DEPTH) as threads:
        told = list(threads.map(team.ask, asked))
    over.set()
    killer.join()
    assert all(answer is None or answer.startswith(one) for one, answer in zip(asked, told, strict=True))
    team.ask(asked[1])  # may still find a dead one, and has it replaced
    assert team.ask(asked[2]) is not None


def test_a_worker_that_cannot_begin_is_an_answer_of_none() -> None:
    team = Team(unable, 1)
    assert [team.ask(b"00") for _ in range(3)] == [None, None, None]
    team.end()
