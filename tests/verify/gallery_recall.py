"""Gallery, part 5: recalls, and an operator that answers less than its own log holds."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

from producers import sign
from producers.sign import jwk_of
from tests.support.workshop import (
    AUTHORITY,
    FARM,
    FIELD,
    HARVEST,
    PACKED,
    REGISTRAR,
    STRANGER,
    Workshop,
    ed25519,
    p256,
    quantity,
    season,
)
from tests.verify.gallery import Case, edited, failing, passing, plot
from verify import note
from verify.answer import Matches
from verify.statement import thumbprint

NONE = {15: "stated none-reported"}
RECALLED = {15: "failed recalled"}
GENUINE = {"record": "verified", "item": "none", "recall": "failed"}


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _owners()
    yield from _reach()
    yield from _slipped_in()
    yield from _closings()
    yield from _hidden()
    yield from _answers()


def _recall(shop: Workshop, issuer: str, scope: dict[str, Any], **more: Any) -> int:
    subject = {
        "id": f"urn:uuid:00000000-0000-4000-8000-{len(shop.entries):012}",
        "log": shop.origin,
        "scope": scope,
        "class": "I",
        "reason": {"en": "Residue above the limit.", "zh": "农药残留超标。"},
        "instructions": {"en": "Do not eat it; bring it back.", "zh": "请勿食用，请退回。"},
    }
    return shop.add("RecallNotice", issuer, subject | more)


def _land() -> Workshop:
    """The season with an authority, a stranger, and a farm that may speak for its field."""
    shop = Workshop()
    shop.grant(AUTHORITY, "authority")
    shop.grant(STRANGER, "retailer")
    return season(shop)


def _recalled(name: str, about: str, shop: Workshop, label: str = PACKED, **more: Any) -> Case:
    return Case(name, about, shop.pack(label), shop.policy(), 1, seen=RECALLED, answers=GENUINE, **more)


def _owners() -> Iterator[Case]:
    for name, issuer, about in (
        ("brand-owner", FARM, "the brand owner recalls its lot"),
        ("authority", AUTHORITY, "an authority recalls a lot"),
    ):
        shop = _land()
        _recall(shop, issuer, {"lots": [PACKED]})
        yield _recalled(f"recall-by-the-{name}", about, shop)
    shop = _land()
    _recall(shop, STRANGER, {"lots": [PACKED]})
    yield passing(
        "recall-by-a-stranger", "a stranger's recall is a third party's claim and does not count", shop, shop.pack(PACKED), NONE
    )


def _reach() -> Iterator[Case]:
    product = PACKED.split("/10/")[0]
    for name, scope, about in (
        ("harvest", {"lots": [HARVEST]}, "the recalled harvest is inside the packed lot"),
        ("product", {"products": [product]}, "every lot of the product"),
        ("field", {"places": [FIELD]}, "everything that came from a field"),
        (
            "window",
            {"products": [product], "from": "2026-11-18T00:00:00+08:00", "until": "2026-11-18T23:00:00+08:00"},
            "made within the time",
        ),
    ):
        shop = _land()
        _recall(shop, AUTHORITY, scope)
        yield _recalled(f"recall-of-the-{name}", about, shop)
    for name, scope, about in (
        ("another-lot", {"lots": [PACKED.replace("P-1", "P-2")]}, "another lot of the same packing"),
        ("before", {"products": [product], "until": "2026-11-17T23:00:00+08:00"}, "the recall ends before this lot was made"),
        ("after", {"lots": [HARVEST], "from": "2026-11-18T08:00:01+08:00"}, "the recall begins after this lot was harvested"),
    ):
        shop = _land()
        _recall(shop, AUTHORITY, scope)
        yield passing(f"recall-of-{name}", about, shop, shop.pack(PACKED), NONE)
    shop = plot()
    second = HARVEST.replace("H-1", "H-2")
    shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(second, 50)])
    for source in (HARVEST, second):
        shop.tell(
            FARM,
            "TransformationEvent",
            "packing",
            None,
            inputQuantityList=[quantity(source, 5)],
            outputQuantityList=[quantity(PACKED, 5, None)],
        )
    _recall(shop, FARM, {"lots": [second]})
    yield _recalled("recall-of-the-second-packing", "a lot packed on two days is recalled with the harvest of either", shop)


def _slipped_in() -> Iterator[Case]:
    box, bait = PACKED.split("/10/")[0] + "/21/BOX-1", "https://id.gs1.org/01/09521000000018/10/BAIT"
    for name, holder, about in (
        ("the-lot", PACKED, "a stranger says that it packed a lot of its own into the farm's lot, and recalls its own"),
        ("a-numbered-box", box, "a stranger says that it packed a lot of its own into the farm's box, and recalls its own"),
    ):
        shop = season()
        shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", epcList=[box])
        shop.grant(STRANGER, "producer", "brand-owner", mint=["https://id.gs1.org/01/0952100000"])
        shop.tell(STRANGER, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(bait, 1, None)])
        inside = [quantity(bait, 1, None)]
        shop.tell(STRANGER, "AggregationEvent", "packing", "ADD", parentID=holder, childQuantityList=inside)
        _recall(shop, STRANGER, {"lots": [bait]})
        yield passing(f"slipped-into-{name}", about, shop, shop.pack(holder), {12: "verified origin-ok", **NONE})


def _closings() -> Iterator[Case]:
    for name, opener, closer, closed in (
        ("its-issuer", FARM, FARM, True),
        ("an-authority", FARM, AUTHORITY, True),
        ("a-stranger", FARM, STRANGER, False),
        ("the-farm", AUTHORITY, FARM, False),
    ):
        shop = _land()
        digest = shop.carried[_recall(shop, opener, {"lots": [PACKED]})].statement.digest.hex()
        _recall(shop, closer, {"lots": [PACKED]}, closes=digest)
        about = "a recall is closed by its own issuer or an authority"
        yield (
            passing(f"closed-by-{name}", about, shop, shop.pack(PACKED), NONE)
            if closed
            else _recalled(f"closed-by-{name}", about, shop)
        )
    shop = _land()
    digest = shop.carried[_recall(shop, FARM, {"lots": [PACKED]})].statement.digest.hex()
    stolen = _recall(shop, FARM, {"lots": [PACKED]}, closes=digest)
    kid = thumbprint(jwk_of(p256(FARM).public_key()))
    shop.add(
        "KeyRevocation", REGISTRAR, {"id": FARM, "log": shop.origin, "kid": kid, "reason": "stolen", "compromisedFrom": stolen}
    )
    yield _recalled("closed-by-a-thief", "a stolen key closes no recall", shop)
    shop = _land()
    _recall(shop, FARM, {"lots": [PACKED]}, closes="zz")
    yield passing("closes-nothing", "a closing that names no recall has no effect", shop, shop.pack(PACKED), NONE)


def _hidden() -> Iterator[Case]:
    shop = _land()
    recall = _recall(shop, AUTHORITY, {"lots": [HARVEST]})
    yield failing(
        "recall-left-out",
        "the answer admits a recall that the bundle does not show",
        shop,
        shop.pack(PACKED, leave_out=[recall]),
        14,
        "control-not-shown",
    )
    yield passing(
        "recall-denied",
        "the answer denies the recall: it passes here, and the log's own tiles convict it",
        shop,
        shop.pack(PACKED, hide=[recall]),
        NONE,
        entries=shop.entries,
    )


def _answers() -> Iterator[Case]:
    shop = _land()
    recall = _recall(shop, AUTHORITY, {"lots": [PACKED]})
    told, field = shop.answer_to(PACKED, shop.carried), sha256(FIELD.encode()).digest()
    rest = {key: matches for key, matches in told.keys.items() if key != field}
    denied = tuple(index for index in told.control if index != recall)
    for name, answer, code, about in (
        ("another-size", replace(told, size=told.size - 1), "other-checkpoint", "about another size than the checkpoint's"),
        ("another-root", replace(told, root=bytes(32)), "other-checkpoint", "about another tree than the checkpoint's"),
        ("subject-not-asked", replace(told, keys=rest), "subject-not-asked", "says nothing about a place of the way back"),
        ("control-denied", replace(told, control=denied), "control-not-answered", "denies a recall that is shown with it"),
        (
            "count-too-small",
            replace(told, keys=rest | {field: Matches.of([])}),
            "wrong-count",
            "counts fewer records than are shown",
        ),
    ):
        yield failing(f"answer-{name}", about, shop, _answered(shop, answer.format(), shop.log), 14, code)
    other = sign.Signer("log.example/other", note.LOG, ed25519("other log"))
    yield failing(
        "answer-unknown-line",
        "a second signature line that nothing binds",
        shop,
        _answered(shop, told.format(), shop.log, other),
        14,
        "unknown-line",
    )
    yield failing(
        "answer-unsigned", "not signed by the log", shop, _answered(shop, told.format(), other), 14, "no-known-signature"
    )
    yield failing(
        "answer-two-spellings",
        "a count with a leading zero",
        shop,
        _answered(shop, told.format().replace(" 1 ", " 01 ", 1), shop.log),
        14,
        "bad-answer",
    )


def _answered(shop: Workshop, text: str, *signers: sign.Signer) -> str:
    return edited(shop.pack(PACKED), lambda body: body.update(answer=sign.sign_note(text, signers)))
