"""
GET /anchors: every head that was, or is being, written to a chain.

The operator's account of it.  A reader asks a chain of its own choice (verify/anchor.py).

Source: interface.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import Lang, Reading, Serving
from api.files import FILES, Form, Words, handed_out, sheet, words_of
from ledger.models import AnchorRow
from ledger.reports.interface import Table
from verify.policy import DEV_CHAIN_IDS

SHOWN = 1_000  # rows, newest first; one an hour is six weeks
COLUMNS = {"size": "col.size", "chain": "col.chain", "contract": "col.contract", "root": "log.root", "state": "col.state",
           "transaction": "col.transaction"}  # fmt: skip

router = APIRouter(tags=["anchors"])


@router.get("/anchors")
def anchors(service: Serving, session: Reading, lang: Lang, form: Form = None) -> Response:
    """Chain, contract, size, root, transaction and state of each; also as a file."""
    found = read_anchors(session, SHOWN)
    if form in FILES:
        say = words_of(service, lang)
        note = say["files.cut"] if len(found) >= SHOWN else ""
        return handed_out([anchors_sheet(found, say, lang, note)], form, "anchors", lang)
    headers = {"cache-control": "no-cache", "access-control-allow-origin": "*"}
    return JSONResponse({"anchors": found}, headers=headers)


def anchors_sheet(found: Sequence[Mapping[str, Any]], say: Words, lang: str, note: str = "") -> Table:
    """Anchors as a table."""
    rows = [[row["size"], row["chain"], row["contract"], row["root"], say[f"anchor.{row['state']}"], row["transaction"]]
            for row in found]  # fmt: skip
    return sheet("anchors", say, lang, COLUMNS, rows, note)


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
