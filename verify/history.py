"""History from a set of records: what a reader of one bundle, or an audit of a whole log, can answer about keys and lots."""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from . import gs1, subjects
from .authority import GRANTING, Grant, Logged, Revocation, check_control, grant_at, grant_of, key_at, may_mint
from .epcis import Event
from .errors import VerificationError
from .policy import Registrar
from .statement import CONTROL_KINDS, Statement

FOREVER = 2**53  # above every index

@dataclass(frozen=True, slots=True)
class Record(Logged):
    """A statement at its place in the log, with its subjects (canonical URIs) and its event where it tells one."""
    time_ms: int
    statement: Statement
    uris: tuple[str, ...]
    event: Event | None

    @classmethod
    def of(cls, index: int, time_ms: int, told: Statement) -> "Record":
        """Read a statement's subjects and event; raises Malformed."""
        event, uris, keys = subjects.event_of(told.kind, told.disclosed), subjects.uris(told), subjects.keys(told)
        return cls(index, told.digest, told.kind, told.issuer, keys, time_ms, told, uris, event)

def standing(records: Sequence[Record], history: "RecordHistory") -> list[Record]:
    """Records that count: not refused, disputed, withdrawn, erased or declared wrong, and no adoption of one that stands."""
    kept = [one for one in records if one.index not in history.refused and not history.is_disputed(one)]
    gone = {one.statement.subject["digest"] for one in kept if one.kind in ("Withdrawal", "Erasure")}
    wrong = {(one.issuer, one.event.event_id) for one in kept if one.event is not None and one.event.error_declaration}
    kept = [one for one in kept if one.kind in CONTROL_KINDS or one.digest.hex() not in gone]
    kept = [one for one in kept if one.event is None or (one.issuer, one.event.event_id) not in wrong]
    told = {one.digest.hex() for one in kept}
    return [one for one in kept if one.kind != "Adoption" or str(one.statement.subject.get("adopts")) not in told]

class RecordHistory:
    """Implements authority.History.  Control statements without authority have no effect: `refused` says why, by index."""
    def __init__(self, origin: str, registrars: Sequence[Registrar], records: Iterable[Record] = ()) -> None:
        self.origin, self.registrars = origin, registrars
        self.refused: dict[int, VerificationError] = {}
        self._records: dict[bytes, Record] = {}
        self._grants: list[Grant] = []
        self._revocations: list[Revocation] = []
        self._commitments: list[Record] = []
        self._owners: list[tuple[int, str, frozenset[str]]] = []
        self._commissions: dict[str, Record] = {}
        for record in sorted(records, key=lambda one: one.index):  # each is judged by those below it
            self.add(record)

    def add(self, record: Record) -> None:
        """Judge one record and take up what it establishes."""
        statement, index, body = record.statement, record.index, record.statement.subject
        if record.kind in CONTROL_KINDS and index > 0:
            try:
                key_at(self, record.issuer, statement.kid, index)
                check_control(statement, index, self)
            except VerificationError as reason:
                self.refused[index] = reason
                return
        self._records[record.digest] = record
        if record.kind in GRANTING:
            self._grants.append(grant_of(statement, index))
        elif record.kind == "KeyRevocation":
            self._revocations.append(Revocation(index, body["id"], body["kid"], body.get("compromisedFrom")))
        elif record.kind == "LabelCommitment":
            self._commitments.append(record)
        elif record.kind == "MasterData" and isinstance(allowed := body.get("allowedProducers"), list):
            product, grant = body["id"], grant_at(self, statement, index)
            if grant and any(gs1.matches_prefix(product, prefix) for prefix in grant.mint):
                # Parties write their URI in one form; what is not in it names nobody.
                self._owners.append((index, product, frozenset(one for one in allowed if isinstance(one, str))))
        for uri in [uri for one in record.event.commissioned for uri in one.uris] if record.event else []:
            if uri not in self._commissions and may_mint(grant_at(self, statement, index), uri, self, index):
                self._commissions[uri] = record

    def is_disputed(self, record: Record) -> bool:
        """Whether its key was revoked as compromised from an index at or below this one."""
        found = self.revocation(record.issuer, record.statement.kid, FOREVER)
        return found is not None and found.compromised_from is not None and record.index >= found.compromised_from

    def grants(self, thumbprint: str, before: int) -> Sequence[Grant]:
        return [one for one in self._grants if one.thumbprint == thumbprint and one.index < before]

    def grants_of(self, party: str, before: int) -> Sequence[Grant]:
        return [one for one in self._grants if one.party == party and one.index < before]

    def revocation(self, party: str, thumbprint: str, before: int) -> Revocation | None:
        found = (one for one in self._revocations if (one.party, one.thumbprint) == (party, thumbprint) and one.index < before)
        return next(found, None)

    def commissioner(self, uri: str, before: int) -> str | None:
        found = self._commissions.get(uri)
        return found.issuer if found and found.index < before else None

    def commitments(self, lot: str, before: int) -> Sequence[Logged]:
        return [one for one in self._commitments if one.statement.subject["id"] == lot and one.index < before]

    def logged(self, digest: bytes, before: int) -> Logged | None:
        found = self._records.get(digest)
        return found if found and found.index < before else None

    def allowed_producers(self, product: str, before: int) -> frozenset[str]:
        return frozenset().union(*(who for index, uri, who in self._owners if uri == product and index < before))
