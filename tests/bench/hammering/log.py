"""
The log as the hammer sees it: several addresses for one log, HTTP that fails and is tried again, notes that must verify.

Every answer is checked with verify/; nothing of ledger/ is used here, so that a fault there cannot excuse itself.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import httpx2

from tests.bench.hammering.tally import Tally
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.note import VerifierKey, lines_of, open_note, parse_note
from verify.policy import Policy
from verify.tiles import WIDTH, tile_path

TIMEOUT_S = 35.0  # the service answers "pending" after 25
PAUSE_S = 0.1  # before the next try
LONGEST_S = 1.0  # however long the server asks us to stay away: the time that writes stood still must show
IsOver = Callable[[], bool]
"""Whether the run has ended."""


class Away(Exception):
    """The log gave no usable answer; it may give one later."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The log's own keys, from a policy."""

    log: VerifierKey
    clock: VerifierKey

    @classmethod
    def of(cls, policy: str) -> "Trust":
        """From a policy's text.  Raises VerificationError where it names no log or no clock."""
        found = Policy.parse(policy)
        return cls(found.logs[0], found.clocks[0])

    def open(self, note: str) -> tuple[Checkpoint, int]:
        """The checkpoint under both signatures, and its time (s).  Raises VerificationError."""
        parsed = parse_note(note)
        open_note(parsed, [self.log])
        (line,) = lines_of(parsed, self.clock)
        return Checkpoint.parse(parsed.text), verify_cosignature(parsed.text, line, self.clock)


@dataclass(slots=True)
class Remote:
    """One log behind one or more addresses, which are used in turn."""

    urls: Sequence[str]
    tally: Tally
    http: httpx2.AsyncClient = field(init=False)
    _turn: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=512)
        self.http = httpx2.AsyncClient(timeout=httpx2.Timeout(TIMEOUT_S, connect=3.0), limits=limits)
        self._turn = itertools.cycle(self.urls)

    async def ask(self, method: str, path: str, *, body: bytes | None = None, media: str = "") -> httpx2.Response:
        """One request.  Raises Away where nothing usable came back; 4xx is an answer."""
        headers = {"content-type": media, "accept": "application/json"} if media else {}
        try:
            answer = await self.http.request(method, next(self._turn) + path, content=body, headers=headers)
        except httpx2.HTTPError as error:
            self.tally.notes[type(error).__name__] += 1
            raise Away(type(error).__name__) from None
        if answer.status_code == 429 or answer.status_code >= 500:
            self.tally.notes[f"HTTP {answer.status_code}"] += 1
            after = answer.headers.get("retry-after", "")
            await asyncio.sleep(min(float(after), LONGEST_S) if after.isdecimal() else PAUSE_S)
            raise Away(f"HTTP {answer.status_code}")
        return answer

    async def checkpoint(self) -> str:
        """The published checkpoint, a note.  Raises Away."""
        return (await self._found("/log/checkpoint")).decode("utf-8", "replace")

    async def tile(self, level: int | str, index: int, width: int) -> bytes:
        """A tile of this width, or the full one where it has replaced it.  Raises Away."""
        answer = await self.ask("GET", f"/log/{tile_path(level, index, width)}")
        if answer.status_code == 404 and width < WIDTH:
            return await self._found(f"/log/{tile_path(level, index)}")
        return _body(answer)

    async def statement(self, digest: str) -> bytes:
        """A statement as stored.  Raises Away."""
        return await self._found(f"/statements/{digest}")

    async def proof(self, digest: str) -> str:
        """Its tlog-proof.  Raises Away."""
        return (await self._found(f"/statements/{digest}/proof")).decode("utf-8", "replace")

    async def _found(self, path: str) -> bytes:
        return _body(await self.ask("GET", path))


def _body(answer: httpx2.Response) -> bytes:
    # What was promised to be there is not: that is no weather.
    if answer.status_code != 200:
        raise Missing(f"{answer.request.url.path}: HTTP {answer.status_code} {answer.text[:120]}")
    return answer.content


class Missing(Exception):
    """The log denies what it must have."""
