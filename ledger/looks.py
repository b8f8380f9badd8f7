"""
Looks: which key somebody shows, and every look that it takes.

A regulator sees what parties keep from the public; so that this right is watched in its turn, a look is written down, and
committed, before anything is shown.  Not here: making and revoking keys (accounts.py).
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.column_text import plain
from ledger.models import ApiKey, Look

PREFIX = "om"
_NO_KEY = bytes(32)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key in force: its public id, who has it, and whether a regulator or an operator does."""

    id: str
    name: str
    role: str


def find_key(session: Session, shown: str) -> KnownKey | None:
    """The key that `shown` is, None where it is none of ours or was revoked."""
    prefix, _, rest = shown.partition("_")
    row = session.get(ApiKey, rest.partition("_")[0]) if prefix == PREFIX else None
    # Compared in constant time, and also where there is no such id: the answer takes as long for a near miss.
    known = hmac.compare_digest(sha256(shown.encode()).digest(), _NO_KEY if row is None else row.sha256)
    if row is None or not known or row.revoked_ms is not None:
        return None
    return KnownKey(row.id, row.name, row.role)


def record_look(session: Session, key_id: str, *, what: str, query: str, at_ms: int) -> None:
    """Write down one look.  The caller commits before it answers."""
    session.add(Look(at_ms=at_ms, api_key=key_id, what=plain(what), query=plain(query)))
    session.flush()


def looks_of(session: Session, key_id: str | None = None, *, limit: int = 200) -> Sequence[Look]:
    """The newest looks, of one key or of all."""
    wanted = select(Look).order_by(Look.id.desc()).limit(limit)
    return session.scalars(wanted if key_id is None else wanted.where(Look.api_key == key_id)).all()
