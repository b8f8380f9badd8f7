"""
Tickets of the pool, awaited on the event loop: one wake-up for everybody whom a batch answers.

The sequencer's thread answers hundreds at once.  Waking the loop for each would be a system call and a fight for the
interpreter each.

Source: asyncio.wrap_future, which this is for many.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from ledger.pooling import Outcome, Ticket

Answer = asyncio.Future[Sequence[Outcome]]


@dataclass(slots=True)
class Bell:
    """Belongs to one event loop; tickets may be answered from any thread."""

    _answered: deque[tuple[Answer, Ticket]] = field(default_factory=deque)
    _rung: bool = False

    def answer_of(self, ticket: Ticket) -> Answer:
        """What a ticket brings.  Who waits no longer just cancels it: the statement goes its way."""
        loop = asyncio.get_running_loop()
        answer: Answer = loop.create_future()
        ticket.add_done_callback(partial(self._ring, loop, answer))
        return answer

    def _ring(self, loop: asyncio.AbstractEventLoop, answer: Answer, ticket: Ticket) -> None:
        # First into the queue and then the look: whoever finds the bell rung is met by the hearing that is still to come.
        self._answered.append((answer, ticket))
        if not self._rung and not loop.is_closed():
            self._rung = True
            loop.call_soon_threadsafe(self._hear)

    def _hear(self) -> None:
        self._rung = False
        while self._answered:
            answer, ticket = self._answered.popleft()
            if not answer.done():
                answer.set_result(ticket.result())
