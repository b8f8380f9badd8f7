"""One event: what is refused before it is signed, and how its sender is told."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.epcis.document import read_document
from producers.epcis.problems import EventRefused
from producers.epcis.text import encode
from producers.epcis.validate import EventValidator, validate_event
from verify import strict
from verify.epcis import read_event

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LOT = "https://id.gs1.org/01/09521234000013/10/H7"
VALIDATOR = EventValidator.build()


def event(**members: Any) -> dict[str, Any]:
    """A sound event; a member given as None is left out."""
    sound = {
        "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
        "type": "ObjectEvent",
        "eventID": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "eventTime": "2026-03-02T06:10:00+08:00",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "quantityList": [{"epcClass": LOT, "quantity": Decimal("820.5"), "uom": "KGM"}],
    }
    return {name: value for name, value in (sound | members).items() if value is not None}


def refusal(event: Any, **options: Any) -> EventRefused:
    with pytest.raises(EventRefused) as caught:
        VALIDATOR.check(event, **options)
    return caught.value


def only(event: Any, **options: Any) -> tuple[str, str]:
    """Code and pointer of the single problem."""
    (problem,) = refusal(event, **options).problems
    return problem.code, problem.pointer


def test_a_sound_event_passes_as_values_and_as_text() -> None:
    validate_event(event(), validator=VALIDATOR, now=NOW)
    VALIDATOR.check(encode(event()), now=NOW)
    VALIDATOR.check(encode(event()).encode(), now=NOW)


class TestSchema:
    """What the tables of the standard say."""

    def test_every_problem_has_a_pointer_and_a_sentence_and_the_deepest_comes_first(self) -> None:
        spoilt = event(bizStep="flying", quantityList=[{"epcClass": LOT, "quantity": "820.5", "uom": "kg"}], foo=1)
        found = [str(problem) for problem in refusal(spoilt).problems]
        assert found[0] == '/quantityList/0/quantity must be a number; found "820.5" / 应为数字'
        assert found[1].startswith('/quantityList/0/uom must be a UN/CEFACT unit code such as KGM, LTR or H87; found "kg" / ')
        assert found[2].startswith('/bizStep must be a business step of CBV 2.0 or the URI of another one; found "flying" / ')
        assert found[3].startswith("/foo is not a member that belongs here; an extension carries a namespace prefix")

    def test_every_sentence_of_the_schema_is_in_both_languages(self) -> None:
        told = re.findall('"description": "(.*)"', resources.files("producers.epcis").joinpath("schema.json").read_text("utf-8"))
        assert len(told) > 60
        assert [one for one in told if not re.search("[a-z].* / .*[\u4e00-\u9fff]", one)] == []

    def test_a_thousand_problems_are_told_as_the_first_five(self) -> None:
        assert len(refusal(event(quantityList=[{"uom": "kg"}] * 1000)).problems) == 5

    def test_a_long_wrong_value_is_not_repeated_in_full(self) -> None:
        assert len(str(refusal(event(bizStep="x" * 10_000)))) < 200

    @pytest.mark.parametrize("action", ["OBSERVE", "DELETE"])
    def test_lot_data_is_refused_on_an_event_that_makes_no_lot(self, action: str) -> None:
        error = refusal(event(action=action, ilmd={"originmark:variety": "Roma"}))
        assert str(error) == "/ilmd belongs only to an event with action ADD / 只能用于 action 为 ADD 的事件"

    def test_lot_data_without_a_namespace_is_refused(self) -> None:
        assert only(event(action="ADD", ilmd={"variety": "Roma"})) == ("unknown-member", "/ilmd/variety")

    def test_a_transformation_without_output_is_refused(self) -> None:
        used = event()["quantityList"]
        spoilt = event(type="TransformationEvent", action=None, quantityList=None, inputQuantityList=used)
        assert str(refusal(spoilt)).startswith("the event must name at least one input and one output")
        VALIDATOR.check(spoilt | {"transformationID": "urn:example:batch:7"})

    def test_a_document_does_not_pass_as_an_event(self) -> None:
        assert only(event(type="EPCISDocument")) == ("not-an-event", "/type")

    @pytest.mark.parametrize("kind", [3, None, [], [{}], b"3", "[]"])
    def test_what_is_no_object_is_no_event(self, kind: object) -> None:
        assert refusal(kind).code == "wrong-value"


class TestIdentity:
    """An event is told from every other by its eventID, and stands alone."""

    @pytest.mark.parametrize("name", ["eventID", "@context"])
    def test_an_event_to_be_signed_needs(self, name: str) -> None:
        assert only(event(**{name: None})) == ("missing-member", f"/{name}")
        VALIDATOR.check(event(**{name: None}), logged=False)

    def test_a_type_of_event_that_no_reader_knows_is_not_logged(self) -> None:
        unknown = event(type="https://ns.example/MyEvent")
        assert only(unknown) == ("wrong-value", "/type")
        VALIDATOR.check(unknown, logged=False)

    def test_an_event_with_the_same_member_twice_is_refused(self) -> None:
        text = encode(event())[:-1] + ',"action":"DELETE"}'
        assert only(text) == ("duplicate-member", "/action")

    @pytest.mark.parametrize("exponent", ["401", "-401", "99999999999999999999", "-99999999999999999999"])
    def test_a_number_made_to_exhaust_its_reader_is_refused(self, exponent: str) -> None:
        assert refusal(encode(event()).replace("820.5", f"1E{exponent}")).code == "bad-number"


class TestIdentifiers:
    """A wrong check digit would be a lot that no recall finds."""

    WRONG = "https://id.gs1.org/01/09521234000014/10/H7"
    PLACE = "https://id.gs1.org/414/9521234000014"

    @pytest.mark.parametrize(
        ("members", "pointer"),
        [
            ({"epcList": [LOT, WRONG]}, "/epcList/1"),
            ({"quantityList": [{"epcClass": WRONG}]}, "/quantityList/0/epcClass"),
            ({"readPoint": {"id": PLACE}}, "/readPoint/id"),
            ({"bizLocation": {"id": PLACE}}, "/bizLocation/id"),
            ({"sourceList": [{"type": "location", "source": PLACE}]}, "/sourceList/0/source"),
            ({"destinationList": [{"type": "location", "destination": PLACE}]}, "/destinationList/0/destination"),
            (
                {"bizTransactionList": [{"type": "po", "bizTransaction": "https://id.gs1.org/253/9521234000014PO"}]},
                "/bizTransactionList/0/bizTransaction",
            ),
        ],
    )
    def test_a_wrong_check_digit_is_refused_in(self, members: dict[str, Any], pointer: str) -> None:
        assert only(event(**members)) == ("bad-check-digit", pointer)

    @pytest.mark.parametrize("role", ["inputEPCList", "outputEPCList"])
    def test_a_wrong_check_digit_is_refused_in_a_transformations(self, role: str) -> None:
        sound = {"inputEPCList": ["urn:example:in"], "outputEPCList": ["urn:example:out"]}
        spoilt = event(type="TransformationEvent", action=None, quantityList=None, **(sound | {role: [self.WRONG]}))
        assert only(spoilt) == ("bad-check-digit", f"/{role}/0")

    def test_an_object_under_a_name_with_two_spellings_is_refused(self) -> None:
        assert only(event(epcList=["HTTPS://Shop.example/a/../b"])) == ("bad-uri", "/epcList/0")

    def test_a_document_may_have_any_number(self) -> None:
        paper = {"type": "po", "bizTransaction": "http://Shop.EXAMPLE/po/7"}
        VALIDATOR.check(event(bizTransactionList=[paper]))


class TestAmounts:
    def test_less_than_nothing_is_refused(self) -> None:
        spoilt = event(quantityList=[{"epcClass": LOT, "quantity": Decimal("-0.001")}])
        assert only(spoilt) == ("bad-quantity", "/quantityList/0/quantity")

    def test_a_unit_that_measures_nothing_is_refused(self) -> None:
        assert only(event(quantityList=[{"epcClass": LOT, "uom": "KGM"}])) == ("bad-quantity", "/quantityList/0/uom")

    @pytest.mark.parametrize("amount", ["NaN", "Infinity"])
    def test_what_is_no_number_is_refused(self, amount: str) -> None:
        spoilt = event(quantityList=[{"epcClass": LOT, "quantity": Decimal(amount)}])
        assert only(spoilt) == ("wrong-value", "/quantityList/0/quantity")


class TestAggregation:
    def test_only_an_observation_may_leave_the_parent_unsaid(self) -> None:
        loose = event(type="AggregationEvent", quantityList=None, childEPCs=["urn:example:crate:1"])
        VALIDATOR.check(loose)
        for action in ("ADD", "DELETE"):
            assert only(loose | {"action": action}) == ("missing-member", "/parentID")

    @pytest.mark.parametrize("parent", [LOT, LOT.split("/10/")[0], "urn:epc:class:lgtin:0952123.400001.H7"])
    def test_a_lot_or_product_is_no_box_to_pack_into(self, parent: str) -> None:
        packed = event(type="AggregationEvent", quantityList=None, childEPCs=["urn:example:crate:1"])
        VALIDATOR.check(packed | {"parentID": "https://id.gs1.org/00/095200010000000010"})
        VALIDATOR.check(packed | {"parentID": LOT.split("/10/")[0] + "/21/BOX-1"})
        assert only(packed | {"parentID": parent}) == ("bad-event", "/parentID")


class TestTime:
    """A phone's clock may be a day fast; what is further ahead may be sent again, never lost."""

    @staticmethod
    def ahead(by: timedelta) -> dict[str, Any]:
        return event(eventTime=(NOW + by).isoformat())

    def test_a_day_ahead_is_accepted_and_more_is_to_be_sent_later(self) -> None:
        VALIDATOR.check(self.ahead(timedelta(hours=24)), now=NOW)
        assert only(self.ahead(timedelta(hours=24, seconds=1)), now=NOW) == ("event-in-future", "/eventTime")

    def test_without_a_clock_no_time_is_in_the_future(self) -> None:
        VALIDATOR.check(self.ahead(timedelta(days=3650)))

    def test_what_must_be_repaired_anyway_is_not_told_to_wait(self) -> None:
        spoilt = self.ahead(timedelta(days=2)) | {"epcList": [TestIdentifiers.WRONG]}
        error = refusal(spoilt, now=NOW)
        assert error.code == "bad-check-digit"
        assert {problem.code for problem in error.problems} == {"bad-check-digit", "event-in-future"}

    @pytest.mark.parametrize("time", ["2026-02-30T00:00:00Z", "2026-03-02T06:10:00", "2026-03-02", "2016-12-31T23:59:60Z"])
    def test_a_time_that_is_in_no_calendar_is_refused(self, time: str) -> None:
        assert only(event(eventTime=time))[1] == "/eventTime"

    def test_a_declaration_from_the_future_is_to_be_sent_later(self) -> None:
        declared = event(errorDeclaration={"declarationTime": "2026-03-09T00:00:00Z"})
        assert only(declared, now=NOW) == ("event-in-future", "/errorDeclaration/declarationTime")


