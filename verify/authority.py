"""Who may say what: keys bound to parties by registrars, and the authority of the control kinds.
Judged by log order alone, never by a party's clock: a grant counts below the statement's index, a revocation for ever after
its own.  History is an argument: the ledger answers from SQL inside the ordering transaction, a verifier from its bundle.
Source: protocol.md section 2."""
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from . import gs1
from .errors import BadSignature, Malformed, NotGranted, NotTrusted, VerificationError, need
from .policy import Registrar
from .statement import CONTROL_KINDS, Statement, parse_time, thumbprint, verify_bytes
from .strict import b64u_decode, members
from .subjects import Logged, Record

ROLES = frozenset(("producer", "warehouse", "retailer", "certifier", "laboratory", "authority", "brand-owner", "registrar"))
GRANTING = ("Genesis", "PartyRegistration")  # the kinds that bind a key
MAX_CODES = 2**32 - 1  # an item's index is a u32
FOREVER = 2**53  # above every index
_SUBJECT = "/credentialSubject"

@dataclass(frozen=True, slots=True)
class Grant:
    """A key that a registrar bound to a party at `index`; `mint` are the URI prefixes the party may commission under."""
    index: int
    party: str
    thumbprint: str
    jwk: Mapping[str, Any]
    roles: frozenset[str]
    mint: tuple[str, ...]
    name: Mapping[str, str]
    registrar: str

@dataclass(frozen=True, slots=True)
class Revocation:
    """The end of (party, thumbprint); `compromised_from` marks that key's statements from there on as disputed."""
    index: int
    party: str
    thumbprint: str
    compromised_from: int | None

class History:
    """What the log says; every answer is from entries with an index below `before`.  Here from records, in the ledger from SQL.
    Control statements without authority have no effect: `refused` says why, by index."""
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

    # Effective grants of a key, to whatever party, and to a party; the genesis grants role `registrar` at index 0.
    def grants(self, thumbprint: str, before: int) -> Sequence[Grant]:
        return [one for one in self._grants if one.thumbprint == thumbprint and one.index < before]

    def grants_of(self, party: str, before: int) -> Sequence[Grant]:
        return [one for one in self._grants if one.party == party and one.index < before]

    def revocation(self, party: str, thumbprint: str, before: int) -> Revocation | None:
        found = (one for one in self._revocations if (one.party, one.thumbprint) == (party, thumbprint) and one.index < before)
        return next(found, None)

    # The first party that commissioned `uri` and might; those that a product's owner lets commission it (MasterData).
    def commissioner(self, uri: str, before: int) -> str | None:
        found = self._commissions.get(uri)
        return found.issuer if found and found.index < before else None

    def allowed_producers(self, product: str, before: int) -> frozenset[str]:
        return frozenset().union(*(who for index, uri, who in self._owners if uri == product and index < before))

    # The lot's label commitments, lowest index first; the statement of a digest.
    def commitments(self, lot: str, before: int) -> Sequence[Logged]:
        return [one for one in self._commitments if one.statement.subject["id"] == lot and one.index < before]

    def logged(self, digest: bytes, before: int) -> Logged | None:
        found = self._records.get(digest)
        return found if found and found.index < before else None

def key_at(history: History, party: str, key: str, index: int) -> Grant:
    """The grant under which `party` signs with `key` (thumbprint) at `index`.  Raises NotGranted."""
    grants = history.grants(key, index)
    mine, code = [grant for grant in grants if grant.party == party], "other-party-key" if grants else "unknown-key"
    NotGranted.unless(mine, f"no registrar bound this key to {party} before index {index}", code)
    ended = history.revocation(party, key, index)
    NotGranted.unless(ended is None, f"this key of {party} was revoked before index {index}", "revoked-key")
    return mine[0]

def grant_at(history: History, statement: Statement, index: int) -> Grant | None:
    """The grant under which a statement at `index` was signed, None where there is none in force."""
    try:
        return key_at(history, statement.issuer, statement.kid, index)
    except NotGranted:
        return None

