"""FSMA 204: the sortable spreadsheet, what is missing in it, and that nobody can shorten or poison it unseen."""

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import openpyxl
import pytest

from ledger.reports import REPORTS, BadQuery, Query, Table, render
from ledger.reports.facts import WITHHELD
from ledger.reports.fsma204_columns import COLUMNS
from ledger.reports.fsma204_standing import CLAIMED, SET_ASIDE, STANDS, TOO_MUCH, UNKNOWN
from ledger.reports.fsma204_words import CHINESE
from ledger.reports.interface import MAX_LOTS, Column
from ledger.reports.places import MEMBERS, gaps_of
from ledger.reports.writers import MAX_TEXT
from ledger.shown import Audience
from ledger.told_events import read_events
from producers.epcis import build, kde
from producers.epcis.parts import Handover, LotQuantity, Things
from producers.kinds import MasterData
from producers.records import Withholding
from tests.ledger_read.season import (
    BOX,
    DOCK,
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
    SHED,
    STRANGER,
    WANG,
    Season,
    lots,
    sscc,
)
from tests.support.ledger import p256, quantity

DESCRIBED = {"phone": "+86 21 5555 0199", "city": "Shanghai", "postalCode": "200000", "country": "CN"}


def tables(season: Season, *asked: str, **more: object) -> dict[str, Table]:
    """The report's tables by name."""
    query = Query(asked or (P1,), **more)  # type: ignore[arg-type]
    with season.rig.database.reading() as session:
        return {table.name: table for table in REPORTS["fsma204"].build(session, query)}


def lines(table: Table) -> list[Mapping[str, object]]:
    """Rows by column key."""
    return [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]


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


