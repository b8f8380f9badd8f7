"""Gallery, part 2: the label, its item code, and what a contract holds."""

from collections.abc import Iterator

from tests.support.workshop import CHAIN_ID, CONTRACT, FARM, LEADER, PACKED, WAREHOUSE, Codes, quantity, season
from tests.verify.gallery import ITEM, Case, edited, failing, grey, passing
from verify import bundle


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _labels()
    yield from _items()
    yield from _anchors()


def _labels() -> Iterator[Case]:
    shop = season()
    good, part = shop.pack(PACKED), f"{PACKED}?17=261231"
    yield passing(
        "honest-season",
        "harvested, packed, moved twice and sold: every hop is signed by both sides",
        shop,
        good,
        {12: "verified origin-ok", 15: "stated none-reported"},
        label=part.replace("id.gs1.org", "shop.example/li"),
    )
    for name, about, label, code in (
        ("another-lot", "true, but about another lot than the one scanned", PACKED[:-1] + "2", "wrong-label"),
        ("check-digit", "a GTIN whose check digit is wrong names nothing", PACKED.replace("000027", "000028"), "bad-check-digit"),
        (
            "full-width",
            "full-width digits are not GS1's",
            PACKED.replace("01000027", "01\uff10\uff10\uff10\uff10\uff12\uff17"),
            "bad-uri",
        ),
        ("not-a-link", "a label that is no Digital Link", "https://shop.example/p/1", "bad-uri"),
        ("empty", "nothing was scanned", "", "bad-uri"),
    ):
        yield failing(f"label-{name}", about, shop, good, 11, code, label=label)
    yield failing(
        "label-not-told",
        "the bundle's records are about something else",
        shop,
        edited(good, lambda body: body.update(label=PACKED[:-1] + "9")),
        11,
        "label-not-told",
    )


def _items() -> Iterator[Case]:
    shop, codes = season(), Codes(PACKED)
    first = shop.add("LabelCommitment", FARM, codes.commitment())
    label = ITEM + codes.serial(5)
    yield passing(
        "item-good",
        "the serial is one of eight that the farm committed to",
        shop,
        shop.pack(label, item=codes.proof(first, 5)),
        {13: "stated one-of"},
        answers={"record": "verified", "item": "stated", "recall": "stated"},
    )
    yield passing(
        "item-without-proof", "no proof for this code was given", shop, shop.pack(label), {13: "unchecked no-item-proof"}
    )
    wrong = ITEM + codes.serial(6)
    yield failing(
        "item-wrong-serial",
        "another serial under the same proof",
        shop,
        shop.pack(wrong, item=codes.proof(first, 5)),
        13,
        "not-committed",
    )
    yield failing(
        "item-wrong-place",
        "a code's number is part of it",
        shop,
        shop.pack(label, item=codes.proof(first, 4)),
        13,
        "not-committed",
    )
    yield failing(
        "item-no-commitment",
        "the proof names a record that is no commitment",
        shop,
        shop.pack(label, item=codes.proof(5, 5)),
        13,
        "no-commitment",
    )
    foreign = season()
    theirs = foreign.add("LabelCommitment", WAREHOUSE, codes.commitment())
    yield failing(
        "item-commitment-by-another",
        "only the party that commissioned the lot commits to its codes",
        foreign,
        foreign.pack(label, item=codes.proof(theirs, 5)),
        13,
        "no-commitment",
    )
    more = Codes(PACKED, 4, b"more")
    second = shop.add("LabelCommitment", FARM, more.commitment())
    label = ITEM + more.serial(1)
    yield failing(
        "second-commitment",
        "one commitment to a lot: the lowest index wins",
        shop,
        shop.pack(label, item=more.proof(second, 1)),
        13,
        "no-commitment",
    )
    topped = season()
    first = topped.add("LabelCommitment", FARM, codes.commitment())
    digest = topped.carried[first].statement.digest.hex()
    second = topped.add("LabelCommitment", FARM, more.commitment(previous=digest))
    yield passing(
        "top-up",
        "a top-up names the commitment before it, and the page shows the sum",
        topped,
        topped.pack(label, item=more.proof(second, 1)),
        {13: "stated one-of"},
    )
    topped.tell(LEADER, "ObjectEvent", "storing", epcList=[label.replace("shop.example", "id.gs1.org")])
    yield failing(
        "serial-before-sale",
        "a record that tells a serial before its sale lets anyone print the code",
        topped,
        topped.pack(PACKED),
        13,
        "serial-before-sale",
    )


