"""
The regulator's desk: one search box, a page per subject, who looked.

    /regulator            search, open recalls, reports; or the form to sign in
    /regulator/subject    one lot, product, pallet, place or party: signed records, both traces, recalls, downloads
    /regulator/looks      every look that anybody took here

A regulator sees every disclosure that came with a statement, and each request is recorded before it is answered.

Source: interface.md.
"""

from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from limits import parse
from starlette.concurrency import run_in_threadpool

from api.access import COOKIE, MAX_KEY, Regulating, Viewing, refuse_other_sites
from api.bodies import read_body
from api.deps import Lang, Reading, Service, Serving
from api.desk_files import looks_sheet, records_sheet, search_sheet
from api.files import FILES, FileForm, handed_out, insist_signed_in, words_of
from api.language import keep_language, pick_language
from api.search import search
from api.subject_page import subject_facts
from api.subjects import names_for
from ledger.accounts import api_keys
from ledger.looks import find_key, looks_of
from ledger.pooling import published_size
from ledger.recalls import open_recalls
from ledger.reports import REPORTS

MAX_FORM = 4_096  # bytes
SESSION_S = 28_800  # seconds: a working day
ATTEMPTS = parse("10/minute")
LOOKS = 200  # rows, newest first
MAX_LOOKS = 100_000  # rows of the file

router = APIRouter(prefix="/regulator", tags=["regulator"], include_in_schema=False)


@router.get("")
def desk(
    request: Request, service: Serving, session: Reading, viewer: Viewing, lang: Lang,
    q: Annotated[str, Query(max_length=512)] = "", form: FileForm = None,
) -> Response:  # fmt: skip
    """The desk, or the form to sign in; what was found also as a file."""
    if form in FILES:
        insist_signed_in(viewer.key_id)
    if viewer.key_id is None:
        return service.views.page(request, "sign_in.html", here="regulator", failed="")
    size = published_size(session)
    found = []
    if q.strip():
        viewer.record(service, "search", q.strip())
        found = search(session, q.strip(), lang, size)
    if form in FILES:
        return handed_out([search_sheet(found, words_of(service, lang), lang)], form, "search", lang)
    recalls = open_recalls(session, size)
    names = names_for(session, {uri for one in recalls for uri in (one.issuer, *one.lots)}, lang)
    facts: dict[str, Any] = {
        "viewer": viewer, "q": q, "found": found, "recalls": recalls, "names": names, "reports": REPORTS,
    }  # fmt: skip
    return service.views.page(request, "regulator.html", here="regulator", **facts)


@router.get("/subject")
def subject(
    request: Request, service: Serving, session: Reading, viewer: Regulating, lang: Lang,
    uri: Annotated[str, Query(alias="id", max_length=1024)], form: FileForm = None,
) -> Response:  # fmt: skip
    """Everything about one subject; its records also as a file."""
    viewer.record(service, "subject", uri)
    facts = subject_facts(session, service, uri, viewer.audience, lang)
    if form in FILES:
        return handed_out([records_sheet(facts, words_of(service, lang), lang)], form, "records", lang)
    return service.views.page(request, "subject.html", here="regulator", viewer=viewer, reports=REPORTS, **facts)


@router.get("/looks")
def looks(
    request: Request, service: Serving, session: Reading, viewer: Regulating, lang: Lang, form: FileForm = None
) -> Response:
    """Who looked at what, newest first; looking here is a look too.  The page shows the newest, the file all."""
    viewer.record(service, "looks", "")
    holders = {key.id: key.name for key in api_keys(session)}
    if form in FILES:
        told = looks_of(session, limit=MAX_LOOKS)
        return handed_out([looks_sheet(told, holders, words_of(service, lang), lang)], form, "looks", lang)
    return service.views.page(request, "looks.html", here="regulator", looks=looks_of(session, limit=LOOKS), holders=holders)


@router.post("/session", dependencies=[Depends(refuse_other_sites)])
async def sign_in(request: Request, service: Serving) -> Response:
    """Take a key and keep it in a cookie; wrong keys are slowed down by address."""
    form = parse_qs((await read_body(request, MAX_FORM)).decode("utf-8", "replace"))
    who = request.client.host if request.client else ""
    if not service.limiter.hit(ATTEMPTS, who):
        return _failed(request, service, "regulator.slow", 429)
    key = form.get("key", [""])[0].strip()[:MAX_KEY]
    if await run_in_threadpool(_known, service, key) is None:
        return _failed(request, service, "regulator.failed", 401)
    answer = RedirectResponse(keep_language(request, "/regulator"), 303)
    answer.set_cookie(
        COOKIE, key, max_age=SESSION_S, path="/", httponly=True, samesite="strict",
        secure=service.settings.base_url.startswith("https://"),
    )  # fmt: skip
    return answer


@router.post("/sign-out", dependencies=[Depends(refuse_other_sites)])
def sign_out(request: Request) -> Response:
    """Forget the key."""
    answer = RedirectResponse(keep_language(request, "/regulator"), 303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _known(service: Service, key: str) -> Any:
    with service.database.reading() as session:
        return find_key(session, key)


def _failed(request: Request, service: Service, words: str, status: int) -> Response:
    text = service.catalog.text(pick_language(request), words)
    return service.views.page(request, "sign_in.html", status=status, here="regulator", failed=text)

