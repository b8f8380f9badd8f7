"""
A writer in a process of its own, to be killed: signs, submits, sequences, and prints each digest once it is acknowledged.

    python -m tests.support.writer DATABASE_URL FOLDER NOW_MS FIRST_NUMBER
"""

import itertools
import sys
from pathlib import Path

from ledger.db import open_database
from tests.support.ledger import FARM, Rig, p256


def main(url: str, folder: str, now_ms: str, first: str) -> None:
    """Write until killed."""
    rig = Rig(open_database(url), Path(folder), now_ms=int(now_ms), numbers=itertools.count(int(first)))
    rig.sequencer.recover()
    print("ready", flush=True)
    while True:
        for outcome in rig.send(*(rig.event(FARM, p256("farm")) for _ in range(7))):
            if outcome.state != "published":
                raise SystemExit(f"not published: {outcome}")
            print(outcome.digest.hex(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
