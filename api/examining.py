"""
Examination of statements that came alone and go together: a few here, many by a worker.

Python reads one statement at a time, whatever the number of threads.  Under load the event loop therefore only hands over, and
another process reads and verifies; a few are read here, since handing them over would cost more.

Not here: what is examined (ledger/examiners.py), and requests of many lines, which bring their own slices.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

from ledger.examiners import Examined, Examiners

FEW = 4  # statements that are read here at once: 0.6 ms
Jwk = Mapping[str, str]


async def examined(examiners: Examiners, raws: Sequence[bytes], jwks: Mapping[str, Jwk]) -> Examined:
    """Check statements of as many senders; results in their order.  `jwks` are the granted keys that they may name."""
    now_ms = time.time_ns() // 1_000_000
    task = examiners.send(raws, now_ms=now_ms, jwks=jwks) if len(raws) > FEW else None
    found = None
    if task is not None:
        done = asyncio.wrap_future(task)
        await asyncio.wait([done])
        # Where the worker was told to end, they are read here.
        found = None if done.cancelled() or done.exception() is not None else done.result()
    return examiners.read(raws, found, now_ms, jwks)
