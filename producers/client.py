"""
The log's HTTP interface, seen from outside: submitting statements, reading proofs, checkpoints and tiles.

What comes back is a claim until trust.py has verified it; here only its form is checked.  Any server address works.  Not
here: retrying, which belongs to whoever keeps the statements (delivery.py).

    Unreachable      no answer; the statements may or may not have arrived, and sending them again is safe
    Busy             the log asks to come back after `retry_after` seconds
    Unexpected       an answer that the interface does not know

Source: interface.md, HTTP; RFC 9457 (problems); c2sp.org/tlog-tiles.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2

from verify.tiles import WIDTH, tile_path

TIMEOUT_S = 30.0  # an answer waits for publication, which takes under a second; a farm's network may take the rest
MAX_LINES = 10_000  # of one submission
MAX_SUBMISSION = 33_554_432  # bytes
MAX_ANSWER = 33_554_432  # bytes
RETRY_S = 30  # where the log is busy and does not say for how long
REFUSALS = frozenset((400, 401, 403, 409, 413, 422))  # HTTP statuses that are about the statement, not about the server
EARLY = "event-in-future"  # code of the one refusal that only asks to wait
PLAIN, WITHHOLDING = "application/vc+jwt", "application/vc+sd-jwt"


class LogError(Exception):
    """The log could not be asked."""


class Unreachable(LogError):
    """No answer came; `sent` says whether the request may have arrived."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Busy(LogError):
    """The log asks to come back later; `problem` says why, where it does."""

    def __init__(self, message: str, *, retry_after: int, problem: "Problem | None" = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.problem = problem


class Unexpected(LogError):
    """The server answered something that is not in the interface; `status` is HTTP's."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a statement was refused (RFC 9457)."""

    code: str
    title: str
    detail: str
    where: str
    """JSON pointer into the statement's payload."""
    retry_after: int | None
    """Seconds, where the same statement may be sent again later."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Problem":
        """Read a problem object; a missing code is the end of its type URI."""
        code = str(body.get("code") or str(body.get("type", "")).rpartition("/")[2] or "refused")
        after = body.get("retry_after", body.get("retryAfter"))
        title, detail, where = (str(body.get(name) or "") for name in ("title", "detail", "where"))
        return cls(code, title, detail, where, after if isinstance(after, int) else None)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return ": ".join(part for part in (self.title or self.code, self.detail) if part) + place


@dataclass(frozen=True, slots=True)
class Result:
    """What the log says became of one statement; nothing in it is verified."""

    status: str
    """published, duplicate, pending or refused."""
    digest: bytes | None = None
    """Of the stored statement: another than the one sent, where that was a duplicate with another signature."""
    index: int | None = None
    time_ms: int | None = None
    proof: str | None = None
    """A tlog-proof."""
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str
    body: bytes


class LogClient:
    """One connection to one log; used by one thread, closed by `with`."""

    def __init__(self, server: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.server = server.rstrip("/")
        self._http = httpx2.Client(
            timeout=httpx2.Timeout(timeout_s), follow_redirects=False, headers={"user-agent": "originmark-producers"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def submit(self, statement: bytes) -> Result:
        """Submit one statement and wait for its receipt or refusal.  Raises LogError."""
        media = WITHHOLDING if b"~" in statement else PLAIN
        try:
            answer = self._request("POST", "/statements", statement, media)
        except Busy as busy:
            # One status for two things: the log is busy, or this statement is early.
            if busy.problem is None or busy.problem.code != EARLY:
                raise
            return Result("refused", problem=busy.problem)
        if answer.status in REFUSALS:
            return Result("refused", problem=Problem.of(_parsed(answer.body)))
        if answer.status not in (200, 201, 202):
            raise Unexpected(_explain(answer), status=answer.status)
        return _result(_parsed(answer.body))

    def submit_lines(self, statements: Sequence[bytes]) -> list[Result]:
        """
        Submit up to 10,000 statements, together at most 32 MiB; one result each, in order.

        A bad statement does not hold up the others.  Raises LogError, ValueError for too many.
        """
        body = b"\n".join(statements) + b"\n"
        if len(statements) > MAX_LINES or len(body) > MAX_SUBMISSION:
            raise ValueError(f"at most {MAX_LINES} statements and {MAX_SUBMISSION} bytes")
        answer = self._request("POST", "/statements", body, "text/plain")
        if answer.status != 200:
            raise Unexpected(_explain(answer), status=answer.status)
        rows = [_parsed(line) for line in answer.body.split(b"\n") if line.strip()]
        if [row.get("line") for row in rows] not in (list(range(len(statements))), list(range(1, len(statements) + 1))):
            raise Unexpected("the log answered for other lines than were sent")
        return [_result(row) for row in rows]

    def hand_in(self, leaves: Sequence[bytes]) -> None:
        """Give the log the leaf hashes of a committed lot's item codes, so that scans can be proven.  Raises LogError."""
        answer = self._request("POST", "/codes", b"".join(leaves), "application/octet-stream")
        if answer.status != 201:
            raise Unexpected(_explain(answer), status=answer.status)

    def statement(self, digest: bytes) -> bytes:
        """Read a stored statement with the disclosures that everybody may see.  Raises LogError."""
        return self._read(f"/statements/{digest.hex()}")

    def proof(self, digest: bytes) -> str:
        """Read the tlog-proof of a stored statement.  Raises LogError."""
        return _text(self._read(f"/statements/{digest.hex()}/proof"))

    def checkpoint(self) -> str:
        """Read the current checkpoint, a signed note.  Raises LogError."""
        return _text(self._read("/log/checkpoint"))

    def policy(self) -> str:
        """Read the policy that the operator proposes.  Raises LogError."""
        return _text(self._read("/log/policy"))

    def tile(self, level: int | str, index: int, width: int) -> bytes:
        """
        Read the first `width` hashes (or entries, level "entries") of a tile, whether it is full by now or not.

        The bytes of more entries than were asked for may follow: trust.py cuts them.  Raises LogError.
        """
        try:
            return self._read(f"/log/{tile_path(level, index, width)}")
        except Unexpected as error:
            # The partial tile may be gone once the full one exists.
            if width == WIDTH or error.status != 404:
                raise
        return self._read(f"/log/{tile_path(level, index)}")

    def _read(self, path: str) -> bytes:
        answer = self._request("GET", path)
        if answer.status != 200:
            raise Unexpected(_explain(answer), status=answer.status)
        return answer.body

    def _request(self, method: str, path: str, body: bytes | None = None, media: str | None = None) -> _Answer:
        headers = {"content-type": media, "accept": "application/json"} if media else {}
        try:
            with self._http.stream(method, self.server + path, content=body, headers=headers) as coming:
                answer = _Answer(coming.status_code, coming.headers.get("retry-after", ""), _gather(coming))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise Unreachable(f"{self.server}: {error}", sent=False) from None
        except httpx2.HTTPError as error:
            raise Unreachable(f"{self.server}: {type(error).__name__} {error}".rstrip(), sent=True) from None
        if answer.status in (429, 503):
            seconds = int(answer.retry_after) if answer.retry_after.isdecimal() else RETRY_S
            raise Busy(_explain(answer), retry_after=seconds, problem=_problem(answer))
        return answer


def _gather(coming: httpx2.Response) -> bytes:
    gathered = bytearray()
    for part in coming.iter_bytes():
        gathered += part
        if len(gathered) > MAX_ANSWER:
            raise Unexpected(f"{coming.url}: more than {MAX_ANSWER} bytes")
    return bytes(gathered)


def _result(body: Mapping[str, Any]) -> Result:
    status = body.get("status")
    if status == "refused":
        problem = body.get("problem")
        return Result("refused", problem=Problem.of(problem if isinstance(problem, dict) else {}))
    index, time_ms, proof = body.get("index"), body.get("time"), body.get("proof")
    try:
        digest = bytes.fromhex(str(body.get("digest")))
    except ValueError:
        digest = b""
    if status not in ("published", "duplicate", "pending") or len(digest) != 32:
        raise Unexpected(f"an unknown answer about a statement: {str(body)[:200]}")
    return Result(
        str(status), digest, index if isinstance(index, int) else None, time_ms if isinstance(time_ms, int) else None,
        proof if isinstance(proof, str) else None,
    )  # fmt: skip


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Unexpected(f"not a JSON object: {text[:200]!r}")
    return body


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Unexpected("not UTF-8") from None


def _problem(answer: _Answer) -> Problem | None:
    try:
        return Problem.of(_parsed(answer.body))
    except Unexpected:
        return None


def _explain(answer: _Answer) -> str:
    return f"the server answered {answer.status}: {_problem(answer) or 'nothing that explains it'}"
