"""Reading events: the shared vectors, other people's documents, and quantities that must not be rounded."""

import json
from collections import Counter
from datetime import UTC, timedelta
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import load
from verify import strict
from verify.epcis import Event, read_event, scaled
from verify.errors import Malformed

CASES = {name: case for name, case in load("subjects").items() if case["fn"] in ("read_event", "scaled")}
LOT = "https://id.gs1.org/01/09520123456788/10/H7"


def _told(event: Event) -> dict[str, Any]:
    return {
        "type": event.type, "bizStep": event.biz_step, "disposition": event.disposition,
        "time": int(event.time.timestamp() * 1000), "commissioned": [one.uri for one in event.commissioned],
        "objects": [[one.role, one.uri] for one in event.objects],
    }  # fmt: skip


def _scaled(text: str) -> dict[str, str | None]:
    found = scaled(strict.parse(text))  # type: ignore[arg-type]
    return {"scaled": None if found is None else str(found)}


ANSWERS = {"read_event": lambda text: _told(read_event(strict.parse(text))), "scaled": _scaled}


@pytest.mark.parametrize("name", CASES)
def test_the_vectors_that_python_and_the_page_share(name: str) -> None:
    case = CASES[name]
    if "error" in case:
        with pytest.raises(Malformed) as caught:
            ANSWERS[case["fn"]](case["input"])
        assert caught.value.code == case["error"]["code"]
    else:
        assert ANSWERS[case["fn"]](case["input"]) == case["expect"]


def _event(**members: Any) -> dict[str, Any]:
    return {
        "type": "ObjectEvent", "action": "OBSERVE", "eventTime": "2026-03-02T06:10:00.000+08:00", "eventTimeZoneOffset": "+08:00",
    } | members  # fmt: skip


@pytest.mark.parametrize("step", ["shipping", "https://ref.gs1.org/cbv/BizStep-shipping", "urn:epcglobal:cbv:bizstep:shipping"])
def test_a_shipping_is_one_in_every_notation_of_the_vocabulary(step: str) -> None:
    event = read_event(_event(bizStep=step, disposition="https://ref.gs1.org/cbv/Disp-in_transit"))
    assert (event.biz_step, event.disposition, event.is_shipping) == ("shipping", "in_transit", True)


@pytest.mark.parametrize(
    "step", ["https://ref.gs1.org.evil/cbv/BizStep-shipping", "xhttps://ref.gs1.org/cbv/BizStep-shipping", "void_shipping"]
)
def test_a_step_that_only_looks_like_shipping_is_none(step: str) -> None:
    assert not read_event(_event(bizStep=step)).is_shipping


def test_what_comes_in_and_what_is_sold_or_brought_back_is_told_apart() -> None:
    assert read_event(_event(bizStep="urn:epcglobal:cbv:bizstep:receiving")).is_receiving
    assert read_event(_event(bizStep="retail_selling")).is_selling
    assert read_event(_event(bizStep="receiving", disposition="returned")).is_selling
    assert not read_event(_event(bizStep="packing")).is_selling


def test_the_time_keeps_the_instant_and_the_offset_of_the_place() -> None:
    event = read_event(_event())
    assert event.time.astimezone(UTC).isoformat() == "2026-03-01T22:10:00+00:00"
    assert (event.time.utcoffset(), event.offset) == (timedelta(hours=8), "+08:00")


def test_an_item_whose_link_names_its_lot_is_about_both() -> None:
    event = read_event(_event(epcList=["https://id.gs1.org/01/09520123456788/10/H7/21/X"]))
    assert [(one.uri, one.lot) for one in event.objects] == [("https://id.gs1.org/01/09520123456788/21/X", LOT)]


