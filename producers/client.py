"""
The log's HTTP interface, seen from outside: submitting statements, reading proofs, checkpoints and tiles.

What comes back is a claim until trust.py has verified it; here only its form is checked (answers.py).  Any server address
works.  Not here: retrying, which belongs to whoever keeps the statements (delivery.py).

Source: interface.md, HTTP; c2sp.org/tlog-tiles.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx2

from producers.answers import (
    Answer,
    Busy,
    Problem,
    Result,
    Unexpected,
    Unreachable,
    decode_text,
    explain,
    parse_object,
    problem_of,
    read_result,
)
from verify import gs1
from verify.tiles import WIDTH, tile_path

TIMEOUT_S = 30.0  # an answer waits for publication, which takes under a second; a farm's network may take the rest
MAX_LINES = 10_000  # of one submission
MAX_SUBMISSION = 33_554_432  # bytes
MAX_ANSWER = 33_554_432  # bytes
RETRY_S = 30  # where the log is busy and does not say for how long
REFUSALS = frozenset((400, 401, 403, 409, 413, 422))  # HTTP statuses that are about the statement, not about the server
EARLY = "event-in-future"  # code of the one refusal that only asks to wait
PLAIN, WITHHOLDING = "application/vc+jwt", "application/vc+sd-jwt"


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
            return Result("refused", problem=Problem.of(parse_object(answer.body)))
        if answer.status not in (200, 201, 202):
            raise Unexpected(explain(answer), status=answer.status)
        return read_result(parse_object(answer.body))

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
            raise Unexpected(explain(answer), status=answer.status)
        rows = [parse_object(line) for line in answer.body.split(b"\n") if line.strip()]
        if [row.get("line") for row in rows] not in (list(range(len(statements))), list(range(1, len(statements) + 1))):
            raise Unexpected("the log answered for other lines than were sent")
        return [read_result(row) for row in rows]

    def hand_in(self, leaves: Sequence[bytes]) -> None:
        """Give the log the leaf hashes of a committed lot's item codes, so that scans can be proven.  Raises LogError."""
        answer = self._request("POST", "/codes", b"".join(leaves), "application/octet-stream")
        if answer.status != 201:
            raise Unexpected(explain(answer), status=answer.status)

    def bundle(self, subject: str) -> bytes:
        """Read the bundle of a GS1 subject (canonical URI).  Raises LogError; Unexpected of status 404 where none is logged."""
        return self._read(subject.removeprefix(gs1.HOST))

    def statement(self, digest: bytes) -> bytes:
        """Read a stored statement with the disclosures that everybody may see.  Raises LogError."""
        return self._read(f"/statements/{digest.hex()}")

    def proof(self, digest: bytes) -> str:
        """Read the tlog-proof of a stored statement.  Raises LogError."""
        return decode_text(self._read(f"/statements/{digest.hex()}/proof"))

    def checkpoint(self) -> str:
        """Read the current checkpoint, a signed note.  Raises LogError."""
        return decode_text(self._read("/log/checkpoint"))

    def policy(self) -> str:
        """Read the policy that the operator proposes.  Raises LogError."""
        return decode_text(self._read("/log/policy"))

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
            raise Unexpected(explain(answer), status=answer.status)
        return answer.body

    def _request(self, method: str, path: str, body: bytes | None = None, media: str | None = None) -> Answer:
        headers = {"content-type": media, "accept": "application/json"} if media else {}
        try:
            with self._http.stream(method, self.server + path, content=body, headers=headers) as coming:
                answer = Answer(coming.status_code, coming.headers.get("retry-after", ""), _gather(coming))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise Unreachable(f"{self.server}: {error}", sent=False) from None
        except httpx2.HTTPError as error:
            raise Unreachable(f"{self.server}: {type(error).__name__} {error}".rstrip(), sent=True) from None
        if answer.status in (429, 503):
            seconds = int(answer.retry_after) if answer.retry_after.isdecimal() else RETRY_S
            raise Busy(explain(answer), retry_after=seconds, problem=problem_of(answer))
        return answer


def _gather(coming: httpx2.Response) -> bytes:
    gathered = bytearray()
    for part in coming.iter_bytes():
        gathered += part
        if len(gathered) > MAX_ANSWER:
            raise Unexpected(f"{coming.url}: more than {MAX_ANSWER} bytes")
    return bytes(gathered)
