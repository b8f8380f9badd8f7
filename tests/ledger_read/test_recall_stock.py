"""Where recalled goods may still be: no more places than somebody's word leaves open, and what no stranger can do about it."""

from decimal import Decimal

import pytest

from ledger.told_events import Thing
from tests.ledger_read.stock_log import (
    BACK,
    CRATE,
    DOCK,
    HUB,
    LOT,
    OTHER,
    PALLET,
    SHOP,
    STORE,
    STRANGER,
    Log,
    boxes,
    unit,
)  # fmt: skip


def at_the_shop(*, on: str = PALLET) -> Log:
    """120 boxes on a pallet, sent by the hub and received by the shop."""
    log = Log()
    log.make(HUB, DOCK, boxes(120))
    log.pack(HUB, DOCK, on, boxes(120))
    log.ship(HUB, DOCK, SHOP, STORE, unit(on))
    log.receive(SHOP, STORE, unit(on))
    return log


class TestPallets:
    def test_what_left_on_a_pallet_is_not_where_it_was_packed(self) -> None:
        assert at_the_shop().places == {STORE}

    @pytest.mark.parametrize("told", [(), (boxes(120),)])
    def test_an_emptied_pallet_is_not_goods(self, told: tuple[Thing, ...]) -> None:
        log = at_the_shop()
        log.unpack(SHOP, STORE, PALLET, *told)
        assert log.places == {STORE}
        log.sell(SHOP, STORE, boxes(119))
        assert log.places == {STORE}
        log.sell(SHOP, STORE, boxes(1))
        assert log.places == set()

    def test_a_pallet_that_is_emptied_in_part_may_hold_the_rest(self) -> None:
        log = at_the_shop()
        log.unpack(SHOP, STORE, PALLET, boxes(60))
        log.sell(SHOP, STORE, boxes(60))
        assert log.places == {STORE}

    def test_whoever_sells_a_pallets_boxes_and_tells_no_unpacking_has_sold_them(self) -> None:
        log = at_the_shop()
        log.sell(SHOP, STORE, boxes(119))
        assert log.places == {STORE}
        log.sell(SHOP, STORE, boxes(1))
        assert log.places == set()

    def test_boxes_named_beside_their_pallet_count_once_and_loose_ones_beside_them(self) -> None:
        log = Log()
        log.make(HUB, DOCK, boxes(130))
        log.pack(HUB, DOCK, PALLET, boxes(120))
        for step in ("shipping", "departing"):
            ends = (("possessing_party", SHOP), ("location", STORE))
            log.tell(HUB, DOCK, step, unit(PALLET), boxes(130), to=ends)
        log.receive(SHOP, STORE, unit(PALLET), boxes(130))
        assert log.places == {STORE}
        log.unpack(SHOP, STORE, PALLET)
        log.sell(SHOP, STORE, boxes(129))
        assert log.places == {STORE}
        log.sell(SHOP, STORE, boxes(1))
        assert log.places == set()

    def test_crates_on_a_pallet_are_opened_one_by_one(self) -> None:
        log = Log()
        log.make(HUB, DOCK, boxes(20))
        log.pack(HUB, DOCK, CRATE, boxes(20))
        log.pack(HUB, DOCK, PALLET, unit(CRATE))
        log.ship(HUB, DOCK, SHOP, STORE, unit(PALLET))
        log.receive(SHOP, STORE, unit(PALLET))
        log.unpack(SHOP, STORE, PALLET)
        assert log.places == {STORE}
        log.sell(SHOP, STORE, boxes(20))
        assert log.places == set()

    def test_a_crate_that_is_used_again_holds_what_is_in_it_now(self) -> None:
        log = at_the_shop(on=CRATE)
        log.unpack(SHOP, STORE, CRATE)
        log.sell(SHOP, STORE, boxes(120))
        assert log.places == set()
        log.make(SHOP, BACK, boxes(5, OTHER))
        log.pack(SHOP, BACK, CRATE, boxes(5, OTHER))
        assert log.places == {BACK}

    def test_a_crate_that_claims_to_be_inside_itself_hangs_nobody(self) -> None:
        log = at_the_shop(on=CRATE)
        log.pack(SHOP, STORE, PALLET, unit(CRATE))
        log.pack(SHOP, STORE, CRATE, unit(PALLET))
        log.ship(SHOP, STORE, HUB, DOCK, unit(PALLET), boxes(1))
        assert DOCK in log.places

    def test_a_pallet_of_things_that_are_one_is_full_until_each_is_told_to_have_left(self) -> None:
        log = Log()
        log.pack(HUB, DOCK, PALLET, unit(CRATE))
        log.ship(HUB, DOCK, SHOP, STORE, unit(PALLET))
        log.receive(SHOP, STORE, unit(PALLET))
        assert log.places == {STORE}
        log.make(SHOP, BACK, boxes(1))
        log.sell(SHOP, STORE, boxes(1))
        assert log.places == {STORE}
        log.sell(SHOP, STORE, unit(CRATE))
        assert log.places == set()


