"""
GET /anchors: every head that was, or is being, written to a chain.

The operator's account of it.  A reader asks a chain of its own choice (verify/anchor.py).

Source: interface.md.
"""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import Reading
from ledger.models import AnchorRow
from verify.policy import DEV_CHAIN_IDS

SHOWN = 1_000  # rows, newest first; one an hour is six weeks

router = APIRouter(tags=["anchors"])


@router.get("/anchors")
def anchors(session: Reading) -> Response:
    """Chain, contract, size, root, transaction and state of each."""
    headers = {"cache-control": "no-cache", "access-control-allow-origin": "*"}
    return JSONResponse({"anchors": read_anchors(session, SHOWN)}, headers=headers)


def read_anchors(session: Session, limit: int) -> list[dict[str, Any]]:
    """The newest anchors, as JSON values; `dev` marks chains that run on somebody's desk."""
    rows = session.scalars(select(AnchorRow).order_by(AnchorRow.id.desc()).limit(limit))
    return [
        {
            "chain": row.chain_id, "dev": row.chain_id in DEV_CHAIN_IDS, "contract": row.contract, "signer": row.signer,
            "log_id": "0x" + row.log_id.hex(), "size": row.size, "root": "0x" + row.root.hex(), "state": row.state,
            "transaction": None if row.tx_hash is None else "0x" + row.tx_hash.hex(), "block": row.block,
            "block_time": row.block_time_s,
        }
        for row in rows
    ]  # fmt: skip
