"""
Events as the log has them, each with its index and digest, for traces, recalls and reports.

A time in an event is its party's claim; a time of logging is ours; the hours between them are shown, never hidden.
Counterparties that were disclosed to the log alone are for those who may see them.

Source: interface.md, GET /trace; EPCIS 2.0 section 7.4.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.ends import ends_of
from ledger.models import EntryRow, EventObject, EventRow
from ledger.shown import Audience
from ledger.units import ANY, chunks, set_aside

HOUR = 3_600_000  # ms
# The steps of a hand-over, as verify/epcis.py takes them.  Source: CBV 2.0 section 7.1.
SENT, RECEIVED = ("shipping", "departing", "consigning"), ("receiving", "arriving", "accepting")


@dataclass(frozen=True, slots=True)
class Thing:
    """What an event says of one object; `quantity` is a decimal as text, None counts instances."""

    role: str
    uri: str
    lot: str | None
    quantity: str | None
    uom: str | None


@dataclass(frozen=True, slots=True)
class Counterparty:
    """A source or destination that this audience may see."""

    direction: str
    type: str
    uri: str


@dataclass(frozen=True, slots=True)
class Told:
    """One event as the log has it."""

    index: int
    digest: str
    type: str
    action: str | None
    biz_step: str | None
    disposition: str | None
    event_id: str | None
    time: str
    """The party's claim, with the offset at which its clock hung."""
    time_ms: int
    logged_ms: int
    late_hours: int
    """Whole hours from the claimed time to its place in the log; 0 where it was told at once."""
    issuer: str
    read_point: str | None
    biz_location: str | None
    objects: tuple[Thing, ...]
    parties: tuple[Counterparty, ...]
    withheld: bool
    """Whether counterparties are kept from this audience."""
    standing: str = "stands"
    """stands, or set-aside: declared wrong or withdrawn.  What an erased record told is not in the tables any more."""


def read_events(session: Session, indexes: Iterable[int], audience: Audience, *, before: int = ANY) -> tuple[Told, ...]:
    """Read events by index, ordered by claimed time."""
    wanted = sorted(set(indexes))
    things: dict[int, list[Thing]] = {}
    told: list[Told] = []
    for part in chunks(wanted):
        named = select(EventObject).where(EventObject.index.in_(part)).order_by(EventObject.index, EventObject.ordinal)
        for row in session.scalars(named):
            things.setdefault(row.index, []).append(Thing(row.role, row.uri, row.lot, row.quantity, row.uom))
        rows = (
            select(EventRow, EntryRow.time_ms, EntryRow.digest)
            .join(EntryRow, EntryRow.index == EventRow.index)
            .where(EventRow.index.in_(part))
        )
        told += [_told(row, logged_ms, digest, audience) for row, logged_ms, digest in session.execute(rows)]
    void = set_aside(session, wanted, before)
    whole = (
        replace(one, objects=tuple(things.get(one.index, ())), standing="set-aside" if one.index in void else "stands")
        for one in told
    )
    return tuple(sorted(whole, key=lambda one: (one.time_ms, one.index)))


def _told(row: EventRow, logged_ms: int, digest: bytes, audience: Audience) -> Told:
    ends = ends_of(row.parties)
    seen = [end for end in ends if not end.withheld or audience == Audience.REGULATOR]
    late = max(0, logged_ms - row.event_time) // HOUR
    time = local_time(row.event_time, row.offset)
    return Told(
        row.index, digest.hex(), row.type, row.action, row.biz_step, row.disposition, row.event_id, time, row.event_time,
        logged_ms, late, row.issuer, row.read_point, row.biz_location, (),
        tuple(Counterparty(end.direction, end.type, end.uri) for end in seen), len(seen) < len(ends),
    )  # fmt: skip


def local_time(ms: int, offset: str) -> str:
    """A claimed time as the clock on the wall showed it: RFC 3339 at `offset` (+08:00), or UTC where there is none there."""
    sign = -1 if offset.startswith("-") else 1
    zone = timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])))
    moment = datetime.fromtimestamp(ms // 1000, UTC) + timedelta(milliseconds=ms % 1000)
    # The first and the last day of the calendar have no local time everywhere: an event may claim them, and must not hide the
    # others of its lot.
    with suppress(OverflowError):
        moment = moment.astimezone(zone)
    return moment.isoformat(timespec="milliseconds")
