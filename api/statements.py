"""
Submitting statements, and reading them back.

    POST /statements                 one, or many as lines; answered once they are published, with receipts or refusals
    GET  /statements/{digest}        the statement with its public disclosures; its state while it has none
    GET  /statements/{digest}/proof  its receipt, a tlog-proof

Admission runs in a worker thread and gives its session back before anybody waits; waiting costs neither thread nor session
(watcher.py).  Sending again is always safe.

Source: interface.md, HTTP; RFC 7240 (Prefer); GS1 EPCIS 2.0 REST (GS1-Capture-Error-Behaviour).
"""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool

from api.bodies import media_type, read_body
from api.cors import preflight
from api.deps import Reading, Service, Serving
from api.language import pick_language
from api.outcomes import Outcome, outcomes, state_of
from api.problems import HttpProblem, problem_body, problem_response
from ledger.admission import Admitted, Known, admit_many
from ledger.problems import Refused
from ledger.receipts import Unknown, receipt
from producers.sign import format_proof, format_statement, public_disclosures
from verify.strict import MAX_BYTES

ONE = ("application/vc+jwt", "application/vc+sd-jwt")
LINES, JSON_LINES = "text/plain", "application/jsonl"
MAX_LINES = 10_000
MAX_BODY = 33_554_432  # bytes
MAX_ONE = 16 * MAX_BYTES  # bytes
WAIT_S = 25.0  # then the answer is "pending": proxies cut a silent connection after 30
PUBLIC = {"access-control-allow-origin": "*"}

router = APIRouter(tags=["statements"])


@dataclass(frozen=True, slots=True)
class Submission:
    """What one request brings: statements in order, or the refusal of a line that is none."""

    items: Sequence[bytes | Refused]
    single: bool
    all_or_none: bool
    respond_async: bool


@router.post("/statements")
async def submit(request: Request, service: Serving) -> Response:
    """Log one statement or many; see the module's text."""
    submission = await _read(request)
    admitted = await run_in_threadpool(_admit, service, submission)
    rows = [one.pool_id for one in admitted if isinstance(one, Admitted)]
    if rows and not submission.respond_async:
        await service.watcher.wait(max(rows), WAIT_S)
    results = await run_in_threadpool(_results, service, admitted, submission.single)
    return _single(results[0], request, service) if submission.single else _many(results, request, service, submission)


async def _read(request: Request) -> Submission:
    media, single = media_type(request), media_type(request) in ONE
    if not single and media not in (LINES, JSON_LINES):
        raise HttpProblem("not-supported", f"send {', '.join((*ONE, LINES, JSON_LINES))}", where="content-type")
    # More than a statement may have: then the refusal is the statement's own, as in a line.
    body = await read_body(request, MAX_ONE if single else MAX_BODY)
    items: list[bytes | Refused] = [body] if single else _lines(body, as_json=media == JSON_LINES)
    asked = request.headers.get("prefer", "").lower().replace(" ", "").split(",")
    behaviour = request.headers.get("gs1-capture-error-behaviour", "proceed").strip().lower()
    if behaviour not in ("proceed", "rollback"):
        raise HttpProblem("bad-parameter", "rollback or proceed", where="gs1-capture-error-behaviour")
    return Submission(items, single, behaviour == "rollback", "respond-async" in asked)


def _lines(body: bytes, *, as_json: bool) -> list[bytes | Refused]:
    lines = body.removesuffix(b"\n").split(b"\n") if body else []
    if len(lines) > MAX_LINES:
        raise Refused("too-many-lines", f"{len(lines)} lines; at most {MAX_LINES} at a time")
    return [_line(line.removesuffix(b"\r"), as_json) for line in lines]


def _line(line: bytes, as_json: bool) -> bytes | Refused:
    if not as_json:
        return line
    try:
        # Nothing but a string reaches the parser: a line of brackets would end in its recursion limit.
        text = json.loads(line) if line.startswith(b'"') else None
    except ValueError:
        text = None
    return text.encode() if isinstance(text, str) and text.isascii() else Refused("bad-line", "not a JSON string")


