"""
Statements as one audience may see them, read back from the database.

    public       the disclosures that the party itself marked for everybody
    regulator    all disclosures that came with the statement

An erased statement has no content: it is left out here and named by `erasures`, so that a page can say how many and why.
Not here: what is signed or logged (never changed by an audience), who may ask as a regulator (looks.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from ledger.models import EntryRow, GrantRow, StatementRow, SubjectKey
from ledger.units import ANY, chunks
from producers.sign import public_disclosures
from verify.statement import Statement, assemble, parse_statement
from verify.strict import b64u_decode
from verify.subjects import Record


class Audience(StrEnum):
    """Who looks."""

    PUBLIC = "public"
    REGULATOR = "regulator"


@dataclass(frozen=True, slots=True)
class Erased:
    """A record about the asked subjects whose content the law made us drop."""

    index: int
    erased_by: int
    """Index of the Erasure, which is in the log for everybody to see."""
    ground: str


def statement_of(jws: bytes, disclosures: Sequence[str], audience: Audience) -> Statement:
    """Rebuild a stored statement with the disclosures that `audience` may see.  Raises Malformed where the row was damaged."""
    header, payload, signature = (b64u_decode(part) for part in jws.decode("ascii").split("."))
    told = assemble(header.decode(), payload.decode(), signature, disclosures)
    return told if audience == Audience.REGULATOR else replace(told, disclosures=public_disclosures(told))


def read_records(session: Session, indexes: Iterable[int], audience: Audience) -> list[Record]:
    """The statements at `indexes` in log order, less those that were erased."""
    found = []
    for part in chunks(sorted(set(indexes))):
        wanted = (
            select(StatementRow.index, StatementRow.jws, StatementRow.disclosures, EntryRow.time_ms)
            .join(EntryRow, EntryRow.index == StatementRow.index)
            .where(StatementRow.index.in_(part), StatementRow.jws.is_not(None))
            .order_by(StatementRow.index)
        )
        for index, jws, disclosures, time_ms in session.execute(wanted):
            found.append(Record.of(index, time_ms, statement_of(jws or b"", disclosures, audience)))
    return found


def erasures(session: Session, uris: Sequence[str], before: int = ANY) -> tuple[Erased, ...]:
    """Every erased record about one of `uris` (canonical), in log order."""
    told, erasure = aliased(StatementRow), aliased(StatementRow)
    keys = [sha256(uri.encode()).digest() for uri in uris]
    wanted = (
        select(told.index, erasure.index, erasure.jws)
        .join(SubjectKey, and_(SubjectKey.index == told.index, SubjectKey.key.in_(keys)))
        .join(erasure, erasure.index == told.erased_by)
        .where(told.index < before, erasure.index < before)
        .order_by(told.index)
        .distinct()
    )
    rows = session.execute(wanted).all()
    return tuple(Erased(index, by, str(parse_statement(jws or b"").subject["ground"])) for index, by, jws in rows)


def names_of(session: Session, parties: Iterable[str], before: int = ANY) -> dict[str, Mapping[str, str]]:
    """What registrars call these parties, by language; the newest grant counts."""
    found: dict[str, Mapping[str, str]] = {}
    for part in chunks(sorted(set(parties))):
        rows = select(GrantRow.party, GrantRow.name).where(GrantRow.party.in_(part), GrantRow.index < before)
        found |= {party: name for party, name in session.execute(rows.order_by(GrantRow.index)) if name}
    return found
