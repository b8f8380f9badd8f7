"""Numbers, members, names and signatures in every spelling: what the quick reading takes, the literal rules take alike."""

import json
from itertools import islice
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import quick, quick_event
from tests.ledger.test_quick import COMMON, literal, of_text, quickly, signed
from tests.support.ledger import FARM, GTIN, event_body, payload
from verify import gs1
from verify.errors import Malformed
from verify.statement import CONTEXT, P256_ORDER
from verify.strict import b64u_decode


def told(kind: str = "harvest", member: str = '"note":0') -> str:
    """The payload of a common event, with one more member of text."""
    text = payload("TraceabilityEvent", FARM, event_body(1, **COMMON[kind]))
    return text.replace('"eventID"', f'"originmark:{member[1:]},"eventID"')


PLAIN_NUMBERS = ("11.5", "100", "100.0", "0.1", "-0.0", "0.0001", "12345678.9012345", "9007199254740993", "9" * 20, "1" * 64)
ODD_NUMBERS = (
    "1.50", "1e2", "1E2", "1e16", "1e-7", "0.00001", "-0", "-1", "-1.5", "1" * 65, "9007199254740993.0", "1e400", "-1e400",
    "5e-324", "123456789.123456789", "0.30000000000000004", "1e1001", "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1",
    "null", "true", "[]", '"1"', "1" * 4_400, "0." + "1" * 62,
)  # fmt: skip


@pytest.mark.parametrize("number", PLAIN_NUMBERS)
@pytest.mark.parametrize("kind", ["harvest", "pallet"])
def test_an_amount_in_its_usual_spelling_is_read_alike_by_both(number: str, kind: str) -> None:
    raw = of_text(told(kind).replace('"quantity":3', '"quantity":100').replace('"quantity":100', f'"quantity":{number}'))
    assert quickly(raw) is not None
    assert quickly(raw) == literal(raw)


@pytest.mark.parametrize("number", PLAIN_NUMBERS + ODD_NUMBERS)
def test_a_number_in_any_spelling_is_read_alike_or_left_to_the_literal_rules(number: str) -> None:
    amounts = [told(kind).replace(f'"quantity":{was}', f'"quantity":{number}') for kind, was in (("harvest", 100), ("pallet", 3))]
    for text in (*amounts, told(member=f'"n":{number}'), told(member=f'"n":[{{"a":{number}}},{number}]')):
        raw = of_text(text)
        assert quickly(raw) in (None, literal(raw))


ODD_MEMBERS = {
    "twice with one value": '"a":1,"originmark:a":1',
    "twice with two": '"a":1,"originmark:a":2',
    "twice below": '"a":{"b":1,"b":1}',
    "twice in the same words": '"a":1,"action":"ADD"',
    "a prototype": '"a":{"__proto__":1}',
    "a hidden prototype": r'"a":{"__\u0070roto__":1}',
    "a disclosure": '"a":{"_sd":[]}',
    "a disclosure in a list": '"a":[{"...":"b"}]',
    "a digest's name": '"a":{"_sd_alg":"sha-256"}',
    "a letter as an escape": r'"a":"\u0041"',
    "half a pair": r'"a":"\ud800"',
    "a pair": r'"a":"\ud83c\udf4e"',
    "NUL": r'"a":"\u0000"',
    "an escape that is meant": r'"a":"\"\\\n"',
    "an escaped slash": r'"a":"\/"',
    "a bare control": '"a":"\x01"',
    "DEL": '"a":"\x7f"',
    "a line separator": '"a":"\u2028"',
    "an apple": '"a":"\U0001f34e"',
    "a mark in a text": '"a":"\ufeff"',
    "a space": '"a": 1',
    "a line": '"a":1\n',
    "a comma too many": '"a":[1,]',
    "something after it": '"a":1}} {"',
    **{f"{deep} deep": '"a":' + "[" * deep + "]" * deep for deep in (60, 61, 62, 63, 64, 300)},
    "one context twice": '"a":1,"@context":["https://ref.gs1.org/a",{"b":1.0},{"b":1}]',
}


@pytest.mark.parametrize("name", ODD_MEMBERS)
def test_an_odd_member_is_read_alike_or_left_to_the_literal_rules(name: str) -> None:
    for kind in ("harvest", "pallet"):
        raw = of_text(told(kind, ODD_MEMBERS[name]))
        assert quickly(raw) in (None, literal(raw))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(JSON, st.randoms(use_true_random=False), st.booleans(), st.booleans(), st.sampled_from([*COMMON]))
def test_any_extension_in_any_order_and_style_is_read_alike_or_not_at_all(
    value: object, order: Any, ascii_: bool, wide: bool, kind: str
) -> None:
    whole = json.loads(told(kind))
    members = [*whole["credentialSubject"].items(), ("originmark:more", value)]
    order.shuffle(members)
    whole["credentialSubject"] = dict(members)
    try:
        raw = of_text(json.dumps(whole, ensure_ascii=ascii_, separators=None if wide else (",", ":")))
    except UnicodeEncodeError:
        return  # a lone surrogate has no bytes
    assert quickly(raw) in (None, literal(raw))


MEMBERS = ("type", "eventID", "@context", "action", "eventTime", "eventTimeZoneOffset", "bizStep", "readPoint")


@pytest.mark.parametrize("member", MEMBERS)
def test_what_an_event_lacks_is_missed_by_both(member: str) -> None:
    for kind in ("places", "pallet"):
        raw = signed(**COMMON[kind] | {member: None})
        assert quickly(raw) in (None, literal(raw))


