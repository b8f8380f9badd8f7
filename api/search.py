"""
The regulator's search box: takes whatever somebody has in hand.

A whole link, a path, an EPC URN, what is printed under a barcode or typed by a scanner, the digits of a GTIN, GLN or SSCC, a
lot code in either case, a digest or how it begins, part of a name.  Full-width characters, as Chinese keyboards have them,
are read as the plain ones.  What cannot be anything finds nothing; the answer never guesses one meaning where two are
possible, nor tells what is not published.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from unicodedata import normalize

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.elements import Elements, links_of, read_elements
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
    text = _plain(text).strip()
    digests, elements = list(_statements(session, text, size)), read_elements(text)
    named = [uri for uri in dict.fromkeys(_identifiers(text, elements)) if is_recorded(session, uri, size)]
    codes = dict.fromkeys([text, *(one["10"] for one in elements if "10" in one and not {"01", "02"} & set(one))])
    lots = [uri for code in codes for uri in _lots(session, code, size)]
    uris = list(dict.fromkeys([*named, *lots, *_names(session, text, size)]))[:MAX_FOUND]
    names = names_for(session, uris, lang)
    return [*digests, *(Found(uri, names.get(uri, ""), gs1.level(uri)) for uri in uris)]


def _plain(text: str) -> str:
    return normalize("NFKC", text)


def _in_either_case(code: str) -> list[str]:
    """A lot code as given, then as codes are mostly printed; GS1 tells them apart, fingers do not."""
    return list(dict.fromkeys((code, code.upper(), code.lower())))


def _identifiers(text: str, elements: Iterable[Elements]) -> Iterator[str]:
    digits = text.replace(" ", "")
    tries = [f"{gs1.HOST}/{ai}/{digits.rjust(14, '0') if ai == '01' else digits}" for ai in _AIS.get(len(digits), ())]
    cased = [{**one, "10": code} for one in elements for code in _in_either_case(one.get("10", ""))]
    scanned = [link for one in cased for link in links_of({ai: value for ai, value in one.items() if value})]
    for one in (text, f"{gs1.HOST}/{text.lstrip('/')}", *(tries if digits.isdecimal() else ()), *scanned):
        try:
            yield from gs1.subjects_of_uri(one)
        except Malformed:
            continue


def _lots(session: Session, text: str, size: int) -> Iterator[str]:
    """Lots of this code, in either case, of whatever product: there are fewer products than events by far."""
    try:
        codes = [gs1.lot_uri("09520000000004", code).rpartition("/")[2] for code in _in_either_case(text)]
    except Malformed:
        return
    for part in chunks(_products(session)):
        uris = {key_of(uri): uri for uri in (f"{product}/10/{code}" for product in part for code in codes)}
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
            if isinstance(names, dict) and any(text.lower() in _plain(str(name)).lower() for name in names.values()):
                yield uri


def _statements(session: Session, text: str, size: int) -> Iterator[Found]:
    begins = text.lower().removesuffix(_plain("…"))
    if not SHORT <= len(begins) <= 64 or not set(begins) <= set("0123456789abcdef"):
        return
    wanted = select(StatementRow.digest, StatementRow.kind).where(digest_begins(begins), StatementRow.index < size)
    for digest, kind in session.execute(wanted.order_by(StatementRow.index).limit(MAX_FOUND)):
        yield Found(f"/statements/{digest.hex()}", kind, "statement", digest.hex())
