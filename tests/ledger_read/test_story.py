"""Who had what, read fast: the same as the verifier reads it, and in time that grows with the records."""

import time
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from ledger.reports.holders import Holders
from ledger.reports.story import QuickStory
from tests.support.workshop import FARM, HARVEST, ORIGIN, PACKED, Workshop, event, quantity, to
from verify.authority import History
from verify.edges import CLAIMED, CONFIRMED, Journey, Story, Told
from verify.policy import Policy
from verify.subjects import Record

PARTIES = (FARM, *(f"https://party{number}.example/x" for number in range(6)))
UNITS = tuple(f"https://farm.example/li/crate-{number}" for number in range(3))


@pytest.fixture
def shop() -> Workshop:
    """A lot of 4,000 that its farm packed, and parties that have a key."""
    made = Workshop()
    made.grant(FARM, "producer", "brand-owner", mint=["https://id.gs1.org/01/0952000100"])
    for party in PARTIES[1:]:
        made.grant(party, "retailer")
    made.tell(FARM, "TransformationEvent", "packing", None, inputQuantityList=[quantity(HARVEST, 100.5)],
              outputQuantityList=[quantity(PACKED, 4000, None)])  # fmt: skip
    return made


def read(shop: Workshop) -> tuple[list[Told], History]:
    """Its events, and its history."""
    records = [Record.of(one.index, one.time_ms, one.statement) for one in shop.carried]
    return [(one, one.event) for one in records if one.event is not None], History(
        ORIGIN, Policy.parse(shop.policy()).registrars, records
    )


def move(shop: Workshop, giver: str, taker: str) -> None:
    """Ten of the lot change hands, and both say so."""
    goods = [quantity(PACKED, 10, None)]
    shop.tell(giver, "ObjectEvent", "shipping", quantityList=goods, destinationList=to(taker))
    shop.tell(taker, "ObjectEvent", "receiving", quantityList=goods)


def something(source: Random, number: int) -> dict[str, Any]:
    """Some of the lot, or a unit, moves or goes into a unit; the receiver is named, or withheld, or told by nobody."""
    some: dict[str, Any] = {"quantityList": [quantity(PACKED, source.choice((1, 10, 10, 50)), None)]}
    if source.random() < 0.3:
        inner = {"childEPCs": [source.choice(UNITS)]} if source.random() < 0.4 else {"childQuantityList": some["quantityList"]}
        return event("AggregationEvent", "packing", number, "ADD", parentID=source.choice(UNITS), **inner)
    if source.random() < 0.4:
        some = {"epcList": [source.choice(UNITS)]}
    if source.random() < 0.5:
        return event("ObjectEvent", "receiving", number, **some)
    ends = source.choice(({"_sd": ["A" * 43]}, {}, *({"destinationList": to(party)} for party in PARTIES)))
    return event("ObjectEvent", "shipping", number, **some, **ends)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_parties_tell_it_is_read_as_the_verifier_reads_it(shop: Workshop, seed: int) -> None:
    source = Random(seed)
    for number in range(40):
        told = something(source, number)
        shop.add("TraceabilityEvent", source.choice(PARTIES), told, **({"_sd_alg": "sha-256"} if "_sd" in told else {}))
    events, history = read(shop)
    for uri in (PACKED, *UNITS):
        slow, quick = Story(uri, events, history, Journey()), QuickStory(uri, events, history)
        assert (quick.held, quick.told, quick.made, quick.names) == (slow.held, slow.told, slow.made, slow.names)
        for party in PARTIES:
            assert quick.overdrew(party) == slow.overdrawn(party, [one for one in slow.told if one[0].issuer == party])


def test_who_packs_into_a_lot_that_was_made_by_right_does_not_have_it_for_that(shop: Workshop) -> None:
    shop.tell(PARTIES[1], "AggregationEvent", "packing", "ADD", parentID=PACKED, childEPCs=[UNITS[0]])
    events, history = read(shop)
    assert QuickStory(PACKED, events, history).held == {FARM: (CONFIRMED, [])}
    assert QuickStory(UNITS[1], events, history).held == {}


def test_a_lot_that_went_through_150_hands_is_judged_in_a_moment(shop: Workshop) -> None:
    hands = [FARM, *(f"https://shop{number}.example/x" for number in range(150))]
    for giver, taker in pairwise(hands):
        shop.grant(taker, "retailer")
        move(shop, giver, taker)
    events, history = read(shop)
    holders = Holders(history, {PACKED}, whole=True)
    for record, _ in events:
        holders.add(record)
    begun = time.process_time()
    assert {holders.gave(PACKED, party) for party in hands} == {CONFIRMED}
    assert holders.state(PACKED, PARTIES[1]) == CLAIMED
    assert time.process_time() - begun < 0.2  # half a second where every record was compared with every other
