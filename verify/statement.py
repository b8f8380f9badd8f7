"""
Statements: a record signed by its party, as a compact JWS (`vc+jwt`), with disclosures (`vc+sd-jwt`) where members are withheld.

The exact bytes are signed once and hashed as received.  `alg` is bound to the key's type, `kid` is the RFC 7638 thumbprint
of the signing JWK; ES256 signatures are low-S, since anyone could otherwise resubmit a record under a second digest.

Source: RFC 7515, RFC 7638, RFC 9901 (SD-JWT), W3C VC-JOSE-COSE; protocol.md section 1.
"""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from .errors import BadSignature, Malformed
from .note import check_point
from .strict import MAX_BYTES, b64u_decode, b64u_encode, members, parse

PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey
Jwk = Mapping[str, Any]

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, secp256r1
CONTEXT = "https://www.w3.org/ns/credentials/v2"
PLAIN, WITHHOLDING = "vc+jwt", "vc+sd-jwt"
CONTROL_KINDS = frozenset(
    ("Genesis", "PartyRegistration", "KeyRevocation", "Withdrawal", "LabelCommitment", "RecallNotice", "Erasure")
)
KINDS = CONTROL_KINDS | {
    "TraceabilityEvent", "MasterData", "Certificate", "CommitmentCertificate", "LabReport", "Adoption",
}  # fmt: skip
# What a party may keep from some readers.  Nothing that decides a statement's subjects or issuer is here.
WITHHOLDABLE: Mapping[str, frozenset[str]] = {
    "TraceabilityEvent": frozenset(("sourceList", "destinationList", "bizTransactionList", "originmark:price")),
    "LabReport": frozenset(("inspector", "price")),
    "Certificate": frozenset(("lookup", "price")),
    "CommitmentCertificate": frozenset(("contact", "price")),
}
MAX_DISCLOSURES = 32
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:[0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One withheld member of `credentialSubject`, in the exact text that travels."""

    text: str
    name: str
    value: object

    @property
    def digest(self) -> str:
        """What `_sd` holds: base64url of SHA-256 over the base64url text (RFC 9901 section 4.2.3)."""
        return b64u_encode(sha256(self.text.encode()).digest())


@dataclass(frozen=True)
class Statement:
    """A parsed statement: every format rule holds, the signature is not yet verified."""

    header_text: str
    payload_text: str
    signature: bytes
    header: dict[str, str]
    payload: dict[str, Any]
    disclosures: tuple[Disclosure, ...]

    @cached_property
    def signing_input(self) -> bytes:
        """`header.payload`: what is signed, and what a duplicate is judged by."""
        return f"{b64u_encode(self.header_text.encode())}.{b64u_encode(self.payload_text.encode())}".encode()

    @cached_property
    def jws(self) -> bytes:
        """The bytes the log commits to: no disclosures."""
        return self.signing_input + b"." + b64u_encode(self.signature).encode()

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the JWS, 32 bytes: the statement's name."""
        return sha256(self.jws).digest()

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return cast(str, self.payload["type"][1])

    @property
    def issuer(self) -> str:
        """The party's URI as given; its canonical form is checked by subjects.py."""
        return cast(str, self.payload["issuer"])

    @property
    def kid(self) -> str:
        """Thumbprint of the key that claims to have signed."""
        return self.header["kid"]

    @property
    def subject(self) -> dict[str, Any]:
        """`credentialSubject` as signed, without disclosures."""
        return cast(dict[str, Any], self.payload["credentialSubject"])

    @cached_property
    def disclosed(self) -> dict[str, Any]:
        """`credentialSubject` with every member this reader was shown, and without `_sd`."""
        bare = {name: value for name, value in self.subject.items() if name != "_sd"}
        return bare | {shown.name: shown.value for shown in self.disclosures}

    @property
    def withheld(self) -> int:
        """How many members this reader was not shown."""
        return len(self.subject.get("_sd", ())) - len(self.disclosures)

    def format(self, disclosures: Sequence[Disclosure] | None = None) -> bytes:
        """Print the statement as it travels: `JWS`, or `JWS~D1~…~` where the type is vc+sd-jwt."""
        if self.header["typ"] == PLAIN:
            return self.jws
        shown = self.disclosures if disclosures is None else disclosures
        return b"~".join([self.jws, *(one.text.encode() for one in shown), b""])

    def public_disclosures(self) -> tuple[Disclosure, ...]:
        """The disclosures that the party itself marked for everybody (payload member `public`)."""
        return tuple(shown for shown in self.disclosures if shown.digest in self.payload.get("public", ()))


def parse_statement(data: bytes | str) -> Statement:
    """Parse `JWS` or `JWS~D1~…~`, at most 64 KiB.  Raises Malformed with the JSON pointer of the fault."""
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > MAX_BYTES:
        raise Malformed(f"{len(raw)} bytes; a statement has at most {MAX_BYTES}", code="too-large")
    try:
        jws, *rest = raw.decode("ascii").split("~")
        header, payload, signature = jws.split(".")
    except ValueError:
        raise Malformed("not a compact JWS", code="not-a-jws") from None
    texts = [_text(header), _text(payload)]
    if rest and rest.pop() != "":
        raise Malformed("key binding is not allowed", code="key-binding")
    statement = assemble(texts[0], texts[1], b64u_decode(signature, length=64), rest)
    if (statement.header["typ"] == WITHHOLDING) != ("~" in raw.decode("ascii")):
        raise Malformed("vc+sd-jwt travels as JWS~…~, vc+jwt without ~", code="wrong-typ", where="/header/typ")
    return statement


def assemble(header_text: str, payload_text: str, signature: bytes, disclosures: Sequence[str]) -> Statement:
    """Build a statement from its exact texts (the form a bundle carries) under the same rules."""
    header = parse(header_text)
    if not isinstance(header, dict) or set(header) != {"alg", "kid", "typ"}:
        raise Malformed("the header has exactly alg, kid and typ", code="bad-header", where="/header")
    if header["alg"] not in ("ES256", "EdDSA") or header["typ"] not in (PLAIN, WITHHOLDING):
        raise Malformed("unknown alg or typ", code="bad-header", where="/header")
    if not isinstance(header["kid"], str) or len(b64u_decode(header["kid"])) != 32:
        raise Malformed("kid is not a thumbprint", code="bad-header", where="/header/kid")
    payload = parse(payload_text)
    _check_payload(payload, payload_text, header["typ"])
    shown = tuple(_parse_disclosure(text) for text in disclosures)
    statement = Statement(header_text, payload_text, signature, header, cast(dict[str, Any], payload), shown)
    _check_disclosures(statement)
    return statement


def _text(encoded: str) -> str:
    try:
        return b64u_decode(encoded).decode("utf-8")
    except UnicodeError:
        raise Malformed("not valid UTF-8", code="not-utf8") from None


def _check_payload(payload: object, text: str, typ: str) -> None:
    required = {"@context": list, "type": list, "issuer": str, "validFrom": str, "credentialSubject": dict}
    found = members(payload, required, {"_sd_alg": str, "public": list}, "")
    kinds = cast(list[object], found["type"])
    if len(kinds) != 2 or kinds[0] != "VerifiableCredential" or str(kinds[1]) not in KINDS:
        raise Malformed("type is VerifiableCredential and one known kind", code="unknown-kind", where="/type")
    contexts = cast(list[object], found["@context"])
    if not contexts or contexts[0] != CONTEXT or not all(isinstance(one, str) for one in contexts):
        raise Malformed(f"@context begins with {CONTEXT}", code="bad-context", where="/@context")
    parse_time(cast(str, found["validFrom"]), "/validFrom")
    if kinds[1] not in ("TraceabilityEvent", "Adoption"):
        parse(text, own_kind=True)  # foreign events keep their numbers, our own kinds have integers only
    if typ == PLAIN and ("_sd_alg" in found or "public" in found or "_sd" in cast(dict[str, object], found["credentialSubject"])):
        raise Malformed("withheld members need typ vc+sd-jwt", code="wrong-typ", where="/header/typ")
    _check_hashes(found)


def _check_hashes(payload: dict[str, object]) -> None:
    subject = cast(dict[str, object], payload["credentialSubject"])
    hashes = subject.get("_sd", [])
    if payload.get("_sd_alg", "sha-256") != "sha-256":
        raise Malformed("only sha-256 is allowed", code="bad-disclosure", where="/_sd_alg")
    if not isinstance(hashes, list) or len(hashes) > MAX_DISCLOSURES or len(set(map(str, hashes))) != len(hashes):
        raise Malformed("_sd is a list of distinct digests", code="bad-disclosure", where="/credentialSubject/_sd")
    for one in hashes:
        if not isinstance(one, str) or len(b64u_decode(one)) != 32:
            raise Malformed("_sd holds SHA-256 digests", code="bad-disclosure", where="/credentialSubject/_sd")
    if not set(map(str, cast(list[object], payload.get("public", [])))) <= set(hashes):
        raise Malformed("public names a digest that _sd does not hold", code="bad-disclosure", where="/public")
    rest = {**payload, "credentialSubject": {name: value for name, value in subject.items() if name != "_sd"}}
    _refuse_nesting(rest, "")


def _refuse_nesting(value: object, pointer: str) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            if name in ("_sd", "..."):
                raise Malformed("disclosures may not be nested", code="bad-disclosure", where=f"{pointer}/{name}")
            _refuse_nesting(member, f"{pointer}/{name}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _refuse_nesting(item, f"{pointer}/{position}")


def _parse_disclosure(text: str) -> Disclosure:
    found = parse(_text(text))
    if not isinstance(found, list) or len(found) != 3 or not all(isinstance(part, str) for part in found[:2]):
        raise Malformed("a disclosure is [salt, name, value]", code="bad-disclosure")
    if len(found[0]) < 22:  # characters of base64url: 128 bits, or a withheld price could be guessed
        raise Malformed("a salt has at least 128 bits", code="bad-disclosure")
    _refuse_nesting(found[2], found[1])
    return Disclosure(text, found[1], found[2])


def _check_disclosures(statement: Statement) -> None:
    hashes = statement.subject.get("_sd", [])
    allowed = WITHHOLDABLE.get(statement.kind, frozenset())
    names = [shown.name for shown in statement.disclosures]
    for shown in statement.disclosures:
        if shown.digest not in hashes or shown.name in statement.subject or names.count(shown.name) > 1:
            raise Malformed("a disclosure that was not signed", code="bad-disclosure", where=f"/{shown.name}")
        if shown.name not in allowed:
            raise Malformed(f"{shown.name} may not be withheld", code="bad-disclosure", where=f"/{shown.name}")


def parse_time(text: str, where: str = "") -> datetime:
    """Parse RFC 3339 with an offset, exactly; raises Malformed (`bad-time`)."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        found.astimezone(UTC)  # the first and the last day there is have no time in UTC
        return found
    except (OverflowError, ValueError):
        raise Malformed("not a time with an offset (RFC 3339)", code="bad-time", where=where) from None


def jwk_of(key: PublicKey) -> dict[str, str]:
    """The public JWK with its required members only."""
    if isinstance(key, Ed25519PublicKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": b64u_encode(key.public_bytes_raw())}
    numbers = key.public_numbers()
    x, y = (b64u_encode(part.to_bytes(32, "big")) for part in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def public_key(jwk: Jwk) -> PublicKey:
    """Read a JWK of exactly kty, crv, x (and y); the point must be on the curve.  Raises Malformed (`bad-jwk`)."""
    try:
        if dict(jwk).keys() == {"crv", "kty", "x", "y"} and (jwk["kty"], jwk["crv"]) == ("EC", "P-256"):
            x, y = (int.from_bytes(b64u_decode(jwk[name], length=32), "big") for name in "xy")
            return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        if dict(jwk).keys() == {"crv", "kty", "x"} and (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519"):
            return Ed25519PublicKey.from_public_bytes(check_point(b64u_decode(jwk["x"], length=32)))
    except (TypeError, ValueError):
        pass
    raise Malformed("not a P-256 or Ed25519 public JWK", code="bad-jwk")


def thumbprint(jwk: Jwk) -> str:
    """RFC 7638 thumbprint, base64url."""
    public_key(jwk)
    return b64u_encode(sha256(json.dumps(dict(sorted(jwk.items())), separators=(",", ":")).encode()).digest())


def verify_bytes(message: bytes, signature: bytes, jwk: Jwk) -> None:
    """Verify raw bytes: EdDSA, or ES256 as r || s with s in the lower half.  Raises BadSignature."""
    key = public_key(jwk)
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
            return
        if len(signature) != 64:
            raise ValueError
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if s > P256_ORDER // 2:
            raise BadSignature("s is in the upper half: use n - s (PROTOCOL.md)", code="high-s")
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        raise BadSignature("the signature is not by the key it names") from None


def verify_signature(statement: Statement, jwk: Jwk) -> None:
    """Verify the statement under `jwk`: kid is its thumbprint, alg belongs to its type.  Raises BadSignature."""
    if statement.kid != thumbprint(jwk):
        raise BadSignature("kid names another key", code="wrong-kid")
    if statement.header["alg"] != ("EdDSA" if jwk["kty"] == "OKP" else "ES256"):
        raise BadSignature("alg does not belong to this key", code="wrong-alg")
    verify_bytes(statement.signing_input, statement.signature, jwk)


def sign_bytes(message: bytes, key: PrivateKey) -> bytes:
    """Sign raw bytes, 64 bytes long; ES256 is deterministic (RFC 6979: no nonce to leak) and normalised to low-S."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


def sign(payload_text: str, key: PrivateKey, disclosures: Sequence[str] = ()) -> bytes:
    """Sign an exact payload text; the result has passed the parser that every reader uses."""
    typ = WITHHOLDING if disclosures or '"_sd"' in payload_text else PLAIN
    alg = "EdDSA" if isinstance(key, Ed25519PrivateKey) else "ES256"
    header = json.dumps({"alg": alg, "kid": thumbprint(jwk_of(key.public_key())), "typ": typ}, separators=(",", ":"))
    unsigned = assemble(header, payload_text, bytes(64), disclosures)
    signature = sign_bytes(unsigned.signing_input, key)
    return assemble(header, payload_text, signature, disclosures).format()


def disclosure(name: str, value_text: str) -> str:
    """Make a disclosure with a fresh 128-bit salt from a member's exact JSON text; its digest belongs in `_sd`."""
    text = f"[{json.dumps(b64u_encode(secrets.token_bytes(16)))},{json.dumps(name)},{value_text}]"
    return b64u_encode(text.encode())
