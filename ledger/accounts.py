"""
API keys: made, listed, revoked.  Regulators and operators have them; submitting a statement needs none.

A key is `om_<id>_<secret>`, shown once; only its SHA-256 is kept.  The secret is 256 random bits, so nothing is salted or
stretched.  Who looked at what is looks.py's.
"""

import secrets
from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import ApiKey

ROLES = ("regulator", "operator")


def create_api_key(session: Session, name: str, role: str, now_ms: int) -> str:
    """Make a key and return it whole, for the only time.  ValueError for an unknown role.  The caller commits."""
    if role not in ROLES:
        raise ValueError(f"{role} is not one of {', '.join(ROLES)}")
    prefix = secrets.token_hex(4)
    key = f"om_{prefix}_{secrets.token_urlsafe(32)}"
    session.add(ApiKey(id=prefix, sha256=sha256(key.encode()).digest(), name=name, role=role, created_ms=now_ms))
    session.flush()
    return key


def revoke_api_key(session: Session, prefix: str, now_ms: int) -> bool:
    """End a key by its id; False where there is none in force.  The caller commits."""
    row = session.get(ApiKey, prefix)
    if row is None or row.revoked_ms is not None:
        return False
    row.revoked_ms = now_ms
    return True


def api_keys(session: Session) -> Sequence[ApiKey]:
    """Every key that was ever made, oldest first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.created_ms, ApiKey.id)).all()
