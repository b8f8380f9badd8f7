"""
The least that a FastAPI service can do with a signed statement: read it, find the key, verify the signature, say so.

    python -m tests.bench.verify_only FILE      FILE: {thumbprint: JWK}

Nothing is parsed beyond the JWS's three parts, judged, stored or ordered.  The same server and settings as ours; it prints its
port when it listens, and ends with its standard input.
"""

import json
import socket
import sys
import threading
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from verify.statement import PublicKey, public_key


def app_of(jwks: dict[str, Any]) -> FastAPI:
    """The application."""
    keys = {kid: public_key(jwk) for kid, jwk in jwks.items()}
    app = FastAPI()

    @app.post("/statements")
    async def submit(request: Request) -> Response:
        signed, _, signature = (await request.body()).rpartition(b".")
        _verify(keys[json.loads(_decode(signed.partition(b".")[0]))["kid"]], signed, _decode(signature))
        return JSONResponse({"verified": True})

    return app


def _verify(key: PublicKey, message: bytes, signature: bytes) -> None:
    if isinstance(key, Ed25519PublicKey):
        key.verify(signature, message)
        return
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))


def _decode(text: bytes) -> bytes:
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def main() -> None:
    """Serve until standard input ends."""
    app = app_of(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
        server.run(sockets=[listening])


def _end_with_input(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
