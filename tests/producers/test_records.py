"""Records: the exact text that is signed, for every kind; what is withheld; and events too large for one statement."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from producers import records
from producers.control import LabelCommitment, PartyRegistration, RecallNotice, Scope, Withdrawal
from producers.epcis.kde import PRICE
from producers.keys import enrol, generate_key
from producers.kinds import Certificate, Finding, LabReport, MasterData, Subject
from producers.records import NotWithholdable, Record, Withholding
from producers.sign import format_statement, jwk_of, public_disclosures
from producers.split import PART_OF, NotSplittable, is_too_large, split_event
from verify import strict, subjects
from verify.authority import grant_of
from verify.epcis import read_event
from verify.errors import Malformed
from verify.statement import KINDS, Statement, parse_statement, verify_signature

FARM = "https://id.gs1.org/417/9521234000013"
PRODUCT = "https://id.gs1.org/01/09521234000013"
LOT = "https://id.gs1.org/01/09521234000013/10/H7"
PLACE = "https://id.gs1.org/414/9521234000013"
ORIGIN = "log.example/a"
AT = datetime(2026, 3, 2, 6, 10, tzinfo=timezone(timedelta(hours=8)))
KEY = generate_key()
EVENT = (
    '{"@context":"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld","type":"ObjectEvent",'
    '"eventID":"urn:uuid:00000000-0000-4000-8000-000000000001","eventTime":"2026-03-02T06:10:00+08:00",'
    '"eventTimeZoneOffset":"+08:00","action":"ADD","bizStep":"commissioning",'
    f'"quantityList":[{{"epcClass":"{LOT}","quantity":820.50,"uom":"KGM"}}],"readPoint":{{"id":"{PLACE}"}},'
    '"destinationList":[{"type":"owning_party","destination":"https://id.gs1.org/417/9521234000037"}],'
    f'"{PRICE}":"3.20"}}'
)


def signed(record: Record) -> Statement:
    statement = parse_statement(records.sign_record(record, KEY))
    verify_signature(statement, jwk_of(KEY.public_key()))
    return statement


def test_the_same_facts_give_the_same_bytes() -> None:
    geo = {"lat": "31.2", "lon": "121.4"}
    place = MasterData(id=PLACE, type="Place", name={"en": "Shed 3", "zh": "3号棚"}, holder=FARM, geo=geo)
    assert records.record(place, issuer=FARM, at=AT) == records.record(place, issuer=FARM, at=AT)
    assert records.record(place, issuer=FARM, at=AT).payload_text == (
        '{"@context":["https://www.w3.org/ns/credentials/v2","https://www.w3.org/ns/credentials/undefined-terms/v2"],'
        '"type":["VerifiableCredential","MasterData"],"issuer":"https://id.gs1.org/417/9521234000013",'
        '"validFrom":"2026-03-02T06:10:00.000+08:00","credentialSubject":{"id":"https://id.gs1.org/414/9521234000013",'
        '"type":"Place","name":{"en":"Shed 3","zh":"3号棚"},"holder":"https://id.gs1.org/417/9521234000013",'
        '"geo":{"lat":"31.2","lon":"121.4"}}}'
    )


def test_every_kind_of_the_protocol_can_be_told() -> None:
    told = {one.kind for one in (*Subject.__subclasses__(),) if hasattr(one, "kind")}
    assert told | {"TraceabilityEvent", "Adoption"} == KINDS


def test_members_are_in_camel_case_and_what_is_not_known_is_left_out() -> None:
    report = LabReport(
        id="urn:uuid:1", lot=LOT, sample="S1", method="GB 23200.121", verdict="pass", attestation="issuer",
        results=[Finding(analyte="chlorpyrifos", result="<0.01", unit="mg/kg", verdict="pass", loq="0.01")],
    )  # fmt: skip
    subject = signed(records.record(report, issuer=FARM, at=AT)).subject
    assert subject["results"] == [
        {"analyte": "chlorpyrifos", "result": "<0.01", "unit": "mg/kg", "verdict": "pass", "loq": "0.01"}
    ]
    assert "price" not in subject
    assert "laboratory" not in subject
    product = MasterData(id=PRODUCT, type="Product", name={}, allowed_producers=[FARM], more={"brand": "山里红"})
    assert signed(records.record(product, issuer=FARM, at=AT)).subject == {
        "id": PRODUCT, "type": "Product", "name": {}, "allowedProducers": [FARM], "brand": "山里红",
    }  # fmt: skip


def test_a_recall_names_its_class_and_its_scope() -> None:
    notice = RecallNotice(
        id="urn:uuid:00000000-0000-4000-8000-00000000000a", log=ORIGIN, class_="I", reason={"en": "Salmonella"},
        instructions={"en": "Do not eat"}, scope=Scope(lots=[LOT], from_="2026-03-01T00:00:00Z"),
    )  # fmt: skip
    statement = signed(records.record(notice, issuer=FARM, at=AT))
    assert statement.subject["class"] == "I"
    assert statement.subject["scope"] == {"lots": [LOT], "products": [], "places": [], "from": "2026-03-01T00:00:00Z"}
    assert LOT in subjects.uris(statement)


def test_a_registration_grants_what_was_asked_for() -> None:
    request = enrol(KEY, origin=ORIGIN, party=FARM, name={"en": "Li"}, roles=["producer"], mint=["https://id.gs1.org/01/0952"])
    grant = grant_of(signed(records.record(PartyRegistration.of(request), issuer="https://registrar.example/", at=AT)), 7)
    assert (grant.party, grant.roles, grant.mint) == (FARM, {"producer"}, ("https://id.gs1.org/01/0952",))


def test_a_withdrawal_is_found_under_the_subjects_of_what_it_takes_back() -> None:
    target = signed(records.event_record(EVENT, issuer=FARM))
    made = Withdrawal.of(target.digest, origin=ORIGIN, keys=subjects.keys(target), reason="typing error")
    assert set(subjects.keys(target)) <= set(subjects.keys(signed(records.record(made, issuer=FARM, at=AT))))


def test_a_commitment_states_root_and_count() -> None:
    made = LabelCommitment.of(LOT, origin=ORIGIN, root=bytes(32), count=800)
    assert signed(records.record(made, issuer=FARM, at=AT)).subject == {
        "id": LOT, "log": ORIGIN, "root": "A" * 43, "count": 800,
    }  # fmt: skip


def test_an_event_is_signed_with_the_numbers_it_came_with() -> None:
    statement = signed(records.event_record(EVENT, issuer=FARM))
    assert f'"credentialSubject":{EVENT}' in statement.payload_text
    assert '"quantity":820.50' in statement.payload_text
    assert statement.payload["validFrom"] == "2026-03-02T06:10:00+08:00"
    assert read_event(statement.disclosed).objects[0].quantity == Decimal("820.50")


def test_an_adoption_tells_the_same_event_and_names_what_it_adopts() -> None:
    statement = signed(records.adoption(EVENT, adopts="00" * 32, issuer=FARM))
    assert statement.subject["event"] == strict.parse(EVENT)
    assert set(subjects.keys(statement)) == set(subjects.keys(signed(records.event_record(EVENT, issuer=FARM))))


class TestWithholding:
    """A trading partner's name or a price can be withheld from shoppers and shown to a regulator, and both can verify."""

    PARTLY = Withholding(names=("destinationList", PRICE), public=("destinationList",))

    def test_what_is_withheld_is_not_in_the_signed_bytes(self) -> None:
        statement = signed(records.event_record(EVENT, issuer=FARM, withhold=self.PARTLY))
        assert "3.20" not in statement.payload_text
        assert "9521234000037" not in statement.payload_text
        assert statement.disclosed == strict.parse(EVENT)

    def test_only_what_is_marked_public_is_shown_to_everybody(self) -> None:
        statement = signed(records.event_record(EVENT, issuer=FARM, withhold=self.PARTLY))
        assert [shown.name for shown in public_disclosures(statement)] == ["destinationList"]
        shopper = parse_statement(format_statement(statement, public_disclosures(statement)))
        assert (shopper.digest, shopper.withheld) == (statement.digest, 1)
        assert subjects.keys(shopper) == subjects.keys(statement)

    def test_the_order_of_the_digests_tells_nothing(self) -> None:
        hashes = signed(records.event_record(EVENT, issuer=FARM, withhold=self.PARTLY)).subject["_sd"]
        assert hashes == sorted(hashes)

    def test_a_member_that_names_a_subject_cannot_be_withheld(self) -> None:
        with pytest.raises(NotWithholdable, match="quantityList"):
            records.event_record(EVENT, issuer=FARM, withhold=Withholding(names=("quantityList",)))

    def test_a_member_that_is_not_there_is_no_reason_to_withhold(self) -> None:
        statement = signed(records.event_record(EVENT, issuer=FARM, withhold=Withholding(names=("sourceList",))))
        assert statement.header["typ"] == "vc+jwt"

    def test_a_certificate_can_keep_its_price(self) -> None:
        made = Certificate(
            id="urn:x:c", scheme="绿色食品", number="LB-1", holder=FARM, subjects=[LOT], valid_from="2026-01-01",
            valid_until="2026-12-31", attestation="copy", price="880",
        )  # fmt: skip
        statement = signed(records.record(made, issuer=FARM, at=AT, withhold=Withholding(names=("price",))))
        assert statement.disclosed["price"] == "880"
        assert statement.withheld == 0
        assert "price" not in statement.subject


