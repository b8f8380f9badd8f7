"""No place with goods is left out, whatever honest parties forget."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.told_events import Thing
from tests.ledger_read.stock_log import BACK, CRATE, DOCK, HUB, SHOP, STORE, Log, boxes, unit


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
