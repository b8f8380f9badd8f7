"""
Counting requests: how many, how they ended, how long they took, by route and never by address.

Source: Prometheus, naming of metrics.
"""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNKNOWN = "other"


class Measure:
    """ASGI middleware; counts into the service's histogram once there is one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note its end."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            service = getattr(scope["app"].state, "service", None)
            if service is not None:
                # The route's pattern, not the path: a path holds lots and serials, and has no end of values.
                route = getattr(scope.get("route"), "path", UNKNOWN)
                service.seconds.labels(scope["method"], route, str(status)).observe(time.perf_counter() - began)
