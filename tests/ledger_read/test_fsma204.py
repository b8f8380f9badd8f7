"""FSMA 204: the sortable spreadsheet, what is missing in it, and what each row tells."""

import json
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.reports import REPORTS, BadQuery, Query
from ledger.reports.fsma204_columns import COLUMNS
from ledger.reports.fsma204_standing import SET_ASIDE
from ledger.reports.interface import MAX_LOTS
from ledger.reports.places import MEMBERS, gaps_of
from producers.epcis import build, kde
from producers.epcis.parts import Handover, LotQuantity, Things
from producers.forms import read_form
from producers.kinds import MasterData
from tests.ledger_read.report import DESCRIBED, lines, tables
from tests.ledger_read.season import (
    BOX,
    DOOR_WANG,
    FARM,
    FIELD,
    H1,
    HUB,
    HUB_DOCK,
    P1,
    PALLET,
    R1,
    RAW,
    STRANGER,
    WANG,
    Season,
    lots,
    sscc,
)
from tests.support.ledger import p256, quantity


class TestRows:
    def test_every_event_of_the_season_is_on_its_sheet(self, season: Season) -> None:
        found = tables(season)
        counted = {name: len(table.rows) for name, table in found.items() if name in COLUMNS}
        assert counted == {"Harvest": 2, "Cooling": 1, "InitialPacking": 2, "FirstLandBasedReceiving": 0, "Shipping": 3,
                           "Receiving": 3, "Transformation": 1}  # fmt: skip

    def test_a_harvest_tells_what_where_and_when(self, season: Season) -> None:
        line = next(one for one in lines(tables(season)["Harvest"]) if one["lot"] == "H-1")
        told = {key: line[key] for key in ("commodity", "variety", "quantity", "unit", "field", "harvest_date")}
        assert told == {"commodity": "lettuce", "variety": "green leaf", "quantity": Decimal("100.5"), "unit": "KGM",
                        "field": "Field 7", "harvest_date": "2026-11-18"}  # fmt: skip
        told = f"Field 7; {FARM}; Field 7, Chongming; Shanghai; Shanghai; CN; +86 21 5555 0100; 31.2, 121.4; {FIELD}"
        assert line["farm"] == told
        assert line["index"] == season.told["harvest H-1"]

    def test_packing_repeats_the_harvest_and_assigns_the_code(self, season: Season) -> None:
        line = lines(tables(season)["InitialPacking"])[0]
        assert (line["tlc"], line["quantity"], line["unit"], line["pack_date"]) == ("P-1", 400, "H87", "2026-11-18")
        assert (line["commodity"], line["cooling_date"], line["reference"]) == ("lettuce", "2026-11-18", "bol T-1")

    def test_a_pallet_is_told_as_the_lots_on_it(self, season: Season) -> None:
        shipped = next(one for one in lines(tables(season)["Shipping"]) if one["unit_load"])
        told = (shipped["tlc"], shipped["quantity"], shipped["unit"], shipped["unit_load"])
        assert told == ("P-1", 400, "H87", PALLET)
        assert str(shipped["recipient"]).endswith(HUB_DOCK)
        assert str(shipped["tlc_source"]).startswith("Packing shed")

    def test_goods_that_are_told_beside_the_pallet_that_holds_them_moved_once(self, season: Season) -> None:
        """As a despatch advice does: the pallet, and what is on it.  Loose boxes of the same lot are told as well."""
        box, pallet = f"{BOX}/10/P-9", sscc(9)
        packed, made = kde.Packing("Pears", date(2026, 11, 20), tlc_source=FIELD), lots((box, "30", "H87"))
        season.tell(FARM, "make", partial(build.pack, lots((H1, "5", "KGM")), made, facts=packed), place=FIELD)
        season.tell(FARM, "load", partial(build.aggregate, pallet, lots((box, "20", "H87"))), place=FIELD)
        for name, amount in (("advised", "20"), ("loose", "10")):
            told = Things(items=(pallet,), lots=lots((box, amount, "H87")).lots)
            season.tell(FARM, name, partial(build.ship, told, handover=Handover(FARM, HUB, FIELD, HUB_DOCK)), place=FIELD)
        rows = [line for line in lines(tables(season, box)["Shipping"]) if line["tlc"] == "P-9"]
        found = {name: [one["quantity"] for one in rows if one["index"] == season.told[name]] for name in ("advised", "loose")}
        assert found == {"advised": [20], "loose": [20, 10]}

    def test_a_repacked_lot_is_a_transformation(self, season: Season) -> None:
        (line,) = lines(tables(season, R1)["Transformation"])
        assert (line["used_tlc"], line["used_quantity"], line["tlc"], line["quantity"]) == ("P-1", 100, "R-1", 50)

    def test_moving_the_harvest_before_packing_is_no_shipping_but_tells_the_recipient(self, season: Season) -> None:
        lot = f"{RAW}/10/H-3"
        facts = kde.Harvest("lettuce", date(2026, 11, 19))
        season.tell(FARM, "cut", partial(build.harvest, lots((lot, "5", "KGM")), facts=facts), place=FIELD)
        season.hand_over(FARM, HUB, lots((lot, "5", "KGM")), "raw", (FIELD, HUB_DOCK))
        found = tables(season, lot)
        assert found["Shipping"].rows == []
        assert str(lines(found["Harvest"])[0]["recipient"]).startswith("Hub dock")


