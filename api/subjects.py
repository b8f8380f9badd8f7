"""
Names for people: what registrars call parties, and what owners call places and products.

The newest word counts, below the published size.  Whether the one who said it owns the place is not judged here: a page shows
the identifier beside the name.
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.language import pick_name
from api.problems import HttpProblem
from ledger.db import chunks
from ledger.finding import Unrecorded, recorded
from ledger.models import MasterRow
from ledger.pooling import published_size
from ledger.shown import names_of
from verify import gs1
from verify.errors import Malformed


def names_for(session: Session, uris: Iterable[str], lang: str) -> dict[str, str]:
    """A name for each URI that has one; lots and items take their product's with their own number."""
    asked = {uri for uri in uris if uri}
    products = {uri: product for uri in asked if (product := _product(uri)) is not None and product != uri}
    size = published_size(session)
    known = _master(session, asked | set(products.values()), lang, size)
    known |= {party: pick_name(name, lang) for party, name in names_of(session, asked, size).items()}
    for uri, product in products.items():
        if product in known and uri not in known:
            known[uri] = f"{known[product]} {uri.rpartition('/')[2]}"
    return known


def recorded_subject(session: Session, text: str, before: int) -> str:
    """The canonical URI that `text` means, which records below `before` are about.  Raises HttpProblem."""
    try:
        return recorded(session, text, before)
    except Malformed as error:
        raise HttpProblem("bad-identifier", f"{text}: {error.message}", where="id") from None
    except Unrecorded as error:
        raise HttpProblem("unknown-subject", str(error), where="id") from None


def _master(session: Session, uris: Iterable[str], lang: str, before: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in chunks(sorted(uris)):
        rows = select(MasterRow.uri, MasterRow.body).where(MasterRow.uri.in_(part), MasterRow.index < before)
        told = session.execute(rows.order_by(MasterRow.index))
        found |= {uri: name for uri, body in told if (name := pick_name(body.get("name"), lang))}
    return found


def _product(uri: str) -> str | None:
    try:
        return gs1.product_of(uri)
    except Malformed:
        return None
