"""
POST /codes: a farm hands in the leaf hashes of a lot's item codes, so that scanned codes can be proven.

32 bytes a code, one after the other, in the order of the codes.  No account: only the leaves under a root that a farm signed
in its LabelCommitment are taken, and from leaves no code can be made.

Source: interface.md; protocol.md section 1, Item code.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from api.bodies import media_type, read_body
from api.deps import Service, Serving
from api.problems import HttpProblem
from ledger.codes import LEAF, MAX_CODES, LeavesRefused, lot_of_leaves, store_leaves

MEDIA = "application/octet-stream"

router = APIRouter(tags=["item codes"])


@router.post("/codes", status_code=201)
async def hand_in(request: Request, service: Serving) -> Response:
    """Keep the leaves of one commitment; handing them in twice changes nothing."""
    if media_type(request) != MEDIA:
        raise HttpProblem("not-supported", f"send {MEDIA}: {LEAF} bytes a code", where="content-type")
    leaves = await read_body(request, MAX_CODES * LEAF)
    lot = await run_in_threadpool(_store, service, leaves)
    return JSONResponse({"lot": lot, "count": len(leaves) // LEAF}, 201, {"cache-control": "no-store"})


def _store(service: Service, leaves: bytes) -> str:
    with service.database.reading() as session:
        try:
            root, lot = lot_of_leaves(session, leaves)
        except LeavesRefused as error:
            raise HttpProblem("not-committed", str(error)) from None
    with service.database.writing() as session:
        store_leaves(session, root, lot, leaves)
        session.commit()
    return lot
