"""
When a batch begins: as soon as somebody waits, and with everybody who comes at about the same time.

Everybody who was answered by one batch sends again at about the same time.  A fixed pause would make all of them wait for it;
none at all would give the first of them a batch, and a sync of the disk, of his own.

Not here: what a batch is, and how large it may be (sequencer.py).
"""

import threading
import time

from ledger.pooling import Pool

PAUSE_S = 0.002  # s without anybody: then a batch is complete.  64 clients of one core come 0.3 ms apart
FEW = 256  # statements; more come as requests of many lines, and nobody can tell when all of those are here
LONGER = 4  # pauses, while fewer wait than were answered together a moment ago: the others are likely on their way


def gather(pool: Pool, stop: threading.Event, interval_s: float, *, last: int, limit: int) -> None:
    """
    Wait for the next batch: until somebody comes, and then until nobody has come for a moment, `interval_s` at most each.

    `last` were answered together a moment ago, and few may have come since: once as many wait as both, and none is being read,
    everybody is here, and the batch begins at once.  It also does with `limit` statements.
    """
    few = last + len(pool) <= FEW
    everybody = last + len(pool) if few else last
    pool.wake.wait(interval_s)
    end, seen = time.monotonic() + interval_s, 0
    while seen < len(pool) < limit and time.monotonic() < end and not stop.is_set():
        seen = len(pool)
        if pool.wait_for(everybody if few else limit, PAUSE_S if seen >= everybody else LONGER * PAUSE_S):
            return