class TestWhoHadTheGoods:
    """"Move, transform, sell: the party that holds the object"; the rest "is shown as a third party's claim and never counts"."""

    def test_the_rows_of_an_honest_season_stand(self, season: Season) -> None:
        found = tables(season, R1)
        assert {line["standing"] for name in COLUMNS for line in lines(found[name])} == {STANDS}
        assert {line["claimed"] for line in lines(found["Summary"])} == {0}

    def test_a_shipment_by_a_party_that_never_held_the_lot_is_shown_as_claimed_and_not_counted(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        before = {line["sheet"]: line for line in lines(tables(season)["Summary"])}["Shipping"]
        moved = Handover(STRANGER, HUB, DOCK, SHED)
        facts = {kde.PRODUCT_DESCRIPTION: "Leaf lettuce", kde.TLC_SOURCE: SHED}
        told = partial(build.ship, lots((P1, "500", "H87")), handover=moved)
        season.tell(STRANGER, "lie", lambda occasion: told(replace(occasion, extra=facts)), place=DOCK, document="B-9")
        found = tables(season)
        (line,) = (one for one in lines(found["Shipping"]) if one["index"] == season.told["lie"])
        assert (line["quantity"], line["missing"], line["standing"]) == (500, "", CLAIMED)
        after = {one["sheet"]: one for one in lines(found["Summary"])}["Shipping"]
        assert (after["rows"], after["complete"], after["claimed"]) == (before["rows"] + 1, before["complete"], 1)

    def test_every_row_of_a_receiver_whom_no_sender_named_is_claimed_and_stays(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        boxes = lots((P1, "7", "H87"))
        season.tell(STRANGER, "grab", partial(build.receive, boxes, handover=build.NOBODY), place=DOOR_WANG)
        season.tell(STRANGER, "on", partial(build.ship, boxes, handover=Handover(STRANGER, WANG)), place=DOOR_WANG)
        found = tables(season)
        told = {line["index"]: line["standing"] for name in ("Receiving", "Shipping") for line in lines(found[name])}
        assert {told[season.told[name]] for name in ("grab", "on")} == {CLAIMED}
        assert {word for index, word in told.items() if index < season.told["grab"]} == {STANDS}

    def test_a_holder_that_ships_more_than_it_took_over_says_so_in_that_row_alone(self, season: Season) -> None:
        sent = partial(build.ship, lots((P1, "500", "H87")), handover=Handover(WANG, HUB))
        season.tell(WANG, "too much", sent, place=DOOR_WANG)
        found = tables(season)
        told = {line["index"]: line["standing"] for name in ("Receiving", "Shipping") for line in lines(found[name])}
        assert told.pop(season.told["too much"]) == TOO_MUCH
        assert set(told.values()) == {STANDS}

    def test_a_window_of_time_accuses_nobody_of_what_happened_outside_it(self, season: Season) -> None:
        whole = lines(tables(season)["Receiving"])
        last = max(line["index"] for line in whole)  # type: ignore[type-var]
        with season.rig.database.reading() as session:
            (event,) = read_events(session, [int(str(last))], Audience.REGULATOR)
        found = tables(season, since_ms=event.time_ms, until_ms=event.time_ms)
        assert [line["standing"] for line in lines(found["Receiving"])] == [STANDS]

    def test_a_stranger_who_cools_ships_or_makes_puts_no_word_into_another_s_row(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        before = tables(season, P1)
        cooled = partial(build.cool, lots((H1, "1", "KGM")), cooled_on=date(2026, 11, 1))
        season.tell(STRANGER, "cold", cooled, place=HUB_DOCK, hours_late=1)
        sent = partial(build.ship, lots((H1, "1", "KGM")), handover=Handover(STRANGER, WANG, "", DOOR_WANG))
        season.tell(STRANGER, "away", sent, hours_late=14)
        found = tables(season, P1)
        for name in ("Harvest", "InitialPacking"):
            assert lines(found[name]) == lines(before[name])
        assert [one["standing"] for one in lines(found["Cooling"])] == [STANDS, CLAIMED]

    def test_a_harvest_by_a_party_that_may_not_make_the_lot_is_claimed(self, season: Season) -> None:
        told = season.rig.event(STRANGER, p256("stranger"), quantityList=[quantity(H1, 1)])
        index = season.rig.log(season.rig.grant(STRANGER, p256("stranger")), told)[1]
        found = {line["index"]: line["standing"] for line in lines(tables(season, P1)["Harvest"])}
        assert found.pop(index) == CLAIMED
        assert set(found.values()) == {STANDS}


class TestWhatIsWithheld:
    """Where a party keeps its customer from the public, the regulator's copy has the value, and nobody owes it."""

    @pytest.fixture
    def sold(self, season: Season) -> int:
        """A shipment whose receiver, and paper, only regulators may see."""
        season.say(WANG, MasterData(id=DOOR_WANG, type="Place", name={"en": "Wang's door"}, holder=WANG,
                                    geo={"lat": "31.2", "lon": "121.5"}, more=DESCRIBED))  # fmt: skip
        kept = Withholding(names=("destinationList", "bizTransactionList"))
        season.hand_over(FARM, WANG, lots((P1, "20", "H87")), "quiet", (SHED, DOOR_WANG), withhold=kept)
        return season.told["ship quiet"]

    @staticmethod
    def report(season: Season, audience: Audience, index: int) -> tuple[Mapping[str, object], Mapping[str, object], list[object]]:
        """The row, the sheet's line in the summary, and what is missing because of it."""
        found = tables(season, audience=audience)
        (row,) = (line for line in lines(found["Shipping"]) if line["index"] == index)
        (total,) = (line for line in lines(found["Summary"]) if line["sheet"] == "Shipping")
        gaps = {"Immediate subsequent recipient", "Reference document"}
        owed = [line for line in lines(found["Missing"])
                if (line["sheet"], line["owed_by"]) == ("Shipping", FARM) and line["element"] in gaps]  # fmt: skip
        return row, total, [line["element"] for line in owed]

    def test_the_public_reads_that_a_receiver_is_withheld_and_nobody_owes_it(self, season: Season, sold: int) -> None:
        row, total, owed = self.report(season, Audience.PUBLIC, sold)
        assert (row["recipient"], row["reference"], row["missing"]) == (WITHHELD, WITHHELD, "")
        assert (owed.count("Reference document"), total["withheld"]) == (0, 1)

    def test_a_regulator_reads_the_receiver_in_the_same_row_and_counts_it_as_complete(self, season: Season, sold: int) -> None:
        public, regulator = (self.report(season, who, sold) for who in (Audience.PUBLIC, Audience.REGULATOR))
        assert str(regulator[0]["recipient"]).startswith("Wang's door")
        assert regulator[1]["complete"] == int(str(public[1]["complete"])) + 1
        assert regulator[1]["withheld"] == 0

    def test_a_party_that_keeps_only_its_price_still_owes_the_receiver(self, season: Season) -> None:
        sent = partial(build.ship, lots((P1, "1", "H87")), handover=Handover(FARM))
        priced = lambda occasion: sent(replace(occasion, extra={kde.PRICE: "1"}))  # noqa: E731
        season.tell(FARM, "priced", priced, place=SHED, withhold=Withholding(names=(kde.PRICE,)))
        row, _, owed = self.report(season, Audience.PUBLIC, season.told["priced"])
        assert "Immediate subsequent recipient" in str(row["missing"])
        assert "Immediate subsequent recipient" in owed

    def test_a_receiver_whom_the_public_may_not_know_is_not_called_a_stranger(self, season: Season, sold: int) -> None:
        told = {line["index"]: line["standing"] for line in lines(tables(season, audience=Audience.PUBLIC)["Receiving"])}
        assert told[season.told["receive quiet"]] == UNKNOWN


class TestFormats:
    """What strangers wrote stays text."""

    POISON = ("=1+1", "+1", "-1", "@x", "\t=1", "＝1", "http://evil.example/", "中文", "a\x00b", "x" * 40_000)

    @pytest.fixture
    def table(self) -> Table:
        columns = (Column("a", {"en": "A", "zh": "甲"}), Column("n", {"en": "N"}))
        return Table("T", columns, [[text, Decimal("1.50")] for text in self.POISON])

    def test_a_workbook_holds_no_formula_and_no_link(self, table: Table) -> None:
        sheet = openpyxl.load_workbook(io.BytesIO(render([table], "xlsx")))["T"]
        cells = [sheet.cell(row, 1) for row in range(2, 2 + len(self.POISON))]
        assert {cell.data_type for cell in cells} == {"s"}
        assert all(cell.hyperlink is None for cell in cells)
        assert cells[0].value == "=1+1"
        assert len(str(cells[-1].value)) == MAX_TEXT
        assert sheet.cell(2, 2).value == 1.5

    def test_a_text_with_commas_opens_as_text_in_a_spreadsheet(self, table: Table) -> None:
        raw = render([table], "csv")
        assert raw.startswith(b"\xef\xbb\xbf")
        read = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
        assert [row[0] for row in read[1:7]] == ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "'＝1"]
        assert read[1][1] == "1.50"

    def test_every_format_ends_with_the_number_of_rows_and_their_digest(self, table: Table) -> None:
        sheet = openpyxl.load_workbook(io.BytesIO(render([table], "xlsx")))["T"]
        last = [cell.value for cell in list(sheet.iter_rows())[-1]]
        comma = list(csv.reader(io.StringIO(render([table], "csv").decode("utf-8-sig"), newline="")))[-1]
        shown = json.loads(render([table], "json"))["tables"][0]
        assert last[:2] == comma[:2] == ["END", "rows: 10"]
        assert comma[2] == f"sha256: {table.digest}"
        assert (shown["count"], shown["sha256"]) == (10, table.digest)

    def test_sorting_keeps_the_digest_and_losing_a_row_changes_it(self, table: Table) -> None:
        assert Table("T", table.columns, list(reversed(table.rows))).digest == table.digest
        assert Table("T", table.columns, table.rows[1:]).digest != table.digest

    def test_the_whole_report_prints_in_every_format_and_language(self, season: Season) -> None:
        built = list(tables(season).values())
        book = openpyxl.load_workbook(io.BytesIO(render(built, "xlsx", lang="zh")))
        assert book.sheetnames == ["Summary", "Missing", *COLUMNS, "Glossary", "About"]
        assert book["Harvest"].cell(1, 1).value == "直接后续接收方 [1.1325(a)(1)(i)]"
        assert "# Harvest" in render(built, "csv").decode("utf-8-sig")
        assert len(json.loads(render(built, "json"))["tables"]) == 11

    def test_a_chinese_reader_gets_a_chinese_workbook(self, season: Season) -> None:
        season.say(FARM, MasterData(id=FIELD, type="Place", name={"en": "Field 7", "zh": "七号地"}))
        season.withdraw(FARM, season.told["cool"])
        built = tables(season, lang="zh")
        assert list(built) == [CHINESE.get(name, name) for name in ("Summary", "Missing", *COLUMNS, "Glossary", "About")]
        assert set(openpyxl.load_workbook(io.BytesIO(render(list(built.values()), "xlsx", lang="zh"))).sheetnames) == set(built)
        (cooled,) = lines(built["预冷"])
        assert cooled["standing"] == "已声明错误或撤回"
        assert "参考单据 [1.1325(b)(1)(vii)]" in str(cooled["missing"])
        assert "直接后续接收方: 地点描述" in {one["element"] for one in lines(built["缺失要素"])}
        assert {str(one["farm"])[:3] for one in lines(built["采收"])} == {"七号地"}
        assert {one["standing"] for one in lines(built["发货"])} == {"有效"}
        assert {one["required"] for one in lines(built["术语"])} == {"是", "如适用"}
        assert {str(one["sheet"]) for name in ("汇总", "缺失要素", "术语") for one in lines(built[name])} <= set(built)
        ours = [one["element"] for one in lines(built["缺失要素"])] + [one["what"] for one in lines(built["关于"])]
        assert all(re.search("[一-鿿]|^GTIN$", str(word)) for word in ours), ours

    def test_a_program_gets_the_same_codes_in_every_language(self, season: Season) -> None:
        season.say(FARM, MasterData(id=FIELD, type="Place", name={"en": "Field 7", "zh": "七号地"}))
        english, chinese = tables(season, coded=True), tables(season, coded=True, lang="zh")
        assert list(english) == list(chinese) == ["Summary", "Missing", *COLUMNS, "Glossary", "About"]
        assert {one["standing"] for one in lines(chinese["Shipping"])} == {"stands"}
        assert [one["what"] for one in lines(chinese["About"])] == [one["what"] for one in lines(english["About"])]
        assert {str(one["farm"])[:3] for one in lines(chinese["Harvest"])} == {"七号地"}

    def test_every_name_of_a_sheet_is_one_that_excel_takes(self) -> None:
        names = ("Summary", "Missing", *COLUMNS, "Glossary", "About")
        assert set(names) <= set(CHINESE)
        for name in (*names, *(CHINESE[one] for one in names)):
            assert 0 < len(name) <= 31
            assert not set("[]:*?/\\'") & set(name)
        assert len({CHINESE[one] for one in names}) == len(names)

    def test_another_format_is_refused(self, table: Table) -> None:
        with pytest.raises(BadQuery):
            render([table], "pdf")


def test_an_item_without_a_quantity_is_not_given_one(season: Season) -> None:
    season.tell(HUB, "loose", partial(build.ship, Things(lots=(LotQuantity(P1),)), handover=build.NOBODY), place=HUB_DOCK)
    line = lines(tables(season)["Shipping"])[-1]
    assert line["quantity"] is None
    assert "Quantity [1.1340(a)(2)]" in str(line["missing"])