class TestWhatIsMissing:
    def test_a_missing_element_is_named_in_its_row_and_with_who_owes_it(self, season: Season) -> None:
        found = tables(season)
        (cooled,) = lines(found["Cooling"])
        assert "Reference document [1.1325(b)(1)(vii)]" in str(cooled["missing"])
        phone = {"sheet": "InitialPacking", "element": "Harvester's phone", "law": "1.1330(a)(7)", "owed_by": FARM, "rows": 2}
        assert phone in lines(found["Missing"])

    def test_a_place_that_nobody_described_is_missing(self, season: Season) -> None:
        sold_to = next(one for one in lines(tables(season)["Shipping"]) if "wang" in str(one["recipient"]))
        assert "Immediate subsequent recipient" in str(sold_to["missing"])

    @pytest.mark.parametrize(("left_out", "gap"), [
        ("holder", "business name"), ("phone", "phone number"), ("geo", "address or coordinates"),
        ("city", "city"), ("postalCode", "region and postal code"), ("country", "country"), ("", None),
    ])  # fmt: skip
    def test_a_place_says_what_its_location_description_lacks(self, season: Season, left_out: str, gap: str | None) -> None:
        """Business name, phone number, address or coordinates, city, State and zip code or the like abroad, country."""
        door: dict[str, Any] = {"holder": WANG, "geo": {"lat": "31.2", "lon": "121.5"}, **DESCRIBED}
        door.pop(left_out, None)
        own = {"holder": door.pop("holder", None), "geo": door.pop("geo", None)}
        season.say(WANG, MasterData(id=DOOR_WANG, type="Place", name={"en": "A door"}, **own, more=door))
        found = tables(season)
        (line,) = (one for one in lines(found["Receiving"]) if str(one["received_at"]).startswith("A door"))
        owed = [one["element"] for one in lines(found["Missing"]) if (one["sheet"], one["owed_by"]) == ("Receiving", WANG)]
        told = [] if gap is None else [f"Received at: {gap}"]
        in_row = [one for one in str(line["missing"]).split("; ") if one.startswith("Received")]
        assert in_row == [f"{one} [1.1345(a)(5)]" for one in told]
        assert [one for one in owed if str(one).startswith("Received")] == told

    @pytest.mark.parametrize(("country", "members", "lacks"), [
        ("US", {"region": "CA"}, True), ("US", {"postalCode": "95014"}, True),
        ("US", {"region": "CA", "postalCode": "95014"}, False),
        ("CN", {"region": "山东"}, False), ("SG", {"postalCode": "018956"}, False), ("CN", {}, True),
    ])  # fmt: skip
    def test_state_and_zip_code_are_owed_at_home_and_either_of_them_abroad(
        self, country: str, members: dict[str, str], lacks: bool
    ) -> None:
        whole = dict.fromkeys((*MEMBERS, "business", "geo"), "x") | {"region": "", "postalCode": "", "country": country}
        assert bool(gaps_of(whole | members)) == lacks

    def test_the_place_that_the_documents_show_is_described_in_whole(self, season: Season) -> None:
        text = (Path(__file__).parents[2] / "docs/records.md").read_text("utf-8")
        shown = json.loads(text.split("```json\n")[1].split("```")[0])
        said = read_form("MasterData", json.dumps(shown | {"holder": FARM}))
        assert isinstance(said, MasterData)
        season.say(FARM, said)
        moved = Handover(FARM, HUB, said.id, HUB_DOCK)
        season.tell(FARM, "away", partial(build.ship, lots((P1, "1", "H87")), handover=moved), place=said.id)
        (line,) = (one for one in lines(tables(season)["Shipping"]) if one["index"] == season.told["away"])
        assert (str(line["shipped_from"]).startswith("Greenhouse 3"), "Shipped from" in str(line["missing"])) == (True, False)

    def test_the_summary_counts_complete_rows(self, season: Season) -> None:
        summary = {one["sheet"]: one for one in lines(tables(season)["Summary"])}
        assert summary["Transformation"]["rows"] == 1
        assert summary["Cooling"]["complete"] == 0

    def test_a_stranger_cannot_rename_a_place(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        season.say(STRANGER, MasterData(id=FIELD, type="Place", name={"en": "Nowhere"}, geo={"lat": "0", "lon": "0"}))
        assert str(lines(tables(season)["Harvest"])[0]["farm"]).startswith("Field 7")

    def test_a_stranger_s_word_about_a_harvest_is_in_no_row_but_its_own(self, season: Season) -> None:
        """A time is its party's claim: whoever claims the earliest did not make the lot for that."""
        told = season.rig.event(STRANGER, p256("stranger"), eventTime="2001-01-01T00:00:00Z", eventTimeZoneOffset="+00:00",
                                quantityList=[quantity(H1, 1)], ilmd={kde.VARIETY: "a lie", kde.COMMODITY: "a lie"})  # fmt: skip
        before = tables(season, P1)
        season.rig.log(season.rig.grant(STRANGER, p256("stranger")), told)
        told_now = tables(season, P1)
        assert lines(told_now["InitialPacking"]) == lines(before["InitialPacking"])
        rows = [row for table in told_now.values() for row in table.rows]
        assert len([row for row in rows if "a lie" in row]) == 1

    def test_a_record_that_was_taken_back_says_so(self, season: Season) -> None:
        season.withdraw(FARM, season.told["cool"])
        assert lines(tables(season)["Cooling"])[0]["standing"] == SET_ASIDE

    def test_only_what_is_published_is_told(self, season: Season) -> None:
        assert tables(season, before=season.told["ship pallet"])["Shipping"].rows == []

    @pytest.mark.parametrize("asked", [(), (P1,) * (MAX_LOTS + 1)])
    def test_no_lots_and_too_many_are_refused(self, season: Season, asked: tuple[str, ...]) -> None:
        with season.rig.database.reading() as session, pytest.raises(BadQuery):
            REPORTS["fsma204"].build(session, Query(asked))


def test_an_item_without_a_quantity_is_not_given_one(season: Season) -> None:
    season.tell(HUB, "loose", partial(build.ship, Things(lots=(LotQuantity(P1),)), handover=build.NOBODY), place=HUB_DOCK)
    line = lines(tables(season)["Shipping"])[-1]
    assert line["quantity"] is None
    assert "Quantity [1.1340(a)(2)]" in str(line["missing"])
