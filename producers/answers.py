"""
What a log answers, read from its JSON, and how asking it fails.

    Unreachable      no answer; the statements may or may not have arrived, and sending them again is safe
    Busy             the log asks to come back after `retry_after` seconds
    Unexpected       an answer that the interface does not know

Nothing in an answer is verified here: trust.py does that.

Source: interface.md, HTTP; RFC 9457 (problems).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
        titles = body.get("titles")
        if isinstance(titles, Mapping) and titles.get("en") and titles.get("zh"):
            title = f"{titles['en']} / {titles['zh']}"
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
class Answer:
    """One answer of the server, whatever its status; `retry_after` is the header, empty where there is none."""

    status: int
    retry_after: str
    body: bytes


def read_result(body: Mapping[str, Any]) -> Result:
    """What an object says became of one statement.  Raises Unexpected."""
    status = body.get("status")
    if status == "refused":
        problem = body.get("problem")
        return Result("refused", problem=Problem.of(problem if isinstance(problem, dict) else {}))
    index, time_ms, proof = body.get("index"), body.get("time"), body.get("proof")
    try:
        digest = bytes.fromhex(str(body.get("digest")))
    except ValueError:
        digest = b""
    numbers = [one for one in (index, time_ms) if one is not None]
    # A log may answer anything: an index of -1 would be read as the last one.
    is_sound = all(type(one) is int and one >= 0 for one in numbers) and isinstance(proof, str | None)
    if status not in ("published", "duplicate", "pending") or len(digest) != 32 or not is_sound:
        raise Unexpected(f"an unknown answer about a statement: {str(body)[:200]}")
    return Result(str(status), digest, index, time_ms, proof)


def parse_object(text: bytes) -> dict[str, Any]:
    """Read a JSON object.  Raises Unexpected for anything else."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Unexpected(f"not a JSON object: {text[:200]!r}")
    return body


def decode_text(data: bytes) -> str:
    """Read UTF-8.  Raises Unexpected."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Unexpected("not UTF-8") from None


def problem_of(answer: Answer) -> Problem | None:
    """The problem that an answer carries, None where it carries none."""
    try:
        return Problem.of(parse_object(answer.body))
    except Unexpected:
        return None


def explain(answer: Answer) -> str:
    """Say in a sentence what the server answered."""
    return f"the server answered {answer.status}: {problem_of(answer) or 'nothing that explains it'}"
