"""
Counting and naming requests: how many, how they ended, how long they took; by route, never by address or by what they asked.

A request's id is the client's (`X-Request-Id`) where it is a plain word, else a random one; every line of the journal that is
written while it is answered carries it, and so does the answer.

Lines of requests are written once a turn of the event loop: when a batch was answered there are many at once, and a write each
would cost as much as the counting.

Source: Prometheus, naming of metrics; structlog.contextvars.
"""

import asyncio
import random
import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.logs import request_line, write_lines

UNKNOWN = "other"
QUIET = ("/livez", "/readyz", "/metrics")  # asked every few seconds: counted, and written down only where they fail
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Notes:
    """Takes the end of every request: counted into the service's metrics once there are some, written down with its like."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def take(self, scope: Scope, name: str, status: int, seconds: float) -> None:
        """One request has ended."""
        # The route's pattern, not the path: a path holds lots and serials, and has no end of values.
        route = getattr(scope.get("route"), "path", UNKNOWN)
        problem = scope.get("state", {}).get("problem")
        service = getattr(scope["app"].state, "service", None)
        if service is not None:
            service.metrics.request(scope["method"], route, status, seconds, problem)
        if status < 400 and route in QUIET:
            return
        line = request_line(name, scope["method"], route, status, seconds, problem)
        if line is None:
            return
        if not self._lines:
            # A kill before that loses the lines of this turn, whose answers are hardly on their way either.
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(line)

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        write_lines(lines)


def name_request(scope: Scope) -> str:
    """The request's id, which every line of the journal carries that is written from here on in its task."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    # It names and protects nothing: the system's randomness would cost a tenth of all that the loop does for a statement.
    name = given if _ID.fullmatch(given) else f"{random.getrandbits(64):016x}"
    # Never unbound: the task of a request ends with it, and its context as well.
    structlog.contextvars.bind_contextvars(request=name)
    return name


class Measure:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, notes: Notes) -> None:
        self.app = app
        self.notes = notes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note its end."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, name = time.perf_counter(), 500, name_request(scope)

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", name.encode())]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self.notes.take(scope, name, status, time.perf_counter() - began)
