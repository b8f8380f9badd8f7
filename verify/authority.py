"""
Who may say what: keys bound to parties by registrars, and the authority of the control kinds.

Judged by log order alone, never by a party's clock: a grant counts below the statement's index, a revocation for ever after
its own.  History is an argument: the ledger answers from SQL inside the ordering transaction, a verifier from its bundle.

Source: protocol.md section 2.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from . import gs1
from .errors import BadSignature, Malformed, NotGranted, NotTrusted, VerificationError
from .policy import Registrar
from .statement import CONTROL_KINDS, Statement, parse_time, thumbprint, verify_bytes
from .strict import b64u_decode, members

ROLES = frozenset(
    ("producer", "warehouse", "retailer", "certifier", "laboratory", "authority", "brand-owner", "registrar")
)
MAX_CODES = 2**32 - 1  # an item's index is a u32


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


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log knows of one statement."""

    index: int
    digest: bytes
    kind: str
    issuer: str
    keys: tuple[bytes, ...]


class History(Protocol):
    """What the log says; every method answers only from entries with an index below `before`."""

    origin: str
    registrars: Sequence[Registrar]

    def grants(self, thumbprint: str, before: int) -> Sequence[Grant]:
        """Effective grants of this key, to whatever party; the genesis grants role `registrar` at index 0."""

    def grants_of(self, party: str, before: int) -> Sequence[Grant]:
        """Effective grants to this party."""

    def revocation(self, party: str, thumbprint: str, before: int) -> Revocation | None:
        """The revocation of this key of this party."""

    def commissioner(self, uri: str, before: int) -> str | None:
        """The first party that commissioned `uri` and might."""

    def commitments(self, lot: str, before: int) -> Sequence[Logged]:
        """The lot's label commitments, lowest index first."""

    def logged(self, digest: bytes, before: int) -> Logged | None:
        """The statement of this digest."""

    def allowed_producers(self, product: str, before: int) -> frozenset[str]:
        """Parties that the product's owner lets commission it (MasterData `allowedProducers`)."""


def key_at(history: History, party: str, key: str, index: int) -> Grant:
    """The grant under which `party` signs with `key` (thumbprint) at `index`.  Raises NotGranted."""
    grants = history.grants(key, index)
    mine = [grant for grant in grants if grant.party == party]
    if not mine:
        code = "other-party-key" if grants else "unknown-key"
        raise NotGranted(f"no registrar bound this key to {party} before index {index}", code=code)
    if history.revocation(party, key, index) is not None:
        raise NotGranted(f"this key of {party} was revoked before index {index}", code="revoked-key")
    return mine[0]


def may_mint(grant: Grant, uri: str, history: History, index: int) -> bool:
    """Whether the party may commission `uri`: by its grant, or because the product's owner names it."""
    if any(gs1.matches_prefix(uri, prefix) for prefix in grant.mint):
        return True
    product = gs1.product_of(uri)
    return product is not None and grant.party in history.allowed_producers(product, index)


def possession_message(origin: str, party: str, key: str) -> bytes:
    """What a new key signs to show that its owner wants it granted here (thumbprint `key`)."""
    return f"originmark/possession/v1\n{origin}\n{party}\n{key}\n".encode()


def check_control(statement: Statement, index: int, history: History) -> None:
    """Check that the issuer of a control statement may say this at `index`; its key is checked by key_at.  Raises."""
    if statement.kind not in CONTROL_KINDS:
        return
    if statement.subject.get("log") != history.origin:
        raise NotTrusted("made for another log", code="foreign-log", where="/credentialSubject/log")
    _CHECKS[statement.kind](statement, index, history)


def _genesis(statement: Statement, index: int, history: History) -> None:
    if index != 0:
        raise NotTrusted("a log has one genesis, at index 0", code="second-genesis")


