"""
The add-checkpoint request as text, both ways, and the answer to it.

    old 6                                           the size that the witness cosigned last
    DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=    consistency proof, at most 63 hashes
                                                    an empty line, then the checkpoint with its signatures

Not here: what a witness makes of it (cosigner.py).  Source: c2sp.org/tlog-witness v1.0.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from verify.checkpoint import Checkpoint
from verify.errors import need
from verify.merkle import Hash
from verify.note import MAX_NOTE, Note, parse_note
from verify.strict import b64_decode, b64_encode, count

MAX_PROOF = 63  # hashes; tlog-witness
MAX_REQUEST = len("old \n\n") + 16 + MAX_PROOF * 45 + MAX_NOTE  # bytes; a hash and its line end are 45
OK, BAD_REQUEST, DENIED, UNKNOWN, CONFLICT, UNPROCESSABLE, LATER = 200, 400, 403, 404, 409, 422, 503
SIZE_TYPE = "text/x.tlog.size"  # Content-Type of the size in an answer 409


@dataclass(frozen=True, slots=True)
class Reply:
    """A witness's answer: HTTP status and text."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read; nothing in it is verified."""

    old: int
    proof: tuple[Hash, ...]
    note: Note
    checkpoint: Checkpoint


def format_request(old: int, proof: Sequence[Hash], body: str) -> str:
    """Print the request for the checkpoint note `body`."""
    return f"old {old}\n" + "".join(f"{b64_encode(node)}\n" for node in proof) + "\n" + body


def parse_request(data: bytes | str) -> Request:
    """Read a request of at most 68 KiB.  Raises Malformed."""
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    need(len(raw) <= MAX_REQUEST, "the request is too large", "bad-request")
    head, gap, body = raw.partition(b"\n\n")
    # An empty proof leaves the old size alone in its paragraph.
    first, *hashes = head.decode("ascii", "replace").split("\n")
    is_form = gap and first.startswith("old ") and len(hashes) <= MAX_PROOF
    need(is_form, "not `old <size>`, a proof, an empty line and a checkpoint", "bad-request")
    note = parse_note(body)
    proof = tuple(b64_decode(one, length=32) for one in hashes)
    return Request(count(first[4:], "bad-request"), proof, note, Checkpoint.parse(note.text))


def log_path(origin: str) -> str:
    """The name of a log in a witness's addresses: SHA-256 of its origin, in hexadecimal."""
    return sha256(origin.encode()).hexdigest()
