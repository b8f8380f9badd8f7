"""
The pool, from the sequencer's side: what waits, in which order it is judged, and how its rows end.

A row's content is dropped as soon as it is judged: the log keeps what it took, and a refusal keeps nothing but its reason.
Not here: judging (judging.py), waiting for a row (api/watcher.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from ledger.admission import Candidate, Recent, all_or_none
from ledger.db import chunks
from ledger.judging import Judge, Sequenced, reread
from ledger.models import Pool, Published, StatementRow
from ledger.problems import Fatal, Refused

KEEP = 86_400_000  # ms that a finished row can still be asked for
OPEN = ("pending", "sequenced")


@dataclass(frozen=True, slots=True)
class Waiting:
    """One row of the pool, read outside the ordering transaction; `found` is a refusal where the row is damaged."""

    pool_id: int
    found: Candidate | Refused


Unit = Sequence[Waiting]
"""Rows that are logged all or none: mostly one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a row."""

    pool_id: int
    result: Sequenced | Refused


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the pool answers about a row: one of pending, published, duplicate, refused."""

    state: str
    digest: bytes
    index: int | None
    refused: Refused | None


def pending_units(session: Session, limit: int, recent: Recent) -> list[Unit]:
    """About `limit` pending rows, oldest first; a request that asked for all or none is never cut."""
    oldest = select(Pool).where(Pool.state == "pending").order_by(Pool.id).limit(limit)
    units: dict[object, list[Waiting]] = {}
    for row in session.scalars(oldest):
        if row.together is None:
            units[row.id] = [_read(row, recent)]
        elif row.together not in units:
            whole = select(Pool).where(Pool.together == row.together, Pool.state == "pending").order_by(Pool.id)
            units[row.together] = [_read(one, recent) for one in session.scalars(whole)]
    return list(units.values())


def _read(row: Pool, recent: Recent) -> Waiting:
    try:
        return Waiting(row.id, recent.take(row.jws, row.disclosures) or reread(row.jws, row.disclosures, row.digest))
    except Fatal as error:
        # The pool is not the log: at worst an unacknowledged submission is lost.
        return Waiting(row.id, Refused("damaged", str(error)))


def judge_units(session: Session, judge: Judge, units: Sequence[Unit]) -> list[Verdict]:
    """Judge in order.  What is refused leaves no trace; rows of `session` are written, not committed."""
    judge.look_up([one.found for unit in units for one in unit if isinstance(one.found, Candidate)])
    verdicts: list[Verdict] = []
    for unit in units:
        verdicts += [_judge(judge, unit[0])] if len(unit) == 1 else _judge_together(session, judge, unit)
    judge.flush()
    return verdicts


def _judge(judge: Judge, waiting: Waiting) -> Verdict:
    if isinstance(waiting.found, Refused):
        return Verdict(waiting.pool_id, waiting.found)
    try:
        return Verdict(waiting.pool_id, judge.judge(waiting.found))
    except Refused as refused:
        return Verdict(waiting.pool_id, refused)


def _judge_together(session: Session, judge: Judge, unit: Unit) -> list[Verdict]:
    mark = judge.mark()
    savepoint = session.begin_nested()
    verdicts = [_judge(judge, one) for one in unit]
    judge.flush()
    if not any(isinstance(one.result, Refused) for one in verdicts):
        savepoint.commit()
        return verdicts
    savepoint.rollback()
    judge.reset(mark)
    results = all_or_none([one.result for one in verdicts])
    return [Verdict(one.pool_id, result) for one, result in zip(verdicts, results, strict=True)]


def finish(session: Session, verdicts: Sequence[Verdict], *, published: int, now_ms: int) -> None:
    """
    Write the verdicts into the pool.

    Refusals, and copies of what is published below `published`, are final; the rest waits for `publish_rows`.
    """
    rows = [_row(one, published, now_ms) for one in verdicts]
    if rows:
        session.execute(update(Pool), rows)


def _row(verdict: Verdict, published: int, now_ms: int) -> dict[str, Any]:
    gone: dict[str, Any] = {"id": verdict.pool_id, "jws": b"", "disclosures": [], "done_ms": now_ms}
    result = verdict.result
    if isinstance(result, Refused):
        return {**gone, "state": "refused", "problem": result.as_json(), "index": None, "repeated": False}
    state = "duplicate" if result.repeated and result.index < published else "sequenced"
    return {**gone, "state": state, "problem": None, "index": result.index, "repeated": result.repeated}


def publish_rows(session: Session, size: int) -> None:
    """End the rows below `size`: their entries can be seen by everybody."""
    done = update(Pool).where(Pool.state == "sequenced", Pool.index < size)
    session.execute(done.where(Pool.repeated.is_(False)).values(state="published"))
    session.execute(done.where(Pool.repeated.is_(True)).values(state="duplicate"))


def purge(session: Session, now_ms: int) -> None:
    """Forget rows that ended long ago; the log answers for them."""
    session.execute(delete(Pool).where(Pool.state.not_in(OPEN), Pool.done_ms < now_ms - KEEP))


def result_of(session: Session, pool_ids: Sequence[int]) -> dict[int, Outcome]:
    """
    What became of these rows; a row that is purged or never was is missing.

    The digest of a duplicate is the stored copy's: a receipt made half from what was sent would prove what was never logged.
    """
    found: dict[int, Outcome] = {}
    for part in chunks(pool_ids):
        wanted = select(Pool, StatementRow.digest).outerjoin(StatementRow, StatementRow.index == Pool.index)
        for row, stored in session.execute(wanted.where(Pool.id.in_(part))):
            refused = None if row.problem is None else Refused.from_json(row.problem)
            found[row.id] = Outcome("pending" if row.state in OPEN else row.state, stored or row.digest, row.index, refused)
    return found


def published_size(session: Session) -> int:
    """How many entries everybody can see; 0 before the first checkpoint is served."""
    return session.scalar(select(func.max(Published.size))) or 0
