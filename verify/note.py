"""Signed notes: a text and the lines of those who signed it (PROTOCOL.md, "Notes").  Unknown lines are ignored here and refused
by verifier.py; a known key whose line does not verify rejects the whole note.  Source: c2sp.org/signed-note v1.0.0."""
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from .errors import BadSignature, Malformed, NotTrusted, need
from .strict import b64_decode, b64_encode

LOG, COSIGNER = 1, 4  # kinds of key: Ed25519 over the text, timestamped cosignature (cosignature.py)
MAX_NOTE = 65_536  # bytes
MAX_LINES = 64  # signed-note asks for at least 16
_PRIME = 2**255 - 19
# y of the points of small order, without the sign bit.  Such a "key" verifies signatures that nobody made.
_SMALL_ORDER = (0, 1, _PRIME - 1, 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
                0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7)

def check_point(public: bytes) -> bytes:
    """Return an Ed25519 public key of 32 bytes, or raise Malformed (`weak-key`) where anybody can sign for it."""
    y = int.from_bytes(public, "little") & (2**255 - 1)
    need(y < _PRIME and y not in _SMALL_ORDER, "a point that anyone can sign for", "weak-key")
    return public

@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name, printed as `name+keyid+base64(kind || key)`."""
    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Parse a verifier key; raises Malformed (`bad-vkey`)."""
        name, _, rest = text.partition("+")
        data = b64_decode(rest.partition("+")[2])
        need(len(data) == 33 and data[0] in (LOG, COSIGNER), "not an Ed25519 verifier key of kind 01 or 04", "bad-vkey")
        key = cls(name, data[0], data[1:])
        need(_is_name(name) and key.format() == text, "name, key id and key do not belong together", "bad-vkey")
        check_point(key.public)
        return key

    def format(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64_encode(bytes([self.kind]) + self.public)}"

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise BadSignature unless this key signed exactly `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise BadSignature(f"the signature of {self.name} does not verify", where=self.name) from None

@dataclass(frozen=True, slots=True)
class SignatureLine:
    """Who claims to have signed, with which key id, and the bytes."""
    name: str
    key_id: bytes
    payload: bytes

@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a line end, and its signature lines in order."""
    text: str
    lines: tuple[SignatureLine, ...]

def parse_note(data: bytes | str) -> Note:
    """Parse a note of at most 64 KiB; raises Malformed (`bad-note`).  Nothing is verified yet."""
    try:
        raw = data if isinstance(data, bytes) else data.encode()
        text, gap, tail = raw.decode().rpartition("\n\n")
    except UnicodeError:
        raise Malformed("a note must be UTF-8", "bad-note") from None
    is_text = len(raw) <= MAX_NOTE and not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)
    *lines, end = tail.split("\n")
    need(is_text and gap and text and not end and 0 < len(lines) <= MAX_LINES, "not a signed note", "bad-note")
    return Note(text + "\n", tuple(map(_parse_line, lines)))

def _parse_line(line: str) -> SignatureLine:
    dash, name, signature = line.split(" ") if line.count(" ") == 2 else ("", "", "")
    need(dash == "—" and _is_name(name), "not a signature line", "bad-note")
    data = b64_decode(signature)
    need(len(data) > 4, "a signature line without a signature", "bad-note")
    return SignatureLine(name, data[:4], data[4:])

def _is_name(name: str) -> bool:
    return "+" not in name and name.split() == [name]  # not empty, and no space of Unicode's in it

def lines_of(note: Note, key: VerifierKey) -> list[SignatureLine]:
    """The lines that claim to be by `key`."""
    return [line for line in note.lines if (line.name, line.key_id) == (key.name, key.key_id)]

def open_note(note: Note, keys: Sequence[VerifierKey], origin: str | None = None) -> tuple[VerifierKey, ...]:
    """Those kind 01 keys that signed.  Raises BadSignature where a line is wrong, NotTrusted for none, or none named `origin`."""
    signed = [(key, line) for key in keys for line in lines_of(note, key)]
    for key, line in signed:
        key.verify(note.text.encode(), line.payload)
    NotTrusted.unless(signed, "no key of the policy signed this", "no-known-signature")
    NotTrusted.unless(origin in (None, *(key.name for key, _ in signed)), "signed for another origin", "wrong-origin")
    return tuple(dict(signed))
