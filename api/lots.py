"""
The lots of a product, for the regulator's page about it: the newest, and every one that an open recall reaches.

A recall reaches a lot by its name, by its product, or through what it was made of; the newest recalls are followed.  Every
limit says when it cuts.  Not here: how far a recall reaches elsewhere (ledger/recalls.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledger.models import EventObject
from ledger.recalls import Recall, lots_reached, open_recalls
from verify import gs1

MAX_LOTS = 100  # of one page
MAX_READ = 20_000  # objects of events, newest first; a product may be named by millions
MAX_RECALLS = 20  # newest first; each is followed through everything that was made


@dataclass(frozen=True, slots=True)
class ProductLot:
    """A lot, and the open recalls that reach it."""

    uri: str
    recalls: Sequence[Recall]


@dataclass(frozen=True, slots=True)
class ProductLots:
    """Newest first, by the latest record that names one; `truncated` where there are more, or more recalls, than were read."""

    lots: Sequence[ProductLot]
    truncated: bool

    @property
    def recalled(self) -> int:
        """How many of them an open recall reaches."""
        return sum(bool(lot.recalls) for lot in self.lots)


def lots_of(session: Session, product: str, size: int) -> ProductLots:
    """The lots of a product (canonical URI), by entries below `size`."""
    found, read = _named(session, product, size)
    recalls = open_recalls(session, size)
    reached, missed = _reached(session, recalls[:MAX_RECALLS], product, size)
    shown = [*found[:MAX_LOTS], *(uri for uri in reached if uri not in found[:MAX_LOTS])]
    cut = missed or len(found) > MAX_LOTS or read > MAX_READ or len(recalls) > MAX_RECALLS
    return ProductLots([ProductLot(uri, reached.get(uri, ())) for uri in shown], cut)


def _named(session: Session, product: str, size: int) -> tuple[list[str], int]:
    """Its lots by their latest event, and how many objects were read to find them."""
    lot = func.coalesce(EventObject.lot, EventObject.uri)
    wanted = select(lot).where(EventObject.product == product, EventObject.index < size)
    rows = session.scalars(wanted.order_by(EventObject.index.desc()).limit(MAX_READ + 1)).all()
    return _lots(rows), len(rows)


def _reached(session: Session, recalls: Iterable[Recall], product: str, size: int) -> tuple[Mapping[str, Sequence[Recall]], bool]:
    found: dict[str, list[Recall]] = {}
    missed = False
    for recall in recalls:
        lots, cut = lots_reached(session, recall, before=size)
        missed |= cut
        for uri in lots:
            if gs1.product_of(uri) == product:
                found.setdefault(uri, []).append(recall)
    return found, missed


def _lots(uris: Iterable[str]) -> list[str]:
    return [uri for uri in dict.fromkeys(uris) if gs1.level(uri) == "lot"]