class TestAttacks:
    """Somebody would have an inspector look elsewhere."""

    def test_a_stranger_who_tells_a_sale_empties_no_shelf_of_others(self) -> None:
        log = Log()
        log.make(SHOP, STORE, boxes(10))
        log.sell(STRANGER, STORE, boxes(10))
        log.ship(STRANGER, STORE, STRANGER, STRANGER, boxes(10))
        log.tell(STRANGER, STORE, "destroying", boxes(10), action="DELETE")
        assert STORE in log.places

    def test_a_stranger_who_says_that_a_pallet_is_empty_or_elsewhere_moves_none(self) -> None:
        log = at_the_shop()
        log.unpack(STRANGER, STORE, PALLET)
        log.sell(STRANGER, STORE, boxes(240))
        assert log.places == {STORE}
        log.receive(STRANGER, STRANGER, unit(PALLET))
        assert log.places == {STORE, STRANGER}

    def test_a_stranger_who_takes_nearly_all_out_of_a_pallet_does_not_let_one_sale_empty_it(self) -> None:
        log = at_the_shop()
        log.unpack(STRANGER, STORE, PALLET, boxes(119))
        log.sell(STRANGER, STORE, boxes(119), unit(PALLET))
        log.sell(SHOP, STORE, boxes(1))
        assert log.places == {STORE}

    def test_whoever_packed_a_pallet_does_not_empty_it_where_somebody_else_has_it(self) -> None:
        log = at_the_shop()
        log.unpack(HUB, DOCK, PALLET)
        log.ship(HUB, DOCK, STRANGER, STRANGER, boxes(120))
        log.sell(STRANGER, STRANGER, boxes(120))
        assert log.places == {STORE}

    @pytest.mark.parametrize("thing", [boxes(10), unit(PALLET)])
    def test_a_shipment_that_was_taken_back_takes_nothing_away(self, thing: Thing) -> None:
        log = Log()
        log.make(HUB, DOCK, thing)
        log.ship(HUB, DOCK, SHOP, STORE, thing, standing="set-aside")
        assert log.places == {DOCK, STORE}
        log.sell(SHOP, STORE, thing)
        assert log.places == {DOCK}

    def test_less_of_another_measure_is_not_all_of_it(self) -> None:
        log = Log()
        log.make(SHOP, STORE, boxes(10, uom="KGM"))
        log.sell(SHOP, STORE, boxes(10))
        assert log.places == {STORE}


class TestAnnouncements:
    """ "Sent to" is anybody's word, and moves nothing that is somewhere by somebody else's."""

    @pytest.mark.parametrize("thing", [boxes(10), unit(PALLET)])
    @pytest.mark.parametrize("step", ["retail_selling", "shipping", "receiving", "destroying"])
    def test_a_stranger_takes_nothing_away_that_was_announced_to_a_place_alone(self, thing: Thing, step: str) -> None:
        log = Log()
        log.make(HUB, DOCK, thing)
        log.tell(HUB, DOCK, "shipping", thing, to=(("location", STORE),))
        log.receive(STRANGER, STORE, thing)
        log.tell(STRANGER, STORE, step, thing, action="DELETE" if step == "destroying" else "OBSERVE")
        assert STORE in log.places

    @pytest.mark.parametrize("taker", [HUB, SHOP, STRANGER, ""])
    @pytest.mark.parametrize("named", [SHOP, ""])
    def test_a_stranger_who_says_that_a_pallet_was_sent_elsewhere_moves_none(self, named: str, taker: str) -> None:
        log = Log()
        log.make(HUB, DOCK, unit(PALLET))
        log.tell(HUB, DOCK, "shipping", unit(PALLET), to=(("possessing_party", named), ("location", STORE)))
        log.tell(STRANGER, STRANGER, "shipping", unit(PALLET), to=(("possessing_party", taker), ("location", STRANGER)))
        assert STORE in log.places

    def test_a_stranger_who_announces_more_to_another_place_hides_none(self) -> None:
        """Two tellings may be of one shipment: the rest may be at either of the hub's places, and now at a third."""
        log = Log()
        for place, step in ((DOCK, "shipping"), (HUB, "departing")):
            log.receive(HUB, place, boxes(60))
            log.tell(HUB, place, step, boxes(60))
        log.ship(STRANGER, STRANGER, HUB, STRANGER, boxes(1_000))
        assert {DOCK, HUB} <= log.places

    def test_a_stranger_who_announces_nothing_to_a_place_does_not_say_that_nothing_is_there(self) -> None:
        log = Log()
        log.make(SHOP, BACK, boxes(10))
        log.tell(SHOP, STORE, "inspecting", boxes(10))
        log.ship(STRANGER, STRANGER, SHOP, STORE, boxes(0))
        assert log.places == {BACK, STORE}

    def test_what_a_place_sold_of_an_announcement_to_nobody_is_not_taken_from_another_place(self) -> None:
        log = Log()
        log.make(SHOP, BACK, boxes(5))
        log.tell(HUB, DOCK, "shipping", boxes(5), to=(("location", STORE),))
        log.sell(SHOP, STORE, boxes(5))
        assert BACK in log.places


