"""
What became of a submitted statement, read back once the sequencer is done with it.

An index is told only below the published size: before, the log could still lose it, and nobody could prove it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.problems import HttpProblem
from ledger import pooling
from ledger.admission import Admitted, Known
from ledger.db import chunks
from ledger.models import EntryRow, Pool, StatementRow
from ledger.pooling import published_size, result_of
from ledger.problems import Refused
from ledger.shown import Audience, statement_of
from verify.statement import Statement


@dataclass(slots=True)
class Outcome:
    """One statement's: published, duplicate, pending or refused."""

    status: str
    digest: bytes | None = None
    """Of the stored statement: a duplicate may have come with another signature."""
    index: int | None = None
    time_ms: int | None = None
    refused: Refused | None = None
    proof: str | None = None

    @property
    def digest_hex(self) -> str:
        """Lower-case hex."""
        return "" if self.digest is None else self.digest.hex()

    def as_json(self) -> dict[str, Any]:
        """The members that the interface names; what is unknown is left out."""
        body: dict[str, Any] = {"status": self.status}
        if self.digest is not None:
            body["digest"] = self.digest.hex()
        for name, value in (("index", self.index), ("time", self.time_ms), ("proof", self.proof)):
            if value is not None:
                body[name] = value
        return body


def outcomes(session: Session, admitted: Sequence[Admitted | Known | Refused]) -> list[Outcome]:
    """What became of each, in order."""
    rows = result_of(session, [one.pool_id for one in admitted if isinstance(one, Admitted)])
    found = [_outcome(one, rows) for one in admitted]
    places = _places(session, [one.index for one in found if one.index is not None])
    for one in found:
        if one.index is not None:
            one.digest, one.time_ms = places[one.index]
    return found


def _outcome(one: Admitted | Known | Refused, rows: Mapping[int, pooling.Outcome]) -> Outcome:
    if isinstance(one, Refused):
        return Outcome("refused", refused=one)
    if isinstance(one, Known):
        return Outcome("duplicate", one.digest, one.index)
    row = rows.get(one.pool_id)
    return Outcome("pending", one.digest) if row is None else _told(row)


def _told(row: pooling.Outcome) -> Outcome:
    # A row that waits to be published has its index already; nobody could prove it yet.
    return Outcome(row.state, row.digest, None if row.state == "pending" else row.index, refused=row.refused)


def _places(session: Session, indexes: Sequence[int]) -> dict[int, tuple[bytes, int]]:
    found: dict[int, tuple[bytes, int]] = {}
    for part in chunks(sorted(set(indexes))):
        rows = session.execute(select(EntryRow.index, EntryRow.digest, EntryRow.time_ms).where(EntryRow.index.in_(part)))
        found |= {index: (digest, time_ms) for index, digest, time_ms in rows}
    return found


@dataclass(frozen=True, slots=True)
class State:
    """Where one statement stands."""

    status: str
    digest: bytes
    index: int | None = None
    statement: Statement | None = None
    erased_by: int | None = None
    refused: Refused | None = None

    def as_json(self) -> dict[str, Any]:
        """Status, digest and index."""
        place = {} if self.index is None else {"index": self.index}
        return {"status": self.status, "digest": self.digest.hex()} | place


def state_of(session: Session, digest: bytes) -> State:
    """Where the statement of `digest` stands.  Raises HttpProblem (`unknown-statement`)."""
    row = session.scalar(select(StatementRow).where(StatementRow.digest == digest))
    if row is not None and row.index < published_size(session):
        if row.jws is None:
            return State("erased", digest, row.index, erased_by=row.erased_by)
        return State("published", digest, row.index, statement_of(row.jws, row.disclosures, Audience.PUBLIC))
    waiting = session.scalar(select(Pool.id).where(Pool.digest == digest).order_by(Pool.id.desc()).limit(1))
    if waiting is None:
        raise HttpProblem("unknown-statement", "no such statement was published here")
    told = _told(result_of(session, [waiting])[waiting])
    return State(told.status, digest, told.index, refused=told.refused)