class TestRefusals:
    """What every reader would refuse is not signed."""

    def test_a_place_that_is_not_canonical(self) -> None:
        place = MasterData(id="https://shop.example/414/9521234000013", type="Place", name={})
        with pytest.raises(Malformed, match="canonical"):
            signed(records.record(place, issuer=FARM, at=AT))

    def test_an_issuer_with_a_wrong_check_digit(self) -> None:
        with pytest.raises(Malformed) as caught:
            records.event_record(EVENT, issuer="https://id.gs1.org/417/9521234000014")
        assert caught.value.code == "bad-check-digit"

    def test_a_time_without_its_offset(self) -> None:
        place = MasterData(id=PLACE, type="Place", name={})
        with pytest.raises(ValueError, match="offset"):
            records.record(place, issuer=FARM, at=datetime(2026, 3, 2))

    def test_an_event_without_a_time(self) -> None:
        with pytest.raises(Malformed, match="eventTime"):
            records.event_record('{"type":"ObjectEvent"}', issuer=FARM)

    def test_a_statement_of_more_than_64_kib(self) -> None:
        place = MasterData(id=PLACE, type="Place", name={"en": "x" * 50_000})
        with pytest.raises(Malformed) as caught:
            signed(records.record(place, issuer=FARM, at=AT))
        assert caught.value.code == "too-large"


