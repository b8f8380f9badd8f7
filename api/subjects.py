"""
Names for people: what registrars call parties, and what owners call places and products.

Below the published size.  Whose word counts is told in ledger/described.py; a registered party keeps its registered name,
whatever anybody describes under its URI.
"""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from api.language import pick_name
from api.problems import HttpProblem
from ledger.described import described
from ledger.finding import Unrecorded, recorded
from ledger.pooling import published_size
from ledger.shown import names_of
from verify import gs1
from verify.errors import Malformed


def names_for(session: Session, uris: Iterable[str], lang: str) -> dict[str, str]:
    """A name for each URI that has one; lots and items take their product's with their own number."""
    asked = {uri for uri in uris if uri}
    products = {uri: product for uri in asked if (product := _product(uri)) is not None and product != uri}
    size = published_size(session)
    words = described(session, asked | set(products.values()), size)
    known = {uri: name for uri, body in words.items() if (name := pick_name(body.get("name"), lang))}
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


def _product(uri: str) -> str | None:
    try:
        return gs1.product_of(uri)
    except Malformed:
        return None
