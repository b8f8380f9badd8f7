"""What a recall costs: as much as was told, however much somebody packs into one pallet."""

from ledger.recall_remains import Remains, may_remain
from tests.ledger_read.stock_log import CRATE, DOCK, HUB, LOT, PALLET, SHOP, STORE, STRANGER, Log, boxes, unit

SHIPMENTS = 100


def crowded(log: Log, *, crates: int, lots: int) -> Remains:
    """A stranger packs crates onto a pallet, each with boxes of many lots, and names both pallet and boxes a hundred times."""
    many = [f"{CRATE}{at}" for at in range(crates)]
    inside = [f"{LOT}-{at}" for at in range(lots)]
    for one in many:
        log.pack(STRANGER, STRANGER, one, *(boxes(1, lot) for lot in inside))
    log.pack(STRANGER, STRANGER, PALLET, *map(unit, many))
    for _ in range(SHIPMENTS):
        log.ship(STRANGER, STRANGER, STRANGER, STRANGER, unit(PALLET), boxes(1, inside[0]))
    return may_remain(log.events, {LOT, CRATE, PALLET, *many, *inside})


def test_only_what_an_event_names_is_looked_for_in_a_pallet() -> None:
    assert not crowded(Log(), crates=5, lots=1_000).truncated


def test_where_there_is_too_much_to_look_at_the_answer_says_so_and_leaves_no_place_out() -> None:
    log = Log()
    log.make(HUB, DOCK, boxes(10))
    log.ship(HUB, DOCK, SHOP, STORE, boxes(10))
    log.pack(SHOP, STORE, CRATE, boxes(10))
    assert may_remain(log.events, {LOT, CRATE}) == Remains(frozenset({STORE}), truncated=False)
    found = crowded(log, crates=1_000, lots=1)
    assert found.truncated
    assert STORE in found.places
    log.unpack(SHOP, STORE, CRATE)
    assert STORE in crowded(log, crates=1_000, lots=1).places
