"""Building events: whatever a producer says through the builders, the log accepts, and a report finds again."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.epcis import build, kde
from producers.epcis.identity import mint_event_id
from producers.epcis.parts import Handover, LotQuantity, Occasion, Quantity, Things, timestamp
from producers.epcis.text import encode
from producers.epcis.validate import EventValidator
from verify import strict
from verify.epcis import read_event
from verify.errors import Malformed

VALIDATOR = EventValidator.build()
BEIJING = timezone(timedelta(hours=8))
FARM = "https://id.gs1.org/417/9521234000013"
FIELD = "https://id.gs1.org/414/9521234000020"
HUB = "https://id.gs1.org/414/9521234000037"
HUB_PARTY = "https://id.gs1.org/417/9521234000044"
LOT = "https://id.gs1.org/01/09521234000013/10/H20260302-A7"
PACKED = "https://id.gs1.org/01/09521234000020/10/PK0302-01"
PALLET = "https://id.gs1.org/00/952123400000000017"


def occasion(**changes: Any) -> Occasion:
    facts = {"time": datetime(2026, 3, 2, 6, 10, tzinfo=BEIJING), "issuer": FARM, "place": FIELD}
    return Occasion(**(facts | changes))


def lots(uri: str, amount: str, unit: str = "KGM") -> Things:
    return Things(lots=(LotQuantity(uri, Quantity(Decimal(amount), unit)),))


def test_a_harvest_carries_what_the_law_asks_of_it() -> None:
    ticket = kde.Reference(kde.HARVEST_TICKET, "3号棚/88", gln="9521234000020")
    facts = kde.Harvest("tomato", date(2026, 3, 2), variety="粉果", field_name="3号棚", country="CN")
    harvester = {kde.HARVESTER: {kde.NAME: "Li farm", kde.PHONE: "+86 10 5555 0100"}}
    event = build.harvest(
        lots("https://shop.example/01/9521234000013/10/H20260302-A7?17=260401", "820.50"),
        occasion(references=(ticket,), extra=harvester),
        facts,
        recipient=Handover(taker=HUB_PARTY, to_place=HUB),
    )
    VALIDATOR.check(event)
    assert event["quantityList"] == [{"epcClass": LOT, "quantity": Decimal("820.50"), "uom": "KGM"}]
    assert event["ilmd"] == {
        kde.COMMODITY: "tomato",
        kde.VARIETY: "粉果",
        kde.FIELD_NAME: "3号棚",
        kde.HARVEST_DATE: "2026-03-02",
        kde.COUNTRY: "CN",
    }
    assert event["destinationList"] == [
        {"type": "owning_party", "destination": HUB_PARTY},
        {"type": "location", "destination": HUB},
    ]
    assert (event["eventTime"], event["eventTimeZoneOffset"]) == ("2026-03-02T06:10:00.000+08:00", "+08:00")
    (paper,) = event["bizTransactionList"]  # type: ignore[misc]
    assert kde.Reference.of(paper["type"], paper["bizTransaction"]) == ticket
    assert event[kde.HARVESTER] == harvester[kde.HARVESTER]


def test_an_item_that_is_named_with_its_lot_is_told_with_its_lot_so_that_no_code_gets_round_the_rule_on_serials() -> None:
    item, packed = "https://shop.example/01/9521234000020/22/V/10/PK0302-01/21/A%2FB?17=260401", f"{PACKED}/21/A%2FB"
    at, pallet = occasion(), Things(items=(PALLET,))
    shipped = build.ship(Things(items=(item, packed)), at, Handover(FARM, HUB_PARTY))
    assert shipped["epcList"] == [packed]
    assert read_event(shipped).uris == ("https://id.gs1.org/01/09521234000020/21/A%2FB", PACKED)
    assert build.ship(lots(item, "1", "H87"), at, Handover(FARM, HUB_PARTY))["quantityList"] == [
        {"epcClass": packed, "quantity": Decimal(1), "uom": "H87"}
    ]
    assert build.aggregate(item, pallet, at)["parentID"] == packed


def test_a_season_from_field_to_family_passes_the_log() -> None:
    at, pallet = occasion(), Things(items=(PALLET,))
    handover = Handover(FARM, HUB_PARTY, FIELD, HUB)
    residue = build.Measurement("MassConcentration", Decimal("0.030"), "NA", "https://identifiers.org/inchikey:X", at.time)
    packing = kde.Packing("粉果 500 g punnet", date(2026, 3, 2), tlc_source=FIELD, cooled_at=FIELD)
    season = [
        build.harvest(lots(LOT, "820.5"), at, kde.Harvest("tomato", date(2026, 3, 2))),
        build.cool(lots(LOT, "820.5"), at, cooled_on=date(2026, 3, 2)),
        build.sample(lots(LOT, "1"), at, number="R-2026-031"),
        build.inspect(lots(LOT, "820.5"), at, conformant=True, measurements=[residue]),
        build.pack(lots(LOT, "820.5"), lots(PACKED, "1600", "H87"), at, packing),
        build.aggregate(PALLET, lots(PACKED, "1600", "H87"), at),
        build.ship(pallet, at, handover),
        build.receive(pallet, occasion(place=HUB, location=HUB, issuer=HUB_PARTY), handover),
        build.disaggregate(PALLET, at),
        build.sell(lots(PACKED, "60", "H87"), at),
        build.sell(lots(PACKED, "1540", "H87"), at, last=True),
        build.destroy(Things(lots=(LotQuantity(PACKED),)), at),
    ]
    for event in season:
        VALIDATOR.check(event)
        read_event(strict.parse(encode(event)))
    assert len({event["eventID"] for event in season}) == len(season)


def test_a_declaration_of_error_repeats_the_event_and_its_name() -> None:
    wrong = build.sell(lots(PACKED, "60", "H87"), occasion())
    right = build.sell(lots(PACKED, "6", "H87"), occasion())
    later = datetime(2026, 3, 3, tzinfo=UTC)
    told = build.declare_wrong(wrong, time=later, did_not_occur=False, corrected_by=[str(right["eventID"])])
    VALIDATOR.check(told)
    assert told["errorDeclaration"] == {
        "declarationTime": "2026-03-03T00:00:00.000+00:00",
        "reason": "incorrect_data",
        "correctiveEventIDs": [right["eventID"]],
    }
    assert {name: told[name] for name in wrong} == wrong


class TestMintedIdentifiers:
    """An import run twice must change nothing, so an identifier depends on the event and its signer only."""

    EXPECTED = "urn:uuid:bd3a6742-77aa-877d-8ca3-a66342ff0ef3"  # of `{}` and FARM; another value would import every old file anew

    def test_the_same_event_of_the_same_party_has_the_same_identifier(self) -> None:
        assert mint_event_id(b"{}", FARM) == mint_event_id(b"{}", FARM) == self.EXPECTED

    def test_another_event_or_party_has_another(self) -> None:
        assert len({mint_event_id(b"{}", FARM), mint_event_id(b"{ }", FARM), mint_event_id(b"{}", HUB)}) == 3

    @given(st.binary(max_size=64), st.text("abc:/é中", max_size=20))
    def test_it_is_a_uuid_of_version_8(self, raw: bytes, issuer: str) -> None:
        minted = UUID(mint_event_id(raw, issuer))
        assert (minted.version, minted.variant) == (8, "specified in RFC 4122")

    def test_a_given_identifier_is_kept(self) -> None:
        assert build.destroy(lots(LOT, "1"), occasion(event_id="urn:uuid:7"))["eventID"] == "urn:uuid:7"


class TestRefused:
    """What cannot be said rightly is refused where it is typed, not when it is sent."""

    @pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "0.0000001", "1000000000001"])
    def test_an_amount_of(self, amount: str) -> None:
        with pytest.raises(ValueError, match="not a quantity"):
            Quantity(Decimal(amount), "KGM")

    @pytest.mark.parametrize("unit", ["kg", "公斤", "K", "KGMS"])
    def test_a_unit_of(self, unit: str) -> None:
        with pytest.raises(ValueError, match="unit code"):
            Quantity(Decimal(1), unit)

    @pytest.mark.parametrize("offset", [None, timedelta(hours=15), timedelta(hours=-15), timedelta(seconds=30)])
    def test_a_time_whose_offset_is(self, offset: timedelta | None) -> None:
        zone = None if offset is None else timezone(offset)
        with pytest.raises(ValueError, match="offset of whole minutes"):
            occasion(time=datetime(2026, 3, 2, tzinfo=zone))

    def test_a_lot_whose_check_digit_is_wrong(self) -> None:
        with pytest.raises(Malformed) as caught:
            build.destroy(lots("https://id.gs1.org/01/09521234000014/10/H7", "1"), occasion())
        assert caught.value.code == "bad-check-digit"

    def test_an_event_about_nothing(self) -> None:
        with pytest.raises(ValueError, match="at least one thing"):
            build.sell(Things(), occasion())
        with pytest.raises(ValueError, match="at least one input and one output"):
            build.pack(lots(LOT, "1"), Things(), occasion(), kde.Packing("x", date(2026, 3, 2)))
        with pytest.raises(ValueError, match="names its children"):
            build.aggregate(PALLET, Things(), occasion())

    def test_an_extension_without_a_prefix(self) -> None:
        with pytest.raises(ValueError, match="carries its prefix"):
            occasion(extra={"price": "1"})


class TestExactText:
    """A quantity is printed with the digits that the producer typed."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [(Decimal("820.50"), "820.50"), (Decimal("1E+3"), "1000"), (Decimal("1E-6"), "0.000001"), (7, "7"), (True, "true")],
    )
    def test_numbers(self, value: object, text: str) -> None:
        assert encode({"a": [value]}) == f'{{"a":[{text}]}}'

    def test_a_float_has_lost_what_it_was(self) -> None:
        with pytest.raises(TypeError, match="no exact JSON text"):
            encode({"quantity": 0.1})

    @pytest.mark.parametrize("number", ["NaN", "Infinity"])
    def test_no_number_is_no_json(self, number: str) -> None:
        with pytest.raises(ValueError, match="not a number in JSON"):
            encode(Decimal(number))

    def test_a_clock_finer_than_milliseconds_is_not_cut(self) -> None:
        assert timestamp(datetime(2026, 3, 2, 6, 10, 0, 1, tzinfo=UTC)) == "2026-03-02T06:10:00.000001+00:00"