def may_mint(grant: Grant | None, uri: str, history: History, index: int) -> bool:
    """Whether the party may commission `uri`: by its grant, or because the product's owner names it."""
    if grant is None or any(gs1.matches_prefix(uri, prefix) for prefix in grant.mint):
        return grant is not None
    product = gs1.product_of(uri)
    return product is not None and grant.party in history.allowed_producers(product, index)

def possession_message(origin: str, party: str, key: str) -> bytes:
    """What a new key signs to show that its owner wants it granted here (thumbprint `key`)."""
    return f"originmark/possession/v1\n{origin}\n{party}\n{key}\n".encode()

def grant_of(statement: Statement, index: int) -> Grant:
    """The grant that a PartyRegistration, or the genesis, makes.  Raises Malformed."""
    subject = statement.subject
    if statement.kind == "Genesis":
        who = members(subject.get("registrar"), "id jwk:object", f"{_SUBJECT}/registrar")
        return Grant(index, who["id"], thumbprint(who["jwk"]), who["jwk"], frozenset(("registrar",)), (), {}, who["id"])
    members(subject, "id log name:object roles:list jwk:object mint:list possession", _SUBJECT)
    roles, mint, jwk = subject["roles"], subject["mint"], subject["jwk"]
    need(all(isinstance(role, str) and role in ROLES for role in roles), "an unknown role", "bad-role", f"{_SUBJECT}/roles")
    is_mint = len(mint) <= 64 and all(isinstance(prefix, str) and len(prefix) >= 12 for prefix in mint)
    need(is_mint, "mint is a list of URI prefixes", "bad-mint", f"{_SUBJECT}/mint")
    party, key = gs1.canonical_uri(subject["id"]), thumbprint(jwk)
    return Grant(index, party, key, jwk, frozenset(roles), tuple(mint), subject["name"], statement.issuer)

def scope_of(statement: Statement) -> tuple[list[str], datetime | None, datetime | None]:
    """Every lot, product and place that a recall names, canonical, and from when until when (None: open).  Raises Malformed."""
    scope = members(statement.subject["scope"], "lots?:list products?:list places?:list from? until?", f"{_SUBJECT}/scope")
    ends = [parse_time(scope[name], f"{_SUBJECT}/scope/{name}") if name in scope else None for name in ("from", "until")]
    return [gs1.canonical_uri(uri) for part in ("lots", "products", "places") for uri in scope.get(part, [])], ends[0], ends[1]

def check_serials(uris: Sequence[str], index: int, history: History) -> None:
    """Refuse a clear serial of a committed lot before sale: who reads the log could print the code.  Raises NotTrusted."""
    products = {gs1.product_of(uri) for uri in uris if gs1.level(uri) == "item"}
    for lot in [uri for uri in uris if gs1.level(uri) == "lot" and gs1.product_of(uri) in products]:
        _trust(not history.commitments(lot, index), f"names a serial of {lot} before it is sold", "serial-before-sale", None)

def check_control(statement: Statement, index: int, history: History) -> None:
    """Check that the issuer of a control statement may say this at `index`; its key is checked by key_at.  Raises."""
    if statement.kind in CONTROL_KINDS:
        _trust(statement.subject.get("log") == history.origin, "made for another log", "foreign-log", f"{_SUBJECT}/log")
        _CHECKS[statement.kind](statement, index, history)

def _trust(holds: object, message: str, code: str, where: str | None = "/issuer") -> None:
    NotTrusted.unless(holds, message, code, where)

def _genesis(statement: Statement, index: int, history: History) -> None:
    _trust(index == 0, "a log has one genesis, at index 0", "second-genesis", None)

def _registration(statement: Statement, index: int, history: History) -> None:
    grant, issuer = grant_of(statement, index), statement.issuer
    party, key = grant.party, grant.thumbprint
    speaks = [one for one in history.registrars if (one.uri, one.thumbprint) == (issuer, statement.kid)]
    _trust(any(one.covers(index, party) for one in speaks), f"{issuer} is no registrar for {party} here", "not-a-registrar")
    try:
        signature = b64u_decode(statement.subject["possession"], length=64)
        verify_bytes(possession_message(history.origin, party, key), signature, grant.jwk)
    except (BadSignature, Malformed):
        _trust(False, "the new key did not sign for this party and log", "no-possession", f"{_SUBJECT}/possession")
    earlier = history.grants_of(party, index)
    _trust(all(one.registrar == issuer for one in earlier), f"another registrar registered {party}", "other-registrar")
    is_new = key not in [one.thumbprint for one in earlier] and not history.revocation(party, key, index)
    _trust(is_new, "this key was granted to this party before", "re-grant", f"{_SUBJECT}/jwk")

