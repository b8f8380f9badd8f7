"""
What the log says of keys and lots, answered from SQL: the History that authority.py judges by.

Grants and revocations are kept between calls, since every statement asks for them; whoever writes a control statement in the
same transaction calls `forget`.  Not here: what follows from an answer (verify/authority.py).

Source: protocol.md section 2.
"""

from collections.abc import Sequence
from functools import cached_property

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from ledger.finding import has_digest, names
from ledger.models import (
    CommitmentRow,
    EntryRow,
    EventObject,
    EventRow,
    GrantRow,
    MasterRow,
    RevocationRow,
    StatementRow,
)
from verify import gs1
from verify.authority import Grant, History, Revocation, key_at, may_mint
from verify.entry import Entry
from verify.errors import Malformed, VerificationError
from verify.policy import Registrar
from verify.subjects import Logged

_COMMISSIONS = or_(
    and_(EventRow.type == "ObjectEvent", EventRow.action == "ADD", EventObject.role == "epc"),
    and_(EventRow.type == "TransformationEvent", EventObject.role == "output"),
)


def grant_of_row(row: GrantRow) -> Grant:
    """The grant that a row keeps."""
    roles, mint = frozenset(row.roles), tuple(row.mint)
    return Grant(row.index, row.party, row.thumbprint, row.jwk, roles, mint, row.name, row.registrar)


class SqlHistory(History):
    """authority.History over one session; sees what the session sees."""

    def __init__(self, session: Session, origin: str) -> None:
        self.origin = origin
        self._session = session
        self._given: dict[str, list[Grant]] = {}
        self._ended: dict[tuple[str, str], Revocation | None] = {}

    def _named_at_first(self) -> Sequence[Registrar]:
        first = select(GrantRow).where(GrantRow.index == 0)
        return [Registrar(row.party, row.thumbprint, 0, None, "*") for row in self._session.scalars(first)]

    # Read when a control statement asks: most batches have none.
    registrars: Sequence[Registrar] = cached_property(_named_at_first)  # type: ignore[assignment]

    def forget(self) -> None:
        """Ask the database again: a control statement was written."""
        self._given.clear()
        self._ended.clear()

    def grants(self, thumbprint: str, before: int) -> Sequence[Grant]:
        """See authority.History."""
        if thumbprint not in self._given:
            rows = self._session.scalars(select(GrantRow).where(GrantRow.thumbprint == thumbprint).order_by(GrantRow.index))
            self._given[thumbprint] = [grant_of_row(row) for row in rows]
        return [grant for grant in self._given[thumbprint] if grant.index < before]

    def grants_of(self, party: str, before: int) -> Sequence[Grant]:
        """See authority.History."""
        mine = select(GrantRow).where(GrantRow.party == party, GrantRow.index < before).order_by(GrantRow.index)
        return [grant_of_row(row) for row in self._session.scalars(mine)]

    def revocation(self, party: str, thumbprint: str, before: int) -> Revocation | None:
        """See authority.History."""
        name = (party, thumbprint)
        if name not in self._ended:
            ended = select(RevocationRow).where(RevocationRow.party == party, RevocationRow.thumbprint == thumbprint)
            row = self._session.scalar(ended)
            ending = None if row is None else Revocation(row.index, row.party, row.thumbprint, row.compromised_from)
            self._ended[name] = ending
        found = self._ended[name]
        return found if found is not None and found.index < before else None

    def commissioner(self, uri: str, before: int) -> str | None:
        """See authority.History."""
        told = (
            select(EventRow.index, StatementRow.issuer, StatementRow.kid)
            .join(EventObject, EventObject.index == EventRow.index)
            .join(StatementRow, StatementRow.index == EventRow.index)
            .where(names([uri]), _COMMISSIONS, EventRow.index < before)
            .order_by(EventRow.index)
        )
        return next((issuer for index, issuer, kid in self._session.execute(told) if self._mints(issuer, kid, uri, index)), None)

    def _mints(self, party: str, kid: str, uri: str, index: int) -> bool:
        try:
            return may_mint(key_at(self, party, kid, index), uri, self, index)
        except VerificationError:
            return False

    def commitments(self, lot: str, before: int) -> Sequence[Logged]:
        """See authority.History."""
        rows = select(CommitmentRow.index).where(CommitmentRow.lot == lot, CommitmentRow.index < before)
        return [self._logged(index) for index in self._session.scalars(rows.order_by(CommitmentRow.index)).all()]

    def logged(self, digest: bytes, before: int) -> Logged | None:
        """See authority.History."""
        index = self._session.scalar(select(StatementRow.index).where(has_digest(digest)))
        return self._logged(index) if index is not None and index < before else None

    def _logged(self, index: int) -> Logged:
        wanted = (
            select(StatementRow.digest, StatementRow.kind, StatementRow.issuer, EntryRow.entry)
            .join(EntryRow, EntryRow.index == StatementRow.index)
            .where(StatementRow.index == index)
        )
        digest, kind, issuer, entry = self._session.execute(wanted).one()
        return Logged(index, digest, kind, issuer, Entry.decode(entry).keys)

    def allowed_producers(self, product: str, before: int) -> frozenset[str]:
        """See authority.History."""
        told = (
            select(MasterRow.index, MasterRow.issuer, MasterRow.body, StatementRow.kid)
            .join(StatementRow, StatementRow.index == MasterRow.index)
            .where(MasterRow.uri == product, MasterRow.index < before)
        )
        found: set[str] = set()
        for index, issuer, body, kid in self._session.execute(told).all():
            if self._owns(issuer, kid, product, index):
                found |= _parties(body.get("allowedProducers"))
        return frozenset(found)

    def _owns(self, party: str, kid: str, product: str, index: int) -> bool:
        try:
            return any(gs1.matches_prefix(product, prefix) for prefix in key_at(self, party, kid, index).mint)
        except VerificationError:
            return False


def _parties(named: object) -> set[str]:
    """The parties that a product's owner names; what is no URI names nobody."""
    found = set()
    for uri in named if isinstance(named, list) else ():
        try:
            found.add(gs1.canonical_uri(uri))
        except Malformed:
            continue
    return found
