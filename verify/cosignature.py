"""Cosignatures: a third party, or the operator's clock, saw this checkpoint.  Source: c2sp.org/tlog-cosignature, type 04."""

from .errors import BadSignature, need
from .note import COSIGNER, SignatureLine, VerifierKey


def message(text: str, time_s: int) -> bytes:
    """The bytes that are signed: header, seconds since 1970, the whole note text."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def verify_cosignature(text: str, line: SignatureLine, key: VerifierKey) -> int:
    """Verify one line and return its time in seconds since 1970.  Raises BadSignature."""
    is_form = key.kind == COSIGNER and len(line.payload) == 72
    need(is_form, f"not a cosignature of {key.name}", None, key.name, BadSignature)
    time_s = int.from_bytes(line.payload[:8], "big")
    key.verify(message(text, time_s), line.payload[8:])
    return time_s
