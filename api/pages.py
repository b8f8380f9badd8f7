"""
Pages for everybody: the front page, the live log, what a problem's code means.

Source: interface.md; WCAG 2.2.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.anchors import anchors_sheet, read_anchors
from api.deps import Lang, Reading, Service, Serving
from api.files import FILES, FileForm, Words, handed_out, sheet, utc, words_of
from api.language import keep_language
from api.problems import HttpProblem, reason_of
from api.subjects import names_for
from ledger.freezing import freeze_of
from ledger.models import EntryRow, Published, StatementRow
from ledger.reports.interface import Table
from verify import gs1
from verify.checkpoint import Checkpoint
from verify.errors import Malformed
from verify.note import lines_of, parse_note
from verify.strict import b64_encode

NEWEST = 50  # entries on the log page
ENTRIES = {"index": "col.index", "logged": "col.logged", "kind": "col.kind", "party": "col.party", "party_uri": "col.party_uri",
           "digest": "col.digest"}  # fmt: skip
ITEMS = "demo-items.json"  # in the data folder, written by the demo

Rows = Sequence[Mapping[str, Any]]
router = APIRouter(tags=["pages"], include_in_schema=False)


@router.get("/")
def index(request: Request, service: Serving) -> Response:
    """The front page; a demo lists its items."""
    return service.views.page(request, "index.html", items=_items(service) if service.is_demo else [])


def _items(service: Service) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads((service.settings.data / ITEMS).read_text("utf-8"))
    except FileNotFoundError:
        return []  # the season is still being played
    return [one | {"label": f"/labels{one['path']}.svg"} for one in found]


@router.get("/open")
def open_label(request: Request, label: Annotated[str, Query(max_length=512)]) -> Response:
    """Go to what a label says, whichever host it names."""
    text = label.strip()
    try:
        link = gs1.parse_label(text if "://" in text else f"{gs1.HOST}/{text.lstrip('/')}")
    except Malformed as error:
        raise HttpProblem("bad-identifier", error.message, where="label") from None
    parts = [(link.key, link.value), *link.qualifiers]
    path = "".join(f"/{ai}/{quote(value, safe='')}" for ai, value in parts)
    return RedirectResponse(keep_language(request, path), 303)


@router.get("/log")
def live_log(request: Request, service: Serving, session: Reading, lang: Lang, form: FileForm = None) -> Response:
    """The newest checkpoint, entries and anchors; the tables also as a file."""
    published = session.scalar(select(Published))
    if published is None:
        raise HttpProblem("not-ready", "no checkpoint is published yet", retry_after_s=1)
    entries = _newest(session, published.size)
    names = names_for(session, {row["party"] for row in entries}, lang)
    anchors, end = read_anchors(session, NEWEST), freeze_of(session)
    if form in FILES:
        return handed_out(_as_sheets(entries, anchors, names, words_of(service, lang), lang), form, "log", lang)
    for row in entries:
        row["party"] = names.get(row["party"], row["party"])
    head = _head(service, published)
    return service.views.page(request, "log.html", here="log", head=head, entries=entries, anchors=anchors, end=end)


def _as_sheets(
    entries: Rows, anchors: Rows, names: Mapping[str, str], say: Words, lang: str
) -> list[Table]:
    entry_rows = [[row["index"], utc(row["time_ms"]), say.get(f"kind.{row['kind']}", row["kind"]),
                   names.get(row["party"], row["party"]), row["party"], row["digest"]] for row in entries]  # fmt: skip
    note = say["files.newest"].replace("{count}", str(NEWEST))
    return [sheet("entries", say, lang, ENTRIES, entry_rows, note), anchors_sheet(anchors, say, lang, note)]


def _newest(session: Session, size: int) -> list[dict[str, Any]]:
    rows = session.execute(
        select(StatementRow.index, EntryRow.time_ms, StatementRow.kind, StatementRow.issuer, StatementRow.digest)
        .join(EntryRow, EntryRow.index == StatementRow.index)
        .where(StatementRow.index < size)
        .order_by(StatementRow.index.desc())
        .limit(NEWEST)
    )
    return [
        {"index": index, "time_ms": time_ms, "kind": kind, "party": issuer, "digest": digest.hex()}
        for index, time_ms, kind, issuer, digest in rows
    ]


def _head(service: Service, published: Published) -> dict[str, Any]:
    note = parse_note(published.body)
    checkpoint = Checkpoint.parse(note.text)
    own = [*lines_of(note, service.log_key), *lines_of(note, service.clock_key)]
    return {
        "origin": checkpoint.origin, "size": checkpoint.size, "root": b64_encode(checkpoint.root),
        "time_ms": published.time_ms, "witnesses": [line.name for line in note.lines if line not in own],
    }  # fmt: skip


@router.get("/problems/{code}")
def problem(code: str, request: Request, service: Serving, lang: Lang) -> Response:
    """What a problem's code means, in both languages."""
    reason = reason_of(code)
    if reason is None:
        raise HttpProblem("not-found", "no such code")
    own, other = (reason.zh, reason.en) if lang == "zh" else (reason.en, reason.zh)
    return service.views.page(request, "problem.html", code=code, http_status=reason.status, own=own, foreign=other)
