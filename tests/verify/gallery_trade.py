"""Gallery, part 4: who made it, who held it, and whether every hop is signed by both sides."""

from collections.abc import Iterator
from hashlib import sha256

from tests.support.workshop import (
    FARM,
    HARVEST,
    LEADER,
    PACKED,
    REGISTRAR,
    STRANGER,
    WAREHOUSE,
    Workshop,
    compact,
    event,
    move,
    quantity,
    season,
    to,
)
from tests.verify.gallery import Case, failing, grey, passing, plot
from verify.statement import Statement
from verify.strict import b64u_encode

PALLET = "https://id.gs1.org/00/095200010000000010"
BOX = "https://id.gs1.org/01/09520001000027/21/BOX-1"
REPACKED = "https://id.gs1.org/01/09521000000018/10/R-1"
THEIRS = ["https://id.gs1.org/01/0952100000"]
CLAIMED, CONFIRMED = "unchecked claimed-only", "verified origin-ok"


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _makers()
    yield from _inputs()
    yield from _hops()
    yield from _amounts()
    yield from _pallets()
    yield from _withheld()


def _harvest(shop: Workshop, party: str, uri: str = HARVEST) -> int:
    return shop.tell(party, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(uri, 100)])


def _makers() -> Iterator[Case]:
    shop = plot()
    lot = HARVEST.replace("H-1", "X-9")
    shop.grant(STRANGER, "producer", mint=THEIRS)
    _harvest(shop, STRANGER, lot)
    yield failing(
        "stranger-commissions",
        "a stranger makes up a lot under the farm's GTIN",
        shop,
        shop.pack(lot),
        12,
        "third-party-claim",
        answers={"record": "failed", "item": "unchecked", "recall": "unchecked"},
    )
    _harvest(shop, STRANGER)
    yield passing(
        "stranger-commissions-too",
        "a stranger's claim to a lot that the farm made counts for nothing",
        shop,
        shop.pack(HARVEST),
        {12: CONFIRMED},
    )
    product = HARVEST.split("/10/")[0]
    for name, owner, case, seen in (("owner", FARM, passing, {12: CONFIRMED}), ("stranger", STRANGER, failing, None)):
        shop = plot()
        shop.grant(STRANGER, "producer", mint=THEIRS)
        shop.add("MasterData", owner, {"id": product, "type": "Product", "name": {"en": "rice"}, "allowedProducers": [STRANGER]})
        _harvest(shop, STRANGER, lot)
        expect = (seen,) if seen else (12, "third-party-claim")
        yield case(
            f"producer-allowed-by-the-{name}",
            "the product's owner, and nobody else, lets another party commission it",
            shop,
            shop.pack(lot),
            *expect,
        )


def _repack(shop: Workshop, source: str = PACKED, amount: float = 10, party: str = WAREHOUSE) -> int:
    return shop.tell(
        party,
        "TransformationEvent",
        "packing",
        None,
        inputQuantityList=[quantity(source, amount, None)],
        outputQuantityList=[quantity(REPACKED, amount, None)],
    )


def _chain() -> Workshop:
    """Harvested and packed by the farm; the warehouse may mint its own numbers, and the group leader only trades."""
    shop = Workshop()
    shop.grant(FARM, "producer", "brand-owner", mint=["https://id.gs1.org/01/0952000100", "https://id.gs1.org/00/0"])
    shop.grant(WAREHOUSE, "warehouse", mint=THEIRS)
    shop.grant(LEADER, "retailer")
    shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(PACKED, 40, None)])
    return shop


