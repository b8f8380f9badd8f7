"""
GET /recalls and /recalls/{digest}: open recalls, and how far one reaches.

Open to everybody: a recall is meant to be found.  Who has what left is told to the public without the disclosures that parties
keep; a regulator, whose look is recorded, sees every place.

Source: interface.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.accept import wants_html
from api.access import Viewing
from api.deps import Lang, Reading, Serving
from api.files import FILES, Form, Words, handed_out, sheet, utc, words_of
from api.language import pick_name
from api.problems import HttpProblem
from api.recall_page import issued
from api.subjects import names_for
from ledger.pooling import published_size
from ledger.recall_stops import Stop
from ledger.recalls import ALWAYS, Affected, Recall, find_recall, open_recalls, reach_of
from ledger.reports.interface import Cell, Table
from ledger.told_events import local_time

HEADERS = {"cache-control": "no-cache", "vary": "accept"}
OPEN = {"index": "col.index", "class": "recalls.class", "reason": "recalls.reason", "instructions": "recalls.instructions",
        "scope": "recalls.what", "scope_uris": "recalls.scope_uris", "party": "recalls.by", "party_uri": "col.party_uri",
        "digest": "col.digest"}  # fmt: skip
STOPS = {"place": "col.where", "place_uri": "col.uri", "party": "col.party", "party_uri": "col.party_uri", "last": "recalls.last",
         "here": "recalls.here", "objects": "col.objects"}  # fmt: skip
REACHED = {"level": "col.level", "name": "col.name", "uri": "col.uri"}
PUBLIC = {"access-control-allow-origin": "*"}

router = APIRouter(tags=["recalls"])


@router.get("/recalls")
def recalls(request: Request, service: Serving, session: Reading, lang: Lang, form: Form = None) -> Response:
    """Every recall that nobody closed, newest first; also as a file."""
    found = open_recalls(session, published_size(session))
    if form in FILES:
        told = _open_sheet(found, _names(session, found, lang), words_of(service, lang), lang)
        return handed_out([told], form, "recalls", lang)
    if not wants_html(request):
        return JSONResponse({"recalls": [as_json(one) for one in found]}, headers=HEADERS | PUBLIC)
    facts: dict[str, Any] = {"names": _names(session, found, lang), "issued": issued(session, found, service.views.zone)}
    return service.views.page(request, "recalls.html", here="recalls", recalls=found, **facts)


@router.get("/recalls/{digest}")
def recall(
    digest: str, request: Request, service: Serving, session: Reading, viewer: Viewing, lang: Lang, form: Form = None
) -> Response:
    """One recall: its notice, and the lots, items, units and places that it reaches."""
    size = published_size(session)
    try:
        found = find_recall(session, bytes.fromhex(digest), size)
    except ValueError:
        found = None
    if found is None:
        raise HttpProblem("not-found", "no recall of this digest was published")
    viewer.record(service, "recall", digest)
    reach = reach_of(session, found, before=size, audience=viewer.audience)
    if not wants_html(request) and form not in FILES:
        # What an inspector sees is nobody else's: no cache may keep it for the next one.
        headers = {"cache-control": "no-cache" if viewer.key_id is None else "no-store", "vary": "accept, authorization, cookie"}
        return JSONResponse(as_json(found) | {"reach": reach.to_json()}, headers=headers | PUBLIC)
    names = names_for(session, {*reach.lots, *reach.parties, *(stop.place for stop in reach.stops)}, lang)
    names |= _names(session, [found], lang)
    if form in FILES:
        return handed_out(_as_sheets(reach, names, words_of(service, lang), lang), form, f"recall-{digest[:16]}", lang)
    facts: dict[str, Any] = {"recall": found, "reach": reach, "names": names, "still": here_of,
                             "issued": issued(session, [found], service.views.zone)}  # fmt: skip
    return service.views.page(request, "recall.html", here="recalls", **facts)


def _open_sheet(found: Sequence[Recall], names: Mapping[str, str], say: Words, lang: str) -> Table:
    rows: list[list[Cell]] = []
    for one in found:
        scope = (*one.lots, *one.products, *one.places)
        rows.append([
            one.index, one.class_, pick_name(one.reason, lang), pick_name(one.instructions, lang),
            "; ".join(names.get(uri, uri) for uri in scope), " ".join(scope), names.get(one.issuer, one.issuer), one.issuer,
            one.digest,
        ])  # fmt: skip
    return sheet("recalls", say, lang, OPEN, rows)


def _as_sheets(reach: Affected, names: Mapping[str, str], say: Words, lang: str) -> list[Table]:
    """Where it came, and what it came as; both say so where a limit cut them short."""
    note = say["trace.truncated"] if reach.truncated else ""
    stops = [
        [names.get(stop.place, stop.place), stop.place, ", ".join(names.get(one, one) for one in stop.parties),
         " ".join(stop.parties), utc(stop.last_ms), say[here_of(stop)], " ".join(stop.objects)]
        for stop in reach.stops
    ]  # fmt: skip
    reached = [[say[f"level.{level}"], names.get(uri, ""), uri] for level in ("lots", "items", "units", "others")
               for uri in getattr(reach, level)]  # fmt: skip
    return [sheet("stops", say, lang, STOPS, stops, note), sheet("reached", say, lang, REACHED, reached, note)]


def here_of(stop: Stop) -> str:
    """The word for whether things are still at a place."""
    if stop.sold:
        return "recalls.partly" if stop.remains else "recalls.sold"
    return "recalls.end" if stop.remains else "recalls.moved"


def as_json(recall: Recall) -> dict[str, Any]:
    """A recall for programs; a window that is open at an end leaves that end out."""
    ends = zip(("from", "until"), (recall.since_ms, recall.until_ms), ALWAYS, strict=True)
    window = {name: local_time(ms, "+00:00") for name, ms, none in ends if ms != none}
    return {
        "index": recall.index, "digest": recall.digest, "issuer": recall.issuer, "class": recall.class_,
        "scope": {"lots": recall.lots, "products": recall.products, "places": recall.places} | window,
        "reason": dict(recall.reason), "instructions": dict(recall.instructions), "closed_by": recall.closed_by,
    }  # fmt: skip


def _names(session: Session, found: list[Recall], lang: str) -> dict[str, str]:
    named = {uri for one in found for uri in (one.issuer, *one.lots, *one.products, *one.places)}
    return names_for(session, named, lang)
