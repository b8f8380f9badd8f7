"""
GET /reports/{name}: compliance reports as workbook, text with commas, or JSON.

    /reports/fsma204?id=<lot>&id=<lot>&from=…&until=…&format=xlsx|csv|json

Who has no key gets what the public may see; a regulator gets every disclosure, and the look is recorded.  The reports
themselves, and what the law asks for, are the ledger's.

Source: interface.md; RFC 6266 (Content-Disposition).
"""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from api.access import Viewing
from api.deps import Lang, Reading, Serving
from api.problems import HttpProblem
from api.subjects import recorded_subject
from ledger.pooling import published_size
from ledger.reports import MEDIA, REPORTS, BadQuery, render
from ledger.reports import Query as Asked
from ledger.reports.interface import MAX_LOTS
from verify.errors import Malformed
from verify.statement import parse_time

router = APIRouter(prefix="/reports", tags=["reports"])
Ids = Annotated[list[str], Query(alias="id", max_length=MAX_LOTS)]
Form = Annotated[Literal["xlsx", "csv", "json"], Query(alias="format")]
Since = Annotated[str, Query(alias="from", max_length=40)]


@router.get("")
def names() -> Response:
    """Which reports there are."""
    known = [{"name": name, "title": dict(report.title)} for name, report in REPORTS.items()]
    return JSONResponse({"reports": known, "formats": list(MEDIA)}, headers={"cache-control": "no-cache"})


@router.get("/{name}")
def report(
    name: str, service: Serving, session: Reading, viewer: Viewing, lang: Lang, ids: Ids = [], since: Since = "",  # noqa: B006
    until: Annotated[str, Query(max_length=40)] = "", form: Form = "xlsx",
) -> Response:  # fmt: skip
    """One report about these lots."""
    known = REPORTS.get(name)
    if known is None:
        raise HttpProblem("not-found", f"no report {name}; there are {', '.join(REPORTS)}")
    size = published_size(session)
    lots = tuple(recorded_subject(session, one.strip(), size) for one in ids if one.strip())
    if not lots:
        raise HttpProblem("bad-parameter", f"ask for 1 to {MAX_LOTS} lots, each as id=URI", where="id")
    viewer.record(service, f"report {name}", " ".join(lots))
    asked = Asked(
        lots, _ms(since, "from"), _ms(until, "until"), size, viewer.audience, lang, coded=form == "json"
    )  # fmt: skip
    try:
        body = render(known.build(session, asked), form, lang=lang)
    except BadQuery as error:
        raise HttpProblem("bad-parameter", str(error)) from None
    file = re.sub(r"[^0-9A-Za-z-]+", "-", f"{name} {lots[0].rpartition('/')[2] if lots else ''}").strip("-")
    headers = {"content-disposition": f'attachment; filename="{file}.{form}"', "cache-control": "no-store"}
    return Response(body, 200, headers, MEDIA[form])


def _ms(text: str, where: str) -> int | None:
    if not text:
        return None
    try:
        # A plus sign in a query is a space for everybody who did not write it.
        return int(parse_time(text.replace(" ", "+"), where).timestamp() * 1000)
    except Malformed as error:
        raise HttpProblem("bad-parameter", error.message, where=where) from None