def _anchors() -> Iterator[Case]:
    shop = season()
    good = shop.pack(PACKED, anchors=[shop.evidence(11)])
    alone = shop.pack(PACKED, anchors=[shop.evidence(11)], checkpoint=shop.checkpoint(witnessed=False))
    pinned = {"policy": shop.policy(shop.pin())}
    held, root = {"952": (11, shop.root(11))}, shop.root(11)
    yield passing(
        "anchor-alone",
        "no witness, but a contract holds the root",
        shop,
        alone,
        {3: "unchecked operator-only", 16: "verified anchored"},
        heads=held,
        answers={"record": "verified", "item": "none", "recall": "stated"},
        **pinned,
    )
    yield grey(
        "anchor-moved-on",
        "the contract has a later head: a fresh bundle can be had",
        shop,
        alone,
        {16: "unchecked anchor-moved-on"},
        heads={"952": (12, bytes(32))},
        **pinned,
    )
    yield grey(
        "anchor-not-yet",
        "the contract is not there yet",
        shop,
        alone,
        {16: "unchecked not-yet-anchored"},
        heads={"952": (10, bytes(32))},
        **pinned,
    )
    yield failing(
        "anchor-mismatch",
        "the contract holds another root for this size",
        shop,
        good,
        16,
        "anchor-mismatch",
        heads={"952": (11, bytes(32))},
        **pinned,
    )
    yield grey(
        "anchor-rpc-down",
        "a chain that cannot be asked is grey, never red and never green",
        shop,
        alone,
        {16: "unchecked rpc-failed"},
        heads={},
        **pinned,
    )
    yield grey("anchor-no-rpc", "the reader gave no RPC", shop, alone, {16: "unchecked no-rpc"}, **pinned)
    small = {"heads": {"952": (8, shop.root(8))}, **pinned}
    yield grey(
        "anchor-in-part",
        "the last records came after the anchor",
        shop,
        shop.pack(PACKED, anchors=[shop.evidence(8)], checkpoint=shop.checkpoint(witnessed=False)),
        {16: "unchecked anchored-in-part"},
        **small,
    )
    dev = {"policy": shop.policy(shop.pin(31337))}
    yield grey(
        "anchor-on-a-dev-chain",
        "whatever a chain on somebody's desk holds is no anchor",
        shop,
        shop.pack(PACKED, anchors=[shop.evidence(11, 31337)], checkpoint=shop.checkpoint(witnessed=False)),
        {16: "unchecked dev-chain"},
        heads={"31337": (11, root)},
        **dev,
    )
    two = {"policy": shop.policy(shop.pin(), shop.pin(953))}
    both = shop.pack(PACKED, anchors=[shop.evidence(11), shop.evidence(11, 953)], checkpoint=shop.checkpoint(witnessed=False))
    yield passing(
        "anchor-one-chain-down",
        "one chain that is down does not hide another",
        shop,
        both,
        {16: "verified anchored"},
        heads={"953": (11, root)},
        **two,
    )
    fork = season()
    fork.tell(LEADER, "ObjectEvent", "storing", quantityList=[quantity(PACKED, 2, None)])
    shop.tell(LEADER, "ObjectEvent", "storing", quantityList=[quantity(PACKED, 3, None)])
    true = bundle.AnchorEvidence(CHAIN_ID, CONTRACT, 12, shop.root(12), ())
    yield failing(
        "fork-with-the-true-anchor",
        "a fork cannot carry the true log's anchor",
        fork,
        fork.pack(PACKED, anchors=[true]),
        16,
        "not-consistent",
        **pinned,
    )
