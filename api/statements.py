"""
Submitting statements, and reading them back.

    POST /statements                 one, or many as lines; answered once they are published, with receipts or refusals
    GET  /statements/{digest}        the statement with its public disclosures; its state while it has none
    GET  /statements/{digest}/proof  its receipt, a tlog-proof

How a statement gets from here into the log, and how long that may take, is intake.py's.  Sending again is always safe.

Source: interface.md, HTTP; RFC 7240 (Prefer); GS1 EPCIS 2.0 REST (GS1-Capture-Error-Behaviour).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from api.bodies import media_type, read_body, read_lines
from api.cors import preflight
from api.deps import Direct, Reading, Service, Serving, service_of
from api.language import pick_language
from api.outcomes import as_json, state_of
from api.problems import HttpProblem, problem_body, problem_response
from api.straight import Printed
from ledger.pooling import Outcome
from ledger.problems import Refused
from ledger.receipts import Unknown, receipt
from producers.sign import format_proof, format_statement, public_disclosures
from verify.strict import MAX_BYTES

ONE = ("application/vc+jwt", "application/vc+sd-jwt")
LINES, JSON_LINES = "text/plain", "application/jsonl"
MAX_LINES = 10_000
MAX_BODY = 33_554_432  # bytes
MAX_ONE = 16 * MAX_BYTES  # bytes
PUBLIC = {"access-control-allow-origin": "*"}
_STATUS = {"published": 201, "duplicate": 200}
_HEAD = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"access-control-allow-origin", b"*"))

router = APIRouter(tags=["statements"])


@dataclass(frozen=True, slots=True)
class Submission:
    """What one request brings: statements in order, or the refusal of a line that is none."""

    items: Sequence[bytes | Refused]
    single: bool
    all_or_none: bool
    respond_async: bool

    @property
    def alone(self) -> bytes | None:
        """The only statement of a request that waits for its receipt."""
        (only, *_) = self.items or (None,)
        return only if self.single and not self.respond_async and isinstance(only, bytes) else None


async def submit(request: Request) -> Response:
    """Log one statement or many; see the module's text."""
    service = service_of(request)
    submission = await _read(request)
    if submission.alone is not None:
        return _single(*await service.alone.log(submission.alone), request, service)
    told = await service.intake.submit(
        submission.items, together=submission.all_or_none and not submission.single, waits=not submission.respond_async
    )
    if not submission.single:
        return _many(told, request, service, submission)
    (one,) = told
    (proof,) = (None,) if one.index is None else await service.alone.proofs.of([(one.index, one.digest)])
    return _single(one, proof, request, service)


SUBMIT = "/statements"
router.add_api_route(SUBMIT, submit, methods=["POST"], route_class_override=Direct)


async def _read(request: Request) -> Submission:
    media = media_type(request)
    single = media in ONE
    if not single and media not in (LINES, JSON_LINES):
        raise HttpProblem("not-supported", f"send {', '.join((*ONE, LINES, JSON_LINES))}", where="content-type")
    # More than a statement may have: then the refusal is the statement's own, as in a line.
    items: list[bytes | Refused] = [await read_body(request, MAX_ONE)] if single else await _lines(request, media == JSON_LINES)
    asked = request.headers.get("prefer", "").lower().replace(" ", "").split(",")
    behaviour = request.headers.get("gs1-capture-error-behaviour", "proceed").strip().lower()
    if behaviour not in ("proceed", "rollback"):
        raise HttpProblem("bad-parameter", "rollback or proceed", where="gs1-capture-error-behaviour")
    return Submission(items, single, behaviour == "rollback", "respond-async" in asked)


async def _lines(request: Request, as_json: bool) -> list[bytes | Refused]:
    texts = [line.removesuffix(b"\r") for line in await read_lines(request, MAX_BODY, MAX_LINES)]
    return [_of_json(text) for text in texts] if as_json else list(texts)


def _of_json(line: bytes) -> bytes | Refused:
    try:
        # Nothing but a string reaches the parser: a line of brackets would end in its recursion limit.
        text = json.loads(line) if line.startswith(b'"') else None
    except ValueError:
        text = None
    return text.encode() if isinstance(text, str) and text.isascii() else Refused("bad-line", "not a JSON string")


def _single(outcome: Outcome, proof: str | None, request: Request, service: Service) -> Response:
    if outcome.refused is not None:
        return problem_response(outcome.refused, request)
    text = _members(outcome) if proof is None else f'{_members(outcome)}, "proof": {json.dumps(proof)}'
    location = f"{service.settings.base_url}/statements/{outcome.digest.hex()}".encode("latin-1")
    return Printed(_STATUS.get(outcome.state, 202), _HEAD, [(b"location", location)], f"{{{text}}}".encode())


def _many(told: Sequence[Outcome], request: Request, service: Service, submission: Submission) -> Response:
    lang, base = pick_language(request), service.settings.base_url
    rows = []
    for number, outcome in enumerate(told, 1):
        if outcome.refused is None:
            # Nearly every line, and all of it plain: printed by hand, at a tenth of what a JSON printer takes.
            rows.append(_line_of(number, outcome))
        else:
            service.metrics.refused(outcome.refused.code)
            row = {"line": number} | as_json(outcome) | {"problem": problem_body(outcome.refused, base_url=base, lang=lang)}
            rows.append(json.dumps(row, ensure_ascii=False))
    headers = {"cache-control": "no-store"} | PUBLIC
    if submission.respond_async:
        headers["preference-applied"] = "respond-async"
    waiting = submission.respond_async and any(one.state == "pending" for one in told)
    return Response("".join(row + "\n" for row in rows), 202 if waiting else 200, headers, JSON_LINES)


def _line_of(number: int, outcome: Outcome) -> str:
    return f'{{"line": {number}, {_members(outcome)}}}'


def _members(outcome: Outcome) -> str:
    place = "" if outcome.index is None else f', "index": {outcome.index}, "time": {outcome.time_ms}'
    return f'"status": "{outcome.state}", "digest": "{outcome.digest.hex()}"{place}'


router.add_api_route("/statements", preflight("POST"), methods=["OPTIONS"], include_in_schema=False)


@router.get("/statements/{digest}")
def read(digest: str, request: Request, service: Serving, session: Reading) -> Response:
    """The statement, its state while it waits, why it was refused; 410 where its content was erased."""
    found = state_of(session, service.intake.pool, _digest(digest))
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
