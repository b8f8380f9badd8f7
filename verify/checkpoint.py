"""
Checkpoints: the log's claim about itself, as text.

    traceability.example/log        origin
    20852163                        size: decimal, no leading zero
    CsUYapGGPo4dkMgIAUqom/...=      root: base64, 32 bytes

Signatures live in note.py; what makes two checkpoints consistent, in merkle.py.  Extension lines are refused: nothing
in this project writes them, and a line nobody checks is a place to lie.

Source: c2sp.org/tlog-checkpoint v1.0.0.
"""

import re
from dataclasses import dataclass

from .errors import Malformed
from .merkle import MAX_SIZE, Hash
from .strict import b64_decode, b64_encode


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
        if len(lines) != 4 or lines[3] or not lines[0] or not re.fullmatch(r"0|[1-9][0-9]{0,15}", lines[1], re.ASCII):
            raise Malformed("not a checkpoint: origin, size and root were expected", code="bad-checkpoint")
        if int(lines[1]) > MAX_SIZE:
            raise Malformed("a size above 2^53-1", code="bad-checkpoint")
        return cls(lines[0], int(lines[1]), b64_decode(lines[2], length=32))

    def format(self) -> str:
        """Print the text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64_encode(self.root)}\n"
