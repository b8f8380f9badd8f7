"""Checkpoints, the log's claim about itself: origin, size and root, one a line.  Source: c2sp.org/tlog-checkpoint v1.0.0.
Extension lines are refused: nothing in this project writes them, and a line nobody checks is a place to lie."""
from dataclasses import dataclass
from .errors import need
from .merkle import Hash
from .strict import b64_decode, b64_encode, count

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