class TestBesideAPallet:
    """What is told beside a pallet is told again, as far as it is on it."""

    NEXT = "https://next.example/"

    def kept(self, *lies: str) -> Log:
        """A pallet of another lot goes through the shop, which keeps ten boxes that came beside it."""
        log = Log()
        log.make(HUB, DOCK, boxes(10))
        log.pack(HUB, DOCK, PALLET, boxes(100, OTHER))
        log.pack(STRANGER, STRANGER, PALLET, boxes(10))
        for taker in lies:
            log.ship(STRANGER, STRANGER, taker, STRANGER, unit(PALLET))
        log.ship(HUB, DOCK, SHOP, STORE, unit(PALLET), boxes(10))
        log.receive(SHOP, BACK, unit(PALLET), boxes(10))
        log.ship(SHOP, BACK, self.NEXT, self.NEXT, unit(PALLET))
        return log

    @pytest.mark.parametrize("lies", [(), (SHOP,), (HUB,), (SHOP, HUB)])
    def test_a_stranger_who_says_that_they_are_on_the_pallet_does_not_hide_them(self, lies: tuple[str, ...]) -> None:
        assert BACK in self.kept(*lies).places

    def test_a_packing_that_was_withdrawn_does_not_hide_them(self) -> None:
        log = Log()
        log.make(HUB, DOCK, boxes(10))
        log.pack(HUB, DOCK, PALLET, boxes(10), standing="set-aside")
        log.ship(HUB, DOCK, SHOP, STORE, unit(PALLET), boxes(10))
        log.ship(SHOP, STORE, self.NEXT, self.NEXT, unit(PALLET))
        assert STORE in log.places

    def test_what_may_be_on_the_pallet_does_not_leave_its_sender_s_shelf(self) -> None:
        """The hub forgot to tell that the pallet came to it, with as many boxes as it has itself."""
        log = Log()
        log.pack(self.NEXT, self.NEXT, PALLET, boxes(120))
        log.ship(self.NEXT, self.NEXT, HUB, DOCK, unit(PALLET))
        log.make(HUB, DOCK, boxes(120))
        log.ship(HUB, DOCK, SHOP, STORE, unit(PALLET), boxes(120))
        assert DOCK in log.places

    def test_who_did_not_say_that_a_crate_came_to_it_has_it_from_nobody(self) -> None:
        """It came on a pallet; a stranger says that it sent the crate, and packed it."""
        log = Log()
        log.pack(HUB, DOCK, PALLET, unit(CRATE))
        log.ship(HUB, DOCK, SHOP, STORE, unit(PALLET))
        log.pack(STRANGER, STRANGER, CRATE, boxes(10))
        log.ship(STRANGER, STRANGER, SHOP, STRANGER, unit(CRATE))
        log.make(SHOP, STORE, boxes(10))
        log.ship(SHOP, STORE, self.NEXT, self.NEXT, unit(CRATE), boxes(10))
        log.receive(self.NEXT, self.NEXT, unit(CRATE), boxes(10))
        log.ship(self.NEXT, self.NEXT, HUB, DOCK, unit(CRATE))
        assert self.NEXT in log.places

    def test_what_was_taken_out_is_not_inside_because_a_stranger_packed_as_much(self) -> None:
        log = Log()
        log.pack(STRANGER, STRANGER, CRATE, boxes(60))
        log.pack(self.NEXT, self.NEXT, CRATE, boxes(60))
        log.ship(self.NEXT, self.NEXT, HUB, DOCK, unit(CRATE))
        log.receive(HUB, DOCK, unit(CRATE))
        log.unpack(HUB, DOCK, CRATE, boxes(60))
        log.ship(HUB, DOCK, SHOP, STORE, unit(CRATE), boxes(60))
        log.ship(SHOP, STORE, HUB, DOCK, unit(CRATE))
        assert STORE in log.places

    def test_a_stranger_s_packing_lets_no_pallet_be_empty_whose_contents_nobody_else_told(self) -> None:
        log = Log()
        log.make(HUB, DOCK, unit(PALLET))
        log.pack(STRANGER, DOCK, PALLET, boxes(10))
        log.ship(HUB, DOCK, SHOP, STORE, unit(PALLET))
        log.receive(SHOP, STORE, unit(PALLET))
        log.sell(SHOP, STORE, boxes(10))
        assert STORE in log.places
        log.unpack(SHOP, STORE, PALLET, boxes(10))
        log.sell(SHOP, STORE, boxes(10))
        assert STORE in log.places

    @pytest.mark.parametrize("hubs", [1, 2])
    def test_what_came_on_the_pallet_is_not_counted_twice_however_many_hands_it_went_through(self, hubs: int) -> None:
        log = Log()
        log.pack(HUB, DOCK, CRATE, boxes(10))
        log.pack(HUB, DOCK, PALLET, unit(CRATE))
        log.ship(HUB, DOCK, self.NEXT, self.NEXT, unit(PALLET), boxes(10))
        log.receive(self.NEXT, self.NEXT, unit(PALLET), boxes(10))
        if hubs == 2:
            log.ship(self.NEXT, self.NEXT, SHOP, STORE, unit(PALLET), boxes(10))
            log.receive(SHOP, STORE, unit(PALLET), boxes(10))
        party, place = (SHOP, STORE) if hubs == 2 else (self.NEXT, self.NEXT)
        assert log.places == {place}
        log.unpack(party, place, PALLET)
        log.unpack(party, place, CRATE)
        assert log.places == {place}
        log.sell(party, place, boxes(10))
        assert log.places == set()


