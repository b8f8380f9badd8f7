"""
Judging parcels: each statement by the rules of judging.py, a parcel that asked for it all or none.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from ledger.admission import all_or_none
from ledger.candidates import Candidate
from ledger.earlier import Sequenced
from ledger.judging import Judge
from ledger.pooling import Outcome, Parcel
from ledger.problems import Refused


def judge_parcels(session: Session, judge: Judge, batch: Sequence[Parcel]) -> list[list[Outcome]]:
    """Judge in order.  What is refused leaves no trace; rows of `session` are written, not committed."""
    judge.look_up([one for parcel in batch for one in parcel.items])
    told = [_together(session, judge, parcel) if parcel.together else [_judge(judge, one) for one in parcel.items]
            for parcel in batch]  # fmt: skip
    judge.flush()
    return [[_outcome(one, result) for one, result in zip(parcel.items, results, strict=True)]
            for parcel, results in zip(batch, told, strict=True)]  # fmt: skip


def refuse_parcels(batch: Sequence[Parcel], why: Refused) -> list[list[Outcome]]:
    """Refuse all of them for one reason."""
    return [[_outcome(one, why) for one in parcel.items] for parcel in batch]


def _judge(judge: Judge, candidate: Candidate) -> Sequenced | Refused:
    try:
        return judge.judge(candidate)
    except Refused as refused:
        return refused


def _together(session: Session, judge: Judge, parcel: Parcel) -> list[Sequenced | Refused]:
    mark = judge.mark()
    savepoint = session.begin_nested()
    results = [_judge(judge, one) for one in parcel.items]
    judge.flush()
    if not any(isinstance(one, Refused) for one in results):
        savepoint.commit()
        return results
    savepoint.rollback()
    judge.reset(mark)
    return all_or_none(results)


def _outcome(candidate: Candidate, result: Sequenced | Refused) -> Outcome:
    if isinstance(result, Refused):
        return Outcome("refused", candidate.digest, refused=result)
    return Outcome("duplicate" if result.repeated else "published", result.digest, result.index, result.time_ms)
