"""Statements: a record signed by its party, as a compact JWS (`vc+jwt`), with disclosures (`vc+sd-jwt`) where members are
withheld.  `alg` is bound to the key's type, `kid` is the RFC 7638 thumbprint of the signing JWK; ES256 signatures are low-S,
since anyone could otherwise resubmit a record under a second digest.  The bytes are hashed as received.  Source: RFC 7515,
RFC 7638, RFC 9901 (SD-JWT), W3C VC-JOSE-COSE; protocol.md section 1."""
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from .errors import BadSignature, Malformed, need
from .note import check_point
from .strict import MAX_BYTES, b64u_decode, b64u_encode, members, parse

PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey
Jwk = Mapping[str, Any]
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, secp256r1
CONTEXT = "https://www.w3.org/ns/credentials/v2"
PLAIN, WITHHOLDING = "vc+jwt", "vc+sd-jwt"
CONTROL_KINDS = frozenset(
    ("Genesis", "PartyRegistration", "KeyRevocation", "Withdrawal", "LabelCommitment", "RecallNotice", "Erasure"))
# What a party may keep from some readers.  Nothing that decides a statement's subjects or issuer is here.
WITHHOLDABLE: Mapping[str, frozenset[str]] = {
    "TraceabilityEvent": frozenset(("sourceList", "destinationList", "bizTransactionList", "originmark:price")),
    "LabReport": frozenset(("inspector", "price")), "Certificate": frozenset(("lookup", "price")),
    "CommitmentCertificate": frozenset(("contact", "price")),
}
KINDS = CONTROL_KINDS | {*WITHHOLDABLE, "MasterData", "Adoption"}
MAX_DISCLOSURES = 32
_PAYLOAD = "@context:list type:list issuer validFrom credentialSubject:object _sd_alg? public?:list"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:[0-5]\d)", re.ASCII)

@dataclass(frozen=True, slots=True)
class Disclosure:
    """One withheld member of `credentialSubject`: the exact text that travels, and its digest in `_sd` (RFC 9901, 4.2.3)."""
    text: str
    digest: str
    name: str
    value: object

@dataclass(frozen=True)
class Statement:
    """A parsed statement, its signature not yet verified.  A copy with fewer disclosures tells less."""
    header_text: str
    payload_text: str
    signature: bytes
    header: dict[str, str]
    payload: dict[str, Any]
    disclosures: tuple[Disclosure, ...]
    kind: str
    issuer: str
    kid: str
    subject: dict[str, Any]  # `credentialSubject` as signed
    signing_input: bytes  # `header.payload`: what is signed, and what a duplicate is judged by
    jws: bytes  # what the log commits to: no disclosures
    digest: bytes  # its SHA-256, the statement's name

    @cached_property
    def disclosed(self) -> dict[str, Any]:
        """`credentialSubject` with every member this reader was shown, and without `_sd`."""
        return _without_hashes(self.subject) | {shown.name: shown.value for shown in self.disclosures}

    @property
    def withheld(self) -> int:
        """How many members this reader was not shown."""
        return len(self.subject.get("_sd", ())) - len(self.disclosures)

def parse_statement(data: bytes | str) -> Statement:
    """Parse `JWS` or `JWS~D1~…~`, at most 64 KiB.  Raises Malformed with the JSON pointer of the fault."""
    raw = data.encode() if isinstance(data, str) else data
    need(len(raw) <= MAX_BYTES, f"{len(raw)} bytes; a statement has at most {MAX_BYTES}", "too-large")
    try:
        jws, *rest = raw.decode("ascii").split("~")
        header, payload, signature = jws.split(".")
    except ValueError:
        raise Malformed("not a compact JWS", "not-a-jws") from None
    header, payload = _text(header), _text(payload)
    need(not rest or rest.pop() == "", "key binding is not allowed", "key-binding")
    statement = assemble(header, payload, b64u_decode(signature, length=64), rest)
    need((statement.header["typ"] == WITHHOLDING) == (b"~" in raw), "only vc+sd-jwt has a ~", "wrong-typ", "/header/typ")
    return statement

def assemble(header_text: str, payload_text: str, signature: bytes, disclosures: Sequence[str]) -> Statement:
    """Build a statement from its exact texts (the form a bundle carries) under the same rules."""
    header = parse(header_text)
    is_header = isinstance(header, dict) and set(header) == {"alg", "kid", "typ"}
    known = is_header and header["alg"] in ("ES256", "EdDSA") and header["typ"] in (PLAIN, WITHHOLDING)
    need(known, "the header has exactly a known alg, kid and a known typ", "bad-header", "/header")
    need(_is_sha256(header["kid"]), "kid is not a thumbprint", "bad-header", "/header/kid")
    payload = members(parse(payload_text), _PAYLOAD, "")
    _check_payload(payload, payload_text, header["typ"])
    kind, issuer, subject = payload["type"][1], payload["issuer"], payload["credentialSubject"]
    told = tuple(map(_parse_disclosure, disclosures))
    for shown in told:
        is_signed = shown.digest in subject.get("_sd", []) and shown.name not in subject
        is_allowed = shown.name in WITHHOLDABLE.get(kind, ()) and [one.name for one in told].count(shown.name) == 1
        need(is_signed and is_allowed, "not a member signed as withheld", "bad-disclosure", f"/{shown.name}")
    signing_input = b".".join(b64u_encode(text.encode()).encode() for text in (header_text, payload_text))
    jws = signing_input + b"." + b64u_encode(signature).encode()
    return Statement(header_text, payload_text, signature, header, payload, told, kind, issuer, header["kid"], subject,
                     signing_input, jws, sha256(jws).digest())

