"""
What people read of a recall: when it was logged, and the window that it is about, as clocks here show them.

Not here: what a recall is and reaches (ledger/recalls.py), the same for programs (recalls.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.views import shown_claim, shown_ms
from ledger.db import chunks
from ledger.models import EntryRow
from ledger.recalls import ALWAYS, Recall
from ledger.told_events import local_time


@dataclass(frozen=True, slots=True)
class Issued:
    """When a recall was issued (the log's time), and the window it names; an end that it leaves open is empty."""

    at: str
    since: str
    until: str


def issued(session: Session, recalls: Sequence[Recall], zone: tzinfo) -> dict[int, Issued]:
    """What pages say beside each recall, by its index."""
    times: dict[int, int] = {}
    for part in chunks([one.index for one in recalls]):
        rows = session.execute(select(EntryRow.index, EntryRow.time_ms).where(EntryRow.index.in_(part)))
        times |= {index: time_ms for index, time_ms in rows}
    return {one.index: _issued(one, times[one.index], zone) for one in recalls}


def _issued(recall: Recall, at_ms: int, zone: tzinfo) -> Issued:
    ends = zip((recall.since_ms, recall.until_ms), ALWAYS, strict=True)
    since, until = ("" if end == none else shown(end, zone) for end, none in ends)
    return Issued(shown_ms(at_ms, zone), since, until)


def shown(ms: int, zone: tzinfo) -> str:
    """An end of a window as clocks in `zone` show it, in UTC where the calendar ends there."""
    try:
        return shown_ms(ms, zone)
    except (OverflowError, ValueError):
        # The first and the last day of the calendar have no local time everywhere.
        return shown_claim(local_time(ms, "+00:00"))