def _inputs() -> Iterator[Case]:
    shop = _chain()
    move(shop, FARM, WAREHOUSE, 40)
    _repack(shop)
    yield passing("repacked", "a repack of what the farm shipped to the repacker", shop, shop.pack(REPACKED), {12: CONFIRMED})
    shop = _chain()
    _repack(shop)
    yield grey(
        "input-never-received",
        "the warehouse claims an input that the farm never sent it",
        shop,
        shop.pack(REPACKED),
        {12: CLAIMED},
        answers={"record": "unchecked", "item": "none", "recall": "stated"},
    )
    shop = _chain()
    shop.tell(WAREHOUSE, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, 10, None)])
    _repack(shop)
    yield grey(
        "input-received-by-its-own-word",
        "the warehouse alone says that it received the input",
        shop,
        shop.pack(REPACKED),
        {12: CLAIMED},
    )
    shop = _chain()
    shop.tell(LEADER, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, 10, None)])
    move(shop, LEADER, WAREHOUSE, 10)
    _repack(shop)
    yield grey(
        "input-at-second-hand",
        "a party that never had it confirms the next one's receipt",
        shop,
        shop.pack(REPACKED),
        {12: CLAIMED},
    )
    shop = _chain()
    _repack(shop, HARVEST)
    yield grey(
        "input-that-nobody-made",
        "nobody recorded how the input came to be",
        shop,
        shop.pack(REPACKED),
        {12: "unchecked no-origin"},
    )
    shop = season()
    about = shop.carried[4].statement
    keys = [key.hex() for key in shop.keys_of(4)]
    shop.add(
        "Erasure",
        REGISTRAR,
        {
            "id": f"urn:originmark:statement:{about.digest.hex()}",
            "log": shop.origin,
            "digest": about.digest.hex(),
            "index": 4,
            "keys": keys,
            "ground": "the farmer asked",
        },
    )
    yield grey(
        "harvest-erased",
        "the operator erased the harvest for the law's sake, and the way back ends there",
        shop,
        shop.pack(PACKED, leave_out=[4]),
        {12: "unchecked no-origin"},
    )


def _hops() -> Iterator[Case]:
    shop = _chain()
    shop.tell(WAREHOUSE, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, 40, None)])
    yield grey("receipt-claimed", "the farm shipped it to nobody", shop, shop.pack(PACKED), {12: CLAIMED})
    shop = _chain()
    shop.tell(FARM, "ObjectEvent", "shipping", quantityList=[quantity(PACKED, 40, None)], destinationList=to(LEADER))
    shop.tell(WAREHOUSE, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, 40, None)])
    yield grey("receipt-of-anothers-goods", "the farm shipped it to another", shop, shop.pack(PACKED), {12: CLAIMED})
    shop = _chain()
    shop.grant(STRANGER, "retailer")
    move(shop, STRANGER, LEADER, 12)
    yield grey(
        "sender-never-had-it",
        "a stranger ships what it never held, and its customer confirms",
        shop,
        shop.pack(PACKED),
        {12: CLAIMED},
    )
    shop = _chain()
    shop.tell(LEADER, "ObjectEvent", "retail_selling", quantityList=[quantity(PACKED, 1, None)])
    yield grey("seller-never-had-it", "sold by somebody who never received it", shop, shop.pack(PACKED), {12: CLAIMED})
    shop = _chain()
    move(shop, FARM, WAREHOUSE, 40)
    move(shop, WAREHOUSE, FARM, 40)
    move(shop, FARM, LEADER, 40)
    yield passing("sent-back-and-sold-again", "goods that came back may go out again", shop, shop.pack(PACKED), {12: CONFIRMED})


def _amounts() -> Iterator[Case]:
    shop = _chain()
    shop.tell(FARM, "ObjectEvent", "shipping", quantityList=[quantity(PACKED, 12, None)], destinationList=to(WAREHOUSE))
    shop.tell(WAREHOUSE, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, 12.5, None)])
    yield grey("received-more-than-sent", "the receiver took in more than the farm sent", shop, shop.pack(PACKED), {12: CLAIMED})
    shop = _chain()
    shop.tell(FARM, "ObjectEvent", "shipping", quantityList=[quantity(PACKED, 12, None)], destinationList=to(WAREHOUSE))
    for amount in (40, -30):
        shop.tell(WAREHOUSE, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, amount, None)])
    yield grey("received-less-than-nothing", "a negative receipt hides a surplus", shop, shop.pack(PACKED), {12: CLAIMED})
    shop = _chain()
    shop.tell(FARM, "ObjectEvent", "shipping", quantityList=[quantity(PACKED, 12)], destinationList=to(WAREHOUSE))
    shop.tell(WAREHOUSE, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, 12, None)])
    yield grey("another-unit", "twelve kilograms are not twelve boxes", shop, shop.pack(PACKED), {12: CLAIMED})
    shop = _chain()
    move(shop, FARM, WAREHOUSE, 40)
    move(shop, WAREHOUSE, LEADER, 400)
    yield grey("sold-on-tenfold", "the warehouse sends on ten times what it received", shop, shop.pack(PACKED), {12: CLAIMED})
    shop = Workshop()
    shop.grant(FARM, "producer", mint=["https://id.gs1.org/01/0952000100"])
    shop.grant(WAREHOUSE, "warehouse")
    shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(PACKED, 0, None)])
    move(shop, FARM, WAREHOUSE, 40)
    yield grey("sold-out-of-nothing", "the farm made none and ships forty", shop, shop.pack(PACKED), {12: CLAIMED})
    shop = _chain()
    move(shop, FARM, WAREHOUSE, 40)
    _repack(shop, amount=41)
    yield grey("used-more-than-had", "the repack used more than the warehouse had", shop, shop.pack(REPACKED), {12: CLAIMED})
    shop = _chain()
    shop.tell(FARM, "ObjectEvent", "shipping", quantityList=[quantity(PACKED, 12, None)], destinationList=to(WAREHOUSE))
    for step in ("arriving", "receiving"):
        shop.tell(WAREHOUSE, "ObjectEvent", step, quantityList=[quantity(PACKED, 12, None)])
    yield passing(
        "arrived-and-received", "the same goods told under two steps count once", shop, shop.pack(PACKED), {12: CONFIRMED}
    )
    shop = _chain()
    for amount in (0.1, 0.2):
        shop.tell(FARM, "ObjectEvent", "shipping", quantityList=[quantity(PACKED, amount)], destinationList=to(WAREHOUSE))
    shop.tell(WAREHOUSE, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, 0.3)])
    yield passing("exact-decimals", "0.1 and 0.2 are 0.3 where nothing is rounded", shop, shop.pack(PACKED), {12: CONFIRMED})


