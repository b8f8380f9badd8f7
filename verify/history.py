"""
History from a set of records: what a reader of one bundle, or an audit of a whole log, can answer about keys and lots.

Control statements without authority are remembered with the reason and have no effect.

Source: protocol.md section 2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import epcis, gs1, subjects
from .authority import Grant, History, Logged, Revocation, grant_of, key_at, may_mint, refusal
from .errors import Malformed, VerificationError
from .policy import Registrar
from .statement import CONTROL_KINDS, Statement


@dataclass(frozen=True, slots=True)
class Record:
    """A statement at its place in the log, with its subjects (canonical URIs) and its event where it tells one."""

    index: int
    time_ms: int
    statement: Statement
    uris: tuple[str, ...]
    keys: tuple[bytes, ...]
    event: epcis.Event | None

    @classmethod
    def of(cls, index: int, time_ms: int, statement: Statement) -> "Record":
        """Read a statement's subjects and event; raises Malformed."""
        body = statement.disclosed
        told = {"TraceabilityEvent": body, "Adoption": body.get("event")}.get(statement.kind)
        event = epcis.read_event(told) if isinstance(told, dict) else None
        if statement.kind in ("TraceabilityEvent", "Adoption") and event is None:
            raise Malformed("an event was expected", where="/credentialSubject")
        return cls(index, time_ms, statement, subjects.uris(statement), subjects.keys(statement), event)

    @property
    def logged(self) -> Logged:
        """What control statements refer to."""
        statement = self.statement
        return Logged(self.index, statement.digest, statement.kind, statement.issuer, self.keys)


def uris_of(event: epcis.Event) -> tuple[str, ...]:
    """Every object an event names, in any role, items with the lot their link names."""
    return tuple(uri for one in event.objects for uri in (one.uri, one.lot) if uri is not None)


def is_disputed(record: Record, history: History) -> bool:
    """Whether its key was revoked as compromised from an index at or below this one."""
    found = history.revocation(record.statement.issuer, record.statement.kid, 2**53)
    return found is not None and found.compromised_from is not None and record.index >= found.compromised_from


def standing(records: Sequence[Record], history: "RecordHistory") -> list[Record]:
    """Records that count: not refused, disputed, withdrawn, erased or declared wrong, and no adoption of one that stands."""
    kept = [r for r in records if r.index not in history.refused and not is_disputed(r, history)]
    gone = {r.statement.subject["digest"] for r in kept if r.statement.kind in ("Withdrawal", "Erasure")}
    wrong = {(r.statement.issuer, r.event.event_id) for r in kept if r.event is not None and r.event.error_declaration}
    kept = [r for r in kept if r.statement.kind in CONTROL_KINDS or r.statement.digest.hex() not in gone]
    kept = [r for r in kept if r.event is None or (r.statement.issuer, r.event.event_id) not in wrong]
    told = {r.statement.digest.hex() for r in kept}
    return [r for r in kept if r.statement.kind != "Adoption" or str(r.statement.subject.get("adopts")) not in told]


class RecordHistory:
    """Implements authority.History over records; add them in index order."""

    def __init__(self, origin: str, registrars: Sequence[Registrar]) -> None:
        self.origin = origin
        self.registrars = registrars
        self.refused: dict[int, VerificationError] = {}
        self._records: dict[bytes, Record] = {}
        self._grants: list[Grant] = []
        self._revocations: list[Revocation] = []
        self._commitments: list[tuple[str, Logged]] = []
        self._owners: list[tuple[int, str, frozenset[str]]] = []
        self._commissions: dict[str, tuple[int, str]] = {}

    def add_all(self, records: Iterable[Record]) -> None:
        """Add records, lowest index first: each is judged by those below it."""
        for record in sorted(records, key=lambda one: one.index):
            self.add(record)

    def add(self, record: Record) -> None:
        """Judge one record and take up what it establishes."""
        statement, index = record.statement, record.index
        if statement.kind in CONTROL_KINDS and index > 0:
            reason = refusal(statement, index, self)
            if reason is not None:
                self.refused[index] = reason
                return
        self._records[statement.digest] = record
        body = statement.subject
        if statement.kind in ("Genesis", "PartyRegistration"):
            self._grants.append(grant_of(statement, index))
        elif statement.kind == "KeyRevocation":
            self._revocations.append(Revocation(index, body["id"], body["kid"], body.get("compromisedFrom")))
        elif statement.kind == "LabelCommitment":
            self._commitments.append((body["id"], record.logged))
        elif statement.kind == "MasterData":
            self._take_owner(record)
        elif record.event is not None:
            self._take_commissions(record, record.event)

    def _take_owner(self, record: Record) -> None:
        product, allowed = record.statement.subject["id"], record.statement.subject.get("allowedProducers")
        if isinstance(allowed, list) and any(gs1.matches_prefix(product, p) for g in self._of(record) for p in g.mint):
            # Parties write their URI in one form; what is not in it names nobody.
            self._owners.append((record.index, product, frozenset(one for one in allowed if isinstance(one, str))))

    def _take_commissions(self, record: Record, event: epcis.Event) -> None:
        for uri in (uri for one in event.commissioned for uri in (one.uri, one.lot) if uri is not None):
            if uri not in self._commissions and any(may_mint(g, uri, self, record.index) for g in self._of(record)):
                self._commissions[uri] = (record.index, record.statement.issuer)

    def _of(self, record: Record) -> Sequence[Grant]:
        try:
            return [key_at(self, record.statement.issuer, record.statement.kid, record.index)]
        except VerificationError:
            return []

    def grants(self, thumbprint: str, before: int) -> Sequence[Grant]:
        """See authority.History."""
        return [g for g in self._grants if g.thumbprint == thumbprint and g.index < before]

    def grants_of(self, party: str, before: int) -> Sequence[Grant]:
        """See authority.History."""
        return [g for g in self._grants if g.party == party and g.index < before]

    def revocation(self, party: str, thumbprint: str, before: int) -> Revocation | None:
        """See authority.History."""
        found = (r for r in self._revocations if (r.party, r.thumbprint) == (party, thumbprint) and r.index < before)
        return next(found, None)

    def commissioner(self, uri: str, before: int) -> str | None:
        """See authority.History."""
        index, party = self._commissions.get(uri, (before, None))
        return party if index < before else None

    def commitments(self, lot: str, before: int) -> Sequence[Logged]:
        """See authority.History."""
        return [logged for uri, logged in self._commitments if uri == lot and logged.index < before]

    def logged(self, digest: bytes, before: int) -> Logged | None:
        """See authority.History."""
        record = self._records.get(digest)
        return record.logged if record is not None and record.index < before else None

    def allowed_producers(self, product: str, before: int) -> frozenset[str]:
        """See authority.History."""
        return frozenset().union(*(who for index, uri, who in self._owners if uri == product and index < before))