@pytest.mark.parametrize("number", ["PO-7", "3号棚/88", "a:b%c", "https://paper.example/7"])
@pytest.mark.parametrize("gln", ["", "9521234000020"])
def test_a_documents_number_is_read_back_as_printed(number: str, gln: str) -> None:
    reference = kde.Reference("po", number, gln)
    assert kde.Reference.of("po", reference.uri) == reference


def test_a_document_named_by_someone_elses_uri_keeps_it_as_its_number() -> None:
    assert kde.Reference.of("po", "urn:example:po:7") == kde.Reference("po", "urn:example:po:7")


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AMOUNTS = st.decimals(min_value="0.001", max_value="1e9", places=3)
UNITS = st.sampled_from(["", "KGM", "LTR", "H87", "TNE"])
URIS = st.sampled_from([LOT, PACKED, "urn:epc:class:lgtin:9521234.000001.x%2Fy", "https://farm.example/lot/7", "geo:30,120"])
QUANTITIES = st.none() | st.builds(Quantity, AMOUNTS, UNITS)
THINGS = st.builds(
    Things,
    items=st.lists(st.sampled_from([PALLET, "urn:epc:id:sscc:9521234.0000000001", FIELD]), max_size=3).map(tuple),
    lots=st.lists(st.builds(LotQuantity, URIS, QUANTITIES), min_size=1, max_size=3).map(tuple),
)
PLACES = st.sampled_from(["", FIELD, HUB, "geo:30.1,120.2"])
PARTIES = st.sampled_from(["", FARM, HUB_PARTY, "did:web:farm.example"])
OCCASIONS = st.builds(
    Occasion,
    time=st.builds(lambda time, zone: time.replace(tzinfo=zone), TIMES, OFFSETS),
    issuer=st.sampled_from([FARM, "https://farm.example/li"]),
    place=PLACES,
    location=PLACES,
    references=st.lists(
        st.builds(kde.Reference, st.sampled_from(["po", "bol", kde.RECEIPT]), NAMES, st.sampled_from(["", "9521234000020"])),
        max_size=2,
    ).map(tuple),
    certificates=st.sampled_from([(), ("https://certifier.example/7",)]),
    extra=st.dictionaries(st.sampled_from([kde.PRICE, kde.PRODUCT_DESCRIPTION]), NAMES),
)
HANDOVERS = st.builds(Handover, PARTIES, PARTIES, PLACES, PLACES)
DATES = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1))
MEASUREMENTS = st.builds(build.Measurement, st.sampled_from(["Temperature", "MassConcentration"]), AMOUNTS, st.just("CEL"))
EVENTS = st.one_of(
    st.builds(build.harvest, THINGS, OCCASIONS, st.builds(kde.Harvest, NAMES, DATES, NAMES, NAMES, NAMES), recipient=HANDOVERS),
    st.builds(build.cool, THINGS, OCCASIONS, cooled_on=DATES),
    st.builds(build.sample, THINGS, OCCASIONS, number=NAMES),
    st.builds(build.inspect, THINGS, OCCASIONS, conformant=st.booleans(), measurements=st.lists(MEASUREMENTS, max_size=2)),
    st.builds(build.pack, THINGS, THINGS, OCCASIONS, st.builds(kde.Packing, NAMES, DATES, tlc_source=PLACES, farm=PLACES)),
    st.builds(build.aggregate, st.just(PALLET), THINGS, OCCASIONS),
    st.builds(build.disaggregate, st.just(PALLET), OCCASIONS, THINGS | st.just(Things())),
    st.builds(build.ship, THINGS, OCCASIONS, HANDOVERS),
    st.builds(build.receive, THINGS, OCCASIONS, HANDOVERS),
    st.builds(build.sell, THINGS, OCCASIONS, last=st.booleans()),
    st.builds(build.destroy, THINGS, OCCASIONS),
)


@given(EVENTS)
def test_whatever_a_producer_says_passes_the_log_and_loses_no_digit(event: dict[str, Any]) -> None:
    VALIDATOR.check(event)
    text = encode(event)
    assert strict.parse(text) == event
    assert json.loads(text)["eventID"].startswith("urn:uuid:")
    read_event(strict.parse(text))
