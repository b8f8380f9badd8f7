"""
What a Digital Link of a place, a party or a crate leads to: what its owner says of it, and which records name it.

No bundle: the numbered protocol answers for food, not for addresses.  Every record named here has its own proof.

Source: interface.md, GS1 Digital Link.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import Service
from api.language import pick_language
from api.problems import HttpProblem
from api.subjects import names_for
from ledger.models import EntryRow, GrantRow, MasterRow, StatementRow, SubjectKey
from ledger.pooling import published_size
from verify import gs1

SHOWN = 100  # records, newest first


def place_page(
    request: Request, service: Service, session: Session, uri: str, *, as_html: bool, headers: Mapping[str, str]
) -> Response:
    """The page, or the same as JSON.  Raises HttpProblem where no record names `uri`."""
    told = read_place(session, uri, published_size(session))
    if not told["records"]:
        raise HttpProblem("unknown-subject", f"no record here names {uri}", where="path")
    if not as_html:
        return JSONResponse(told, headers={**headers, "cache-control": "no-cache"})
    names = names_for(session, {uri, *(row["issuer"] for row in told["records"])}, pick_language(request))
    page = service.views.page(request, "place.html", place=told, names=names)
    page.headers.update(headers)
    return page


def read_place(session: Session, uri: str, size: int) -> dict[str, Any]:
    """What the log has about `uri` below `size`."""
    key = sha256(uri.encode()).digest()
    rows = session.execute(
        select(StatementRow.index, StatementRow.kind, StatementRow.issuer, StatementRow.digest, EntryRow.time_ms)
        .join(SubjectKey, SubjectKey.index == StatementRow.index)
        .join(EntryRow, EntryRow.index == StatementRow.index)
        .where(SubjectKey.key == key, StatementRow.index < size)
        .order_by(StatementRow.index.desc())
        .limit(SHOWN)
    )
    records = [
        {"index": index, "kind": kind, "issuer": issuer, "digest": digest.hex(), "time_ms": time_ms}
        for index, kind, issuer, digest, time_ms in rows
    ]
    master = select(MasterRow).where(MasterRow.uri == uri, MasterRow.index < size).order_by(MasterRow.index.desc()).limit(1)
    grants = select(GrantRow).where(GrantRow.party == uri, GrantRow.index < size).order_by(GrantRow.index)
    body = session.scalar(master)
    keys = [{"index": one.index, "kid": one.thumbprint, "roles": one.roles} for one in session.scalars(grants)]
    return {"id": uri, "level": gs1.level(uri), "master": body.body if body else None, "keys": keys, "records": records}
