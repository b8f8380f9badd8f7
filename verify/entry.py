"""Entries, the bytes the log hashes at one index: 0x01 || time, u64 || SHA-256(JWS) || subject keys, 32 bytes each.
Tiles alone are thus a complete, public, payload-free index: whoever counts the keys catches an omission, and content can be
erased without touching the tree.  Source: protocol.md section 1, Entry."""
from dataclasses import dataclass
from .errors import need

MAX_KEYS = 1_024  # 41 + 32 * 1,024 = 32,809 bytes; tlog-tiles allows 65,535
HEAD = 41  # bytes before the keys

@dataclass(frozen=True, slots=True)
class Entry:
    """Sequencing time in ms since 1970, the statement's digest, the subject keys sorted and distinct."""
    time_ms: int
    digest: bytes
    keys: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Print the bytes; raises Malformed (`bad-entry`)."""
        is_set = 0 < len(self.keys) <= MAX_KEYS and tuple(sorted({*self.keys})) == self.keys
        need(is_set, f"1 to {MAX_KEYS} distinct subject keys in order were expected", "bad-entry")
        return b"\x01" + self.time_ms.to_bytes(8, "big") + self.digest + b"".join(self.keys)

    @classmethod
    def decode(cls, data: bytes) -> "Entry":
        """Parse exactly what `encode` prints.  Raises Malformed (`bad-entry`)."""
        keys = tuple(data[at : at + 32] for at in range(HEAD, len(data), 32))
        entry = cls(int.from_bytes(data[1:9], "big"), data[9:HEAD], keys)
        need(len(data) % 32 == HEAD % 32 and entry.encode() == data, "not an entry of version 1", "bad-entry")
        return entry
