"""
Counting and naming requests: how many, how they ended, how long they took; by route, never by address or by what they asked.

A request's id is the client's (`X-Request-Id`) where it is a plain word, else a random one; every line of the journal that is
written while it is answered carries it, and so does the answer.

Source: Prometheus, naming of metrics; structlog.contextvars.
"""

import random
import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.logs import note_request

UNKNOWN = "other"
QUIET = ("/livez", "/readyz", "/metrics")  # asked every few seconds: counted, and written down only where they fail
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Measure:
    """ASGI middleware; counts into the service's metrics once there are some."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note its end."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        # It names and protects nothing: the system's randomness would cost a tenth of all that the loop does for a statement.
        name = given if _ID.fullmatch(given) else f"{random.getrandbits(64):016x}"

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", name.encode())]
            await send(message)

        # Never unbound: the task of a request ends with it, and its context as well.
        structlog.contextvars.bind_contextvars(request=name)
        try:
            await self.app(scope, receive, noted)
        finally:
            _note(scope, name, status, time.perf_counter() - began)


def _note(scope: Scope, name: str, status: int, seconds: float) -> None:
    # The route's pattern, not the path: a path holds lots and serials, and has no end of values.
    route = getattr(scope.get("route"), "path", UNKNOWN)
    problem = scope.get("state", {}).get("problem")
    service = getattr(scope["app"].state, "service", None)
    if service is not None:
        service.metrics.request(scope["method"], route, status, seconds, problem)
    if status < 400 and route in QUIET:
        return
    note_request(name, scope["method"], route, status, seconds, problem)
