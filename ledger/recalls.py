"""
Recalls: which are open, what they reach, and which of them touch what somebody holds in the hand.

    open_recalls        every recall that nobody closed
    reach_of            forward from what it names: lots, items, units, the places they went to and who has them now
    recalls_touching    those that name one of these subjects; the phone judges again, by its own protocol

Reaching too far is the smaller evil: records that were declared wrong or withdrawn still carry a recall onwards, so that
nobody can cut one by taking back a record.  Not here: who may recall (verify/authority.py), the drill (the CLI).

Source: protocol.md sections 2 and 3; RFC 3339 for the times of a scope.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ledger.finding import names
from ledger.lineage import Lineage, lineage
from ledger.models import EventObject, EventRow, RecallRow, RecallScope, SubjectKey
from ledger.project_events import HUB
from ledger.recall_stops import Stop, stops_of
from ledger.shown import Audience
from ledger.told_events import read_events
from ledger.trace import Reach, event_indexes
from ledger.units import ANY, FOREVER, Scope, chunks, commissions, contents_at
from verify import gs1
from verify.statement import parse_time

MAX_STARTS = 2_000  # lots that one recall names, or that its products and places stand for
MAX_EVENTS = 10_000  # of one recall
ALWAYS = (-FOREVER, FOREVER)  # the window of a recall that names none
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recall:
    """A recall as the log has it; the window is when things were made (ms since 1970, both ends included)."""

    index: int
    digest: str
    issuer: str
    class_: str
    lots: tuple[str, ...]
    products: tuple[str, ...]
    places: tuple[str, ...]
    since_ms: int
    until_ms: int
    reason: Mapping[str, str]
    instructions: Mapping[str, str]
    closed_by: int | None

    @property
    def has_window(self) -> bool:
        """Whether it is about things made in a certain time only."""
        return (self.since_ms, self.until_ms) != ALWAYS

    def covers(self, times_ms: Iterable[int]) -> bool:
        """Whether one of these times lies in the window."""
        return any(self.since_ms <= at <= self.until_ms for at in times_ms)


@dataclass(frozen=True, slots=True)
class Affected:
    """What a recall reaches.  `stops` are ordered: places where things still may be (ends) first, then by name."""

    lots: tuple[str, ...]
    items: tuple[str, ...]
    units: tuple[str, ...]
    others: tuple[str, ...]
    stops: tuple[Stop, ...]
    parties: tuple[str, ...]
    events: int
    truncated: bool

    def to_json(self) -> dict[str, object]:
        """The members that `GET /recalls/{digest}` answers."""
        return asdict(self)


def open_recalls(session: Session, before: int = ANY) -> list[Recall]:
    """Recalls below `before` that no notice below `before` closes, newest first."""
    unclosed = or_(RecallRow.closed_by.is_(None), RecallRow.closed_by >= before)
    wanted = select(RecallRow).where(RecallRow.closes.is_(None), unclosed, RecallRow.index < before)
    return [_recall(row, before) for row in session.scalars(wanted.order_by(RecallRow.index.desc()))]


def find_recall(session: Session, digest: bytes, before: int = ANY) -> Recall | None:
    """The recall of this digest, open or closed."""
    wanted = select(RecallRow).where(RecallRow.digest == digest, RecallRow.closes.is_(None), RecallRow.index < before)
    row = session.scalar(wanted)
    return None if row is None else _recall(row, before)


def recalls_touching(session: Session, uris: Iterable[str], before: int = ANY) -> list[Recall]:
    """Open recalls that name one of `uris` (canonical) or its product; with a window, only where it fits what was made when."""
    asked = set(uris)
    asked |= {product for uri in asked for product in [gs1.product_of(uri)] if product is not None}
    named = {index for part in chunks(sorted(asked))
             for index in session.scalars(select(RecallScope.index).where(RecallScope.uri.in_(part)))}  # fmt: skip
    found = [recall for recall in open_recalls(session, before) if recall.index in named]
    times = _made(session, asked, before) if any(recall.has_window for recall in found) else {}
    made = [at for known in times.values() for at in known]
    return [recall for recall in found if not made or recall.covers(made)]


def reach_of(
    session: Session, recall: Recall, *, before: int = ANY, audience: Audience = Audience.PUBLIC, limit: int = MAX_EVENTS
) -> Affected:
    """Follow everything that a recall names forward, up to `limit` events; withheld receivers only for those who may see them."""
    found, cut = _followed(session, recall, before)
    if not found.selves:
        return Affected((), (), (), (), (), (), 0, False)
    reach = Reach(limit=limit, before=before)
    indexes = event_indexes(session, found, reach, forward=True)
    events = read_events(session, indexes[:limit], audience, before=before)
    units = tuple(dict.fromkeys(span.unit for span in found.spans))
    levels: dict[str, list[str]] = {}
    for uri in (uri for uri in found.selves if not uri.startswith(HUB)):
        levels.setdefault(gs1.level(uri), []).append(uri)
    lots, items, pallets = (tuple(levels.pop(level, ())) for level in ("lot", "item", "sscc"))
    others = tuple(uri for uris in levels.values() for uri in uris)
    stops, unsure = stops_of(events, {*found.selves, *units})
    parties = {one.issuer for one in events} | {end.uri for one in events for end in one.parties if end.type != "location"}
    carriers = tuple(dict.fromkeys((*pallets, *units)))
    return Affected(lots, items, carriers, others, stops, tuple(sorted(parties)), len(events),
                    cut or unsure or len(indexes) > limit)  # fmt: skip


def lots_reached(session: Session, recall: Recall, *, before: int = ANY) -> tuple[list[str], bool]:
    """Every lot that a recall reaches, and whether a limit cut them short."""
    found, cut = _followed(session, recall, before)
    return [uri for uri in found.selves if gs1.level(uri) == "lot"], cut


def _followed(session: Session, recall: Recall, before: int) -> tuple[Lineage, bool]:
    starts = _starts(session, recall, before)
    found = lineage(session, starts[:MAX_STARTS], forward=True, scope=Scope(before=before, doubtful=True))
    return found, found.truncated or len(starts) > MAX_STARTS


def _recall(row: RecallRow, before: int) -> Recall:
    body: Mapping[str, Any] = row.body
    scope = body["scope"]
    parts = [tuple(gs1.canonical_uri(uri) for uri in scope.get(part, ())) for part in ("lots", "products", "places")]
    since, until = (_ms(scope[name]) if name in scope else none for name, none in zip(("from", "until"), ALWAYS, strict=True))
    closed = row.closed_by if row.closed_by is not None and row.closed_by < before else None
    return Recall(row.index, row.digest.hex(), row.issuer, row.class_, parts[0], parts[1], parts[2], since, until,
                  body["reason"], body["instructions"], closed)  # fmt: skip


def _ms(text: str) -> int:
    return (parse_time(text) - _EPOCH) // timedelta(milliseconds=1)


def _starts(session: Session, recall: Recall, before: int) -> list[str]:
    """The objects that a recall stands for: its lots, the lots of its products, what was at its places."""
    found = dict.fromkeys(recall.lots)
    for product in recall.products:
        wanted = select(EventObject.uri, EventObject.lot).where(EventObject.product == product, EventObject.index < before)
        for uri, lot in session.execute(wanted.distinct().limit(MAX_STARTS + 1)):
            found |= dict.fromkeys(filter(None, (uri, lot)))
    made = _made(session, found, before)
    kept = [uri for uri in found if uri not in made or recall.covers(made[uri])]
    return list(dict.fromkeys([*kept, *_at_places(session, recall, before)]))


def _at_places(session: Session, recall: Recall, before: int) -> list[str]:
    """What was at a recalled place: made in its window, or seen there in it."""
    if not recall.places:
        return []
    here = or_(EventRow.read_point.in_(recall.places), EventRow.biz_location.in_(recall.places))
    wanted = select(EventObject.uri, EventObject.lot, EventRow.event_time).join(EventRow, EventRow.index == EventObject.index)
    named = select(SubjectKey.index).where(SubjectKey.key.in_([sha256(uri.encode()).digest() for uri in recall.places]))
    told = EventRow.index.in_(named) & here & (EventRow.index < before)
    rows = session.execute(wanted.where(told).distinct().limit(MAX_STARTS + 1)).all()
    seen: dict[str, set[int]] = {}
    for uri, lot, at in rows:
        for one in filter(None, (uri, lot)):
            seen.setdefault(one, set()).add(at)
    # A crate is not recalled for having been there: what was in it then is.
    inside = contents_at(session, {(uri, at) for uri, ats in seen.items() for at in ats}, Scope(before=before, doubtful=True))
    for (unit, at), contents in inside.items():
        for content in contents:
            seen.setdefault(content.uri, set()).add(at)
        if gs1.level(unit) == "asset":
            seen.pop(unit, None)
    made = _made(session, seen, before)
    return [uri for uri, ats in seen.items() if recall.covers((*ats, *made.get(uri, ())))]


def _made(session: Session, uris: Iterable[str], before: int) -> dict[str, list[int]]:
    """When each was commissioned, as far as anybody told (ms)."""
    found: dict[str, list[int]] = {}
    for part in chunks(sorted(set(uris))):
        named = func.coalesce(EventObject.lot, EventObject.uri)
        wanted = select(EventObject.uri, named, EventRow.event_time).join(EventRow, EventRow.index == EventObject.index)
        for uri, lot, at in session.execute(wanted.where(names(part), commissions(), EventRow.index < before)):
            for one in {uri, lot}:
                found.setdefault(one, []).append(at)
    return found
