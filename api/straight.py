"""
The way of a statement through the application: to its endpoint at once, past the router and what FastAPI wraps around routes.

Only POST /statements, which has no parameters and no dependencies.  It is a route like the others as well: described as they
are, and any request for it that is not plain goes the general way.  Failures have the application's own handlers.

Source: starlette (routing.py, _exception_handler.py); ASGI.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Named:
    """What is asked of a route behind the router: its path, by which a request is counted and noted."""

    path: str


class Straight:
    """ASGI middleware, innermost of ours: limits, counting and headers hold as for every other request."""

    def __init__(self, app: ASGIApp, *, path: str, endpoint: Endpoint) -> None:
        self.app = app
        self._path, self._endpoint, self._route = path, endpoint, _Named(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST" or scope.get("root_path"):
            await self.app(scope, receive, send)
            return
        scope["route"] = self._route
        request = Request(scope, receive, send)
        try:
            response = await self._endpoint(request)
        except Exception as error:
            response = await _handled(request, error)
        await response(scope, receive, send)


async def _handled(request: Request, error: Exception) -> Response:
    """What the application answers to this failure; raises it where it has no answer but the last one."""
    handlers = request.app.exception_handlers
    for kind in type(error).__mro__:
        if kind is not Exception and kind in handlers:
            response: Response = await handlers[kind](request, error)
            return response
    raise error
