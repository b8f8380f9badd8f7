"""
Waiting for another process's sequencer without holding a thread or a session.

A submitter's request waits for its parcel.  Parcels are judged in order and done only once they are published, so one number
answers every waiter at once: the lowest that is not done.  One query per tick and process, and none while nobody waits.

Source: architecture, Storage and concurrency.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from starlette.concurrency import run_in_threadpool

log = structlog.get_logger()

TICK_S = 0.02  # between two looks


@dataclass(slots=True)
class Watcher:
    """Answers `wait`; `run` is its one task.  `look` tells the lowest open parcel, as parcels.first_open does."""

    look: Callable[[], int | None]
    tick_s: float = TICK_S
    _waiting: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, row: int, timeout_s: float) -> bool:
        """Wait until every parcel up to `row`, already committed, is finished; False where that takes over `timeout_s`."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((row, done))
        self._wake.set()
        try:
            await asyncio.wait_for(done, timeout_s)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Look and answer until cancelled."""
        while True:
            await self._wake.wait()
            # Who comes while we look is answered by the next look: this one may have missed a row just committed.
            asked, self._waiting = self._waiting, []
            try:
                lowest = await run_in_threadpool(self.look)
            except Exception as error:
                # The database is away, or whatever it is: nobody is told anything, and whoever waits too long gets "pending".
                log.warning("watcher.blind", error=str(error))
                lowest = 0
            for row, done in asked:
                if lowest is not None and row >= lowest:
                    self._waiting.append((row, done))
                elif not done.done():
                    done.set_result(None)
            self._waiting = [one for one in self._waiting if not one[1].done()]
            if not self._waiting:
                self._wake.clear()
            await asyncio.sleep(self.tick_s)
