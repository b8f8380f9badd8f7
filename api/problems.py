"""
Problems over HTTP: every refusal of the ledger, and those that only HTTP knows, in one form.

    {"type": "<base>/problems/<code>", "title": ..., "titles": {"en", "zh"}, "status": ..., "detail": ..., "code": ...,
     "where": JSON pointer?, "retry_after": seconds?}

`type` is the address of a page that explains the code in both languages.  What the ledger refuses stands in
ledger/problems.py; the table here holds what happens before a statement is looked at.

Source: RFC 9457; RFC 9110 section 10.2.3 (Retry-After).
"""

import re
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from api.accept import wants_html
from api.language import TAGS, pick_language
from ledger.problems import FORMAT, REASONS, Reason, Refused
from ledger.stored import StoreRefused, StoreUnavailable

log = structlog.get_logger()

MEDIA = "application/problem+json"
REFUSED_RETRY = 60  # s; somebody must mend rights or credentials first

HTTP: Mapping[str, Reason] = {
    "body-too-large": Reason(413, "The body is too large", "请求体过大"),
    "body-cut-off": Reason(400, "The body ended early", "请求体不完整"),
    "not-supported": Reason(415, "This media type is not accepted here", "不支持此媒体类型"),
    "not-acceptable": Reason(406, "None of the accepted media types is offered", "没有可提供的媒体类型"),
    "bad-line": Reason(400, "A line is not a statement", "某一行不是声明"),
    "bad-parameter": Reason(400, "A parameter is not in the form it must have", "参数格式错误"),
    "bad-identifier": Reason(400, "The address is not a GS1 Digital Link that can be read", "地址不是可识别的 GS1 Digital Link"),
    "not-found": Reason(404, "There is nothing here", "未找到"),
    "unknown-subject": Reason(404, "No record in this log is about this", "账本中没有关于此对象的记录"),
    "no-such-link": Reason(404, "There is no link of this type", "没有此类型的链接"),
    "unknown-statement": Reason(404, "No such statement in this log", "账本中没有此声明"),
    "method-not-allowed": Reason(405, "The method is not allowed here", "不允许此方法"),
    "erased": Reason(410, "The content was erased, its proof was kept", "内容已依法删除，证明仍保留"),
    "not-committed": Reason(422, "These are not the leaves of a label commitment", "不是任何标签承诺的叶哈希"),
    "too-much": Reason(422, "More records than one bundle carries", "记录过多，超出单个证据包的容量"),
    "sign-in": Reason(401, "Sign in with a regulator's key first", "请先以监管密钥登录"),
    "other-site": Reason(403, "The form was sent from another site", "表单来自其他网站"),
    "too-often": Reason(429, "Too many attempts: wait a little", "尝试过于频繁，请稍候"),
    "head-too-large": Reason(431, "The request's head is too large", "请求头过大"),
    "body-too-slow": Reason(408, "The body came too slowly", "请求体传输过慢"),
    "busy": Reason(503, "The service is busy: come back later", "服务繁忙，请稍后再来"),
    "stopping": Reason(503, "This process stops: send it again", "服务正在停止，请重新发送"),
    "unavailable": Reason(503, "The store cannot be reached now: send it again", "存储暂时无法访问，请重新发送"),
    "not-ready": Reason(503, "The service is not ready", "服务尚未就绪"),
    "failed": Reason(500, "Something failed on our side", "服务器内部错误"),
}  # fmt: skip
# Where the fault is when the check itself has no pointer: JSON pointers into {header, signature} and the payload.
PLACES: Mapping[str, str] = {
    "wrong-alg": "/header/alg", "wrong-kid": "/header/kid", "unknown-key": "/header/kid", "revoked-key": "/header/kid",
    "other-party-key": "/issuer", "bad-signature": "/signature", "high-s": "/signature", "bad-base64": "",
    "too-large": "", "not-a-jws": "", "too-many-subjects": "/credentialSubject",
    "bad-check-digit": "/credentialSubject", "bad-uri": "/credentialSubject", "bad-event": "/credentialSubject",
}  # fmt: skip
# What a person can do about it: names of words in the catalog.
ADVICE: Mapping[str, str] = {
    "bad-identifier": "refused.compare", "unknown-subject": "refused.unknown", "not-found": "refused.start",
    "failed": "refused.again", "unavailable": "refused.again", "busy": "refused.again", "stopping": "refused.again",
    "not-ready": "refused.again",
}  # fmt: skip
CLOSES = frozenset(("body-too-large", "body-too-slow", "head-too-large", "stopping"))
"""Problems after which the connection is closed: what the client still sends is not read."""
_BY_STATUS: Mapping[int, str] = {404: "not-found", 405: "method-not-allowed", 400: "bad-parameter", 401: "sign-in"}