class TestMoves:
    def test_what_one_party_moves_between_its_places_is_where_it_went(self) -> None:
        """Nobody tells such a move: it is harvested in a field, and packed in a shed."""
        log = Log()
        log.make(SHOP, BACK, boxes(10))
        log.sell(SHOP, STORE, boxes(9))
        assert log.places == {BACK}
        log.sell(SHOP, STORE, boxes(1))
        assert log.places == set()

    def test_a_place_that_let_go_all_that_came_is_clear_while_another_has_some(self) -> None:
        log = Log()
        log.receive(SHOP, STORE, boxes(10))
        log.receive(SHOP, BACK, boxes(10))
        log.sell(SHOP, STORE, boxes(10))
        assert log.places == {BACK}

    def test_where_two_tellings_may_be_of_one_shipment_the_rest_may_be_at_either_place(self) -> None:
        log = Log()
        log.receive(HUB, DOCK, boxes(60))
        log.receive(HUB, HUB, boxes(60))
        log.ship(HUB, DOCK, STRANGER, STRANGER, boxes(60))
        log.tell(HUB, HUB, "departing", boxes(60))
        assert log.places == {DOCK, HUB, STRANGER}

    def test_it_may_be_wherever_its_holder_told_of_it(self) -> None:
        log = Log()
        log.make(SHOP, BACK, boxes(10))
        log.tell(SHOP, STORE, "inspecting", boxes(10))
        assert log.places == {BACK, STORE}

    def test_what_is_announced_to_a_place_and_to_no_party_stays_there_for_nobody_could_let_it_go(self) -> None:
        log = Log()
        log.make(HUB, DOCK, boxes(10))
        log.tell(HUB, DOCK, "shipping", boxes(10), to=(("location", STORE),))
        log.receive(SHOP, STORE, boxes(10))
        log.sell(SHOP, STORE, boxes(10))
        assert log.places == {STORE}

    def test_serials_sold_are_pieces_of_their_lot(self) -> None:
        log = Log()
        log.receive(SHOP, STORE, boxes(2))
        for serial in ("A1", "B2"):
            assert log.places == {STORE}
            log.sell(SHOP, STORE, Thing("epc", f"https://id.gs1.org/01/09520001000027/21/{serial}", LOT, None, None))
        assert log.places == set()

    def test_both_sides_and_every_step_of_a_hand_over_are_one(self) -> None:
        log = Log()
        log.make(HUB, DOCK, boxes(10))
        ends = (("possessing_party", SHOP), ("location", STORE))
        for step in ("consigning", "shipping", "departing"):
            log.tell(HUB, DOCK, step, boxes(10), to=ends)
        for step, place in (("arriving", STORE), ("receiving", BACK), ("accepting", BACK)):
            log.tell(SHOP, place, step, boxes(10))
        assert log.places <= {STORE, BACK}
        log.sell(SHOP, STORE, boxes(10))
        assert log.places == set()


def test_amounts_are_exact() -> None:
    log = Log()
    for _ in range(3):
        log.receive(SHOP, STORE, boxes("0.1", uom="KGM"))
    log.sell(SHOP, STORE, boxes("0.3", uom="KGM"))
    assert log.places == set()
    assert Decimal("0.1") * 3 == Decimal("0.3")
