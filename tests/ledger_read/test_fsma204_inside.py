"""FSMA 204: what was inside a unit that moved, by whose word, and that a stranger's word is in nobody else's mouth."""

from collections.abc import Mapping
from functools import partial

import pytest

from ledger.reports.fsma204_standing import CLAIMED, STANDS
from producers.epcis import build
from producers.epcis.parts import Handover, Things
from tests.ledger_read.report import lines, tables
from tests.ledger_read.season import BOX, DOCK, FARM, HUB, HUB_DOCK, P1, PALLET, SHED, STRANGER, Season, lots, sscc

ELSEWHERE, OTHER = "https://stranger.example/yard", f"{BOX}/10/P-2"
CRATE, TRUCK = sscc(7), sscc(8)
MOVED = ("Shipping", "Receiving")


def rows(season: Season) -> list[tuple[str, str, object, str, str]]:
    """(sheet, lot code, quantity, teller, standing) of everything that moved."""
    found = tables(season)
    return [(name, *(line[key] for key in ("tlc", "quantity", "teller", "standing")))  # type: ignore[misc]
            for name in MOVED for line in lines(found[name])]  # fmt: skip


def summary(season: Season) -> Mapping[str, object]:
    """Complete rows by sheet."""
    return {str(line["sheet"]): line["complete"] for line in lines(tables(season)["Summary"])}


def pack(season: Season, party: str, things: Things, unit: str = PALLET, *, hours_late: int = 0) -> None:
    """`party` says that it put things into a unit, `hours_late` before now."""
    season.tell(party, f"pack {unit}", partial(build.aggregate, unit, things), place=ELSEWHERE, hours_late=hours_late)


class TestAStranger:
    """"What fails is shown as a third party's claim and never counts": protocol.md, section 2."""

    @pytest.fixture(autouse=True)
    def granted(self, season: Season) -> None:
        """It has a key, and nothing else; the season's pallet was moved within the last twenty hours."""
        season.grant(STRANGER, "retailer")

    def test_what_it_says_it_packed_onto_a_pallet_is_its_own_claim_and_nobody_else_owes_or_tells_it(self, season: Season) -> None:
        before, complete, owed = rows(season), summary(season), lines(tables(season)["Missing"])
        pack(season, STRANGER, lots((f"{BOX}/10/X-EVIL", "500", "H87"), (P1, "111", "H87")), hours_late=11)
        after = rows(season)
        assert [row for row in after if row[3] != STRANGER] == before
        claims = [row for row in after if row[3] == STRANGER]
        assert {row[:3] for row in claims} == {(name, *what) for name in MOVED for what in (("X-EVIL", 500), ("P-1", 111))}
        assert {row[4] for row in claims} == {CLAIMED}
        assert summary(season) == complete
        assert [line for line in lines(tables(season)["Missing"]) if line["owed_by"] != STRANGER] == owed

    def test_goods_told_beside_the_pallet_that_they_are_on_count_once_whatever_it_says(self, season: Season) -> None:
        unit, boxes = sscc(5), lots((P1, "9", "H87"))
        season.tell(FARM, "stack", partial(build.aggregate, unit, boxes), place=SHED)
        pack(season, STRANGER, lots((P1, "4", "H87")), unit)
        both = Things(items=(unit,), lots=boxes.lots)
        season.tell(FARM, "both", partial(build.ship, both, handover=Handover(FARM, HUB)), place=DOCK)
        assert [row for row in rows(season) if row[2] in (9, 13)] == [("Shipping", "P-1", 9, FARM, STANDS)]

    def test_another_s_crate_that_it_says_was_on_the_pallet_is_its_claim_with_all_that_is_inside(self, season: Season) -> None:
        pack(season, FARM, lots((P1, "3", "H87"), (OTHER, "2", "H87")), CRATE, hours_late=12)
        before = rows(season)
        pack(season, STRANGER, Things(items=(CRATE,)), hours_late=12)
        added = [row for row in rows(season) if row not in before]
        assert added == [(name, code, amount, STRANGER, CLAIMED) for name in MOVED for code, amount in (("P-1", 3), ("P-2", 2))]

    def test_repeating_what_its_owner_said_of_a_crate_doubles_nothing(self, season: Season) -> None:
        pack(season, FARM, lots((P1, "3", "H87")), CRATE, hours_late=12)
        pack(season, FARM, Things(items=(CRATE,)), TRUCK, hours_late=11)
        pack(season, STRANGER, Things(items=(CRATE,)), TRUCK, hours_late=11)
        season.tell(FARM, "drive", partial(build.ship, Things(items=(TRUCK,)), handover=Handover(FARM, HUB)), place=DOCK)
        assert [row for row in rows(season) if row[2] == 3] == [("Shipping", "P-1", 3, FARM, STANDS)]


class TestWhoHadTheGoods:
    """Whoever had what it packed, or goods of the same load, is believed about the rest of it."""

    def test_what_the_owner_packs_beside_the_asked_lot_stands_with_its_carrier(self, season: Season) -> None:
        load = sscc(5)
        season.tell(FARM, "stack", partial(build.aggregate, load, lots((P1, "9", "H87"), (OTHER, "8", "H87"))), place=SHED)
        season.hand_over(FARM, HUB, Things(items=(load,)), "load", (DOCK, HUB_DOCK))
        told = [row for row in rows(season) if row[2] in (8, 9)]
        assert {row[:3] for row in told} == {(name, *what) for name in MOVED for what in (("P-1", 9), ("P-2", 8))}
        assert {row[4] for row in told} == {STANDS}

    def test_a_crate_that_its_receiver_stacks_onto_a_truck_is_inside_it(self, season: Season) -> None:
        pack(season, FARM, lots((P1, "3", "H87"), (OTHER, "2", "H87")), CRATE)
        season.hand_over(FARM, HUB, Things(items=(CRATE,)), "crate", (DOCK, HUB_DOCK))
        pack(season, HUB, Things(items=(CRATE,)), TRUCK)
        season.hand_over(HUB, FARM, Things(items=(TRUCK,)), "truck", (HUB_DOCK, DOCK))
        assert [row for row in rows(season) if row[2] in (2, 3) and row[3] == FARM and row[0] == "Receiving"] == [
            ("Receiving", "P-1", 3, FARM, STANDS), ("Receiving", "P-2", 2, FARM, STANDS)]  # fmt: skip