def _registration(statement: Statement, index: int, history: History) -> None:
    party, key = _registered(statement)
    speaks = (r for r in history.registrars if (r.uri, r.thumbprint) == (statement.issuer, statement.kid))
    if not any(registrar.covers(index, party) for registrar in speaks):
        raise NotTrusted(f"{statement.issuer} is no registrar for {party} here", code="not-a-registrar", where="/issuer")
    subject, message = statement.subject, possession_message(history.origin, party, key)
    try:
        verify_bytes(message, b64u_decode(subject["possession"], length=64), subject["jwk"])
    except (BadSignature, Malformed):
        text, where = "the new key did not sign for this party and log", "/credentialSubject/possession"
        raise NotTrusted(text, code="no-possession", where=where) from None
    earlier = history.grants_of(party, index)
    if any(grant.registrar != statement.issuer for grant in earlier):
        raise NotTrusted(f"another registrar registered {party}", code="other-registrar", where="/issuer")
    if any(grant.thumbprint == key for grant in earlier) or history.revocation(party, key, index):
        raise NotTrusted("this key was granted to this party before", code="re-grant", where="/credentialSubject/jwk")


def _registered(statement: Statement) -> tuple[str, str]:
    wanted = {"id": str, "log": str, "name": dict, "roles": list, "jwk": dict, "mint": list, "possession": str}
    subject = members(statement.subject, wanted, {}, "/credentialSubject")
    roles, mint = cast(list[object], subject["roles"]), cast(list[object], subject["mint"])
    if not all(isinstance(role, str) and role in ROLES for role in roles):
        raise Malformed("an unknown role", code="bad-role", where="/credentialSubject/roles")
    if len(mint) > 64 or not all(isinstance(prefix, str) and len(prefix) >= 12 for prefix in mint):
        raise Malformed("mint is a list of URI prefixes", code="bad-mint", where="/credentialSubject/mint")
    return gs1.canonical_uri(cast(str, subject["id"])), thumbprint(cast(dict[str, Any], subject["jwk"]))


def grant_of(statement: Statement, index: int) -> Grant:
    """The grant that a checked PartyRegistration, or the genesis, makes."""
    subject = statement.subject
    if statement.kind == "Genesis":
        who = members(subject.get("registrar"), {"id": str, "jwk": dict}, {}, "/credentialSubject/registrar")
        party, jwk = cast(str, who["id"]), cast(dict[str, Any], who["jwk"])
        return Grant(index, party, thumbprint(jwk), jwk, frozenset(("registrar",)), (), {}, party)
    party, key = _registered(statement)
    roles, mint = frozenset(subject["roles"]), tuple(subject["mint"])
    return Grant(index, party, key, subject["jwk"], roles, mint, subject["name"], statement.issuer)


def _revocation(statement: Statement, index: int, history: History) -> None:
    subject = statement.subject
    members(subject, {"id": str, "log": str, "kid": str, "reason": str}, {"compromisedFrom": int}, "/credentialSubject")
    grant = next((g for g in history.grants_of(subject["id"], index) if g.thumbprint == subject["kid"]), None)
    if grant is None or history.revocation(subject["id"], subject["kid"], index):
        raise NotTrusted("no such key is in force", code="unknown-target", where="/credentialSubject/kid")
    own = statement.issuer == subject["id"] and statement.kid != subject["kid"]
    if not own and statement.issuer != grant.registrar:
        raise NotTrusted("only the party with another key, or its registrar", code="not-issuer", where="/issuer")


def _logged(digest: object, index: int, history: History) -> Logged | None:
    """The statement of a digest in lower-case hex; None for any other spelling, and for one that the log has not."""
    is_digest = isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)
    return history.logged(bytes.fromhex(cast(str, digest)), index) if is_digest else None


def _target(statement: Statement, index: int, history: History) -> Logged:
    subject = statement.subject
    target = _logged(subject.get("digest"), index, history)
    if target is None:
        raise NotTrusted("no such statement in this log", code="unknown-target", where="/credentialSubject/digest")
    if subject.get("keys") != [key.hex() for key in target.keys]:
        raise NotTrusted("not the target's subject keys", code="wrong-keys", where="/credentialSubject/keys")
    return target


def _withdrawal(statement: Statement, index: int, history: History) -> None:
    target = _target(statement, index, history)
    registrars = {grant.registrar for grant in history.grants_of(target.issuer, index)}
    if statement.issuer != target.issuer and statement.issuer not in registrars:
        raise NotTrusted("only its issuer, or the issuer's registrar", code="not-issuer", where="/issuer")


