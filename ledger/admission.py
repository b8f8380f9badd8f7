"""
Admission: everything about a statement that needs no order.  Pure but for the keys it is handed; nothing here gives an index.

    examine      size, format, subjects, EPCIS, and the signature where the key is known

Not here, because nobody can know it before an order exists: key validity, event IDs, duplicates, the authority of control
kinds (judging.py).  A key nobody granted may have its grant a moment ahead in the pool, so its statement goes on unverified,
and is verified there.

This is the literal reading.  The shape that nearly every statement has is read by quick.py to the same result, faster;
examiners.py does many at once, on all cores.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from ledger.candidates import Candidate, candidate_of
from ledger.problems import Refused
from ledger.project_events import told_event
from producers.epcis.problems import EventRefused
from producers.epcis.validate import EventValidator
from verify.errors import VerificationError
from verify.statement import parse_statement, verify_signature
from verify.subjects import Record

T = TypeVar("T")
Jwks = Mapping[str, Mapping[str, Any]]
"""Granted keys by thumbprint."""
FUTURE_RETRY = 3_600  # s; an event from a phone whose clock runs days ahead is sent again until its time has come
_OUTSIDE = ("/credentialSubject", "/issuer", "/header", "/validFrom", "/type", "/@context")  # pointers that are whole


def examine(raw: bytes, *, now_ms: int, validator: EventValidator, jwks: Jwks | None = None) -> Candidate:
    """Check one statement as it came, without any database.  Raises Refused."""
    try:
        statement = parse_statement(raw)
    except VerificationError as error:
        raise Refused.of(error) from None
    event = told_event(statement)
    under = "/credentialSubject" + ("/event" if statement.kind == "Adoption" else "")
    try:
        if event is not None:
            validator.check(event, now=datetime.fromtimestamp(now_ms / 1000, UTC))
        return _signed(candidate_of(Record.of(0, 0, statement)), raw, jwks or {})
    except EventRefused as error:
        raise Refused.of_event(error, under, FUTURE_RETRY) from None
    except VerificationError as error:
        inside = event is not None and error.where is not None and not error.where.startswith(_OUTSIDE)
        raise Refused.of(error, under if inside else "") from None


def _signed(candidate: Candidate, raw: bytes, jwks: Jwks) -> Candidate:
    # The thumbprint determines the key, so a signature is good or bad whatever the order turns out to be.
    jwk = jwks.get(candidate.kid)
    if jwk is None:
        return candidate
    verify_signature(parse_statement(raw), jwk)
    return candidate._replace(verified=True)


def all_or_none(found: Sequence[T | Refused]) -> list[T | Refused]:
    """If one is refused, refuse the others with it."""
    if not any(isinstance(one, Refused) for one in found):
        return list(found)
    also = Refused("rolled-back", "another statement of the same request was refused, so none was logged")
    return [one if isinstance(one, Refused) else also for one in found]