def _pack_into(shop: Workshop, party: str) -> int:
    return shop.tell(party, "AggregationEvent", "packing", "ADD", parentID=PALLET, childQuantityList=[quantity(PACKED, 40, None)])


def _pallets() -> Iterator[Case]:
    for name, packer, case, seen in (
        ("packed-by-the-farm", FARM, passing, CONFIRMED),
        ("packed-by-its-receiver", WAREHOUSE, grey, CLAIMED),
    ):
        shop = _chain()
        _pack_into(shop, packer)
        shop.tell(FARM, "ObjectEvent", "shipping", epcList=[PALLET], destinationList=to(WAREHOUSE))
        shop.tell(WAREHOUSE, "ObjectEvent", "receiving", epcList=[PALLET])
        yield case(
            f"pallet-{name}",
            "what a pallet holds is told by who had it, not by who received the pallet",
            shop,
            shop.pack(PACKED),
            {12: seen},
        )
        if packer == FARM:
            yield passing(
                "pallet-scanned", "the code of a pallet answers for what is inside", shop, shop.pack(PALLET), {12: CONFIRMED}
            )


    for name, unit, amounts in (
        ("the-lot", PACKED, {"quantityList": [quantity(PACKED, 12, None)]}),
        ("a-numbered-box", BOX, {"epcList": [BOX]}),
    ):
        shop = _chain()
        shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", epcList=[BOX])
        shop.grant(STRANGER, "retailer")
        shop.tell(STRANGER, "AggregationEvent", "packing", "ADD", parentID=unit, childQuantityList=[quantity(HARVEST, 1)])
        shop.tell(STRANGER, "ObjectEvent", "shipping", destinationList=to(LEADER), **amounts)
        shop.tell(LEADER, "ObjectEvent", "receiving", **amounts)
        yield grey(
            f"packer-of-{name}",
            "who says that it packed something into what another made does not have it by that",
            shop,
            shop.pack(unit),
            {12: CLAIMED},
        )


def _withheld() -> Iterator[Case]:
    told = b64u_encode(compact(["c2FsdHNhbHRzYWx0c2FsdA", "destinationList", to(WAREHOUSE)]).encode())
    for name, shown, case, seen in (
        ("withheld", (), grey, "unchecked receiver-withheld"),
        ("disclosed", (told,), passing, CONFIRMED),
    ):
        shop = _chain()
        shop.sequence(_sealed(shop, told, shown))
        shop.tell(WAREHOUSE, "ObjectEvent", "receiving", quantityList=[quantity(PACKED, 12, None)])
        yield case(
            f"receiver-{name}",
            "the member that names the receiver is withheld from shoppers, and shown to a regulator",
            shop,
            shop.pack(PACKED),
            {12: seen},
        )


def _sealed(shop: Workshop, told: str, shown: tuple[str, ...]) -> Statement:
    """A shipping of the farm that withholds its destination, with the disclosures of one audience."""
    hidden = b64u_encode(sha256(told.encode()).digest())
    body = event("ObjectEvent", "shipping", len(shop.entries), quantityList=[quantity(PACKED, 12, None)], _sd=[hidden])
    return shop.signed("TraceabilityEvent", FARM, body, disclosures=shown, _sd_alg="sha-256")
