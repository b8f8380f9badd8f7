"""A batch begins with everybody who is here or about to be, and nobody is waited for who is not coming."""

import threading

import pytest

from ledger.candidates import Candidate
from ledger.examiners import examine_here
from ledger.pacing import gather
from ledger.pooling import Pool
from tests.support.ledger import FARM, VALIDATOR, Rig, p256

LONG_S = 60  # nobody waits for so long: what ends earlier has not waited


def candidates(rig: Rig, count: int) -> list[Candidate]:
    found = examine_here([rig.event(FARM, p256("farm")) for _ in range(count)], rig.now_ms, VALIDATOR, {})
    return [one for one in found if isinstance(one, Candidate)]


def test_everybody_is_here_once_as_many_wait_as_were_answered_and_none_is_being_read(farm: Rig) -> None:
    pool = Pool()
    pool.offer(candidates(farm, 2), now_ms=farm.now_ms)
    assert not pool.wait_for(3, 0)
    with pool.coming(2):
        pool.offer(candidates(farm, 1), now_ms=farm.now_ms)
        assert not pool.wait_for(3, 0)
    assert pool.wait_for(3, LONG_S)


def test_a_statement_that_could_not_be_read_is_waited_for_no_longer(farm: Rig) -> None:
    pool = Pool()
    pool.offer(candidates(farm, 1), now_ms=farm.now_ms)
    with pytest.raises(ValueError, match="unread"), pool.coming(1):
        raise ValueError("unread")
    assert pool.wait_for(1, LONG_S)


def test_the_last_to_come_ends_the_wait_from_whatever_thread(farm: Rig) -> None:
    pool, late = Pool(), candidates(farm, 1)
    thread = threading.Thread(target=lambda: pool.offer(late, now_ms=farm.now_ms))
    thread.start()
    assert pool.wait_for(1, LONG_S)
    thread.join()


def test_whoever_never_comes_back_keeps_nobody_waiting(farm: Rig) -> None:
    pool = Pool()
    pool.offer(candidates(farm, 1), now_ms=farm.now_ms)
    gather(pool, threading.Event(), LONG_S, last=64, limit=100)  # returns, though 63 of those who were answered went away
    assert len(pool) == 1


def test_a_full_batch_begins_whoever_else_is_coming(farm: Rig) -> None:
    pool = Pool()
    with pool.coming(5):
        pool.offer(candidates(farm, 3), now_ms=farm.now_ms)
        gather(pool, threading.Event(), LONG_S, last=64, limit=3)
    assert len(pool) == 3
