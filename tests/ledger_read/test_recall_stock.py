"""Where recalled goods may still be: never too few places, and no more than somebody's word leaves open."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.recall_stock import may_remain
from ledger.told_events import Counterparty, Thing, Told

LOT, OTHER = "https://id.gs1.org/01/09520001000027/10/P-1", "https://id.gs1.org/01/09520001000027/10/P-2"
PALLET, CRATE = "https://id.gs1.org/00/095200010000000010", "https://id.gs1.org/8003/09520001000058C1"
OURS = {LOT, OTHER, PALLET, CRATE}
HUB, SHOP, STRANGER = "https://hub.example/", "https://shop.example/", "https://stranger.example/"
DOCK, STORE, BACK = HUB + "dock", SHOP + "store", SHOP + "back"


@dataclass
class Log:
    """Events in the order in which they are told."""

    events: list[Told] = field(default_factory=list)

    def tell(self, party: str, place: str, step: str, *things: Thing, to: Sequence[tuple[str, str]] = (),
             kind: str = "ObjectEvent", action: str = "OBSERVE", standing: str = "stands") -> None:  # fmt: skip
        """One event; `to` are destinations as (type, URI)."""
        at = len(self.events)
        ends = tuple(Counterparty("destination", type_, uri) for type_, uri in to)
        self.events.append(Told(at, f"{at:064x}", kind, action, step, None, None, "", at, at, 0, party, place, None, things,
                                ends, False, standing))  # fmt: skip

    def make(self, party: str, place: str, *things: Thing) -> None:
        self.tell(party, place, "commissioning", *things, action="ADD")

    def ship(self, party: str, place: str, taker: str, there: str, *things: Thing, standing: str = "stands") -> None:
        ends = (("owning_party", taker), ("possessing_party", taker), ("location", there))
        self.tell(party, place, "shipping", *things, to=ends, standing=standing)

    def receive(self, party: str, place: str, *things: Thing) -> None:
        self.tell(party, place, "receiving", *things)

    def sell(self, party: str, place: str, *things: Thing) -> None:
        self.tell(party, place, "retail_selling", *things)

    def pack(self, party: str, place: str, unit: str, *things: Thing, action: str = "ADD") -> None:
        inside = [Thing("child", one.uri, one.lot, one.quantity, one.uom) for one in things]
        whole = (Thing("parent", unit, None, None, None), *inside)
        self.tell(party, place, "packing", *whole, kind="AggregationEvent", action=action)

    def unpack(self, party: str, place: str, unit: str, *things: Thing) -> None:
        self.pack(party, place, unit, *things, action="DELETE")

    @property
    def places(self) -> set[str]:
        """Where something may still be."""
        return may_remain(self.events, OURS)


def boxes(amount: int | str, lot: str = LOT, uom: str = "H87") -> Thing:
    return Thing("epc", lot, None, str(amount), uom)


def unit(uri: str) -> Thing:
    return Thing("epc", uri, None, None, None)


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

    def test_what_is_announced_to_nobody_that_may_be_seen_is_at_its_place_until_somebody_lets_it_go(self) -> None:
        log = Log()
        log.make(HUB, DOCK, boxes(10))
        log.tell(HUB, DOCK, "shipping", boxes(10), to=(("location", STORE),))
        assert log.places == {STORE}
        log.sell(SHOP, STORE, boxes(10))
        assert log.places == set()

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


@dataclass
class World:
    """Where the goods are in truth, while honest parties tell some or all of what they do."""

    log: Log = field(default_factory=Log)
    loose: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    crate_at: str = DOCK
    crate: int = 0

    def act(self, draw: st.DataObject) -> None:
        """One thing that somebody does."""
        here = draw.draw(st.sampled_from(sorted(PLACES)))
        party, amount = PLACES[here], draw.draw(st.integers(0, self.loose[here]))
        what = draw.draw(st.sampled_from(("make", "sell", "send", "pack", "unpack", "send crate")))
        there = draw.draw(st.sampled_from(sorted(place for place in PLACES if PLACES[place] != party)))
        has_crate = PLACES[self.crate_at] == party
        if what == "make":
            self.loose[here] += 5
            self.log.make(party, here, boxes(5))
        elif what == "sell" and amount:
            self.loose[here] -= amount
            self.log.sell(party, here, boxes(amount))
        elif what == "send" and amount:
            self.loose[here] -= amount
            self.loose[there] += amount
            self.hand_over(draw, here, there, boxes(amount))
        elif what == "pack" and amount and has_crate:
            self.crate_at, self.crate = here, self.crate + amount
            self.loose[here] -= amount
            self.log.pack(party, here, CRATE, boxes(amount))
        elif what == "unpack" and self.crate and has_crate:
            self.unpack(draw, party, here)
        elif what == "send crate" and self.crate and has_crate:
            self.hand_over(draw, self.crate_at, there, unit(CRATE))
            self.crate_at = there

    def hand_over(self, draw: st.DataObject, here: str, there: str, thing: Thing) -> None:
        """Told by the sender; the taker may forget to."""
        self.log.ship(PLACES[here], here, PLACES[there], there, thing)
        if draw.draw(st.booleans()):
            self.log.receive(PLACES[there], there, thing)

    def unpack(self, draw: st.DataObject, party: str, here: str) -> None:
        """All of it, or some; it is carried to where it is opened."""
        out = draw.draw(st.integers(1, self.crate))
        self.crate_at, self.crate = here, self.crate - out
        self.loose[here] += out
        self.log.unpack(party, here, CRATE, *([boxes(out)] if self.crate or draw.draw(st.booleans()) else []))

    @property
    def places(self) -> set[str]:
        """Where recalled goods are."""
        return {place for place, amount in self.loose.items() if amount} | ({self.crate_at} if self.crate else set())


PLACES = {DOCK: HUB, STORE: SHOP, BACK: SHOP}


@settings(max_examples=300)
@given(st.data())
def test_no_place_with_goods_is_left_out_whatever_honest_parties_do(data: st.DataObject) -> None:
    world = World()
    for _ in range(data.draw(st.integers(1, 25))):
        world.act(data)
        assert world.places <= world.log.places


def test_amounts_are_exact() -> None:
    log = Log()
    for _ in range(3):
        log.receive(SHOP, STORE, boxes("0.1", uom="KGM"))
    log.sell(SHOP, STORE, boxes("0.3", uom="KGM"))
    assert log.places == set()
    assert Decimal("0.1") * 3 == Decimal("0.3")
