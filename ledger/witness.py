"""
Witnesses: third parties that cosign a checkpoint once they have seen that it only grew.

    Witness           asks one, by whatever transport: HTTP, or one that runs in this process
    LocalWitness      is one: refuses every fork of a log, and remembers in a file what it cosigned
    collect           asks all at once and keeps the lines that verify

The operator's own witness convinces nobody else; it is for the demo and as a second memory beside the database.

Source: c2sp.org/tlog-witness v1.0.0, tlog-cosignature.
"""

import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from producers.sign import Signer, cosign, format_line
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.errors import VerificationError
from verify.merkle import EMPTY_ROOT, Hash, verify_consistency
from verify.note import VerifierKey, lines_of, open_note, parse_note
from verify.strict import b64_decode, b64_encode

MAX_PROOF = 63  # hashes; tlog-witness
MAX_ANSWER = 16_384  # bytes; a few lines, or a size
TRIES = 3  # the witness may be ahead or behind of what we remember
CONFLICT, UNPROCESSABLE = 409, 422
Prove = Callable[[int], Sequence[Hash]]
"""prove(old) gives the consistency proof from size `old` to the checkpoint at hand; empty for 0 and for equal sizes."""


class WitnessFailed(Exception):
    """The witness did not cosign: it is away, or it says why not.  `status` as in HTTP, 0 where there was no answer."""

    def __init__(self, name: str, reason: str, status: int = 0) -> None:
        super().__init__(f"witness {name}: {reason}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Reply:
    """A witness's answer: HTTP status and text."""

    status: int
    text: str


Submit = Callable[[str], Reply]
"""Sends the body of an add-checkpoint request; raises OSError or httpx2.HTTPError where there is no answer."""


@dataclass(slots=True)
class Witness:
    """One witness that we ask.  `size` is what it cosigned last, as far as we know: it corrects us."""

    key: VerifierKey
    submit: Submit
    size: int = 0

    def cosign(self, body: str, prove: Prove) -> str:
        """Its verified signature line for the checkpoint note `body`.  Raises WitnessFailed."""
        note = parse_note(body)
        new = Checkpoint.parse(note.text).size
        for _ in range(TRIES):
            old = min(self.size, new)
            reply = self._send(format_request(old, prove(old), body))
            if reply.status == CONFLICT and re.fullmatch(r"(0|[1-9][0-9]{0,15})\n", reply.text):
                self.size = int(reply.text)
                if self.size <= new:
                    continue
            if reply.status != 200:
                raise WitnessFailed(self.key.name, f"answers {reply.status}: {reply.text[:200].strip()}", reply.status)
            line = self._line(note.text, reply.text)
            self.size = new
            return line
        raise WitnessFailed(self.key.name, "changes its mind about the size", CONFLICT)

    def _send(self, request: str) -> Reply:
        try:
            return self.submit(request)
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise WitnessFailed(self.key.name, f"no answer: {error}") from None

    def _line(self, text: str, answer: str) -> str:
        try:
            (line, *_) = lines_of(parse_note(f"{text}\n{answer}"), self.key)
            verify_cosignature(text, line, self.key)
        except (VerificationError, ValueError):
            raise WitnessFailed(self.key.name, "its signature does not verify") from None
        return format_line(line)


def over_http(url: str, timeout_s: float) -> Submit:
    """The transport to a witness at the submission prefix `url`."""

    def submit(request: str) -> Reply:
        answer = httpx2.post(f"{url.rstrip('/')}/add-checkpoint", content=request.encode(), timeout=timeout_s)
        return Reply(answer.status_code, answer.content[:MAX_ANSWER].decode("utf-8", "replace"))

    return submit


def collect(witnesses: Sequence[Witness], body: str, prove: Prove) -> tuple[dict[str, str], list[WitnessFailed]]:
    """Ask all at once: signature lines by witness name, and who failed.  Takes as long as the slowest transport allows."""
    lines: dict[str, str] = {}
    failed: list[WitnessFailed] = []
    if not witnesses:
        return lines, failed
    with ThreadPoolExecutor(len(witnesses)) as threads:
        asked = [(witness, threads.submit(witness.cosign, body, prove)) for witness in witnesses]
        for witness, future in asked:
            try:
                lines[witness.key.name] = future.result()
            except WitnessFailed as error:
                failed.append(error)
    return lines, failed


def format_request(old: int, proof: Sequence[Hash], body: str) -> str:
    """The body of add-checkpoint."""
    return f"old {old}\n" + "".join(f"{b64_encode(node)}\n" for node in proof) + "\n" + body


def parse_request(text: str) -> tuple[int, list[Hash], str]:
    """Read (old size, proof, checkpoint note) from the body of add-checkpoint.  Raises Malformed, ValueError."""
    head, gap, body = text.partition("\n\n")
    first, *hashes = head.split("\n")
    if not gap or not re.fullmatch(r"old (0|[1-9][0-9]{0,15})", first) or len(hashes) > MAX_PROOF:
        raise ValueError("not an add-checkpoint request")
    return int(first[4:]), [b64_decode(one, length=32) for one in hashes], body


@dataclass(slots=True)
class LocalWitness:
    """A witness in this process: cosigns for the logs it knows, and never two trees that are not one's prefix."""

    signer: Signer
    """Kind 04."""
    logs: Sequence[VerifierKey]
    state: Path
    """JSON file: origin -> [size, root in base64].  Trusted: who rolls it back can have a fork cosigned."""
    now_s: Callable[[], int]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_checkpoint(self, request: str) -> Reply:
        """Answer an add-checkpoint request as tlog-witness asks; check and memory are one atomic step."""
        try:
            old, proof, body = parse_request(request)
            note = parse_note(body)
            new = Checkpoint.parse(note.text)
        except (VerificationError, ValueError) as error:
            return Reply(400, f"{error}\n")
        mine = [key for key in self.logs if key.name == new.origin]
        if not mine:
            return Reply(404, "unknown log\n")
        try:
            open_note(note, mine)
        except VerificationError as error:
            return Reply(403, f"{error.message}\n")
        if old > new.size:
            return Reply(400, "the old size is larger than the new one\n")
        with self._lock:
            return self._advance(old, proof, new, note.text)

    def _advance(self, old: int, proof: Sequence[Hash], new: Checkpoint, text: str) -> Reply:
        known = self._read()
        size, root = known.get(new.origin, (0, EMPTY_ROOT))
        if old != size:
            return Reply(CONFLICT, f"{size}\n")
        try:
            if size:
                verify_consistency(old=size, new=new.size, old_root=root, new_root=new.root, proof=proof)
            elif proof or (new.size == 0 and new.root != EMPTY_ROOT):
                return Reply(UNPROCESSABLE, "no proof leads from nothing\n")
        except VerificationError as error:
            return Reply(UNPROCESSABLE, f"{error.message}\n")
        # Remembered before it is answered: a crash in between costs a signature, never a second tree.
        self._write({**known, new.origin: (new.size, new.root)})
        return Reply(200, cosign(text, self.signer, self.now_s()))

    def _read(self) -> dict[str, tuple[int, Hash]]:
        if not self.state.exists():
            return {}
        kept = json.loads(self.state.read_text("utf-8"))
        return {origin: (size, b64_decode(root, length=32)) for origin, (size, root) in kept.items()}

    def _write(self, known: dict[str, tuple[int, Hash]]) -> None:
        self.state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self.state.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump({origin: (size, b64_encode(root)) for origin, (size, root) in known.items()}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.state)
        descriptor = os.open(self.state.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
