"""
The judgement of a witness: which checkpoint is cosigned, which is refused, and what is kept as evidence.

    404  a log that we do not follow                    409  another old size than ours, which the answer names
    403  not signed by the log's key, or convicted      422  the proof does not lead from our tree to the new one
    400  not a request                                  503  our clock ran back, or our memory is away

Two checkpoints that the log signed and that cannot both be true convict it: they are stored, and nothing of that log is
cosigned until a human says so.  A bad proof alone convicts nobody, since anyone can send one with a good checkpoint.

Source: c2sp.org/tlog-witness, with the order of its checks; tlog-cosignature.
"""

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import structlog

from ledger.witnessing.memory import Caught, Memory, Remembered
from ledger.witnessing.wire import (
    BAD_REQUEST,
    CONFLICT,
    DENIED,
    LATER,
    OK,
    UNKNOWN,
    UNPROCESSABLE,
    Reply,
    Request,
    parse_request,
)
from producers.private import sync_path
from producers.sign import Signer, cosign, format_line
from verify.checkpoint import Evidence, verify_evidence
from verify.errors import VerificationError
from verify.merkle import EMPTY_ROOT, consistent_roots, verify_consistency
from verify.note import VerifierKey, lines_of, open_note

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Cosigner:
    """One witness: cosigns for the logs in its memory, and never two trees of which neither is the other's beginning."""

    signer: Signer
    """Kind 04, and for cosignatures only."""
    memory: Memory
    now_s: Callable[[], int]

    def add_checkpoint(self, body: bytes | str) -> Reply:
        """Answer an add-checkpoint request; safe to call from several threads and processes at once."""
        try:
            return self._answer(parse_request(body))
        except VerificationError as error:
            return Reply(BAD_REQUEST, f"{error.message}\n")
        except sqlite3.Error as error:
            log.error("witness.memory", error=str(error))
            return Reply(LATER, "this witness cannot reach its memory\n")

    def _answer(self, asked: Request) -> Reply:
        keys = self.memory.keys(asked.checkpoint.origin)
        if not keys:
            return Reply(UNKNOWN, "a log that this witness does not follow\n")
        try:
            signed = open_note(asked.note, keys)
        except VerificationError as error:
            return Reply(DENIED, f"{error.message}\n")
        if asked.old > asked.checkpoint.size:
            return Reply(BAD_REQUEST, "the old size is larger than the new one\n")
        return self._advance(asked, signed)

    def _advance(self, asked: Request, signed: Sequence[VerifierKey]) -> Reply:
        while True:
            (head,) = self.memory.heads(asked.checkpoint.origin)
            refusal = self._refusal(head, asked, signed)
            if refusal is not None:
                return refusal
            now = self.now_s()
            if now < head.time_s:
                return Reply(LATER, "this witness's clock ran back\n")
            line = cosign(asked.note.text, self.signer, now)
            own = "".join(format_line(one) for key in signed for one in lines_of(asked.note, key))
            checkpoint = asked.checkpoint
            new = Remembered(checkpoint.origin, checkpoint.size, checkpoint.root, f"{asked.note.text}\n{own}{line}", now)
            # Remembered before it is answered: a crash in between costs a cosignature, never a second tree.  Where another
            # request was faster, this one is judged again by what that one left.
            if self.memory.swap(head, new):
                return Reply(OK, line)

    def _refusal(self, head: Remembered, asked: Request, signed: Sequence[VerifierKey]) -> Reply | None:
        new = asked.checkpoint
        if head.convicted:
            return Reply(DENIED, "this log showed two trees: nothing of it is cosigned\n")
        if new.size == 0 and new.root != EMPTY_ROOT:
            return Reply(UNPROCESSABLE, "not the root of an empty tree\n")
        if new.size == head.size and new.root != head.root:
            return self._catch(head, asked, signed)  # whatever old size came with it
        if asked.old != head.size:
            return Reply(CONFLICT, f"{head.size}\n")
        if head.size == 0:
            return Reply(UNPROCESSABLE, "no proof leads from nothing\n") if asked.proof else None
        try:
            verify_consistency(old=head.size, new=new.size, old_root=head.root, new_root=new.root, proof=asked.proof)
        except VerificationError:
            return self._catch(head, asked, signed)
        return None

    def _catch(self, head: Remembered, asked: Request, signed: Sequence[VerifierKey]) -> Reply:
        """Store what was shown, and whether it convicts."""
        evidence = Evidence(head.note, asked.note.text + "\n" + "".join(map(format_line, asked.note.lines)))
        if asked.checkpoint.size > head.size:
            evidence = replace(evidence, proof=asked.proof, root=_root_in(head, asked))
        try:
            verify_evidence(evidence, signed)
            convicts = True
        except VerificationError:
            convicts = False
        self.memory.keep(Caught(head.origin, convicts, self.now_s(), evidence.format(), ""))
        self.export()
        log.warning("witness.caught", origin=head.origin, old=head.size, new=asked.checkpoint.size, convicts=convicts)
        return Reply(UNPROCESSABLE, "the proof does not lead from the tree we cosigned to this one\n")

    def export(self) -> list[Path]:
        """Write all evidence that convicts to files that anybody can check, where they are not there yet."""
        paths = []
        for caught in self.memory.caught():
            path = self.memory.path.parent / "evidence" / f"{sha256(caught.body.encode()).hexdigest()[:16]}.txt"
            if caught.convicts:
                paths.append(path)
                _write_once(path, caught.body)
        return paths


def _root_in(head: Remembered, asked: Request) -> bytes | None:
    """The root that the new tree has at our size, by the proof that came with it; None where it does not lead to the new root."""
    try:
        old, new = consistent_roots(old=head.size, new=asked.checkpoint.size, old_root=head.root, proof=asked.proof)
    except VerificationError:
        return None
    return old if new == asked.checkpoint.root else None


def _write_once(path: Path, text: str) -> None:
    if path.exists() and path.read_bytes() == text.encode():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, since several requests may show the same; on the disk before it has its name, or a power cut could
    # leave an empty file that looks like evidence.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    temporary.write_bytes(text.encode())
    sync_path(temporary)
    temporary.replace(path)
    sync_path(path.parent)
