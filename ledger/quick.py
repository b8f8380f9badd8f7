"""
The quick reading of the statement that nearly every one is: an event, nothing withheld, plain JSON.

It makes exactly the candidate that admission.py makes, or raises Uncommon and says nothing: what is not plain, and what is
wrong, is read again by the literal rules, which then name the fault.  So a mistake here can only be an acceptance, and the
tests hold every acceptance to the literal reading.

What it saves: a payload that its own parser prints back byte for byte has no member twice, no odd escape and no number in two
spellings, so that nothing is left to walk through; header and keys are read once for all statements of a key; each digest
serves twice; and no object is built that the sequencer does not need (quick_event.py).

Source: protocol.md section 1; verify/strict.py, verify/statement.py, which it repeats.
"""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic_core import SchemaValidator, core_schema, from_json, to_json

from ledger.admission import Jwks
from ledger.candidates import Candidate
from ledger.column_text import MAX_TEXT
from ledger.quick_event import Uncommon, moment, own_uri, read_told
from producers.epcis.problems import EventRefused
from producers.epcis.validate import EventValidator
from verify.errors import VerificationError
from verify.statement import CONTEXT, P256_ORDER, PLAIN, public_key, thumbprint
from verify.strict import MAX_BYTES, MAX_DEPTH

