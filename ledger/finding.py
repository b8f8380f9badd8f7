"""
How rows are found by a hash: statements by their digest, objects by their subject keys.

    has_digest       a condition on StatementRow
    digest_begins    the same, for who has only the first hex digits
    names            a condition on EventObject
    recorded         the subject that somebody means who holds a label

Of a digest only the head is looked for.  Heads collide by chance once in 2^64 pairs, and on purpose for whoever spends the
money: so a head leads to rows, and the whole hash decides.

Source: DECISIONS.md, "Eight bytes find, the whole hash decides".
"""

from collections.abc import Iterable
from struct import Struct
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ledger.models import EventObject, HashHead, StatementRow, SubjectKey
from verify import gs1
from verify.subjects import key_of

_HEAD = Struct(">q")  # 8 bytes as a signed number, since neither engine has others


class Unrecorded(Exception):
    """No published record is about what was named."""


def head(hashed: bytes) -> int:
    """The first 8 bytes of a hash, as a number that both engines compare."""
    found: int = _HEAD.unpack_from(hashed)[0]
    return found


def has_digest(*digests: bytes) -> ColumnElement[bool]:
    """On StatementRow: it has one of these digests."""
    found = select(HashHead.index).where(HashHead.head.in_(list(map(head, digests))))
    return and_(StatementRow.index.in_(found), StatementRow.digest.in_(digests))


def digest_begins(digits: str) -> ColumnElement[bool]:
    """On StatementRow: its digest begins with these hex digits, in lower case, of which there are 1 to 64."""
    first, last = (bytes.fromhex(digits.ljust(64, fill)) for fill in "0f")
    # Heads in order are digests in order: those of one beginning have one sign.
    found = select(HashHead.index).where(HashHead.head.between(head(first), head(last)))
    return and_(StatementRow.index.in_(found), StatementRow.digest.between(first, last))


def names(uris: Iterable[str], *columns: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """
    On EventObject: it is one of `uris` by one of `columns`, uri or lot unless said otherwise.

    Every object that an event names is a subject of its statement (verify/subjects.py), so that its key leads here.  By way of
    distinct events: an event of 1,000 objects must not be looked through once for each of them.
    """
    wanted = list(uris)
    told = select(SubjectKey.index).where(SubjectKey.key.in_(list(map(key_of, wanted))))
    is_one = [column.in_(wanted) for column in columns or (EventObject.uri, EventObject.lot)]
    return and_(EventObject.index.in_(told), or_(*is_one))


def recorded(session: Session, text: str, before: int) -> str:
    """
    The finest subject named by `text` (any notation) that an entry below `before` is about.

    A label names an item and its lot, and mostly nobody told anything of that one item.  Raises Malformed, Unrecorded.
    """
    named = gs1.subjects_of_uri(text)
    for uri in named:
        if is_recorded(session, uri, before):
            return uri
    raise Unrecorded(f"no record in this log is about {named[-1]}")


def is_recorded(session: Session, uri: str, before: int) -> bool:
    """Whether an entry below `before` is about a canonical URI, or about a lot of that product."""
    entry = select(SubjectKey.index).where(SubjectKey.key == key_of(uri), SubjectKey.index < before).limit(1)
    # A product is often named by its lots alone.
    told = select(EventObject.index).where(EventObject.product == uri, EventObject.index < before).limit(1)
    return session.scalar(entry) is not None or session.scalar(told) is not None
