"""
The quick reading of the statement that nearly every one is: an event, nothing withheld, plain JSON.

It makes exactly the candidate that admission.py makes, or raises Uncommon and says nothing: what is not plain, and what is
wrong, is read again by the literal rules, which then name the fault.  So a mistake here can only be an acceptance, and the
tests hold every acceptance to the literal reading.

What it saves: the JSON profile is checked while parsing instead of in a walk, header and keys are read once for all
statements of a key, and no object is built that the sequencer does not need.

Source: protocol.md section 1; verify/strict.py, verify/statement.py, verify/subjects.py, which it repeats.
"""

import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from ledger.admission import Jwks
from ledger.candidates import Candidate
from ledger.project import MAX_TEXT, SIDES, event_rows
from producers.epcis.problems import EventRefused
from producers.epcis.validate import EventValidator
from verify.entry import MAX_KEYS
from verify.epcis import Event, read_event
from verify.errors import VerificationError
from verify.gs1 import canonical_uri
from verify.statement import CONTEXT, P256_ORDER, PLAIN, parse_time, public_key, thumbprint
from verify.strict import MAX_BYTES, MAX_DEPTH
from verify.subjects import KIND_URI

KIND = "TraceabilityEvent"
LONG = 20  # digits of a number that the literal reading may judge otherwise
_MEMBERS = {"@context", "type", "issuer", "validFrom", "credentialSubject"}
_TO_STANDARD, _TO_URL = bytes.maketrans(b"-_", b"+/"), bytes.maketrans(b"+/", b"-_")
_ES256 = ec.ECDSA(SHA256())
# Escapes could hide a surrogate or a name; these names mean disclosures.  All are rare, and read literally.
_RARE = re.compile(r'\\u|"_sd"|"\.\.\."|\ufeff')
Verify = Callable[[bytes, bytes], None]


class Uncommon(Exception):
    """Not the common shape, or wrong: ask the literal reading."""


def examine(raw: bytes, *, now: datetime, validator: EventValidator, jwks: Jwks) -> Candidate:
    """Read one statement; `jwks` are the granted keys by thumbprint.  Raises Uncommon."""
    try:
        return _examine(raw, now, validator, jwks)
    except (VerificationError, EventRefused, InvalidSignature, ValueError, TypeError, LookupError, AttributeError):
        raise Uncommon from None


def _examine(raw: bytes, now: datetime, validator: EventValidator, jwks: Jwks) -> Candidate:
    signing_input, _, signature = raw.rpartition(b".")
    head, _, body = signing_input.partition(b".")
    kid, alg = _header(head)
    jwk = jwks.get(kid)
    text = _base64(body).decode()
    if len(raw) > MAX_BYTES or jwk is None or _RARE.search(text):
        raise Uncommon
    # First what costs least, last the signature; either refusal is the literal reading's to word.
    issuer, valid_from, subject = _payload(_parse(text))
    # Every identifier of an object, place or party is read below, which is the rule for them.
    validator.check(subject, now=now, identifiers=False)
    event = read_event(subject)
    uris = _uris(issuer, event)
    _verifier(kid, alg, jwk["x"], jwk.get("y", ""))(_base64(signature), signing_input)
    event_id = event.event_id
    return Candidate(
        sha256(raw).digest(), sha256(signing_input).digest(), KIND, issuer, kid, event_id,
        None if event_id is None else sha256(f"{issuer}\n{event_id}".encode()).digest(), valid_from, raw, (),
        tuple(sorted([_key(uri) for uri in uris])), (), event.error_declaration, event_rows(event, issuer, None, SIDES), True,
    )  # fmt: skip


def _base64(part: bytes) -> bytes:
    """Decode base64url without padding; ValueError for any spelling but the one that encoding gives."""
    data = a2b_base64(part.translate(_TO_STANDARD) + b"=" * (-len(part) % 4))
    if b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=") != part:
        raise ValueError
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


def _parse(text: str) -> Any:
    if text.count("{") + text.count("[") > MAX_DEPTH:
        raise Uncommon
    return _DECODER.decode(text)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs) or "__proto__" in found:
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
    contexts = payload["@context"]
    if payload.keys() != _MEMBERS or payload["type"] != ["VerifiableCredential", KIND] or contexts[0] != CONTEXT:
        raise Uncommon
    if not isinstance(contexts, list) or not all(isinstance(one, str) for one in contexts):
        raise Uncommon
    issuer, valid_from, subject = payload["issuer"], payload["validFrom"], payload["credentialSubject"]
    if not isinstance(issuer, str) or not isinstance(valid_from, str) or not isinstance(subject, dict):
        raise Uncommon
    if canonical_uri(issuer) != issuer:
        raise Uncommon
    parse_time(valid_from)
    return issuer, valid_from, subject


def _uris(issuer: str, event: Event) -> Sequence[str]:
    found = {issuer, event.read_point or issuer, event.biz_location or issuer}
    for one in event.objects:
        found.add(one.uri)
        found.add(one.lot or one.uri)
    long = len(event.event_id or "") > MAX_TEXT or any(len(uri) > MAX_TEXT or uri.startswith(KIND_URI) for uri in found)
    # A serial in clear is judged by what the log has of its lot.
    if long or len(found) > MAX_KEYS or (not event.is_selling and any("/21/" in uri for uri in found)):
        raise Uncommon
    return list(found)


@lru_cache(maxsize=65_536)
def _key(uri: str) -> bytes:
    return sha256(uri.encode()).digest()


@lru_cache(maxsize=4_096)
def _verifier(kid: str, alg: str, x: str, y: str) -> Verify:
    """How signatures of this key are verified: loaded once, since reading a point costs as much as half a signature."""
    curve = {"crv": "Ed25519", "kty": "OKP", "x": x} if alg == "EdDSA" else {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    if thumbprint(curve) != kid:
        raise Uncommon
    key = public_key(curve)
    if isinstance(key, Ed25519PublicKey):
        return key.verify

    def verify(signature: bytes, message: bytes) -> None:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if len(signature) != 64 or s > P256_ORDER // 2:
            raise Uncommon
        key.verify(encode_dss_signature(r, s), message, _ES256)

    return verify