KIND = "TraceabilityEvent"
MAX_NUMBER = 64  # digits; verify/strict.py calls longer ones unreadable
LONG = 20  # characters of a number with more of them than anybody measures
_TYPE = ["VerifiableCredential", KIND]
_MEMBERS = 5  # of a payload that withholds nothing; _payload names them
_HALF_ORDER = (P256_ORDER // 2).to_bytes(32, "big")
_ES256 = ec.ECDSA(Prehashed(SHA256()))
_ALIKE = bytes.maketrans(b"123456789", b"000000000")  # one digit for all
_LONG = b"0" * (MAX_NUMBER + 1)
# Rust's decoder takes a fifth of the time of binascii's, but also knows the other alphabet, padding and JSON's escapes.
_BASE64 = SchemaValidator(core_schema.bytes_schema(), core_schema.CoreConfig(val_json_bytes="base64"))
Verify = Callable[[bytes, bytes, bytes], None]
"""Of a signature, what was signed, and its SHA-256.  Raises InvalidSignature, Uncommon."""
Read = tuple[Candidate, Verify, tuple[bytes, bytes, bytes]]
"""What is a candidate once its signature verifies, and how that is done with what."""
_WRONG = (VerificationError, EventRefused, InvalidSignature, ValueError, TypeError, LookupError, AttributeError)


def examine(raw: bytes, *, now: datetime, validator: EventValidator, jwks: Jwks) -> Candidate:
    """Read one statement and verify it; `jwks` are the granted keys by thumbprint.  Raises Uncommon."""
    return verified(read(raw, now=now, validator=validator, jwks=jwks))


def read(raw: bytes, *, now: datetime, validator: EventValidator, jwks: Jwks) -> Read:
    """
    Read one statement all but its signature.  Raises Uncommon.

    Whoever has many reads all of them first: parser and curve throw each other out of the processor's caches, at a tenth of the
    whole where they take turns.
    """
    try:
        return _read(raw, now, validator, jwks)
    except _WRONG:
        raise Uncommon from None


def verified(found: Read) -> Candidate:
    """The candidate, its signature verified.  Raises Uncommon."""
    candidate, verify, (signature, signed, digest) = found
    try:
        verify(signature, signed, digest)
    except _WRONG:
        raise Uncommon from None
    return candidate


def _read(raw: bytes, now: datetime, validator: EventValidator, jwks: Jwks) -> Read:
    signing_input, _, encoded = raw.rpartition(b".")
    head, _, body = signing_input.partition(b".")
    kid, alg = _header(head)
    jwk = jwks.get(kid)
    if len(raw) > MAX_BYTES or jwk is None:
        raise Uncommon
    issuer, valid_from, subject = _payload(_parse(_base64(body)))
    event_id, keys, rows = read_told(subject, issuer, now, validator)
    running = sha256(signing_input)
    signed = running.digest()
    running.update(b"." + encoded)
    candidate = Candidate(
        running.digest(), signed, KIND, issuer, kid, event_id, valid_from,
        sha256(f"{issuer}\n{event_id}".encode()).digest(), (), keys, (), False, rows, True, raw,
    )  # fmt: skip
    return candidate, _verifier(kid, alg, jwk["x"], jwk.get("y", "")), (_base64(encoded), signing_input, signed)


def _base64(part: bytes) -> bytes:
    """Decode base64url without padding; ValueError for any spelling but the one that encoding gives."""
    if b"+" in part or b"/" in part or b"=" in part or b"\\" in part:
        raise ValueError
    data: bytes = _BASE64.validate_json(b'"%b"' % part)
    return data


def key_of(head: bytes) -> str:
    """The thumbprint in a statement's header, the part before its first dot.  Raises Uncommon, ValueError and the like."""
    text = json.loads(_base64(head))["kid"]
    if not isinstance(text, str):
        raise Uncommon
    return text


@lru_cache(maxsize=4_096)
def _header(head: bytes) -> tuple[str, str]:
    """The key and algorithm of a header: read once, since every statement of a key has the same."""
    header = json.loads(text := _base64(head).decode())
    kid, alg = header["kid"], header["alg"]
    plain = json.dumps({"alg": alg, "kid": kid, "typ": PLAIN}, separators=(",", ":"))
    if text != plain or alg not in ("ES256", "EdDSA") or len(_base64(kid.encode())) != 32:
        raise Uncommon
    return kid, alg


def _parse(text: bytes) -> Any:
    # Escapes could hide a surrogate, a NUL or a name; a name that begins with "_" means disclosures or hides a prototype, and so
    # does "...".  All are rare.
    if (b"\\" in text and b"\\u" in text) or (b"_" in text and b'"_' in text) or b'"..."' in text:
        raise Uncommon
    # The literal rules bound the depth, and the length of a number.  So many brackets, and such a run of digits, are as rare.
    alike = text.translate(_ALIKE, b"{[")
    if len(text) - len(alike) > MAX_DEPTH or _LONG in alike:
        raise Uncommon
    # Names are the same in every statement; of what they hold the parser need not remember anything.
    value = from_json(text, allow_inf_nan=False, cache_strings="keys")
    # A float here was its own shortest text; as that its row gets it (quick_event.py).
    return value if to_json(value) == text else _DECODER.decode(text.decode())


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Uncommon
    return found


def _whole(text: str) -> int:
    if len(text) > LONG or text[0] == "-":
        raise Uncommon
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > LONG or "e" in text or "E" in text:
        raise Uncommon
    return Decimal(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole, parse_float=_decimal, parse_constant=int)


def _payload(payload: Any) -> tuple[str, str, dict[str, Any]]:
    contexts, kinds, issuer = payload["@context"], payload["type"], payload["issuer"]
    valid_from, subject = payload["validFrom"], payload["credentialSubject"]
    if len(payload) != _MEMBERS or kinds != _TYPE or type(contexts) is not list or type(subject) is not dict:
        raise Uncommon
    _check_contexts(tuple(contexts))
    moment(valid_from)
    if own_uri(issuer) != issuer:
        raise Uncommon
    return issuer, valid_from, subject


@lru_cache(maxsize=1_024)
def _check_contexts(contexts: tuple[object, ...]) -> None:
    # Only short ones: they are remembered.
    if contexts[0] != CONTEXT or not all(isinstance(one, str) for one in contexts) or len(str(contexts)) > MAX_TEXT:
        raise Uncommon


@lru_cache(maxsize=4_096)
def _verifier(kid: str, alg: str, x: str, y: str) -> Verify:
    """How signatures of this key are verified: loaded once, since reading a point costs as much as half a signature."""
    curve = {"crv": "Ed25519", "kty": "OKP", "x": x} if alg == "EdDSA" else {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    if thumbprint(curve) != kid:
        raise Uncommon
    key = public_key(curve)
    if isinstance(key, Ed25519PublicKey):
        return lambda signature, message, _: key.verify(signature, message)
    return lambda signature, _, digest: key.verify(_der(signature), digest, _ES256)


def _der(signature: bytes) -> bytes:
    """An ES256 signature, r and s of 32 bytes, as OpenSSL reads it.  Raises Uncommon, IndexError."""
    if len(signature) != 64 or signature[32:] > _HALF_ORDER:
        raise Uncommon
    r, s = _integer(signature[:32]), _integer(signature[32:])
    return b"0%c%b%b" % (len(r) + len(s), r, s)


def _integer(half: bytes) -> bytes:
    digits = half.lstrip(b"\0")
    # With its highest bit set it would be negative.
    return b"\2%c\0%b" % (len(digits) + 1, digits) if digits[0] > 0x7F else b"\2%c%b" % (len(digits), digits)
