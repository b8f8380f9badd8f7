"""
Admission: everything about a statement that needs no order.  Parallel; nothing here gives an index.

    examine      size, format, subjects, EPCIS: from the bytes alone
    admit        and the signature, where the key is known; then into the pool, or at once the earlier copy's place

Not here, because nobody can know it before an order exists: key validity, event IDs, duplicates within the pool, the
authority of control kinds (judging.py).  A key nobody granted may have its grant a moment ahead in the pool, so its statement
goes to the pool unverified, and is verified there.

The pool pushes back when it is full: refused with Retry-After, never acknowledged and lost.
"""

import random
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from ledger.db import chunks
from ledger.freezing import freeze_of
from ledger.models import GrantRow, Pool, StatementRow
from ledger.problems import Refused
from ledger.project import MAX_TEXT, NUL, told_event
from producers.epcis.problems import EventRefused
from producers.epcis.validate import EventValidator
from verify.errors import VerificationError
from verify.history import Record
from verify.statement import Statement, parse_statement, verify_signature

T = TypeVar("T")
POOL_LIMIT = 4_096  # statements; what the sequencer drains in a few seconds
FUTURE_RETRY = 3_600  # s; an event from a phone whose clock runs days ahead is sent again until its time has come
_RETRY_S = (2, 10)  # spread, or everybody who was pushed back returns at once
_OUTSIDE = ("/credentialSubject", "/issuer", "/header", "/validFrom", "/type", "/@context")  # pointers that are whole


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement whose every order-free rule but the signature holds; index and time of `record` are still 0."""

    record: Record
    signing_input_hash: bytes
    event_id: str | None
    """For TraceabilityEvent and Adoption."""
    verified: bool = False
    """The signature is by the key of that thumbprint: true for ever, whatever the key's standing."""

    @property
    def statement(self) -> Statement:
        """The statement itself."""
        return self.record.statement

    @property
    def disclosures(self) -> list[str]:
        """The texts of its disclosures."""
        return [shown.text for shown in self.statement.disclosures]


class Recent:
    """
    What this process admitted a moment ago, so that a sequencer in the same process need not read and verify it again.

    In memory only, hence as trusted as the code; looked up by what the pool holds.  Forgets the oldest beyond `limit`.
    """

    def __init__(self, limit: int = 16_384) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[bytes, tuple[str, ...]], Candidate] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, candidate: Candidate) -> None:
        """Remember a candidate."""
        with self._lock:
            self._held[candidate.statement.digest, tuple(candidate.disclosures)] = candidate
            if len(self._held) > self._limit:
                self._held.popitem(last=False)

    def take(self, jws: bytes, disclosures: Sequence[str]) -> Candidate | None:
        """Hand out the candidate made from exactly these bytes, once."""
        with self._lock:
            return self._held.pop((sha256(jws).digest(), tuple(disclosures)), None)


@dataclass(frozen=True, slots=True)
class Admitted:
    """In the pool, not yet acknowledged: wait until row `pool_id` is finished."""

    pool_id: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """The log has it already; `digest` is the stored copy's, whatever signature this one came with."""

    index: int
    digest: bytes


def examine(raw: bytes, *, now_ms: int, validator: EventValidator) -> Candidate:
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
        return read_candidate(statement)
    except EventRefused as error:
        raise Refused.of_event(error, under, FUTURE_RETRY) from None
    except VerificationError as error:
        inside = event is not None and error.where is not None and not error.where.startswith(_OUTSIDE)
        raise Refused.of(error, under if inside else "") from None


def read_candidate(statement: Statement) -> Candidate:
    """Read a statement's subjects and event.  Raises Malformed, and Refused for an identifier no index can hold."""
    record = Record.of(0, 0, statement)
    event_id = None if record.event is None or record.event.event_id is None else record.event.event_id.replace(NUL, "\ufffd")
    for uri in (*record.uris, event_id or ""):
        if len(uri) > MAX_TEXT:
            raise Refused("uri-too-long", f"an identifier has at most {MAX_TEXT} characters: {uri[:40]}…")
    return Candidate(record, sha256(statement.signing_input).digest(), event_id)


def admit(
    session: Session, raw: bytes, *, now_ms: int, validator: EventValidator, pool_limit: int = POOL_LIMIT,
    recent: Recent | None = None,
) -> Admitted | Known:  # fmt: skip
    """Admit one statement.  Raises Refused.  The caller commits, and only then may anybody wait."""
    (result,) = admit_many(session, [raw], now_ms=now_ms, validator=validator, pool_limit=pool_limit, recent=recent)
    if isinstance(result, Refused):
        raise result
    return result


