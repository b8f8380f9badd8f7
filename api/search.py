"""
The regulator's search box: takes whatever somebody has in hand.

A whole link, a path, an EPC URN, the digits of a GTIN, GLN or SSCC, a lot code, a digest or how it begins, part of a name.  What
cannot be anything finds nothing; the answer never guesses one meaning where two are possible, nor tells what is not published.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.subjects import names_for
from ledger.db import chunks
from ledger.finding import digest_begins, is_recorded
from ledger.models import EventObject, GrantRow, MasterRow, StatementRow, SubjectKey
from verify import gs1
from verify.errors import Malformed
from verify.subjects import key_of

MAX_FOUND = 50
SHORT = 8  # hex digits of a digest at least; pages show 16, and fewer would find anybody's
_AIS = {8: ("01",), 12: ("01",), 13: ("01", "414", "417"), 14: ("01",), 18: ("00",)}


@dataclass(frozen=True, slots=True)
class Found:
    """One subject that may be meant; or a statement, where `digest` is not empty."""

    uri: str
    name: str
    level: str
    digest: str = ""


def search(session: Session, text: str, lang: str, size: int) -> list[Found]:
    """Subjects and statements that `text` may mean, among entries below `size`; at most 50."""
    digests = list(_statements(session, text, size))
    named = [uri for uri in dict.fromkeys(_identifiers(text)) if is_recorded(session, uri, size)]
    uris = list(dict.fromkeys([*named, *_lots(session, text, size), *_names(session, text, size)]))[:MAX_FOUND]
    names = names_for(session, uris, lang)
    return [*digests, *(Found(uri, names.get(uri, ""), gs1.level(uri)) for uri in uris)]


def _identifiers(text: str) -> Iterator[str]:
    digits = text.replace(" ", "")
    tries = [f"{gs1.HOST}/{ai}/{digits.rjust(14, '0') if ai == '01' else digits}" for ai in _AIS.get(len(digits), ())]
    for one in (text, f"{gs1.HOST}/{text.lstrip('/')}", *(tries if digits.isdecimal() else ())):
        try:
            yield from gs1.subjects_of_uri(one)
        except Malformed:
            continue


def _lots(session: Session, text: str, size: int) -> Iterator[str]:
    """Lots of this code, of whatever product: there are fewer products than events by far."""
    try:
        lot = gs1.lot_uri("09520000000004", text).rpartition("/")[2]
    except Malformed:
        return
    for part in chunks(_products(session)):
        uris = {key_of(uri): uri for uri in (f"{product}/10/{lot}" for product in part)}
        known = select(SubjectKey.key).where(SubjectKey.key.in_(uris), SubjectKey.index < size).distinct()
        yield from (uris[key] for key in session.scalars(known.limit(MAX_FOUND)))


def _products(session: Session) -> Iterable[str]:
    """Every product that an event names, by jumps through the index: DISTINCT would read all of it."""
    found = select(func.min(EventObject.product).label("product")).cte("products", recursive=True)
    further = select(func.min(EventObject.product)).where(EventObject.product > found.c.product).scalar_subquery()
    found = found.union_all(select(further).where(found.c.product.is_not(None)))
    return [product for product in session.scalars(select(found.c.product)) if product is not None]


def _names(session: Session, text: str, size: int) -> Iterator[str]:
    """Whatever is called so, in any language; the database folds no case of ours, so that all names are looked through."""
    if len(text) < 2:
        return
    parties = select(GrantRow.party, GrantRow.name).where(GrantRow.index < size).order_by(GrantRow.index)
    told = select(MasterRow.uri, MasterRow.body["name"]).where(MasterRow.index < size).order_by(MasterRow.index)
    for wanted in (parties, told):
        for uri, names in session.execute(wanted):
            if isinstance(names, dict) and any(text.lower() in str(name).lower() for name in names.values()):
                yield uri


def _statements(session: Session, text: str, size: int) -> Iterator[Found]:
    begins = text.lower().removesuffix("…")
    if not SHORT <= len(begins) <= 64 or not set(begins) <= set("0123456789abcdef"):
        return
    wanted = select(StatementRow.digest, StatementRow.kind).where(digest_begins(begins), StatementRow.index < size)
    for digest, kind in session.execute(wanted.order_by(StatementRow.index).limit(MAX_FOUND)):
        yield Found(f"/statements/{digest.hex()}", kind, "statement", digest.hex())
