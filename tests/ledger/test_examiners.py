"""Many statements are examined on all cores with the result of one, and a worker that dies loses nothing."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from ledger.candidates import Candidate, pack, unpack
from ledger.examiners import SLICE, Examiners, examine_here
from producers.sign import disclosure, sign
from tests.ledger.test_quick import JWKS, KEY, signed
from tests.support.ledger import FARM, START_MS, VALIDATOR, event_body, payload
from verify.strict import b64u_encode

RAWS = [signed(eventID=f"urn:uuid:00000000-0000-4000-8000-{number:012}") for number in range(SLICE + 44)]
RAWS[7] = b"not a statement"
_TOLD = disclosure("bizTransactionList", '[{"type":"po","bizTransaction":"urn:example:po:1"}]')
_BODY = {**event_body(5), "_sd": [b64u_encode(sha256(_TOLD.encode()).digest())]}
RAWS[8] = sign(payload("TraceabilityEvent", FARM, _BODY, _sd_alg="sha-256"), KEY, [_TOLD])


@pytest.fixture
def examiners() -> Iterator[Examiners]:
    """Two workers."""
    found = Examiners(VALIDATOR, workers=2)
    yield found
    found.close()


def pids(examiners: Examiners) -> list[int]:
    """The processes of workers that have begun."""
    return examiners.pids


def _plain(found: list[object]) -> list[object]:
    return [getattr(one, "code", one) for one in found]


def test_workers_find_what_one_process_finds_in_the_same_order(examiners: Examiners) -> None:
    here = examine_here(RAWS, START_MS, VALIDATOR, JWKS)
    assert _plain([*examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)]) == _plain([*here])
    assert _plain([*unpack(pack(here))]) == _plain([*here])
    assert [one.disclosures for one in here if isinstance(one, Candidate) and one.disclosures] == [(_TOLD,)]


def test_what_a_dying_worker_had_in_hand_is_examined_here(examiners: Examiners) -> None:
    first = examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)
    for pid in pids(examiners):
        os.kill(pid, signal.SIGKILL)
    assert _plain([*examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)]) == _plain([*first])
    assert _plain([*examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)]) == _plain([*first])


def test_a_worker_that_dies_is_replaced_and_the_other_stays(examiners: Examiners) -> None:
    first = examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)
    before = pids(examiners)
    os.kill(before[0], signal.SIGKILL)
    for _ in range(2):
        assert _plain([*examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)]) == _plain([*first])
    assert before[1] in pids(examiners)
    assert before[0] not in pids(examiners)


def test_several_requests_at_once_get_each_their_own(examiners: Examiners) -> None:
    many = [RAWS[at:] + RAWS[:at] for at in range(0, 40, 8)]
    with ThreadPoolExecutor(len(many)) as threads:
        told = list(threads.map(lambda raws: examiners.examine(raws, now_ms=START_MS, jwks=JWKS), many))
    assert [_plain([*found]) for found in told] == [_plain([*examine_here(raws, START_MS, VALIDATOR, JWKS)]) for raws in many]


def test_workers_end_when_they_are_let_go() -> None:
    found = Examiners(VALIDATOR, workers=2)
    found.examine(RAWS, now_ms=START_MS, jwks=JWKS)
    begun = pids(found)
    found.close()
    assert len(begun) == 2
    for pid in begun:
        _wait_for_end(pid)


PARENT = """
import os, signal
from ledger.examiners import Examiners
from tests.ledger.test_examiners import RAWS, JWKS, START_MS, VALIDATOR, pids
if __name__ == "__main__":
    found = Examiners(VALIDATOR, workers=2)
    found.examine(RAWS, now_ms=START_MS, jwks=JWKS)
    print(*pids(found), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_service_that_was_killed() -> None:
    done = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, check=False, timeout=120)
    workers = [int(one) for one in done.stdout.split()]
    assert len(workers) == 2, done.stderr
    for pid in workers:
        _wait_for_end(pid)


def _wait_for_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], 60)
    os.close(descriptor)
    assert ended