def admit_many(
    session: Session, raws: Sequence[bytes], *, now_ms: int, validator: EventValidator, pool_limit: int = POOL_LIMIT,
    together: str | None = None, recent: Recent | None = None,
) -> list[Admitted | Known | Refused]:  # fmt: skip
    """
    Admit the statements of one request; results in its order, refusals among them.  The caller commits.

    `together` (a word of the request's own) asks for all or none: if one is refused here none is admitted, if one is refused
    by the sequencer none is logged.  The session is not touched before every statement was examined.
    """
    found = [_examined(raw, now_ms, validator) for raw in raws]
    candidates = [one for one in found if isinstance(one, Candidate)]
    if candidates:
        stored, keys = _stored(session, candidates), _keys(session, candidates)
        found = [one if isinstance(one, Refused) else _checked(one, keys) for one in found]
        if together is not None:
            found = all_or_none(found)
        done = [one if isinstance(one, Refused) else _known(one, stored) for one in found]
        if recent is not None:
            for one in done:
                if isinstance(one, Candidate):
                    recent.put(one)
        return _pooled(session, done, now_ms, pool_limit, together)
    return [one for one in found if isinstance(one, Refused)]


def all_or_none(found: Sequence[T | Refused]) -> list[T | Refused]:
    """If one is refused, refuse the others with it."""
    if not any(isinstance(one, Refused) for one in found):
        return list(found)
    also = Refused("rolled-back", "another statement of the same request was refused, so none was logged")
    return [one if isinstance(one, Refused) else also for one in found]


def _examined(raw: bytes, now_ms: int, validator: EventValidator) -> Candidate | Refused:
    try:
        return examine(raw, now_ms=now_ms, validator=validator)
    except Refused as refused:
        return refused


def _checked(candidate: Candidate, keys: Mapping[str, Mapping[str, Any]]) -> Candidate | Refused:
    # The thumbprint determines the key, so a signature is good or bad whatever the order turns out to be.
    jwk = keys.get(candidate.statement.kid)
    try:
        if jwk is None:
            return candidate
        verify_signature(candidate.statement, jwk)
    except VerificationError as error:
        return Refused.of(error)
    return replace(candidate, verified=True)


def _keys(session: Session, candidates: Sequence[Candidate]) -> dict[str, Mapping[str, Any]]:
    wanted = {candidate.statement.kid for candidate in candidates}
    found: dict[str, Mapping[str, Any]] = {}
    for part in chunks(sorted(wanted)):
        held = select(GrantRow.thumbprint, GrantRow.jwk).where(GrantRow.thumbprint.in_(part))
        found |= {kid: jwk for kid, jwk in session.execute(held)}
    return found


def _stored(session: Session, candidates: Sequence[Candidate]) -> dict[bytes, StatementRow]:
    wanted = {candidate.signing_input_hash for candidate in candidates}
    found: dict[bytes, StatementRow] = {}
    for part in chunks(sorted(wanted)):
        rows = session.scalars(select(StatementRow).where(StatementRow.signing_input_hash.in_(part)))
        found |= {row.signing_input_hash: row for row in rows}
    return found


def _pooled(
    session: Session, done: Sequence[Candidate | Known | Refused], now_ms: int, pool_limit: int, together: str | None
) -> list[Admitted | Known | Refused]:
    fresh = [one for one in done if isinstance(one, Candidate)]
    ended = freeze_of(session) if fresh else None
    if ended is not None:
        return [ended.refusal() if isinstance(one, Candidate) else one for one in done]
    waiting = session.scalar(select(func.count()).select_from(Pool).where(Pool.state == "pending")) if fresh else 0
    if waiting is not None and waiting >= pool_limit:
        busy = Refused("pool-full", f"{waiting} statements wait to be sequenced", retry_after_s=_spread())
        return [busy if isinstance(one, Candidate) else one for one in done]
    ids = iter(_insert(session, fresh, now_ms, together))
    return [Admitted(next(ids), one.statement.digest) if isinstance(one, Candidate) else one for one in done]


def _known(candidate: Candidate, stored: Mapping[bytes, StatementRow]) -> Known | Candidate:
    row = stored.get(candidate.signing_input_hash)
    # A copy that brings disclosures the log has not goes through the pool: only the sequencer writes statements.
    if row is None or (row.jws is not None and not set(candidate.disclosures) <= set(row.disclosures)):
        return candidate
    return Known(row.index, row.digest)


def _insert(session: Session, fresh: Sequence[Candidate], now_ms: int, together: str | None) -> list[int]:
    rows = [
        {
            "signing_input_hash": one.signing_input_hash, "digest": one.statement.digest, "jws": one.statement.jws,
            "disclosures": one.disclosures, "received_ms": now_ms, "state": "pending", "repeated": False,
            "together": together,
        }
        for one in fresh
    ]  # fmt: skip
    if not rows:
        return []
    return list(session.scalars(insert(Pool).returning(Pool.id, sort_by_parameter_order=True), rows))


def _spread() -> int:
    return random.randint(*_RETRY_S)  # noqa: S311 - spreads load, protects nothing