def _erasure(statement: Statement, index: int, history: History) -> None:
    target = _target(statement, index, history)
    operator = {grant.party for grant in history.grants(statement.kid, index) if grant.index == 0}
    if statement.issuer not in operator:
        raise NotTrusted("only the operator erases", code="not-operator", where="/issuer")
    if target.kind in CONTROL_KINDS:
        raise NotTrusted("control statements stay", code="not-erasable", where="/credentialSubject/digest")


def _commitment(statement: Statement, index: int, history: History) -> None:
    wanted = {"id": str, "log": str, "root": str, "count": int}
    subject = members(statement.subject, wanted, {"previous": str}, "/credentialSubject")
    b64u_decode(cast(str, subject["root"]), length=32)
    if not 0 < cast(int, subject["count"]) <= MAX_CODES:
        raise Malformed("1 to 2^32-1 codes", code="bad-count", where="/credentialSubject/count")
    lot = gs1.canonical_uri(cast(str, subject["id"]))
    if history.commissioner(lot, index) != statement.issuer:
        raise NotTrusted("only the party that commissioned the lot", code="not-commissioner", where="/issuer")
    earlier = history.commitments(lot, index)
    if earlier and subject.get("previous") != earlier[-1].digest.hex():
        raise NotTrusted("the lot has a commitment: name it as `previous`", code="second-commitment",
                         where="/credentialSubject/previous")  # fmt: skip


def _recall(statement: Statement, index: int, history: History) -> None:
    wanted = {"id": str, "log": str, "scope": dict, "class": str, "reason": dict, "instructions": dict}
    subject, named = members(statement.subject, wanted, {"closes": str}, "/credentialSubject"), scope_uris(statement)
    grant = key_at(history, statement.issuer, statement.kid, index)
    target = _logged(subject.get("closes"), index, history)
    if "closes" in subject and (target is None or target.kind != "RecallNotice"):
        raise NotTrusted("no such recall in this log", code="unknown-target", where="/credentialSubject/closes")
    if "authority" in grant.roles:
        return
    mine = target is None or target.issuer == statement.issuer
    if not mine or not named or not all(may_mint(grant, uri, history, index) for uri in named):
        raise NotTrusted("a recall comes from the brand owner or an authority", code="not-recall-owner", where="/issuer")


def scope_uris(statement: Statement) -> list[str]:
    """Every lot, product and place that a recall names, canonical.  Raises Malformed, for its times too."""
    optional = {"lots": list, "products": list, "places": list, "from": str, "until": str}
    scope: Any = members(statement.subject["scope"], {}, optional, "/credentialSubject/scope")
    for name in [name for name in ("from", "until") if name in scope]:
        parse_time(scope[name], f"/credentialSubject/scope/{name}")
    return [gs1.canonical_uri(uri) for part in ("lots", "products", "places") for uri in scope.get(part, [])]


_CHECKS = {
    "Genesis": _genesis, "PartyRegistration": _registration, "KeyRevocation": _revocation, "Withdrawal": _withdrawal,
    "Erasure": _erasure, "LabelCommitment": _commitment, "RecallNotice": _recall,
}  # fmt: skip


def check_serials(uris: Sequence[str], index: int, history: History) -> None:
    """Refuse a clear serial of a committed lot before sale: who reads the log could print the code.  Raises NotTrusted."""
    products = {gs1.product_of(uri) for uri in uris if gs1.level(uri) == "item"}
    for lot in uris:
        if gs1.level(lot) == "lot" and gs1.product_of(lot) in products and history.commitments(lot, index):
            raise NotTrusted(f"names a serial of {lot} before it is sold", code="serial-before-sale")


def standing(statement: Statement, grant: Grant) -> str:
    """`own` where the issuer's role covers this kind, `copy` for an unsigned original, else `claim` (a third party's)."""
    role = {"Certificate": "certifier", "LabReport": "laboratory"}.get(statement.kind)
    if role is None or role in grant.roles:
        return "own"
    return "copy" if statement.subject.get("attestation") == "copy" else "claim"


def refusal(statement: Statement, index: int, history: History) -> VerificationError | None:
    """Why a control statement has no effect at `index`, or None: readers classify where admission refuses."""
    try:
        key_at(history, statement.issuer, statement.kid, index)
        check_control(statement, index, history)
    except VerificationError as error:
        return error
    return None
