"""
The way of a statement through the application: to its endpoint at once, past what FastAPI and Starlette wrap around routes.

Only POST /statements, which has no parameters and no dependencies.  It is a route like the others as well: described as they
are, and any request for it that is not plain goes the general way.  Limits, counting, the journal, headers and the answers to
failures are the same objects as on the general way; only the layers between them are not there, which cost twice what reading
and answering a statement does.

Source: starlette (applications.py, routing.py, _exception_handler.py, middleware/errors.py); ASGI.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.headers import Completing, Field, Head
from api.limits import Gate
from api.measure import Notes, name_request
from api.problems import HttpProblem, problem_response

Endpoint = Callable[[Request], Awaitable[Response]]
WHOLE = "originmark.whole"
"""The server's extension of ASGI (server.py): takes a checked head and a body in one go; False: go the plain way."""


class Printed(Response):
    """An answer whose head is bytes already, and surely in the form of HTTP; `own` fields differ from answer to answer."""

    def __init__(self, status: int, common: Head, own: Sequence[Field], body: bytes) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.common, self.own = common, (*own, (b"content-length", str(len(body)).encode()))
        self.raw_headers = [*common, *self.own]


@dataclass(frozen=True, slots=True)
class Edge:
    """What every request meets, whichever way it goes."""

    gate: Gate
    notes: Notes
    completing: Completing


@dataclass(frozen=True, slots=True)
class _Named:
    """What is asked of a route behind the router: its path, by which a request is counted and noted."""

    path: str


class Application(FastAPI):
    """FastAPI, with the straight way before it once there is one."""

    straight: "Straight | None" = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if self.straight is not None and self.straight.takes(scope):
            await self.straight(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Straight:
    """The way to one endpoint, whose answers are whole: a head and a body."""

    def __init__(self, app: FastAPI, edge: Edge, *, path: str, endpoint: Endpoint) -> None:
        self._app, self._edge, self._endpoint = app, edge, endpoint
        self._path, self._route = path, _Named(path)
        self._begun: dict[tuple[int, Head], bytes] = {}
        """How heads begin, by status and common fields, of which there are few."""

    def takes(self, scope: Scope) -> bool:
        """Whether this is a request for it, and a plain one."""
        return bool(scope["type"] == "http" and scope["path"] == self._path and scope["method"] == "POST"
                    and not scope.get("root_path") and not self._app.root_path)  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.  What nobody foresaw is answered as a failure, and raised for the server to write down."""
        scope["app"], scope["route"] = self._app, self._route
        began, status, name = time.perf_counter(), 500, name_request(scope)
        try:
            response, failure = await self._answer(scope, receive)
            status = response.status_code
            if not (isinstance(response, Printed) and self._sent_whole(scope, response, name)):
                head = self._edge.completing.completed(response.raw_headers)
                head.append((b"x-request-id", name.encode()))
                await send({"type": "http.response.start", "status": status, "headers": head})
                await send({"type": "http.response.body", "body": response.body})
            if failure is not None:
                raise failure
        finally:
            self._edge.notes.take(scope, name, status, time.perf_counter() - began)

    def _sent_whole(self, scope: Scope, response: Printed, name: str) -> bool:
        """Whether the server took it: by ASGI's messages, it would check and copy each field of every answer."""
        whole = scope.get("extensions", {}).get(WHOLE)
        if whole is None:
            return False
        kind = response.status_code, response.common
        begun = self._begun.get(kind)
        if begun is None:
            begun = self._begun[kind] = self._begin(response)
        sent: bool = whole(begun + _printed([*response.own, (b"x-request-id", name.encode())]), response.body)
        return sent

    def _begin(self, response: Printed) -> bytes:
        status, given = HTTPStatus(response.status_code), response.raw_headers
        missing = self._edge.completing.completed(given)[len(given) :]
        return f"HTTP/1.1 {status} {status.phrase}\r\n".encode() + _printed([*response.common, *missing])

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Response, Exception | None]:
        """The answer; and the failure, where only the last handler of all has one."""
        try:
            body = self._edge.gate.enter(scope, receive)
        except HttpProblem as problem:
            return problem_response(problem, Request(scope, receive)), None
        request = Request(scope, body.receive)
        try:
            return await self._endpoint(request), None
        except Exception as error:
            return await self._handled(request, error)
        finally:
            self._edge.gate.leave(scope, body)

    async def _handled(self, request: Request, error: Exception) -> tuple[Response, Exception | None]:
        handlers: Any = self._app.exception_handlers
        kind = next(kind for kind in type(error).__mro__ if kind in handlers)
        return await handlers[kind](request, error), error if kind is Exception else None


def _printed(fields: Sequence[Field]) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])
