"""
Signing checkpoints: the one place that uses the log key.

It refuses to sign a tree that did not grow from the last signed one, by the verifier's own code: a bug, a bit flip or a
restored backup must end here and not in a fork.

Source: c2sp.org/tlog-checkpoint ("MUST NOT sign any checkpoint inconsistent with one it previously signed").
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.keys import Keys
from ledger.problems import Fatal
from producers.sign import cosign, format_note, sign_note
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.errors import VerificationError
from verify.merkle import Hash, verify_consistency
from verify.note import Note, VerifierKey, lines_of, open_note, parse_note


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint, and the note that signs it with the log's and the clock's lines."""

    checkpoint: Checkpoint
    body: str
    time_s: int


def sign_checkpoint(keys: Keys, last: Signed | None, new: Checkpoint, proof: Sequence[Hash], time_s: int) -> Signed:
    """
    Sign `new`, which `proof` leads to from `last` (None only for the first tree of a log).

    Raises Fatal where the consistency does not verify, the origin is another, time runs back, or the signature that was
    just made does not verify.
    """
    if new.origin != keys.log.name or (last is not None and time_s < last.time_s):
        raise Fatal("refused to sign: another origin, or time ran back")
    if last is not None:
        old = last.checkpoint
        try:
            verify_consistency(old=old.size, new=new.size, old_root=old.root, new_root=new.root, proof=proof)
        except VerificationError as error:
            raise Fatal(f"refused to sign {new.size} after {old.size}: {error.message}") from None
    text = new.format()
    body = sign_note(text, [keys.log]) + cosign(text, keys.clock, time_s)
    return open_signed(body, keys.log.vkey, keys.clock.vkey)


def open_signed(body: str, log: VerifierKey, clock: VerifierKey) -> Signed:
    """Verify a note that we signed earlier.  Raises Fatal: if it is damaged, nothing may be built on it."""
    try:
        note = parse_note(body)
        open_note(note, [log])
        times = [verify_cosignature(note.text, line, clock) for line in lines_of(note, clock)]
        return Signed(Checkpoint.parse(note.text), body, times[0])
    except (VerificationError, IndexError) as error:
        raise Fatal(f"the stored checkpoint is not ours: {error}") from None


def with_lines(body: str, lines: Sequence[str]) -> str:
    """Add signature lines to a note, one a signer."""
    note = parse_note(body)
    fresh = parse_note(note.text + "\n" + "".join(lines)).lines if lines else ()
    known = {(line.name, line.key_id) for line in note.lines}
    return format_note(Note(note.text, (*note.lines, *(line for line in fresh if (line.name, line.key_id) not in known))))