def _revocation(statement: Statement, index: int, history: History) -> None:
    subject = members(statement.subject, "id log kid reason compromisedFrom?:int", _SUBJECT)
    party, key = subject["id"], subject["kid"]
    registrars = [grant.registrar for grant in history.grants_of(party, index) if grant.thumbprint == key]
    _trust(registrars and not history.revocation(party, key, index), "no such key in force", "unknown-target", f"{_SUBJECT}/kid")
    is_own = statement.issuer == party and statement.kid != key
    _trust(is_own or statement.issuer == registrars[0], "only the party with another key, or its registrar", "not-issuer")

def _logged(digest: object, index: int, history: History) -> Logged | None:
    # By its digest in lower-case hex; None for any other spelling, and for a statement that the log has not.
    is_digest = isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)
    return history.logged(bytes.fromhex(str(digest)), index) if is_digest else None

def _removal(statement: Statement, index: int, history: History) -> None:
    target = _logged(statement.subject.get("digest"), index, history)
    if target is None:
        raise NotTrusted("no such statement in this log", "unknown-target", f"{_SUBJECT}/digest")
    keys = [key.hex() for key in target.keys]
    _trust(statement.subject.get("keys") == keys, "not the target's subject keys", "wrong-keys", f"{_SUBJECT}/keys")
    if statement.kind == "Erasure":
        operator = [grant.party for grant in history.grants(statement.kid, index) if grant.index == 0]
        _trust(statement.issuer in operator, "only the operator erases", "not-operator")
        _trust(target.kind not in CONTROL_KINDS, "control statements stay", "not-erasable", f"{_SUBJECT}/digest")
    else:
        speakers = [target.issuer, *(grant.registrar for grant in history.grants_of(target.issuer, index))]
        _trust(statement.issuer in speakers, "only its issuer, or the issuer's registrar", "not-issuer")

def _commitment(statement: Statement, index: int, history: History) -> None:
    subject = members(statement.subject, "id log root count:int previous?", _SUBJECT)
    b64u_decode(subject["root"], length=32)
    need(0 < subject["count"] <= MAX_CODES, "1 to 2^32-1 codes", "bad-count", f"{_SUBJECT}/count")
    lot = gs1.canonical_uri(subject["id"])
    _trust(history.commissioner(lot, index) == statement.issuer, "only the party that commissioned the lot", "not-commissioner")
    earlier = history.commitments(lot, index)
    is_next = not earlier or subject.get("previous") == earlier[-1].digest.hex()
    _trust(is_next, "the lot has a commitment: name it as `previous`", "second-commitment", f"{_SUBJECT}/previous")

def _recall(statement: Statement, index: int, history: History) -> None:
    shape = "id log scope:object class reason:object instructions:object closes?"
    subject, (named, _, _) = members(statement.subject, shape, _SUBJECT), scope_of(statement)
    grant = key_at(history, statement.issuer, statement.kid, index)
    target = _logged(subject.get("closes"), index, history)
    is_known = "closes" not in subject or (target is not None and target.kind == "RecallNotice")
    _trust(is_known, "no such recall in this log", "unknown-target", f"{_SUBJECT}/closes")
    is_mine = target is None or target.issuer == statement.issuer
    is_owner = is_mine and named and all(may_mint(grant, uri, history, index) for uri in named)
    _trust("authority" in grant.roles or is_owner, "a recall comes from the brand owner or an authority", "not-recall-owner")

_CHECKS = {"Genesis": _genesis, "PartyRegistration": _registration, "KeyRevocation": _revocation, "Withdrawal": _removal,
           "Erasure": _removal, "LabelCommitment": _commitment, "RecallNotice": _recall}
