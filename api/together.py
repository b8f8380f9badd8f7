"""
Many who come at one moment, each in a request of their own: they go one way together, and each gets the answer that is theirs.

What is handed from one thread or process to the next costs as much for one statement as for sixteen, and so does waking the
loop: whoever came alone would pay for all of it alone.

Not here: where the way leads (alone.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MANY = 16  # that set out at once: while these are read by a worker, the next ones are received
T = TypeVar("T")
Waiting = tuple[bytes, asyncio.Future[T]]


@dataclass(slots=True)
class Together(Generic[T]):
    """Belongs to one event loop.  `way` takes what was sent and gives the answers in the same order, or raises for all."""

    way: Callable[[Sequence[bytes]], Awaitable[Sequence[T]]]
    _waiting: list[Waiting[T]] = field(default_factory=list)
    _called: bool = False
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def answer_to(self, raw: bytes) -> T:
        """Go among whoever else comes now.  Who hangs up takes nothing from the others."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append((raw, answer))
        if len(self._waiting) >= MANY:
            self._set_out()
        elif not self._called:
            self._called = True
            loop.call_soon(self._set_out_late)  # after everybody whose request is here by now
        return await answer

    def _set_out_late(self) -> None:
        self._called = False
        if self._waiting:
            self._set_out()

    def _set_out(self) -> None:
        waiting, self._waiting = self._waiting, []
        # In a context of its own: what is written on the way is not one request's.
        task = asyncio.get_running_loop().create_task(self._go(waiting), context=Context())
        self._under_way.add(task)  # the loop itself holds a task only weakly
        task.add_done_callback(self._under_way.discard)

    async def _go(self, waiting: Sequence[Waiting[T]]) -> None:
        try:
            told = await self.way([raw for raw, _ in waiting])
            for (_, answer), one in zip(waiting, told, strict=True):
                if not answer.done():  # who hung up waits for nothing
                    answer.set_result(one)
        except Exception as error:
            # Each of them is told, or all would wait for ever.
            for _, answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
