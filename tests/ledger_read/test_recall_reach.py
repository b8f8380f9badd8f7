"""What a recall reaches, and that nobody can cut it."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy.orm import Session

from ledger.recalls import Affected, Recall, find_recall, open_recalls, reach_of, recalls_touching
from ledger.shown import Audience
from producers.epcis import build
from producers.epcis.parts import Handover
from tests.ledger_read.season import (
    AGENCY,
    BOX,
    DOOR_WANG,
    DOOR_ZHAO,
    FARM,
    FIELD,
    H1,
    HUB,
    HUB_DOCK,
    MIX,
    P1,
    PALLET,
    R1,
    RAW,
    REGULATED,
    STRANGER,
    WANG,
    ZHAO,
    Season,
    lots,
)
from tests.support.ledger import p256, quantity
from verify.entry import Entry


def reach(season: Season, **scope: object) -> Affected:
    """Recall, and follow it."""
    notice = season.recall(AGENCY, **scope)
    with season.rig.database.reading() as session:
        (found,) = (one for one in open_recalls(session) if one.index == notice)
        return reach_of(session, found)


class TestReach:
    @pytest.mark.parametrize("scope", [{"lots": [H1]}, {"products": [RAW]}, {"places": [FIELD]}])
    def test_a_lot_a_product_or_a_field_reaches_every_pick_up_point(self, season: Season, scope: dict[str, list[str]]) -> None:
        found = reach(season, **scope)
        assert {P1, R1} <= set(found.lots)
        assert found.units == (PALLET,)
        assert {stop.place for stop in found.stops if stop.sold} == {DOOR_WANG, DOOR_ZHAO}
        assert {FARM, HUB, WANG} <= set(found.parties)
        assert not found.truncated

    def test_ends_come_first_and_say_what_is_there(self, season: Season) -> None:
        found = reach(season, lots=[P1])
        assert found.stops[0].is_end
        door = next(stop for stop in found.stops if stop.place == DOOR_WANG)
        assert (door.parties, P1 in door.objects) == ((WANG,), True)

    @pytest.mark.parametrize(
        ("sent", "sold", "destroyed", "remains"),
        [("0", "0", "0", True), ("60", "0", "0", True), ("60", "39", "0", True), ("60", "40", "0", False),
         ("60", "30", "10", False), ("100", "0", "0", False)],
    )  # fmt: skip
    def test_a_place_may_have_some_until_as_much_left_it_as_came(
        self, season: Season, sent: str, sold: str, destroyed: str, remains: bool
    ) -> None:
        """Told by both sides of each hand-over, which is not twice as much."""
        shop, other = f"{HUB}shop", f"{HUB}other"
        season.hand_over(ZHAO, HUB, lots((P1, "100", "H87")), "in", (DOOR_ZHAO, shop))
        if sent != "0":
            season.hand_over(HUB, ZHAO, lots((P1, sent, "H87")), "out", (shop, other))
        if sold != "0":
            season.tell(HUB, "sale", partial(build.sell, lots((P1, sold, "H87"))), place=shop)
        if destroyed != "0":
            season.tell(HUB, "end", partial(build.destroy, lots((P1, destroyed, "H87"))), place=shop)
        stop = next(one for one in reach(season, lots=[P1]).stops if one.place == shop)
        assert (stop.remains, stop.sold) == (remains, sold != "0")
        assert stop.is_end == (remains or stop.sold)

    def test_a_shipment_that_was_taken_back_takes_nothing_away(self, season: Season) -> None:
        shop, other = f"{HUB}shop", f"{HUB}other"
        season.hand_over(ZHAO, HUB, lots((P1, "100", "H87")), "in", (DOOR_ZHAO, shop))
        season.hand_over(HUB, ZHAO, lots((P1, "100", "H87")), "out", (shop, other))
        season.withdraw(HUB, season.told["ship out"])
        assert next(one for one in reach(season, lots=[P1]).stops if one.place == shop).remains

    def test_what_is_left_of_an_emptied_pallet_may_still_be_there(self, season: Season) -> None:
        hub = next(one for one in reach(season, lots=[P1]).stops if one.place == HUB_DOCK)
        assert PALLET in hub.objects
        assert hub.remains

    def test_a_recall_of_the_mixed_box_does_not_reach_back(self, season: Season) -> None:
        found = reach(season, products=[MIX])
        assert found.lots == (R1,)
        assert DOOR_WANG not in {stop.place for stop in found.stops}

    def test_a_recalled_warehouse_reaches_what_passed_it_also_on_pallets(self, season: Season) -> None:
        found = reach(season, places=[HUB_DOCK])
        assert {P1, R1} <= set(found.lots)
        assert H1 not in found.lots

    def test_a_window_leaves_out_what_was_made_outside(self, season: Season) -> None:
        start = datetime.fromtimestamp(season.rig.now_ms / 1000, UTC)
        later = (start + timedelta(days=1)).isoformat()
        assert reach(season, products=[BOX], from_=later).lots == ()
        assert P1 in reach(season, products=[BOX], until=later).lots

    def test_a_lot_that_claims_to_be_older_than_1970_is_recalled_like_any_other(self, season: Season) -> None:
        """A time is its party's claim; a recall without a window is about all times."""
        old = f"{RAW}/10/OLD"
        made = season.rig.event(FARM, p256(FARM), eventTime="1969-12-31T08:00:00Z", quantityList=[quantity(old, 5)])
        season.rig.log(made)
        season.recall(AGENCY, products=[BOX], from_="2026-11-18T00:00:00Z")
        assert reach(season, lots=[old]).lots == (old,)
        assert old in reach(season, products=[RAW]).lots
        with season.rig.database.reading() as session:
            assert len(recalls_touching(session, [old])) == 2

    def test_withdrawing_a_record_does_not_cut_a_recall(self, season: Season) -> None:
        season.withdraw(HUB, season.told["mix"])
        assert R1 in reach(season, lots=[H1]).lots

    def test_a_withheld_receiver_is_named_to_inspectors_only(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        sent = partial(build.ship, lots((P1, "5", "H87")), handover=Handover(HUB, STRANGER))
        season.tell(HUB, "quiet", sent, withhold=REGULATED)
        notice = season.recall(AGENCY, lots=[P1])
        with season.rig.database.reading() as session:
            (found,) = (one for one in open_recalls(session) if one.index == notice)
            assert STRANGER not in reach_of(session, found).parties
            assert STRANGER in reach_of(session, found, audience=Audience.REGULATOR).parties

    def test_a_limit_cuts_and_says_so(self, season: Season) -> None:
        notice = season.recall(AGENCY, lots=[H1])
        with season.rig.database.reading() as session:
            (found,) = (one for one in open_recalls(session) if one.index == notice)
            assert reach_of(session, found, limit=3).truncated


class TestOpenRecalls:
    @staticmethod
    def close(season: Season, notice: int) -> int:
        digest = Entry.decode(season.entries()[notice]).digest.hex()
        return season.recall(AGENCY, lots=[H1], closes=digest)

    def test_a_recall_is_open_until_it_is_closed(self, season: Season) -> None:
        notice = season.recall(AGENCY, lots=[H1])
        closing = self.close(season, notice)
        with season.rig.database.reading() as session:
            assert open_recalls(session) == []
            assert [one.index for one in open_recalls(session, before=closing)] == [notice]
            assert self.find(session, season, notice).closed_by == closing

    @staticmethod
    def find(session: Session, season: Season, notice: int) -> Recall:
        found = find_recall(session, Entry.decode(season.entries()[notice]).digest)
        assert found is not None
        return found

    def test_a_recall_names_its_scope_and_words(self, season: Season) -> None:
        notice = season.recall(AGENCY, lots=[H1], places=[FIELD])
        with season.rig.database.reading() as session:
            found = self.find(session, season, notice)
        assert (found.lots, found.places, found.class_, found.reason["en"]) == ((H1,), (FIELD,), "I", "salmonella")

    def test_only_recalls_that_name_the_subject_touch_it(self, season: Season) -> None:
        by_product, by_place = season.recall(AGENCY, products=[BOX]), season.recall(AGENCY, places=[FIELD])
        with season.rig.database.reading() as session:
            assert [one.index for one in recalls_touching(session, [P1])] == [by_product]
            assert {one.index for one in recalls_touching(session, [P1, FIELD])} == {by_product, by_place}
            assert recalls_touching(session, [R1]) == []
