"""
What places and products are said to be, and whose word that is: master data.

Its owner's (`is_owner`).  Where no owner spoke, whoever described it first goes on describing it.  So a stranger who comes later
renames nobody's warehouse, and one who came first keeps no owner from naming what is its own.

Source: protocol.md section 2 (master data is the owner's).  Not here: what registrars call parties (shown.names_of).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledger.db import chunks
from ledger.models import GrantRow, MasterRow, WithdrawalRow
from verify import gs1

MAX_DESCRIBED = 4_096  # descriptions read of one chunk of things; each issuer's first comes before anybody's second


@dataclass(frozen=True, slots=True)
class Description:
    """That `issuer` described `uri` at an index."""

    index: int
    uri: str
    issuer: str


def counting(told: Iterable[Description], owns: Callable[[str, str], bool]) -> list[Description]:
    """Those that count, in log order; `owns(issuer, uri)` says whose a thing is (`is_owner`)."""
    found = sorted(told, key=lambda one: one.index)
    # Each pair is asked once: a stranger may describe one thing thousands of times.
    owners = {(who, uri) for who, uri in {(one.issuer, one.uri) for one in found} if owns(who, uri)}
    owned = {uri for _, uri in owners}
    first = {one.uri: one.issuer for one in reversed(found)}
    return [one for one in found if ((one.issuer, one.uri) in owners if one.uri in owned else first[one.uri] == one.issuer)]


def descriptions(session: Session, uris: Iterable[str], before: int) -> list[Description]:
    """The descriptions of these canonical URIs that count below `before`, also where they were taken back, in log order."""
    told: list[Description] = []
    for part in chunks(sorted(uris)):
        # An issuer that describes one thing a thousand times takes nobody's place.
        turn = func.row_number().over(partition_by=(MasterRow.uri, MasterRow.issuer), order_by=MasterRow.index).label("turn")
        rows = select(MasterRow.index, MasterRow.uri, MasterRow.issuer, turn)
        rows = rows.where(MasterRow.uri.in_(part), MasterRow.index < before).order_by("turn", MasterRow.index)
        told += [Description(index, uri, issuer) for index, uri, issuer, _ in session.execute(rows.limit(MAX_DESCRIBED))]
    return counting(told, _owners(session, {one.issuer for one in told}, before))


def described(session: Session, uris: Iterable[str], before: int) -> dict[str, Mapping[str, Any]]:
    """The newest description that counts and stands, by URI: members as they were signed, so of any shape."""
    told = descriptions(session, uris, before)
    gone: set[int] = set()
    for part in chunks([one.index for one in told]):
        taken_back = select(WithdrawalRow.target).where(WithdrawalRow.target.in_(part), WithdrawalRow.index < before)
        gone |= set(session.scalars(taken_back))
    newest = {one.uri: one.index for one in told if one.index not in gone}
    found: dict[str, Mapping[str, Any]] = {}
    for part in chunks(sorted(newest.values())):
        rows = select(MasterRow.uri, MasterRow.body).where(MasterRow.index.in_(part))
        found |= {uri: body for uri, body in session.execute(rows)}
    return found


def is_owner(party: str, uri: str, mint: Iterable[str]) -> bool:
    """
    Whether a thing is the party's own to describe.

    A grant lets the party mint under it, it lies under the party's own address, or its GLN is the party's.
    """
    own = party.replace(f"{gs1.HOST}/417/", f"{gs1.HOST}/414/")
    return uri == own or any(gs1.matches_prefix(uri, prefix) for prefix in (party, *mint))


def coordinates(body: Mapping[str, Any]) -> str:
    """Latitude and longitude in degrees, `31.23, 121.47`; empty where both are not told as decimal strings."""
    geo = body.get("geo")
    told = [geo.get(name) for name in ("lat", "lon")] if isinstance(geo, Mapping) else []
    read = [one for one in told if isinstance(one, str) and re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{1,10})?", one)]
    return ", ".join(read) if len(read) == 2 else ""


def _owners(session: Session, issuers: Iterable[str], before: int) -> Callable[[str, str], bool]:
    mint: dict[str, list[str]] = {}
    for part in chunks(sorted(issuers)):
        rows = select(GrantRow.party, GrantRow.mint).where(GrantRow.party.in_(part), GrantRow.index < before)
        for party, prefixes in session.execute(rows):
            mint.setdefault(party, []).extend(prefixes)
    return lambda issuer, uri: is_owner(issuer, uri, mint.get(issuer, ()))
