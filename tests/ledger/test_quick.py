"""What is read quickly is read exactly as the literal rules read it, and whatever they refuse is never taken."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import admission, quick
from ledger.examiners import examine_here, kids_of
from ledger.problems import Refused
from producers.sign import jwk_of, sign, sign_bytes
from tests.support.ledger import FARM, GTIN, START_MS, VALIDATOR, event_body, p256, payload
from verify.errors import Malformed
from verify.statement import P256_ORDER, thumbprint
from verify.strict import b64u_decode, b64u_encode

KEY = p256("farm")
JWKS = {thumbprint(jwk_of(KEY.public_key())): jwk_of(KEY.public_key())}
NOW = datetime.fromtimestamp(START_MS / 1000, UTC)
PLACE = "https://id.gs1.org/414/0952000100009"

COMMON: dict[str, dict[str, Any]] = {
    "harvest": {},
    "places": {"readPoint": {"id": PLACE}, "bizLocation": {"id": PLACE}},
    "old notation": {"quantityList": [{"epcClass": "urn:epc:class:lgtin:9520001.00001.H-1", "quantity": 1.5, "uom": "KGM"}]},
    "parties": {
        "bizStep": "shipping", "action": "OBSERVE", "sourceList": [{"type": "owning_party", "source": FARM}],
        "destinationList": [{"type": "possessing_party", "destination": "https://hub.example/"}],
    },
    "documents": {"bizTransactionList": [{"type": "po", "bizTransaction": "urn:example:po:1"}]},
    "sale": {"bizStep": "retail_selling", "action": "OBSERVE", "quantityList": None, "epcList": [f"{GTIN}/21/A1"]},
    "packing": {
        "type": "TransformationEvent", "action": None, "quantityList": None, "transformationID": "urn:example:t:1",
        "inputQuantityList": [{"epcClass": f"{GTIN}/10/A", "quantity": 3}],
        "outputQuantityList": [{"epcClass": f"{GTIN}/10/B", "quantity": 3}],
    },
    "pallet": {
        "type": "AggregationEvent", "quantityList": None, "parentID": "https://id.gs1.org/00/095200010000000010",
        "childQuantityList": [{"epcClass": f"{GTIN}/10/A", "quantity": 3}],
    },
}  # fmt: skip


def signed(**changes: Any) -> bytes:
    """An event of the farm."""
    return sign(payload("TraceabilityEvent", FARM, event_body(1, **changes)), KEY)


def literal(raw: bytes) -> object:
    """What the literal rules make of it: a candidate, or the code of a refusal."""
    try:
        return admission.examine(raw, now_ms=START_MS, validator=VALIDATOR, jwks=JWKS)
    except Refused as refused:
        return refused.code


def quickly(raw: bytes) -> object:
    """A candidate, or None for what is left to the literal rules."""
    try:
        return quick.examine(raw, now=NOW, validator=VALIDATOR, jwks=JWKS)
    except quick.Uncommon:
        return None


@pytest.mark.parametrize("name", COMMON)
def test_a_common_event_is_read_alike_by_both(name: str) -> None:
    raw = signed(**COMMON[name])
    assert quickly(raw) is not None
    assert quickly(raw) == literal(raw)


RARE: dict[str, bytes] = {
    "an escape": signed(**{"originmark:note": "\x01"}),
    "a serial in clear": signed(bizStep="packing", action="OBSERVE", quantityList=None, epcList=[f"{GTIN}/21/A1"]),
    "an exponent": sign(payload("TraceabilityEvent", FARM, event_body(1)).replace('"quantity":100', '"quantity":1e2'), KEY),
    "many brackets": signed(**{f"originmark:n{number}": [] for number in range(64)}),
}


@pytest.mark.parametrize("name", RARE)
def test_what_is_rare_is_left_to_the_literal_rules(name: str) -> None:
    assert quickly(RARE[name]) is None
    assert not isinstance(literal(RARE[name]), str)


def test_what_is_packed_into_a_lot_is_not_taken() -> None:
    raw = signed(**{**COMMON["pallet"], "parentID": f"{GTIN}/10/A"})
    assert (quickly(raw), literal(raw)) == (None, "bad-event")


def test_a_signature_in_its_other_form_is_not_taken() -> None:
    head, body, tail = signed().split(b".")
    raw = b64u_decode(tail.decode())
    high = raw[:32] + (P256_ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    twin = b".".join((head, body, b64u_encode(high).encode()))
    assert (quickly(twin), literal(twin)) == (None, "high-s")


def test_a_key_that_nobody_granted_is_left_to_the_order() -> None:
    raw = sign(payload("TraceabilityEvent", FARM, event_body(1)), p256("stranger"))
    assert quickly(raw) is None
    (found,) = examine_here([raw], START_MS, VALIDATOR, JWKS)
    assert not isinstance(found, Refused)
    assert not found.verified


def of_text(told: str) -> bytes:
    """A statement of exactly this payload, signed."""
    head = b64u_encode(json.dumps({"alg": "ES256", "kid": next(iter(JWKS)), "typ": "vc+jwt"}, separators=(",", ":")).encode())
    body = f"{head}.{b64u_encode(told.encode())}".encode()
    return body + b"." + b64u_encode(sign_bytes(body, KEY)).encode()


@settings(max_examples=400)
@given(at=st.integers(0, 10_000), to=st.integers(0, 255))
def test_one_byte_anywhere_never_makes_the_quick_reading_take_what_the_literal_refuses(at: int, to: int) -> None:
    raw = bytearray(signed(**COMMON["parties"]))
    raw[at % len(raw)] = to
    found = quickly(bytes(raw))
    assert found is None or found == literal(bytes(raw))


@settings(max_examples=300)
@given(
    at=st.integers(0, 5_000),
    text=st.sampled_from(
        ['"', "{", "}", ",", ":", "\\u0041", " ", "1e5", "-0", '"a":1,"a":2', '"__proto__":1,', "9" * 20, "null"]
    ),
)  # fmt: skip
def test_a_signed_payload_of_any_shape_is_read_alike_or_not_at_all(at: int, text: str) -> None:
    whole = payload("TraceabilityEvent", FARM, event_body(1, **COMMON["places"]))
    at %= len(whole)
    raw = of_text(whole[:at] + text + whole[at:])
    assert quickly(raw) in (None, literal(raw))


def test_the_keys_of_a_batch_are_told_from_the_headers_alone() -> None:
    hostile = [b"", b".", b"e30.a.b", b"A" * 300 + b".a.b", b"W10.a.b", b64u_encode(b'{"kid":1}').encode() + b".a.b"]
    assert kids_of([signed(), *hostile]) == set(JWKS)


@settings(max_examples=500)
@given(st.binary(max_size=40).map(lambda data: b64u_encode(data).encode()), st.integers(0, 60), st.integers(0, 255))
def test_base64_is_read_in_the_one_spelling_that_the_literal_rules_take(part: bytes, at: int, to: int) -> None:
    changed = part[:at] + bytes([to]) + part[at + 1 :]
    for text in (part, changed, part[:-1], part + b"A", part + b"="):
        try:
            read: bytes | None = quick._base64(text)
        except ValueError:
            read = None
        try:
            wanted: bytes | None = b64u_decode(text.decode("latin-1"))
        except (Malformed, ValueError):
            wanted = None
        assert read == wanted
