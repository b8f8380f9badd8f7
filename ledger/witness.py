"""
Asking one witness: a third party that cosigns a checkpoint once it has seen that the log only grew.

    Witness           one that we ask, by whatever transport: HTTP, or a cosigner that runs in this process
    Standing          how it has been doing, for those who watch the operator

Every cosignature is verified before it is used: by the witness's own key, over exactly our text, at about our time.  A witness
that is away, slow or refuses is left alone for a while, so that it does not delay every batch.  Asking several is in
witnesses.py, witnesses themselves are in ledger/witnessing/.

Source: c2sp.org/tlog-witness v1.0.0, tlog-cosignature.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx2

from ledger.witnessing.wire import CONFLICT, DENIED, OK, UNKNOWN, UNPROCESSABLE, Reply, format_request
from producers.sign import format_line
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.errors import VerificationError
from verify.merkle import Hash
from verify.note import Note, VerifierKey, lines_of, parse_note
from verify.strict import count

MAX_ANSWER = 16_384  # bytes; a few lines, or a size
TRIES = 3  # the witness may be ahead or behind of what we remember
TIMEOUT_S = 2.0
SANE_S = 300  # a cosignature is made now: one of another hour is a replay, or a clock that is wrong
MAX_REST_S = 60.0
Prove = Callable[[int], Sequence[Hash]]
"""prove(old) gives the consistency proof from size `old` to the checkpoint at hand; empty for 0 and for equal sizes."""


class WitnessFailed(Exception):
    """
    The witness did not cosign.  `code` names the outcome for machines, `status` is HTTP's, 0 where there was no answer.

        no-answer    it is away, or slower than we wait      unknown-log  it does not follow us (404)
        resting      not asked: it failed a moment ago       denied       it does not take our signature, or convicted us (403)
        slower       enough others signed before it          refused      any other status
        bad-answer   its answer is no cosignature of ours
        ahead        it cosigned a larger tree of ours than this one
        forked       it holds another tree of ours (422)

    The last two mean that this log is not what others have seen: an old copy, or a fork.
    """

    def __init__(self, name: str, code: str, reason: str, status: int = 0) -> None:
        super().__init__(f"witness {name}: {code}: {reason}")
        self.name, self.code, self.status = name, code, status

    @property
    def is_alarming(self) -> bool:
        """Whether it speaks against the log and not against the witness."""
        return self.code in ("ahead", "forked")


@dataclass(frozen=True, slots=True)
class Standing:
    """One witness as we know it.  Its lag in entries is the published size less `size`."""

    name: str
    size: int
    """What it cosigned last, as far as we know; 0 before the first answer."""
    outcome: str
    """`cosigned`, a code of WitnessFailed, or empty before the first answer."""
    failures: int
    """In a row."""
    cosigned_s: int | None
    """The time in its last cosignature, seconds since 1970."""
    took_s: float
    """How long its last answer took."""


Submit = Callable[[str], Reply]
"""Sends the body of an add-checkpoint request; raises OSError or httpx2.HTTPError where there is no answer."""


@dataclass(slots=True)
class Witness:
    """One witness that we ask.  `size` is what it cosigned last, as far as we know: it corrects us."""

    key: VerifierKey
    submit: Submit
    size: int = 0
    timeout_s: float = TIMEOUT_S
    """For the whole of one conversation, corrections included."""
    now_s: Callable[[], float] = time.time
    _outcome: str = field(default="", init=False)
    _failures: int = field(default=0, init=False)
    _rests_until: float = field(default=0.0, init=False)  # by the monotonic clock
    _cosigned_s: int | None = field(default=None, init=False)
    _took_s: float = field(default=0.0, init=False)
    _at_work: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def standing(self) -> Standing:
        """How it has been doing."""
        return Standing(self.key.name, self.size, self._outcome, self._failures, self._cosigned_s, self._took_s)

    @property
    def is_resting(self) -> bool:
        """Whether it failed so recently, or is still at work on an older checkpoint, that it is better left alone."""
        return self._at_work.locked() or time.monotonic() < self._rests_until

    def cosign(self, body: str, prove: Prove) -> str:
        """Its verified signature line for the checkpoint note `body`.  Raises WitnessFailed; what `prove` raises passes."""
        if not self._at_work.acquire(blocking=False):
            raise self.failed("no-answer", "still at work on an older checkpoint")
        start = time.monotonic()
        try:
            line = self._converse(parse_note(body), body, prove)
            self._note("cosigned", start)
            return line
        except WitnessFailed as error:
            self._note(error.code, start)
            raise
        finally:
            self._at_work.release()

    def late(self) -> WitnessFailed:
        """Note that it took longer than we wait; should its answer come later, that corrects what is noted."""
        error = self.failed("no-answer", f"nothing in {self.timeout_s} s")
        self._note(error.code, time.monotonic() - self.timeout_s)
        return error

    def failed(self, code: str, reason: str, status: int = 0) -> WitnessFailed:
        """The error that says so, not yet noted."""
        return WitnessFailed(self.key.name, code, reason, status)

    def _converse(self, note: Note, body: str, prove: Prove) -> str:
        new = Checkpoint.parse(note.text).size
        for _ in range(TRIES):
            old = min(self.size, new)
            reply = self._send(format_request(old, prove(old), body))
            if reply.status == OK:
                line = self._line(note.text, reply.text)
                self.size = new
                return line
            if reply.status != CONFLICT:
                raise self.failed(_CODES.get(reply.status, "refused"), reply.text[:200].strip(), reply.status)
            self.size = self._corrected(reply, old, new)
        raise self.failed("bad-answer", "changes its mind about the size", CONFLICT)

    def _corrected(self, reply: Reply, old: int, new: int) -> int:
        """The size that it names.  It may be wrong or lie, and costs us a proof at most."""
        try:
            size = count(reply.text.removesuffix("\n"))
        except VerificationError:
            size = old
        if size > new:
            raise self.failed("ahead", f"it has cosigned {size} entries, and we show it {new}", CONFLICT)
        if size == old:
            # v1.0.0 says 409, without more, where the size is the same and the root is not.
            raise self.failed("forked" if old == new else "bad-answer", "it names no other size", CONFLICT)
        return size

    def _send(self, request: str) -> Reply:
        try:
            return self.submit(request)
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self.failed("no-answer", str(error) or type(error).__name__) from None

    def _line(self, text: str, answer: str) -> str:
        try:
            lines = lines_of(parse_note(f"{text}\n{answer}"), self.key)
            times = [verify_cosignature(text, line, self.key) for line in lines]
        except VerificationError as error:
            raise self.failed("bad-answer", f"its signature does not verify: {error.message}", OK) from None
        if not times:
            raise self.failed("bad-answer", "no line by its key", OK)
        time_s, line = max(zip(times, lines, strict=True), key=lambda one: one[0])
        if abs(time_s - self.now_s()) > SANE_S:
            raise self.failed("bad-answer", f"it signed the time {time_s}", OK)
        self._cosigned_s = time_s
        return format_line(line)

    def _note(self, outcome: str, start: float) -> None:
        now = time.monotonic()
        self._outcome, self._took_s = outcome, now - start
        self._failures = 0 if outcome == "cosigned" else self._failures + 1
        # One second after the first failure, then twice as long each time.
        rest = min(2.0 ** min(self._failures - 1, 10), MAX_REST_S) if self._failures else 0.0
        self._rests_until = now + rest


_CODES = {UNKNOWN: "unknown-log", DENIED: "denied", UNPROCESSABLE: "forked"}


def over_http(url: str, timeout_s: float) -> Submit:
    """The transport to a witness at the submission prefix `url`; one connection is kept, redirects are not followed."""
    # Not compressed: a small answer must not unpack to a large one.
    client = httpx2.Client(timeout=timeout_s, headers={"accept-encoding": "identity"})
    address = f"{url.rstrip('/')}/add-checkpoint"

    def submit(request: str) -> Reply:
        end = time.monotonic() + timeout_s
        answer = bytearray()
        with client.stream("POST", address, content=request.encode()) as reply:
            for part in reply.iter_raw():
                answer += part
                if len(answer) > MAX_ANSWER or time.monotonic() > end:
                    raise OSError("the answer is too long, or too slow")
        return Reply(reply.status_code, answer.decode("utf-8", "replace"))

    return submit
