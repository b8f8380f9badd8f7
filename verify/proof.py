"""
tlog-proof: index, inclusion proof and checkpoint of one entry, as a text that stands alone (a receipt).

    c2sp.org/tlog-proof@v1
    index 5
    base64 sibling, leaf to root, one a line

    the checkpoint with all its signatures

Source: c2sp.org/tlog-proof.
"""

from dataclasses import dataclass

from .errors import need
from .merkle import MAX_SIZE, Hash
from .strict import b64_decode, b64_encode, count

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class TlogProof:
    """`extra` is carried but authenticated by nothing."""

    index: int
    path: tuple[Hash, ...]
    checkpoint: str
    extra: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> "TlogProof":
        """Parse a proof; raises Malformed (`bad-proof`).  Index and path are checked by merkle.verify_inclusion."""
        head, gap, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        need(gap and header == HEADER, "not a tlog-proof", "bad-proof")
        extra = b64_decode(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
        need(lines and lines[0].startswith("index ") and len(lines) <= 64, "not a tlog-proof", "bad-proof")
        index, path = count(lines[0][6:], "bad-proof"), lines[1:]
        need(index < MAX_SIZE, "no entry has this index", "bad-proof")
        return cls(index, tuple(b64_decode(line, length=32) for line in path), checkpoint, extra)

    def format(self) -> str:
        """Print the proof as `parse` reads it."""
        extra = [] if self.extra is None else [f"extra {b64_encode(self.extra)}"]
        lines = [HEADER, *extra, f"index {self.index}", *map(b64_encode, self.path)]
        return "\n".join(lines) + "\n\n" + self.checkpoint
