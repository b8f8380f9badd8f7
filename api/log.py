"""
The log as static files: checkpoint, tiles, entries, and the policy that the operator proposes.

What is served is what stands in the object store, byte for byte; a full tile never changes again.  Behind a CDN or a bucket
these addresses need not reach this process at all.

Source: c2sp.org/tlog-tiles; interface.md.
"""

import re

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from api.deps import Reading, Serving
from api.policy import proposed_policy
from api.problems import HttpProblem

FOREVER = "public, max-age=31536000, immutable"
SOON_REPLACED = "public, max-age=3600"  # s; a partial tile keeps its bytes, but is dropped once the full one exists
PUBLIC = {"access-control-allow-origin": "*"}
# Exactly the names of tlog-tiles, so that nothing else in the store can be asked for.
_WIDTH = r"(\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
_TILE = re.compile("(?:[0-9]|[1-5][0-9]|6[0-3]|entries)/(?:x[0-9]{3}/){0,4}[0-9]{3}" + _WIDTH)

router = APIRouter(prefix="/log", tags=["log"])


@router.get("/checkpoint")
def checkpoint(service: Serving) -> Response:
    """The published checkpoint: a signed note with the log's, the clock's and the witnesses' lines."""
    body = service.store.read_checkpoint()
    if body is None:
        raise HttpProblem("not-ready", "no checkpoint is published yet", retry_after_s=1)
    return PlainTextResponse(body, headers={"cache-control": "no-cache"} | PUBLIC)


@router.get("/tile/{path:path}")
def tile(path: str, service: Serving) -> Response:
    """A tile of hashes, or of entries, full or partial."""
    name = _TILE.fullmatch(path)
    data = service.store.objects.read(f"tile/{path}") if name else None
    if name is None or data is None:
        raise HttpProblem("not-found", "no such tile")
    headers = {"cache-control": SOON_REPLACED if name[1] else FOREVER}
    return Response(data, 200, headers | PUBLIC, "application/octet-stream")


@router.get("/policy")
def policy(service: Serving, session: Reading) -> Response:
    """A convenience: what the operator suggests to trust.  A verifier's own policy comes from its own side."""
    text = proposed_policy(session, service.settings, is_demo=service.is_demo)
    return PlainTextResponse(text, headers={"cache-control": "no-cache"} | PUBLIC)