def _text(encoded: str) -> str:
    try:
        return b64u_decode(encoded).decode("utf-8")
    except UnicodeError:
        raise Malformed("not valid UTF-8", "not-utf8") from None

def _check_payload(payload: dict[str, Any], text: str, typ: str) -> None:
    kinds, contexts, subject = payload["type"], payload["@context"], payload["credentialSubject"]
    is_known = len(kinds) == 2 and kinds[0] == "VerifiableCredential" and str(kinds[1]) in KINDS
    need(is_known, "type is VerifiableCredential and one known kind", "unknown-kind", "/type")
    is_ours = contexts[:1] == [CONTEXT] and all(isinstance(one, str) for one in contexts)
    need(is_ours, f"@context begins with {CONTEXT}", "bad-context", "/@context")
    parse_time(payload["validFrom"], "/validFrom")
    if kinds[1] not in ("TraceabilityEvent", "Adoption"):
        parse(text, own_kind=True)  # foreign events keep their numbers, our own kinds have integers only
    is_whole = "_sd_alg" not in payload and "public" not in payload and "_sd" not in subject
    need(typ == WITHHOLDING or is_whole, "withheld members need typ vc+sd-jwt", "wrong-typ", "/header/typ")
    need(payload.get("_sd_alg", "sha-256") == "sha-256", "only sha-256 is allowed", "bad-disclosure", "/_sd_alg")
    hashes, where = subject.get("_sd", []), "/credentialSubject/_sd"
    is_set = isinstance(hashes, list) and len(hashes) <= MAX_DISCLOSURES and len(set(map(str, hashes))) == len(hashes)
    need(is_set, f"_sd is a list of at most {MAX_DISCLOSURES} distinct digests", "bad-disclosure", where)
    need(all(map(_is_sha256, hashes)), "_sd holds SHA-256 digests", "bad-disclosure", where)
    need(all(one in hashes for one in payload.get("public", [])), "public is not in _sd", "bad-disclosure", "/public")
    _refuse_nesting({**payload, "credentialSubject": _without_hashes(subject)}, "")

def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and len(b64u_decode(value)) == 32

def _without_hashes(subject: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in subject.items() if name != "_sd"}

def _refuse_nesting(value: object, where: str) -> None:
    if isinstance(value, dict | list):
        for name, member in value.items() if isinstance(value, dict) else enumerate(value):
            need(name not in ("_sd", "..."), "disclosures may not be nested", "bad-disclosure", f"{where}/{name}")
            _refuse_nesting(member, f"{where}/{name}")

def _parse_disclosure(text: str) -> Disclosure:
    found = parse(_text(text))
    is_triple = isinstance(found, list) and len(found) == 3 and all(isinstance(part, str) for part in found[:2])
    # 22 characters of base64url are 128 bits; with fewer, a withheld price could be guessed.
    need(is_triple and len(found[0]) >= 22, "a disclosure is [salt of 128 bits, name, value]", "bad-disclosure")
    _refuse_nesting(found[2], found[1])
    return Disclosure(text, b64u_encode(sha256(text.encode()).digest()), found[1], found[2])

def parse_time(text: str, where: str = "") -> datetime:
    """Parse RFC 3339 with an offset, exactly; raises Malformed (`bad-time`)."""
    need(_TIME.fullmatch(text), "not a time with an offset (RFC 3339)", "bad-time", where)
    try:
        return _moment(text)
    except (OverflowError, ValueError):
        raise Malformed("there is no such time", "bad-time", where) from None

@lru_cache(maxsize=1_024)
def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    found.astimezone(UTC)  # the first and the last day there is have no time in UTC
    return found

def public_key(jwk: Jwk) -> PublicKey:
    """Read a JWK of exactly kty, crv, x (and y); the point must be on the curve.  Raises Malformed (`bad-jwk`)."""
    with suppress(AttributeError, TypeError, ValueError):
        match dict(jwk):
            case {"kty": "EC", "crv": "P-256", "x": x, "y": y, **more} if not more:
                point = b"\x04" + b64u_decode(x, length=32) + b64u_decode(y, length=32)
                return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
            case {"kty": "OKP", "crv": "Ed25519", "x": x, **more} if not more:
                return Ed25519PublicKey.from_public_bytes(check_point(b64u_decode(x, length=32)))
    raise Malformed("not a P-256 or Ed25519 public JWK", "bad-jwk")

def thumbprint(jwk: Jwk) -> str:
    """RFC 7638 thumbprint, base64url."""
    public_key(jwk)
    return b64u_encode(sha256(json.dumps(dict(sorted(jwk.items())), separators=(",", ":")).encode()).digest())

def verify_bytes(message: bytes, signature: bytes, jwk: Jwk) -> None:
    """Verify raw bytes: EdDSA, or ES256 as r || s with s in the lower half.  Raises BadSignature."""
    key = public_key(jwk)
    with suppress(InvalidSignature, ValueError):
        if isinstance(key, Ed25519PublicKey):
            return key.verify(signature, message)
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        if len(signature) == 64:
            BadSignature.unless(s <= P256_ORDER // 2, "s is in the upper half: use n - s (PROTOCOL.md)", "high-s")
            return key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    raise BadSignature("the signature is not by the key it names")

def verify_signature(statement: Statement, jwk: Jwk) -> None:
    """Verify the statement under `jwk`: kid is its thumbprint, alg belongs to its type.  Raises BadSignature."""
    BadSignature.unless(statement.kid == thumbprint(jwk), "kid names another key", "wrong-kid")
    alg = "EdDSA" if jwk["kty"] == "OKP" else "ES256"
    BadSignature.unless(statement.header["alg"] == alg, "alg does not belong to this key", "wrong-alg")
    verify_bytes(statement.signing_input, statement.signature, jwk)
