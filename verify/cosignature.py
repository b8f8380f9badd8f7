"""Cosignatures: a third party, or the operator's clock, saw this checkpoint.  Source: c2sp.org/tlog-cosignature, type 04."""
from .errors import BadSignature
from .note import COSIGNER, Note, SignatureLine, VerifierKey, lines_of

def message(text: str, time_s: int) -> bytes:
    """The bytes that are signed."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()

def verify_cosignature(text: str, line: SignatureLine, key: VerifierKey) -> int:
    """Verify one line and return its time in seconds since 1970.  Raises BadSignature."""
    BadSignature.unless(key.kind == COSIGNER and len(line.payload) == 72, f"not a cosignature of {key.name}", None, key.name)
    time_s = int.from_bytes(line.payload[:8], "big")
    key.verify(message(text, time_s), line.payload[8:])
    return time_s

def times_of(note: Note, key: VerifierKey) -> list[int]:
    """When `key` cosigned the note, none where it did not.  Raises BadSignature where one line of its own does not verify."""
    return [verify_cosignature(note.text, line, key) for line in lines_of(note, key)]