def test_only_an_add_or_a_transformation_brings_something_into_being() -> None:
    given_lots = {"quantityList": [{"epcClass": LOT, "quantity": 5, "uom": "KGM"}]}
    assert [one.uri for one in read_event(_event(action="ADD", **given_lots)).commissioned] == [LOT]
    assert not read_event(_event(action="DELETE", **given_lots)).commissioned
    packed = read_event(_event(type="AggregationEvent", action="ADD", parentID="https://id.gs1.org/00/340123451111111111"))
    assert not packed.commissioned


def test_whoever_sends_and_receives_is_read_in_canonical_form() -> None:
    source = [{"type": "urn:epcglobal:cbv:sdt:owning_party", "source": "urn:epc:id:pgln:4000001.00000"}]
    target = [{"type": "https://ref.gs1.org/cbv/SDT-location", "destination": "geo:0,0"}]
    event = read_event(_event(sourceList=source, destinationList=target))
    assert event.sources == (("owning_party", "https://id.gs1.org/417/4000001000005"),)
    assert event.destinations == (("location", "geo:0,0"),)


def test_a_declaration_of_error_is_seen_and_extensions_are_passed_over() -> None:
    declared = {"errorDeclaration": {"declarationTime": "2026-03-02T08:00:00Z"}, "trace:x": {"epcList": [7]}, "ilmd": {"a:b": 1}}
    event = read_event(_event(**declared))
    assert (event.error_declaration, event.ilmd, event.objects) == (True, {"a:b": 1}, ())


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**30), max_value=10**30))
def test_six_places_are_always_exact(number: Decimal) -> None:
    assert scaled(number) == int(Context(prec=60).multiply(number, Decimal(10**6)))


@given(st.integers(-(10**40) + 1, 10**40 - 1))
def test_integers_are_always_exact(number: int) -> None:
    assert scaled(number) == number * 10**6


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "epcClass", "quantity", "source"]), inner)
    ),
    max_leaves=8,
)
MEMBERS = [
    "type", "action", "eventTime", "eventTimeZoneOffset", "epcList", "quantityList", "childEPCs", "parentID", "readPoint",
    "bizLocation", "sourceList", "destinationList", "bizStep", "ilmd", "errorDeclaration", "inputQuantityList",
]  # fmt: skip


@given(st.dictionaries(st.sampled_from(MEMBERS), json_values, max_size=4), st.booleans())
def test_no_event_does_more_than_be_refused(members: dict[str, Any], whole: bool) -> None:
    try:
        assert isinstance(read_event(_event(**members) if whole else members), Event)
    except Malformed:
        return


def _events(document: dict[str, Any]) -> list[Any]:
    body = document.get("epcisBody", {"event": document})
    body = body.get("queryResults", {}).get("resultsBody", body)
    return body["eventList"] if "eventList" in body else [body["event"]]


@pytest.mark.conformance
def test_every_event_that_others_published_can_be_read(conformance: Path) -> None:
    """47 documents of the standard, 3 chains of GDST, our own and the event hash's: 152 events."""
    files = [*conformance.glob("epcis/examples/*"), *conformance.glob("trace/*"), *conformance.glob("event-hash/*.jsonld")]
    told: Counter[str] = Counter()
    for path in files:
        # One example of the standard has eventID twice, which our JSON profile refuses; its event is read all the same.
        for raw in _events(json.loads(path.read_text(), parse_float=Decimal)):
            told[read_event(raw).type] += 1
    assert len(list(conformance.glob("epcis/examples/*"))) == 47
    assert told.total() == 152, told


@pytest.mark.conformance
def test_the_group_buying_chain_is_read_from_harvest_to_hand_over(conformance: Path) -> None:
    document = strict.parse((conformance / "trace/groupbuy-chain.jsonld").read_bytes())
    assert isinstance(document, dict)
    events = [read_event(raw) for raw in _events(document)]
    assert [bool(event.commissioned) for event in events] == [True, False, False, True, *[False] * 6]
    assert [event.is_shipping for event in events].count(True) == 2
    assert [scaled(one.quantity) for one in events[0].objects if one.quantity is not None] == [820_500_000]
    assert events[-1].is_selling
