"""Checkpoints, the log's claim about itself: origin, size and root, one a line.  Source: c2sp.org/tlog-checkpoint v1.0.0.
Extension lines are refused: nothing in this project writes them, and a line nobody checks is a place to lie.
Evidence: two checkpoints that one key signed and that cannot both be true; whoever holds that key's vkey can check it
(PROTOCOL.md, "Evidence").  Source: C2SP tlog-witness ("proof of log misbehavior")."""
from collections.abc import Sequence
from dataclasses import dataclass
from .errors import NotConsistent, NotTrusted, need
from .merkle import Hash, verify_consistency
from .note import VerifierKey, open_note, parse_note
from .strict import b64_decode, b64_encode, count

FIRST = "originmark/evidence/v1"
MAX_EVIDENCE = 200_000  # bytes: two notes and 64 hashes

@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Origin, number of entries, and the root over them (32 bytes)."""
    origin: str
    size: int
    root: Hash

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Parse the text of a note; raises Malformed (`bad-checkpoint`)."""
        lines = text.split("\n")
        need(len(lines) == 4 and lines[0] and not lines[3], "not origin, size and root", "bad-checkpoint")
        return cls(lines[0], count(lines[1], "bad-checkpoint"), b64_decode(lines[2], length=32))

    def format(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64_encode(self.root)}\n"

@dataclass(frozen=True, slots=True)
class Evidence:
    """Two notes as they were signed, the older size first; `root` and `proof` are about the newer one's tree."""
    older: str
    newer: str
    root: Hash | None = None
    proof: tuple[Hash, ...] = ()

    @classmethod
    def parse(cls, data: bytes | str) -> "Evidence":
        """Parse a file of evidence; raises Malformed (`bad-evidence`)."""
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        parts = text.split("\n\n")
        need(len(data) <= MAX_EVIDENCE and len(parts) == 5, "not a head and two notes", "bad-evidence")
        first, *lines = parts[0].split("\n")
        root = b64_decode(lines.pop(0)[5:], length=32) if lines and lines[0].startswith("root ") else None
        proof = tuple(b64_decode(line, length=32) for line in lines)
        read = cls(f"{parts[1]}\n\n{parts[2]}\n", f"{parts[3]}\n\n{parts[4]}", root, proof)
        need(first == FIRST and read.format() == text, "not evidence in its one form", "bad-evidence")
        return read

    def format(self) -> str:
        root = [] if self.root is None else [f"root {b64_encode(self.root)}"]
        return "\n".join([FIRST, *root, *map(b64_encode, self.proof)]) + f"\n\n{self.older}\n{self.newer}"

def verify_evidence(evidence: Evidence, keys: Sequence[VerifierKey]) -> tuple[VerifierKey, Checkpoint, Checkpoint]:
    """Return the key that signed both, and both, where they cannot be true of one log.  Raises BadSignature; NotTrusted where
    no key signed both; NotConsistent where both may be true (`unproven`: nobody can tell)."""
    notes = parse_note(evidence.older), parse_note(evidence.newer)
    older, newer = (Checkpoint.parse(note.text) for note in notes)
    signed = [key for key in open_note(notes[0], keys) if key in open_note(notes[1], keys)]
    NotTrusted.unless(signed and older.origin == newer.origin == signed[0].name, "not two checkpoints of one log by one key")
    root = newer.root if older.size == newer.size else evidence.root
    if root is None:
        raise NotConsistent("without the newer tree's tiles nobody can tell", "unproven")
    # The proof binds `root` to what was signed for the newer size: no other root of the older size leads there.
    verify_consistency(old=older.size, new=newer.size, old_root=root, new_root=newer.root, proof=evidence.proof)
    NotConsistent.unless(root != older.root, "the newer tree contains the older one: both may be true")
    return signed[0], older, newer
