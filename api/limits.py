"""
Limits on what strangers may take from this process: requests at once, bytes in memory, time for a body, requests a minute.

    Traffic      what is at work now, and whether the server is stopping
    Gate         refuses before anything is read; who was let in has a body that is counted and timed
    Limits       the same as ASGI middleware

Everything is refused as problem+json with Retry-After, and nothing that was acknowledged is dropped.  The head of a request
and the number of connections are limited a layer below (server.py); sizes of bodies where they are read (bodies.py).

Source: RFC 9110 section 15.6.4, RFC 6585.
"""

import asyncio
import random
from collections.abc import Awaitable, Generator
from dataclasses import dataclass
from types import coroutine
from typing import Any, cast

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import HttpProblem, problem_response
from api.rates import Rate, address_of
from ledger.settings import Settings

MAX_HEAD = 16_384  # bytes of request line and header fields
MIN_RATE = 1_024  # bytes/s that a body must keep up with on average, after its first seconds
LONGEST_S = 300.0  # for any body
PROBES = ("/livez", "/readyz", "/metrics")  # answered under any load: who restarts a busy process makes it worse
READS = ("GET", "HEAD", "OPTIONS")
_RETRY_S = (1, 5)


@dataclass(slots=True)
class Traffic:
    """What is at work in this process; belongs to the event loop."""

    requests: int = 0
    """Requests being answered, probes excepted."""
    writes: int = 0
    """Those among them that are no reads: submitters who wait for their receipt."""
    body_bytes: int = 0
    """Bytes of bodies held."""
    stopping: bool = False
    """The server was told to stop: what is here is finished, and nothing new is taken in."""


class Gate:
    """What a request must pass, and what it takes up until it leaves; for every way through the application together."""

    def __init__(self, traffic: Traffic, settings: Settings) -> None:
        self.traffic = traffic
        self.settings = settings
        self.by_address = Rate(settings.address_rate)

    def enter(self, scope: Scope, receive: Receive) -> "Body":
        """Let a request in.  Raises HttpProblem.  Whoever got a body calls `leave` with it, however that ends."""
        problem = self._refusal(scope)
        if problem is not None:
            raise problem
        self.traffic.requests += 1
        self.traffic.writes += scope["method"] not in READS
        return Body(receive, self.traffic, self.settings)

    def leave(self, scope: Scope, body: "Body") -> None:
        """The request was answered."""
        self.traffic.requests -= 1
        self.traffic.writes -= scope["method"] not in READS
        self.traffic.body_bytes -= body.received

    def _refusal(self, scope: Scope) -> HttpProblem | None:
        head = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if head + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > MAX_HEAD:
            return HttpProblem("head-too-large", f"more than {MAX_HEAD} bytes")
        if self.traffic.stopping and scope["method"] not in READS:
            return HttpProblem("stopping", "this process stops: another one takes over", retry_after_s=spread())
        if self.traffic.requests >= self.settings.max_requests:
            return busy(f"{self.traffic.requests} requests are at work")
        wait_s = self.by_address.wait_s(address_of(scope.get("client")))
        return HttpProblem("too-often", "too many requests from this address", retry_after_s=wait_s) if wait_s else None


class Limits:
    """ASGI middleware; innermost, so that what it refuses is measured and carries every header."""

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with a body that keeps to the limits."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self.app(scope, receive, send)
            return
        try:
            body = self.gate.enter(scope, receive)
        except HttpProblem as problem:
            await problem_response(problem, Request(scope, receive))(scope, receive, send)
            return
        try:
            await self.app(scope, body.receive, send)
        finally:
            self.gate.leave(scope, body)


class Body:
    """A request's body as it streams in, counted and timed."""

    def __init__(self, receive: Receive, traffic: Traffic, settings: Settings) -> None:
        self._receive = receive
        self._traffic = traffic
        self._limit = settings.max_body_memory
        self._patience_s = settings.patience_s
        self._began = asyncio.get_running_loop().time()
        self._complete = False
        self.received = 0

    async def receive(self) -> Message:
        """See ASGI.  Raises HttpProblem (`body-too-slow`, `busy`)."""
        if self._complete:
            return await self._receive()  # whoever asks now waits for the client to go away
        receiving = self._receive()
        try:
            # A body that came with its head is here already, and needs no timer.
            awaited = receiving.send(None)  # type: ignore[attr-defined]  # a coroutine
        except StopIteration as done:
            message = cast(Message, done.value)
        else:
            message = await self._in_time(_go_on(receiving, awaited))
        count = len(message.get("body", b""))
        self.received += count
        self._traffic.body_bytes += count
        self._complete = not message.get("more_body", False)
        if self._traffic.body_bytes > self._limit:
            raise busy("the bodies being received fill the memory set aside for them")
        return message

    async def _in_time(self, receiving: Awaitable[Message]) -> Message:
        due = self._began + min(self._patience_s + self.received / MIN_RATE, LONGEST_S)
        try:
            async with asyncio.timeout_at(due):
                return await receiving
        except TimeoutError:
            raise HttpProblem("body-too-slow", f"{self.received} bytes came in the time for more") from None


@coroutine
def _go_on(begun: Any, awaited: object) -> Generator[object, object, Message]:
    """Await a coroutine that was begun by hand, and that gave `awaited`."""
    try:
        yield awaited
        return cast(Message, (yield from begun))
    finally:
        begun.close()


def busy(detail: str) -> HttpProblem:
    """The refusal of one request more."""
    return HttpProblem("busy", detail, retry_after_s=spread())


def spread() -> int:
    """Seconds to come back after: spread, or everybody who was pushed back returns at once."""
    return random.randint(*_RETRY_S)  # noqa: S311 - spreads load, protects nothing
