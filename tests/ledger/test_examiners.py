"""Many statements are examined on all cores with the result of one, and a worker that dies loses nothing."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ledger.candidates import pack, unpack
from ledger.examiners import SLICE, Examiners, examine_here
from tests.ledger.test_quick import JWKS, signed
from tests.support.ledger import START_MS, VALIDATOR

RAWS = [signed(eventID=f"urn:uuid:00000000-0000-4000-8000-{number:012}") for number in range(SLICE + 44)]
RAWS[7] = b"not a statement"


@pytest.fixture
def examiners() -> Iterator[Examiners]:
    """Two workers."""
    found = Examiners(VALIDATOR, workers=2)
    yield found
    found.close()


def _plain(found: list[object]) -> list[object]:
    return [getattr(one, "code", one) for one in found]


def test_workers_find_what_one_process_finds_in_the_same_order(examiners: Examiners) -> None:
    here = examine_here(RAWS, START_MS, VALIDATOR, JWKS)
    assert _plain([*examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)]) == _plain([*here])
    assert _plain([*unpack(pack(here))]) == _plain([*here])


def test_what_a_dying_worker_had_in_hand_is_examined_here(examiners: Examiners) -> None:
    first = examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)
    assert examiners._pool is not None
    for pid in list(examiners._pool._processes):
        os.kill(pid, signal.SIGKILL)
    assert _plain([*examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)]) == _plain([*first])
    assert _plain([*examiners.examine(RAWS, now_ms=START_MS, jwks=JWKS)]) == _plain([*first])


PARENT = """
import os, signal
from ledger.examiners import Examiners
from tests.ledger.test_examiners import RAWS, JWKS, START_MS, VALIDATOR
if __name__ == "__main__":
    found = Examiners(VALIDATOR, workers=2)
    found.examine(RAWS, now_ms=START_MS, jwks=JWKS)
    print(*found._pool._processes, flush=True)
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
