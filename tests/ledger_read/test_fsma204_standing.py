"""FSMA 204: whose word stands in the spreadsheet, and what its parties keep from the public."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial

import pytest

from ledger.reports.facts import WITHHELD
from ledger.reports.fsma204_columns import COLUMNS
from ledger.reports.fsma204_standing import CLAIMED, STANDS, TOO_MUCH, UNKNOWN
from ledger.shown import Audience
from ledger.told_events import read_events
from producers.epcis import build, kde
from producers.epcis.parts import Handover
from producers.kinds import MasterData
from producers.records import Withholding
from tests.ledger_read.report import DESCRIBED, lines, tables
from tests.ledger_read.season import (
    DOCK,
    DOOR_WANG,
    FARM,
    H1,
    HUB,
    HUB_DOCK,
    P1,
    R1,
    SHED,
    STRANGER,
    WANG,
    Season,
    lots,
)
from tests.support.ledger import p256, quantity


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