class HttpProblem(Exception):
    """A request that cannot be answered as asked; `code` is one of HTTP."""

    def __init__(
        self, code: str, detail: str, *, where: str | None = None, retry_after_s: int | None = None, **more: object
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.where = where
        self.retry_after_s = retry_after_s
        self.more = more
        """Further members of the problem, such as the index of the Erasure."""

    @property
    def reason(self) -> Reason:
        """Status and title."""
        return HTTP[self.code]


def reason_of(code: str) -> Reason | None:
    """Status and titles of a code, None for a word that was never one."""
    known = HTTP.get(code) or REASONS.get(code)
    return known or (FORMAT if re.fullmatch("[a-z0-9-]{2,40}", code) else None)


def problem_body(problem: Refused | HttpProblem, *, base_url: str, lang: str) -> dict[str, Any]:
    """The problem as a JSON object."""
    reason = problem.reason
    body: dict[str, Any] = {
        "type": f"{base_url}/problems/{problem.code}",
        "title": reason.zh if lang == "zh" else reason.en,
        "titles": {"en": reason.en, "zh": reason.zh},
        "status": reason.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    where = PLACES.get(problem.code) if problem.where is None else problem.where
    if where is not None:
        body["where"] = where
    if problem.retry_after_s is not None:
        body["retry_after"] = problem.retry_after_s
    return body | (dict(problem.more) if isinstance(problem, HttpProblem) else {})


def problem_response(problem: Refused | HttpProblem, request: Request) -> Response:
    """The problem as an answer: a page for a person's browser, problem+json for everybody else."""
    lang = pick_language(request)
    request.state.problem = problem.code  # for the journal and the counters (measure.py)
    body = problem_body(problem, base_url=request.app.state.base_url, lang=lang)
    service = getattr(request.app.state, "service", None)
    if service is not None and wants_html(request):
        page: Response = service.views.page(
            request, "refused.html", status=problem.reason.status, problem=body, advice=ADVICE.get(problem.code)
        )
        return page
    headers = {"content-language": TAGS[lang], "cache-control": "no-store", "access-control-allow-origin": "*"}
    if problem.retry_after_s is not None:
        headers["retry-after"] = str(problem.retry_after_s)
    if isinstance(problem, Refused) and problem.link is not None:
        headers["link"] = f'<{problem.link}>; rel="successor-version"'
    if problem.code in CLOSES:
        headers["connection"] = "close"
    return JSONResponse(body, problem.reason.status, headers, MEDIA)


def install(app: FastAPI) -> None:
    """Make the application answer every failure as a problem."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused | HttpProblem)
        return problem_response(error, request)

    async def parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = "/".join(map(str, first["loc"]))
        return problem_response(HttpProblem("bad-parameter", f"{where}: {first['msg']}", where=where), request)

    async def others(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _BY_STATUS.get(error.status_code, "failed")
        answer = problem_response(HttpProblem(code, str(error.detail)), request)
        answer.headers.update(error.headers or {})
        return answer

    async def away(request: Request, error: Exception) -> Response:
        # A failover takes seconds, and sending again is always safe.
        log.warning("store.away", error=str(error).partition("\n")[0])
        text = "the database or the tiles do not answer"
        return problem_response(HttpProblem("unavailable", text, retry_after_s=1), request)

    async def refused(request: Request, error: Exception) -> Response:
        # Rights or credentials of ours are wrong: no client's fault, and no use in coming back at once.
        log.error("store.refused", error=str(error))
        text = "the tiles cannot be read; the operator has been told"
        return problem_response(HttpProblem("unavailable", text, retry_after_s=REFUSED_RETRY), request)

    async def crash(request: Request, error: Exception) -> Response:
        # The cause is in the operator's journal; a stranger learns nothing from it.
        return problem_response(HttpProblem("failed", "the operator has been told"), request)

    for kind in (Refused, HttpProblem):
        app.add_exception_handler(kind, ours)
    for gone in (OperationalError, InterfaceError, PoolTimeout, StoreUnavailable):
        app.add_exception_handler(gone, away)
    app.add_exception_handler(StoreRefused, refused)
    app.add_exception_handler(RequestValidationError, parameters)
    app.add_exception_handler(HTTPException, others)
    app.add_exception_handler(Exception, crash)
