"""
A writer that writes once: opens the store, recovers, submits one batch, sequences, publishes, tells the digests, and ends.

    python -m tests.support.one_shot DATABASE_URL FOLDER NOW_MS FIRST_NUMBER

An error is answered as the sequencer's loop answers it, by another step.  Made to be run under fault injection
(tests/e2e/syscalls.py), where any of its system calls fails.
"""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

from ledger.db import open_database
from tests.ledger.faults.stage import HANDLED
from tests.support.ledger import FARM, Rig, p256

BATCH = 3  # statements
TRIES = 5  # steps; one failure needs at most two


def write_once(url: str, folder: Path, now_ms: int, first: int, tell: Callable[[bytes], None]) -> None:
    """Write one batch, and tell each digest once it is acknowledged."""
    rig = Rig(open_database(url), folder, now_ms=now_ms, numbers=itertools.count(first))
    raws, submitted = [rig.event(FARM, p256("farm")) for _ in range(BATCH)], None
    for _ in range(TRIES):
        try:
            submitted = submitted or rig.submit(*raws)
            rig.step()
            if told := [one.digest for one in rig.results(submitted) if one.state in ("published", "duplicate")]:
                for digest in told:
                    tell(digest)
                break
        except HANDLED:
            continue
    rig.database.close()


def _tell(digest: bytes) -> None:
    print(digest.hex(), flush=True)


if __name__ == "__main__":
    write_once(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), _tell)