def test_an_event_is_not_corrected_by_itself() -> None:
    declaration = {"declarationTime": "2026-03-02T00:00:00Z", "correctiveEventIDs": [event()["eventID"]]}
    assert only(event(errorDeclaration=declaration)) == ("bad-declaration", "/errorDeclaration/correctiveEventIDs/0")


TEXT = st.text("ab:/.~%é中", max_size=8) | st.sampled_from([LOT, "type", "quantity", "id", "2026-03-02T00:00:00Z"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(sorted({*event(), "type", "epcList", "readPoint", "sourceList", "errorDeclaration", "ilmd"}))


@given(st.dictionaries(MEMBERS, JSON, max_size=4), st.booleans())
def test_whatever_is_wrong_with_an_event_it_ends_in_one_kind_of_refusal(members: dict[str, Any], logged: bool) -> None:
    for base in (event(), event(type="https://ns.example/MyEvent")):
        with suppress(EventRefused):
            VALIDATOR.check(base | members, now=NOW, logged=logged)


@pytest.mark.conformance
def test_what_passes_at_home_can_be_read_by_every_verifier(conformance: Path) -> None:
    files = [*conformance.glob("epcis/examples/*"), *conformance.glob("trace/*"), *conformance.glob("event-hash/*.jsonld")]
    passed = 0
    for file in files:
        for one in read_document(file.read_bytes(), name=file.name, issuer="urn:example:party").events:
            try:
                VALIDATOR.check(one.event)
            except EventRefused:
                continue
            read_event(strict.parse(one.text))
            passed += 1
    assert passed > 120
