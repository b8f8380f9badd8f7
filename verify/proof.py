"""tlog-proof: index, inclusion proof and checkpoint of one entry as one text, a receipt.  Source: c2sp.org/tlog-proof."""
from dataclasses import dataclass
from .errors import need
from .merkle import MAX_SIZE, Hash
from .strict import b64_decode, count

HEADER = "c2sp.org/tlog-proof@v1"

@dataclass(frozen=True, slots=True)
class TlogProof:
    """Index and path are checked by merkle.verify_inclusion; `extra` is carried but authenticated by nothing."""
    index: int
    path: tuple[Hash, ...]
    checkpoint: str
    extra: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> "TlogProof":
        """Parse a proof; raises Malformed (`bad-proof`)."""
        head, gap, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        need(gap and header == HEADER, "not a tlog-proof", "bad-proof")
        extra = b64_decode(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
        need(lines and lines[0].startswith("index ") and len(lines) <= 64, "not a tlog-proof", "bad-proof")
        index = count(lines[0][6:], "bad-proof")
        need(index < MAX_SIZE, "no entry has this index", "bad-proof")
        return cls(index, tuple(b64_decode(line, length=32) for line in lines[1:]), checkpoint, extra)
