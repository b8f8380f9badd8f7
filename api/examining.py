"""
Examination of statements that come alone: those that come at one moment go to a worker together.

Python reads one statement at a time, whatever the number of threads.  Under load the event loop therefore only hands over, and
another process reads and verifies; a few are read here, since handing them over would cost more.

Not here: what is examined (ledger/examiners.py), and requests of many lines, which bring their own slices.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ledger.candidates import Candidate
from ledger.examiners import Examiners
from ledger.problems import Refused

FEW = 4  # statements that are read here at once: 0.6 ms
MANY = 16  # statements that are handed over at once: while a worker reads them, the next ones are received
Found = Candidate | Refused
Jwk = Mapping[str, str]
Examine = Callable[[], object]
Read = Callable[[bytes | None], Sequence[Found]]
Waiting = tuple[bytes, Mapping[str, Jwk], asyncio.Future[Found]]


@dataclass(slots=True)
class Together:
    """Belongs to one event loop."""

    examiners: Examiners
    _waiting: list[Waiting] = field(default_factory=list)
    _called: bool = False

    async def examine(self, raw: bytes, jwks: Mapping[str, Jwk]) -> Found:
        """Check one statement, among whoever else has one; `jwks` are the granted keys that it may name."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()
        self._waiting.append((raw, jwks, answer))
        if len(self._waiting) >= MANY:
            self._send()
        elif not self._called:
            self._called = True
            loop.call_soon(self._send_rest)  # after everybody whose request is here by now
        return await answer

    def _send_rest(self) -> None:
        self._called = False
        if self._waiting:
            self._send()

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        raws, jwks = [raw for raw, _, _ in waiting], {kid: jwk for _, named, _ in waiting for kid, jwk in named.items()}
        now_ms = time.time_ns() // 1_000_000
        here = partial(_here, waiting, partial(self.examiners.examine, raws, now_ms=now_ms, jwks=jwks))
        task = self.examiners.send(raws, now_ms=now_ms, jwks=jwks) if len(raws) > FEW else None
        if task is None:
            here()
            return
        read = partial(self.examiners.read, raws, now_ms=now_ms, jwks=jwks)
        asyncio.wrap_future(task).add_done_callback(partial(_there, waiting, here, read))


def _there(waiting: Sequence[Waiting], here: Examine, read: Read, done: asyncio.Future[bytes | None]) -> None:
    if done.cancelled() or done.exception() is not None:
        here()  # the worker was told to end
        return
    _here(waiting, partial(read, done.result()))


def _here(waiting: Sequence[Waiting], examine: Callable[[], Sequence[Found]]) -> None:
    try:
        _answer(waiting, examine())
    except Exception as error:
        # Each of them is told, or all would wait for ever.
        for _, _, answer in waiting:
            if not answer.done():
                answer.set_exception(error)


def _answer(waiting: Sequence[Waiting], found: Sequence[Found]) -> None:
    for (_, _, answer), one in zip(waiting, found, strict=True):
        if not answer.done():  # who hung up waits for nothing
            answer.set_result(one)
