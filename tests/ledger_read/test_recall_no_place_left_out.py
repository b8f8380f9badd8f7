"""No place with goods is left out, whatever honest parties forget and whatever a stranger tells."""

from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.told_events import Thing
from tests.ledger_read.stock_log import BACK, CRATE, DOCK, HUB, PALLET, SHOP, STORE, STRANGER, Log, boxes, unit

PLACES = {DOCK: HUB, STORE: SHOP, BACK: SHOP}
LAIR = STRANGER + "lair"


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
            self.carry(here, there, amount)
            self.hand_over(draw, here, there, boxes(amount))
        elif what == "pack" and amount and has_crate:
            self.crate_at, self.crate = here, self.crate + amount
            self.loose[here] -= amount
            self.log.pack(party, here, CRATE, boxes(amount))
        elif what == "unpack" and self.crate and has_crate:
            self.unpack(draw, party, here)
        elif what == "send crate" and has_crate and (self.crate or amount):
            self.send_crate(draw, here, there, amount)

    def carry(self, here: str, there: str, amount: int) -> None:
        """Loose goods go elsewhere."""
        self.loose[here] -= amount
        self.loose[there] += amount

    def send_crate(self, draw: st.DataObject, here: str, there: str, amount: int) -> None:
        """Alone, or with loose goods: then the advice names the crate, and all that is in it or beside it."""
        if not amount:
            self.hand_over(draw, self.crate_at, there, unit(CRATE))
        else:
            self.carry(here, there, amount)
            self.hand_over(draw, here, there, unit(CRATE), boxes(amount + self.crate))
        self.crate_at = there

    def hand_over(self, draw: st.DataObject, here: str, there: str, *things: Thing) -> None:
        """Told by the sender, who may name the place alone; the taker may forget to."""
        if draw.draw(st.integers(0, 3)):
            self.log.ship(PLACES[here], here, PLACES[there], there, *things)
        else:
            self.log.tell(PLACES[here], here, "shipping", *things, to=(("location", there),))
        if draw.draw(st.booleans()):
            self.log.receive(PLACES[there], there, *things)

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


def lie(log: Log, draw: st.DataObject) -> None:
    """A stranger tells anything of anything anywhere, and claims any time."""
    there, there_too = (draw.draw(st.sampled_from((*sorted(PLACES), LAIR))) for _ in range(2))
    goods = boxes(draw.draw(st.sampled_from((0, 1, 5, 10, 1_000))))
    things = draw.draw(st.sampled_from(((goods,), (unit(CRATE),), (unit(CRATE), goods), (unit(PALLET),))))
    what = draw.draw(st.sampled_from(("make", "sell", "destroy", "send", "send", "receive", "pack", "pack", "unpack", "look")))
    standing = draw.draw(st.sampled_from(("stands", "stands", "set-aside")))
    before = len(log.events)
    if what in ("pack", "unpack"):
        whole = draw.draw(st.sampled_from((CRATE, PALLET)))
        inside = [one for one in things if one.uri != whole] if draw.draw(st.booleans()) else [goods]
        log.pack(STRANGER, there, whole, *inside, action="ADD" if what == "pack" else "DELETE", standing=standing)
    elif what == "send":
        ends = [("possessing_party", party) for party in draw.draw(st.sampled_from(((), (HUB,), (SHOP,), (STRANGER,))))]
        ends += [("location", there_too)] if draw.draw(st.booleans()) else []
        log.tell(STRANGER, there, draw.draw(st.sampled_from(("shipping", "departing"))), *things, to=ends, standing=standing)
    else:
        step = {"make": "commissioning", "sell": "retail_selling", "destroy": "destroying", "receive": "receiving"}
        action = {"make": "ADD", "destroy": "DELETE"}.get(what, "OBSERVE")
        log.tell(STRANGER, there, step.get(what, "inspecting"), *things, action=action, standing=standing)
    for told in log.events[before:]:
        log.events.insert(draw.draw(st.integers(0, before)), log.events.pop(log.events.index(told)))


@pytest.mark.parametrize("strangers", [False, True])
@settings(max_examples=300)
@given(data=st.data())
def test_no_place_with_goods_is_left_out_whatever_honest_parties_forget(strangers: bool, data: st.DataObject) -> None:
    world = World()
    for _ in range(data.draw(st.integers(1, 25))):
        if strangers and data.draw(st.booleans()):
            lie(world.log, data)
        else:
            world.act(data)
        assert world.places <= world.log.places
