"""
Candidates: what admission makes of a statement, ready for the sequencer.

Everything that can be known without an order is in it, so that inside the ordering transaction a statement costs lookups and
rows, no parsing and no signature.  Plain values only: a candidate crosses to other processes as bytes (`pack`).

`unpack` must see nothing but what `pack` made, since marshal is no parser for strangers' bytes: the caller vouches for them
(a worker of this process, or the seal of parcels.py).
"""

import marshal
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from ledger.column_text import NUL
from ledger.problems import Fatal, Refused
from ledger.project import Told, told_rows
from ledger.shown import Audience, statement_of
from verify.errors import VerificationError
from verify.statement import CONTROL_KINDS, Statement
from verify.subjects import Record


class Candidate(NamedTuple):
    """
    A statement whose every order-free rule holds; the signature's too where `verified`.

    A tuple, since thousands a second are made, and made again in another process.  What comes before `event_key` stands in its
    row of the table statements as it stands here (batch.py).
    """

    digest: bytes
    signing_input_hash: bytes
    kind: str
    issuer: str
    kid: str
    event_id: str | None
    """For TraceabilityEvent and Adoption."""
    valid_from: str
    event_key: bytes | None
    """SHA-256 over issuer and event ID: by this the log finds a taken one."""
    disclosures: tuple[str, ...]
    keys: tuple[bytes, ...]
    """Subject keys in order, as the entry has them."""
    serials: tuple[str, ...]
    """URIs to check where an item stands in clear and this is no sale; else none."""
    declares_error: bool
    rows: Told | None
    """None of a control statement: what it tells is read once it is judged."""
    verified: bool
    """The signature is by the key of that thumbprint: true for ever, whatever the key's standing."""
    jws: bytes
    """At the end: it stays out where a candidate crosses to who has it already."""

    def record(self, index: int = 0, time_ms: int = 0) -> Record:
        """Read the statement again, with every disclosure: what the rare kinds are judged by.  Raises Fatal."""
        return read_stored(self.jws, self.disclosures, self.digest, index, time_ms)


_ALL = len(Candidate._fields)


def candidate_of(record: Record, *, verified: bool = False) -> Candidate:
    """Take what the sequencer needs from a parsed statement."""
    statement, event = record.statement, record.event
    event_id = None if event is None or event.event_id is None else event.event_id.replace(NUL, "\ufffd")
    in_clear = (event is None or not event.is_selling) and any("/21/" in uri for uri in record.uris)
    return Candidate(
        digest=statement.digest, signing_input_hash=sha256(statement.signing_input).digest(), kind=statement.kind,
        issuer=statement.issuer, kid=statement.kid, event_id=event_id, valid_from=statement.payload["validFrom"],
        event_key=event_key(statement.issuer, event_id),
        disclosures=tuple(shown.text for shown in statement.disclosures), keys=record.keys,
        serials=record.uris if in_clear else (), declares_error=event is not None and event.error_declaration,
        # Before its authority is judged no shape of a control statement is certain.
        rows=None if statement.kind in CONTROL_KINDS else told_rows(record), verified=verified, jws=statement.jws,
    )  # fmt: skip


def event_key(issuer: str, event_id: str | None) -> bytes | None:
    """What one issuer's event ID is found by; neither part can hold a newline, so no two pairs give one text."""
    return None if event_id is None else sha256(f"{issuer}\n{event_id}".encode()).digest()


def read_stored(jws: bytes, disclosures: Sequence[str], digest: bytes, index: int, time_ms: int) -> Record:
    """Read stored parts of a statement.  Raises Fatal where they are damaged."""
    try:
        statement: Statement = statement_of(jws, disclosures, Audience.REGULATOR)
        record = Record.of(index, time_ms, statement)
    except (VerificationError, ValueError) as error:
        raise Fatal(f"the stored statement {digest.hex()} cannot be read: {error}") from None
    if statement.digest != digest:
        raise Fatal(f"the stored statement {digest.hex()} has another digest")
    return record


def pack(found: Sequence[Candidate | Refused], sent: Sequence[bytes | None] = ()) -> bytes:
    """Print candidates and refusals for another process; a JWS that came from there, at its place in `sent`, stays out."""
    return marshal.dumps([
        one.as_json() if isinstance(one, Refused) else one[:-1] if one.jws is raw else tuple(one)
        for one, raw in zip(found, sent or [None] * len(found), strict=True)
    ])  # fmt: skip


def unpack(data: bytes, sent: Sequence[bytes | None] = ()) -> list[Candidate | Refused]:
    """Read what `pack` printed, and nothing else."""
    found = marshal.loads(data)  # noqa: S302
    return [
        Refused.from_json(one) if type(one) is dict
        else Candidate._make(one if raw is None or len(one) == _ALL else (*one, raw))
        for one, raw in zip(found, sent or [None] * len(found), strict=True)
    ]  # fmt: skip
