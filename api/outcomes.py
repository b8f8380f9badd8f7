"""
What became of a submitted statement, for its submitter and for whoever asks later.

An index is told only below the published size: before, the log could still lose it, and nobody could prove it.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.problems import HttpProblem
from ledger import parcels
from ledger.finding import has_digest
from ledger.models import StatementRow
from ledger.pooling import Outcome, Pool, published_size
from ledger.problems import Refused
from ledger.shown import Audience, statement_of
from verify.statement import Statement


def as_json(outcome: Outcome, proof: str | None = None) -> dict[str, Any]:
    """The members that the interface names; what is unknown is left out."""
    body: dict[str, Any] = {"status": outcome.state}
    if outcome.digest:
        body["digest"] = outcome.digest.hex()
    for name, value in (("index", outcome.index), ("time", outcome.time_ms), ("proof", proof)):
        if value is not None:
            body[name] = value
    return body


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


def state_of(session: Session, pool: Pool, digest: bytes) -> State:
    """Where the statement of `digest` stands.  Raises HttpProblem (`unknown-statement`)."""
    row = session.scalar(select(StatementRow).where(has_digest(digest)))
    if row is not None and row.index < published_size(session):
        if row.jws is None:
            return State("erased", digest, row.index, erased_by=row.erased_by)
        return State("published", digest, row.index, statement_of(row.jws, row.disclosures, Audience.PUBLIC))
    if row is not None or digest in pool or parcels.waits(session, digest):
        return State("pending", digest)
    refused = parcels.refusal_of(session, digest)
    if refused is not None:
        return State("refused", digest, refused=refused)
    raise HttpProblem("unknown-statement", "no such statement was published here")