class TestSplitting:
    """Keys: at most 1,024 of an entry; producers split above."""

    def event(self, kind: str = "ObjectEvent", **members: Any) -> str:
        when = {"eventTime": "2026-03-02T06:10:00Z", "eventTimeZoneOffset": "+00:00"}
        return json.dumps({"type": kind, "eventID": "urn:x:1", **when, **members})

    def serials(self, count: int) -> list[str]:
        return [f"https://id.gs1.org/01/09521234000013/21/{number:06}" for number in range(count)]

    def test_an_event_that_fits_is_left_alone(self) -> None:
        assert not is_too_large(EVENT)
        assert is_too_large(self.event(action="ADD", epcList=self.serials(600)))

    def test_five_thousand_serials_become_events_that_name_each_once(self) -> None:
        parts = split_event(self.event(action="OBSERVE", epcList=self.serials(5_000)))
        told = [uri for part in parts for uri in json.loads(part)["epcList"]]
        assert told == self.serials(5_000)
        for part in parts:
            assert not is_too_large(part)
            assert json.loads(part)[PART_OF] == "urn:x:1"
            assert "eventID" not in json.loads(part)
            assert json.loads(part)["eventTime"] == "2026-03-02T06:10:00Z"
            assert len(records.sign_record(records.event_record(part, issuer=FARM), KEY)) < 65_536

    def test_a_quantity_stands_in_one_part_only(self) -> None:
        amounts = [{"epcClass": LOT, "quantity": 1}]
        parts = split_event(self.event(action="ADD", epcList=self.serials(2_000), quantityList=amounts))
        assert [part.count('"quantityList"') for part in parts] == [0] * (len(parts) - 1) + [1]

    def test_children_keep_their_parent(self) -> None:
        pallet = "https://id.gs1.org/00/195212340000000013"
        parts = split_event(self.event("AggregationEvent", action="ADD", parentID=pallet, childEPCs=self.serials(2_000)))
        assert {json.loads(part)["parentID"] for part in parts} == {pallet}

    def test_a_transformation_needs_an_id_that_holds_its_parts_together(self) -> None:
        inputs, outputs = self.serials(900), [LOT]
        with pytest.raises(NotSplittable, match="transformationID"):
            split_event(self.event("TransformationEvent", inputEPCList=inputs, outputEPCList=outputs))
        held = {"transformationID": "urn:x:t", "ilmd": {"a:b": 1}}
        parts = split_event(self.event("TransformationEvent", inputEPCList=inputs, outputEPCList=outputs, **held))
        assert {json.loads(part)["transformationID"] for part in parts} == {"urn:x:t"}
        assert [("ilmd" in part, "outputEPCList" in part) for part in parts] == [(False, False), (True, True)]

    @pytest.mark.parametrize("members", [
        {"kind": "MyEvent"}, {"errorDeclaration": {}}, {"epcList": [], "a:note": "x" * 40_000},
    ])  # fmt: skip
    def test_what_cannot_be_taken_apart_is_refused_with_a_reason(self, members: dict[str, Any]) -> None:
        with pytest.raises(NotSplittable, match="/ "):
            split_event(self.event(**{"kind": "ObjectEvent", "epcList": self.serials(2_000), **members}))
