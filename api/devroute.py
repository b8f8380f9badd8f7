"""
POST /devchain: the demo's chain, for the browser on the same machine.

Only mounted in a demo, and only for loopback addresses: the chain lives in this process and would do strangers' work.
"""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.bodies import read_body
from api.problems import HttpProblem

MAX_BODY = 8_192  # bytes
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def devchain_router(rpc: Callable[[bytes], bytes]) -> APIRouter:
    """The route for one chain; `rpc` answers a JSON-RPC request and never raises."""
    router = APIRouter(tags=["demo"])

    @router.post("/devchain")
    async def ask(request: Request) -> Response:
        """One JSON-RPC request."""
        if request.client is None or request.client.host not in LOOPBACK:
            raise HttpProblem("not-found", "the demo's chain answers on its own machine only")
        body = await read_body(request, MAX_BODY)
        return Response(await run_in_threadpool(rpc, body), 200, {"cache-control": "no-store"}, "application/json")

    return router