NAMES = (
    "parentID", "childEPCs", "epcList", "inputEPCList", "outputEPCList", "quantityList", "childQuantityList", "inputQuantityList",
    "outputQuantityList", "transformationID", "bizTransactionList", "sourceList", "destinationList", "readPoint", "bizLocation",
    "disposition", "bizStep", "action", "type", "ilmd", "errorDeclaration", "sensorElementList", "eventTimeZoneOffset",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    "ADD", "DELETE", "OBSERVE", "ObjectEvent", "AssociationEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent",
    None, 5, 1.5, "", [], {}, "retail_selling", "https://ref.gs1.org/cbv/BizStep-shipping", "urn:epcglobal:cbv:disp:returned",
    "x:y", "+14:00", f"{GTIN}/10/A-1", f"{GTIN}/21/A-1", f"{GTIN}/10/L/21/A-1", "https://id.gs1.org/01/9520001000010/10/A",
    "urn:epc:id:sgtin:9520001.000010.1", ["urn:a:b", "urn:a:c"], [f"{GTIN}/10/L/21/A-1"], {"id": "urn:a:b"},
    [{"epcClass": f"{GTIN}/10/Q", "quantity": 1.25, "uom": "KGM"}], [{"epcClass": "urn:a:b"}],
    [{"type": "owning_party", "source": "urn:a:b"}], [{"type": "po", "bizTransaction": "urn:a:b"}],
)  # fmt: skip


@settings(max_examples=500)
@given(st.sampled_from([*COMMON]), st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), min_size=1, max_size=3))
def test_any_member_with_any_value_is_read_alike_or_not_at_all(kind: str, changes: dict[str, Any]) -> None:
    raw = signed(**COMMON[kind] | changes)
    assert quickly(raw) in (None, literal(raw))


def lot(**measure: Any) -> dict[str, Any]:
    """Of one lot, so much."""
    return {"quantityList": [{"epcClass": f"{GTIN}/10/A", **measure}]}


WRONG: dict[str, dict[str, Any]] = {
    "years ahead": {"eventTime": "2051-01-01T00:00:00Z"},
    "no such day": {"eventTime": "2026-02-30T00:00:00Z"},
    "no such offset": {"eventTimeZoneOffset": "+14:30"},
    "a unit of nothing": lot(uom="KGM"),
    "less than nothing": lot(quantity=-1),
    "a wrong check digit": {"quantityList": [{"epcClass": "https://id.gs1.org/01/09520001000011/10/A", "quantity": 1}]},
    "a wrong place": {"readPoint": {"id": "https://id.gs1.org/414/9520000100000"}},
    "a kind": {"epcList": ["urn:originmark:kind:Genesis"]},
    "a document with a wrong check digit": {"bizTransactionList": [{"bizTransaction": "https://id.gs1.org/253/9520001000019A"}]},
    "a long name": {"readPoint": {"id": "https://farm.example/" + "x" * 1_100}},
    "a long event ID": {"eventID": "urn:x1:" + "x" * 1_100},
    "too many": {"quantityList": None, "epcList": [f"urn:x1:{number}" for number in range(1_030)]},
    "no URI": {"epcList": ["no URI"]},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_literal_rules_refuse_is_not_taken(name: str) -> None:
    raw = signed(**WRONG[name])
    assert quickly(raw) is None
    assert isinstance(literal(raw), str)


@settings(max_examples=500)
@given(st.text("abcZ019._~-%!'()*/?# é", max_size=22), st.sampled_from(["09520001000010", "09520001000011", "9520001000010"]))
def test_a_lot_known_by_its_shape_is_what_the_rule_for_names_makes_of_it(lot: str, gtin: str) -> None:
    text = f"https://id.gs1.org/01/{gtin}/10/{lot}"
    try:
        ((_, uri, other, product, _, _),) = quick_event._objects({"quantityList": [{"epcClass": text}]})
        found: object = ([uri] if other is None else [uri, other], product)
    except (Malformed, quick.Uncommon):
        found = None
    try:
        wanted: object = (gs1.subjects_of_uri(text), gs1.product_of(text))
    except Malformed:
        wanted = None
    assert found == wanted


@settings(max_examples=300)
@given(st.integers(1, 2**256 - 1), st.integers(1, P256_ORDER // 2), st.integers(0, 255), st.integers(0, 255))
def test_a_signature_is_handed_over_in_the_one_spelling_of_its_numbers(r: int, s: int, less: int, fewer: int) -> None:
    r, s = max(1, r >> less), max(1, s >> fewer)
    assert quick._der(r.to_bytes(32, "big") + s.to_bytes(32, "big")) == encode_dss_signature(r, s)


def test_signatures_whose_numbers_are_short_are_taken() -> None:
    """A leading zero byte, in one of 128: what a parser of DER is strict about."""
    made = (signed(eventID=f"urn:uuid:00000000-0000-4000-8000-{number:012}") for number in range(10_000))
    short = (raw for raw in made if 0 in b64u_decode(raw.rsplit(b".")[-1].decode())[::32])
    for raw in islice(short, 8):
        assert quickly(raw) == literal(raw) is not None


LONG_NAME = "https://farm.example/" + "x" * 1_100
MEMORIES: dict[str, tuple[Any, Any]] = {
    "places": (quick_event.own_uri, LONG_NAME), "objects": (quick_event._other_subject, LONG_NAME),
    "words": (quick_event._word, LONG_NAME), "texts": (quick_event._plain, LONG_NAME), "keys": (quick_event._key, LONG_NAME),
    "contexts": (quick._check_contexts, (CONTEXT, LONG_NAME)),
}  # fmt: skip


@pytest.mark.parametrize("name", MEMORIES)
def test_nobody_fills_the_memory_with_long_names(name: str) -> None:
    memory, value = MEMORIES[name]
    held = memory.cache_info().currsize
    with pytest.raises(quick.Uncommon):
        memory(value)
    assert memory.cache_info().currsize == held
