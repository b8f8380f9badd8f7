"""
A witness over HTTP: two calls of the C2SP protocol, and two for whoever compares.

    POST /add-checkpoint          the request of wire.py -> our cosignature, or why not
    GET  /<log>/checkpoint        the last checkpoint that we cosigned; <log> is the hexadecimal SHA-256 of its origin
    GET  /<log>/evidence          what convicts the log, to be checked by `python -m verify evidence`
    GET  /                        our verifier key, and every log with the size that we cosigned

No rule is here (cosigner.py).  A proxy with TLS stands before it.  Source: c2sp.org/tlog-witness, "HTTP Interface".
"""

import asyncio
from collections.abc import Callable

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from starlette.concurrency import run_in_threadpool

from ledger.witnessing.cosigner import Cosigner
from ledger.witnessing.memory import Remembered
from ledger.witnessing.wire import CONFLICT, MAX_REQUEST, SIZE_TYPE, log_path

READ_S = 10.0  # s that a request's body may take
PUBLIC = {"access-control-allow-origin": "*", "cache-control": "no-store"}


def create_witness_app(cosigner: Cosigner) -> FastAPI:
    """Build the application; nothing is opened."""
    app = FastAPI(title="Originmark witness", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> PlainTextResponse:
        reply = await run_in_threadpool(cosigner.add_checkpoint, await _body(request))
        kind = SIZE_TYPE if reply.status == CONFLICT else "text/plain; charset=utf-8"
        return PlainTextResponse(reply.text, reply.status, {"content-type": kind})

    @app.get("/{log}/checkpoint")
    def checkpoint(log: str) -> PlainTextResponse:
        return _found(cosigner, log, lambda head: head.note)

    @app.get("/{log}/evidence")
    def evidence(log: str) -> PlainTextResponse:
        def first(head: Remembered) -> str:
            return next((one.body for one in cosigner.memory.caught(head.origin) if one.convicts), "")

        return _found(cosigner, log, first)

    @app.get("/")
    def about() -> PlainTextResponse:
        heads = cosigner.memory.heads()
        lines = [f"{log_path(one.origin)} {one.size} {'convicted ' if one.convicted else ''}{one.origin}" for one in heads]
        return PlainTextResponse("\n".join([cosigner.signer.vkey.format(), *lines, ""]), headers=PUBLIC)

    return app


async def _body(request: Request) -> bytes:
    data = bytearray()
    try:
        async with asyncio.timeout(READ_S):
            async for part in request.stream():
                data += part
                if len(data) > MAX_REQUEST:
                    raise HTTPException(413, "the request is too large")
    except TimeoutError:
        raise HTTPException(408, "the request came too slowly") from None
    return bytes(data)


def _found(cosigner: Cosigner, log: str, text_of: Callable[[Remembered], str]) -> PlainTextResponse:
    text = next((text_of(one) for one in cosigner.memory.heads() if log_path(one.origin) == log), "")
    if not text:
        raise HTTPException(404, "nothing here about such a log")
    return PlainTextResponse(text, headers=PUBLIC)