def _admit(service: Service, submission: Submission) -> list[Admitted | Known | Refused]:
    raws = [one for one in submission.items if isinstance(one, bytes)]
    if submission.all_or_none and len(raws) < len(submission.items):
        also = Refused("rolled-back", "another line of the same request is no statement, so none was logged")
        return [one if isinstance(one, Refused) else also for one in submission.items]
    together = secrets.token_hex(16) if submission.all_or_none and not submission.single else None
    with service.database.writing() as session:
        found = iter(
            admit_many(session, raws, now_ms=time.time_ns() // 1_000_000, validator=service.validator,
                       pool_limit=service.settings.pool_limit, together=together, recent=service.recent)
        )  # fmt: skip
        # From here on the statements are ours to lose: nobody is answered before the sequencer has judged them.
        session.commit()
    admitted = [one if isinstance(one, Refused) else next(found) for one in submission.items]
    busy = next((one for one in admitted if isinstance(one, Refused) and one.code == "pool-full"), None)
    if busy is not None:
        # Nothing of this request was taken, and sending all of it again is safe.
        raise busy
    return admitted


def _results(service: Service, admitted: Sequence[Admitted | Known | Refused], with_proof: bool) -> list[Outcome]:
    with service.database.reading() as session:
        found = outcomes(session, admitted)
        if with_proof and found[0].index is not None and found[0].digest is not None:
            found[0].proof = format_proof(receipt(session, service.store, found[0].digest).proof)
        return found


def _single(result: Outcome, request: Request, service: Service) -> Response:
    if result.refused is not None:
        return problem_response(result.refused, request)
    location = {"location": f"{service.settings.base_url}/statements/{result.digest_hex}", "cache-control": "no-store"}
    status = {"published": 201, "duplicate": 200}.get(result.status, 202)
    return JSONResponse(result.as_json(), status, location | PUBLIC)


def _many(results: Sequence[Outcome], request: Request, service: Service, submission: Submission) -> Response:
    lang, base = pick_language(request), service.settings.base_url
    rows = []
    for number, result in enumerate(results, 1):
        row: dict[str, Any] = {"line": number} | result.as_json()
        if result.refused is not None:
            row["problem"] = problem_body(result.refused, base_url=base, lang=lang)
        rows.append(json.dumps(row, ensure_ascii=False))
    headers = {"cache-control": "no-store"} | PUBLIC
    if submission.respond_async:
        headers["preference-applied"] = "respond-async"
    waiting = submission.respond_async and any(one.status == "pending" for one in results)
    return Response("".join(row + "\n" for row in rows), 202 if waiting else 200, headers, JSON_LINES)


router.add_api_route("/statements", preflight("POST"), methods=["OPTIONS"], include_in_schema=False)


@router.get("/statements/{digest}")
def read(digest: str, request: Request, service: Serving, session: Reading) -> Response:
    """The statement, its state while it waits, why it was refused; 410 where its content was erased."""
    found = state_of(session, _digest(digest))
    if found.refused is not None:
        raise found.refused
    if found.erased_by is not None:
        text = f"its content was erased; entry {found.erased_by} says why"
        raise HttpProblem("erased", text, index=found.index, erased_by=found.erased_by)
    if found.statement is None or "application/json" in request.headers.get("accept", ""):
        return JSONResponse(found.as_json(), 200 if found.statement else 202, {"cache-control": "no-store"} | PUBLIC)
    body = format_statement(found.statement, public_disclosures(found.statement))
    media = ONE[0] if found.statement.header["typ"] == "vc+jwt" else ONE[1]
    return Response(body, 200, {"cache-control": "no-cache"} | PUBLIC, media)


@router.get("/statements/{digest}/proof")
def proof(digest: str, service: Serving, session: Reading) -> Response:
    """The statement's receipt: a tlog-proof that stands alone."""
    try:
        found = receipt(session, service.store, _digest(digest))
    except Unknown as error:
        raise HttpProblem("unknown-statement", str(error)) from None
    return PlainTextResponse(format_proof(found.proof), headers={"cache-control": "no-cache"} | PUBLIC)


def _digest(text: str) -> bytes:
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise HttpProblem("bad-parameter", "a digest is 64 lower-case hexadecimal digits", where="digest")
    return bytes.fromhex(text)
