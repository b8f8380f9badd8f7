"""
What a Digital Link of a place, a party or a crate leads to: what its owner says of it, and which records name it.

No bundle: the numbered protocol answers for food, not for addresses.  Every record named here has its own proof.

Source: interface.md, GS1 Digital Link.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.deps import Service
from api.files import FILES, Words, handed_out, sheet, utc, words_of
from api.language import pick_language
from api.problems import HttpProblem
from api.subjects import names_for
from ledger.described import coordinates, described
from ledger.models import EntryRow, GrantRow, StatementRow, SubjectKey
from ledger.pooling import published_size
from ledger.reports.interface import Table
from verify import gs1

SHOWN = 100  # records, newest first
RECORDS = {"index": "col.index", "logged": "col.logged", "kind": "col.kind", "party": "col.party", "party_uri": "col.party_uri",
           "digest": "col.digest"}  # fmt: skip


def place_page(
    request: Request, service: Service, session: Session, uri: str, *, as_html: bool, headers: Mapping[str, str],
    form: str | None = None,
) -> Response:  # fmt: skip
    """The page, or the same as JSON; its records as a file.  Raises HttpProblem where no record names `uri`."""
    told = read_place(session, uri, published_size(session))
    if not told["records"]:
        raise HttpProblem("unknown-subject", f"no record here names {uri}", where="path")
    if not as_html and form not in FILES:
        return JSONResponse(told, headers={**headers, "cache-control": "no-cache"})
    lang, master = pick_language(request), told["master"] or {}
    holder = str(master.get("holder", ""))
    names = names_for(session, {uri, holder, *(row["issuer"] for row in told["records"])}, lang)
    if form in FILES:
        return handed_out([_as_sheet(told["records"], names, words_of(service, lang), lang)], form, "records", lang)
    page = service.views.page(request, "place.html", place=told, holder=holder, geo=coordinates(master), names=names)
    page.headers.update(headers)
    return page


def _as_sheet(records: Sequence[Mapping[str, Any]], names: Mapping[str, str], say: Words, lang: str) -> Table:
    rows = [[row["index"], utc(row["time_ms"]), say.get(f"kind.{row['kind']}", row["kind"]),
             names.get(row["issuer"], row["issuer"]), row["issuer"], row["digest"]] for row in records]  # fmt: skip
    return sheet("records", say, lang, RECORDS, rows, say["files.cut"] if len(records) >= SHOWN else "")


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
    grants = select(GrantRow).where(GrantRow.party == uri, GrantRow.index < size).order_by(GrantRow.index)
    body = described(session, [uri], size).get(uri)
    keys = [{"index": one.index, "kid": one.thumbprint, "roles": one.roles} for one in session.scalars(grants)]
    return {"id": uri, "level": gs1.level(uri), "master": body, "keys": keys, "records": records}
