"""
GET /trace/back and /trace/forward: where something came from, where it went.

JSON for programs; for browsers the same as a picture and a table, which `format=csv` and `xlsx` hand out as a file.  The public
sees what parties marked public; a signed-in regulator sees every disclosure, and the look is recorded.

Source: interface.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.accept import wants_html
from api.access import Viewing
from api.deps import Lang, Reading, Service, Serving
from api.drawing import draw
from api.files import FILES, Form, Words, handed_out, sheet, words_of
from api.problems import HttpProblem
from api.subjects import names_for, recorded_subject
from ledger.handovers import WITHHELD, End, Row, judge, rows, sent
from ledger.pooling import published_size
from ledger.registry import SqlHistory
from ledger.reports.interface import Cell, Table
from ledger.trace import MAX_EVENTS, Graph, Reach, trace_back, trace_forward
from ledger.units import MAX_DEPTH
from verify import gs1
from verify.errors import Malformed
from verify.statement import parse_time

COLUMNS: Mapping[str, str] = {
    "when": "col.when", "who": "col.party", "what": "col.what", "object": "col.object", "uri": "col.uri",
    "quantity": "col.quantity", "unit": "col.unit", "where": "col.where",
    "giver": "col.giver", "giver_place": "col.giver_place", "taker": "col.taker", "taker_place": "col.taker_place",
    "confirmed": "col.confirmed", "late": "col.late_hours", "record": "col.record", "digest": "col.digest",
}  # fmt: skip
"""A file's columns, and the words over each."""
router = APIRouter(prefix="/trace", tags=["trace"])
Id = Annotated[str, Query(alias="id", max_length=1024)]
Depth = Annotated[int, Query(ge=1, le=MAX_DEPTH)]
Limit = Annotated[int, Query(ge=1, le=MAX_EVENTS)]


@router.get("/{direction}")
def trace(
    direction: str, uri: Id, request: Request, service: Serving, session: Reading, viewer: Viewing, lang: Lang,
    depth: Depth = MAX_DEPTH, until: str | None = None, limit: Limit = MAX_EVENTS,
    form: Form = None,
) -> Response:  # fmt: skip
    """The graph of one object; `until` is a time (RFC 3339)."""
    if direction not in ("back", "forward"):
        raise HttpProblem("not-found", "trace back, or trace forward")
    reach = Reach(depth, _until_ms(until), limit, published_size(session), viewer.audience)
    viewer.record(service, f"trace {direction}", uri)
    graph, states = read_graph(session, service, uri, reach, forward=direction == "forward")
    headers = {"cache-control": "no-store", "vary": "accept, cookie"}
    if form in FILES:
        told = _as_sheet(graph, table(session, graph, states, lang), words_of(service, lang), lang)
        return handed_out([told], form, f"trace-{direction}", lang)
    if not wants_html(request):
        return JSONResponse(graph.to_json() | {"states": states}, headers=headers | {"access-control-allow-origin": "*"})
    return service.views.page(request, "trace.html", graph=graph, **table(session, graph, states, lang))


def read_graph(session: Session, service: Service, uri: str, reach: Reach, *, forward: bool) -> tuple[Graph, dict[int, str]]:
    """The graph, and by event index what both sides confirmed in it, or one claims, or was not judged.  Raises HttpProblem."""
    meant = recorded_subject(session, uri, reach.before)
    back = trace_back(session, uri, reach)  # a label's item is traced back with its lot
    graph = trace_forward(session, meant, reach) if forward else back
    # Whether a hop is confirmed rests on what came before it, also where only the way forward is shown.
    known = {event.index: event for event in (*back.events, *graph.events)}
    events = tuple(sorted(known.values(), key=lambda one: (one.time_ms, one.index)))
    whole = replace(graph, events=events, truncated=graph.truncated or back.truncated)
    states = judge(session, whole, SqlHistory(session, service.settings.origin), reach.audience)
    shown = {event.index for event in graph.events}
    return graph, {index: state for index, state in states.items() if index in shown}


def table(session: Session, graph: Graph, states: Mapping[int, str], lang: str) -> dict[str, Any]:
    """What the templates show of a graph: rows, a drawing, and the names of parties, places and products."""
    told = rows(graph, states)
    ends = {uri for row in told for end in (row.giver, row.taker) for uri in (*end.parties, *end.places)}
    uris = {*(row.who for row in told), *(row.where for row in told), *(node.id for node in graph.nodes), *ends - {WITHHELD}}
    names = names_for(session, uris, lang)
    way = list(sent(told)) if graph.direction == "forward" else []
    return {"rows": told, "names": names, "drawing": draw(graph, lambda uri: names.get(uri, uri.removeprefix(gs1.HOST)), way)}


def _as_sheet(graph: Graph, told: Mapping[str, Any], say: Words, lang: str) -> Table:
    names = told["names"]
    lines: list[list[Cell]] = []
    for row in told["rows"]:
        amount, _, unit = row.quantity.partition(" ")
        lines.append([
            row.when, names.get(row.who, row.who), say.get(f"step.{row.what}", row.what), names.get(row.object, row.object),
            row.object, Decimal(amount) if amount else None, unit, names.get(row.where, row.where), *_sides(row, names, say),
            _worth(row, say), row.late_hours or None, row.index, row.digest,
        ])  # fmt: skip
    note = say["trace.truncated"] if graph.truncated else ""
    return sheet(f"trace {graph.direction}", say, lang, COLUMNS, lines, note)


def _sides(row: Row, names: Mapping[str, str], say: Words) -> list[Cell]:
    """Giver and taker of a hand-over, each with its places."""
    known = {WITHHELD: say["trace.withheld"], **names}
    return [", ".join(known.get(uri, uri) for uri in uris) for end in (row.giver, row.taker) for uris in _uris(end)]


def _uris(end: End) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return end.parties, end.places


def _worth(row: Row, say: Words) -> str:
    if row.standing != "stands":
        return say.get(f"standing.{row.standing}", "")
    return say[f"state.{row.state}"] if row.state else ""


def _until_ms(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(parse_time(text.replace(" ", "+"), "until").timestamp() * 1000)
    except Malformed as error:
        raise HttpProblem("bad-parameter", error.message, where="until") from None
