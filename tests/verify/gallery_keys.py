"""Gallery, part 3: keys, registrars, and control statements that should have no effect."""

from collections.abc import Iterator

from producers.sign import jwk_of
from tests.support.workshop import (
    FARM,
    HARVEST,
    PACKED,
    REGISTRAR,
    STRANGER,
    WAREHOUSE,
    Workshop,
    event,
    p256,
    quantity,
    season,
)
from tests.verify.gallery import Case, failing, grey, passing, plot
from verify.statement import thumbprint

MINT = ["https://id.gs1.org/01/0952000100"]
OTHER = "https://registrar.example/two"


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _grants()
    yield from _registrars()
    yield from _revocations()
    yield from _disputes()
    yield from _replays()


def _store(shop: Workshop, **more: object) -> int:
    """One more record by the farm about its harvest."""
    told = event("ObjectEvent", "storing", len(shop.entries), quantityList=[quantity(HARVEST, 90)])
    return shop.add("TraceabilityEvent", FARM, told, **more)


def _grants() -> Iterator[Case]:
    shop = plot()
    shop.grant(WAREHOUSE, "warehouse")
    _store(shop, key=shop.keys[WAREHOUSE])
    yield failing(
        "key-of-another-party", "a registered key signs in another party's name", shop, shop.pack(HARVEST), 10, "other-party-key"
    )
    shop = Workshop()
    shop.keys[FARM] = p256(FARM)
    shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(HARVEST, 1)])
    shop.grant(FARM, "producer", mint=MINT)
    yield failing(
        "key-granted-later", "a record logged before its key was registered", shop, shop.pack(HARVEST), 10, "unknown-key"
    )
    shop = plot()
    yield failing(
        "registration-left-out",
        "the farm's registration is not carried",
        shop,
        shop.pack(HARVEST, leave_out=[1]),
        6,
        "unknown-key",
    )
    shop = Workshop()
    stolen = shop.signed("PartyRegistration", REGISTRAR, plot().carried[1].statement.subject | {"id": STRANGER})
    shop.sequence(stolen)
    shop.keys[STRANGER] = p256(FARM)
    shop.tell(STRANGER, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(HARVEST, 1)])
    yield failing(
        "no-possession",
        "a registrar binds somebody's key to another party, whose word the key never gave",
        shop,
        shop.pack(HARVEST),
        10,
        "no-possession",
    )


def _registrars() -> Iterator[Case]:
    shop = plot()
    thumb = thumbprint(jwk_of(shop.keys[REGISTRAR].public_key()))
    for name, about, line in (
        ("range", "the registrar spoke after the range that the policy gives it", f"registrar {REGISTRAR} {thumb} 0-1 *"),
        (
            "scope",
            "the registrar spoke about a party outside its scope",
            f"registrar {REGISTRAR} {thumb} 0- https://hub.example/",
        ),
    ):
        lines = [line if old.startswith("registrar") else old for old in shop.policy().split("\n")]
        yield failing(
            f"registrar-outside-its-{name}", about, shop, shop.pack(HARVEST), 10, "not-a-registrar", policy="\n".join(lines)
        )
    shop = plot()
    shop.grant(OTHER, "registrar", key=p256(OTHER))
    theirs = thumbprint(jwk_of(p256(OTHER).public_key()))
    both = shop.policy(f"registrar {OTHER} {theirs} 0- *")
    shop.grant(FARM, "producer", key=p256("another key of the farm"), registrar=OTHER)
    yield failing(
        "registrar-of-another-party",
        "a registrar may not add keys to a party that another one registered",
        shop,
        shop.pack(HARVEST, policy=both),
        10,
        "other-registrar",
        policy=both,
    )
    shop = Workshop()
    shop.grant(OTHER, "registrar", key=p256(OTHER))
    shop.grant(FARM, "producer", mint=MINT, registrar=OTHER)
    shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(HARVEST, 1)])
    yield failing(
        "registrar-unknown", "a registrar that the reader's policy does not name", shop, shop.pack(HARVEST), 10, "not-a-registrar"
    )
    yield passing(
        "registrar-of-the-policy",
        "a second registrar that the reader's policy names",
        shop,
        shop.pack(HARVEST, policy=both),
        {10: "verified keys-ok"},
        policy=both,
    )


def _revoke(shop: Workshop, issuer: str = REGISTRAR, **more: int) -> int:
    kid = thumbprint(jwk_of(p256(FARM).public_key()))
    return shop.add("KeyRevocation", issuer, {"id": FARM, "log": shop.origin, "kid": kid, "reason": "phone lost"} | more)


def _revocations() -> Iterator[Case]:
    shop = plot()
    revoked = _revoke(shop)
    _store(shop)
    yield failing(
        "revoked-key", "a record signed with a key that was revoked at a lower index", shop, shop.pack(HARVEST), 10, "revoked-key"
    )
    yield failing(
        "revocation-left-out",
        "the bundle leaves the revocation out; the answer's line about the farm's keys admits it",
        shop,
        shop.pack(HARVEST, leave_out=[revoked]),
        14,
        "control-not-shown",
    )
    yield passing(
        "revocation-denied",
        "the answer denies the revocation as well: its own log convicts it",
        shop,
        shop.pack(HARVEST, hide=[revoked]),
        {14: "stated answer-ok"},
        entries=shop.entries,
    )
    shop.grant(FARM, "producer", key=p256(FARM))
    yield failing(
        "re-granted-key",
        "a revocation is final: the same key cannot be given back",
        shop,
        shop.pack(HARVEST, leave_out=[4]),
        10,
        "re-grant",
    )
    shop = plot()
    _revoke(shop)
    yield passing("revoked-afterwards", "what was logged before a revocation stays good for ever", shop, shop.pack(HARVEST))
    shop = plot()
    _revoke(shop, FARM)
    yield failing(
        "revoked-by-itself", "a key cannot revoke itself: the thief holds it too", shop, shop.pack(HARVEST), 10, "not-issuer"
    )
    shop = plot()
    shop.grant(STRANGER, "retailer")
    _revoke(shop, STRANGER)
    yield failing(
        "revoked-by-a-stranger", "only the party with another key, or its registrar", shop, shop.pack(HARVEST), 10, "not-issuer"
    )


def _disputes() -> Iterator[Case]:
    shop = season()
    new = p256("new key of the farm")
    shop.grant(FARM, "producer", "brand-owner", mint=MINT, key=new)
    _revoke(shop, compromisedFrom=5)
    yield grey(
        "disputed",
        "records of a key from the index on at which it was stolen do not count",
        shop,
        shop.pack(PACKED),
        {12: "unchecked no-origin"},
    )
    for index in (5, 6):
        _adopt(shop, index)
    yield passing(
        "disputed-and-adopted",
        "the farm signs its own records again with a new key",
        shop,
        shop.pack(PACKED),
        {12: "verified origin-ok"},
    )
    shop = season()
    _adopt(shop, 5)
    _adopt(shop, 6)
    yield passing(
        "adopted-twice",
        "an adoption of a record that stands is no second delivery",
        shop,
        shop.pack(PACKED),
        {12: "verified origin-ok"},
    )


def _adopt(shop: Workshop, index: int) -> None:
    told = shop.carried[index].statement
    shop.add("Adoption", FARM, {"adopts": told.digest.hex(), "event": told.subject})


def _replays() -> Iterator[Case]:
    twin = Workshop(origin="log.example/twin")
    shop = plot()
    twin.grant(FARM, "producer")
    shop.sequence(twin.carried[1].statement)
    yield failing("registration-replayed", "a registration made for another log", shop, shop.pack(HARVEST), 10, "foreign-log")
    shop = plot()
    shop.sequence(twin.carried[_revoke(twin)].statement)
    yield failing("revocation-replayed", "a revocation made for another log", shop, shop.pack(HARVEST), 10, "foreign-log")
    shop = plot()
    recall = {
        "id": "urn:uuid:00000000-0000-4000-8000-00000000000a",
        "log": twin.origin,
        "scope": {"lots": [HARVEST]},
        "class": "I",
        "reason": {"en": "x"},
        "instructions": {"en": "y"},
    }
    shop.add("RecallNotice", FARM, recall)
    yield passing(
        "recall-replayed",
        "a recall made for another log has no effect in this one",
        shop,
        shop.pack(HARVEST),
        {15: "stated none-reported"},
    )
    for name, issuer, seen in (("own", FARM, "unchecked no-origin"), ("strange", STRANGER, "verified origin-ok")):
        shop = plot()
        shop.grant(STRANGER, "retailer")
        told = shop.carried[2]
        shop.add("Withdrawal", issuer, _about(shop, told.index, "typing error"))
        case = passing if issuer == STRANGER else grey
        yield case(
            f"withdrawal-{name}",
            "only its issuer, or the issuer's registrar, takes a record back",
            shop,
            shop.pack(HARVEST),
            {12: seen},
        )
    shop = plot()
    shop.add(
        "TraceabilityEvent",
        FARM,
        shop.carried[2].statement.subject | {"errorDeclaration": {"declarationTime": "2026-11-18T09:00:00+08:00"}},
    )
    yield grey(
        "declared-wrong", "an error declaration takes the event back", shop, shop.pack(HARVEST), {12: "unchecked no-origin"}
    )
    shop = plot()
    erased = _about(shop, 2, "")
    del erased["reason"]
    shop.add("Erasure", FARM, erased | {"index": 2, "ground": "asked for"})
    yield passing("erasure-by-the-farm", "only the operator erases", shop, shop.pack(HARVEST), {12: "verified origin-ok"})


def _about(shop: Workshop, index: int, reason: str) -> dict[str, object]:
    told = shop.carried[index].statement
    keys = [key.hex() for key in shop.keys_of(index)]
    return {
        "id": f"urn:originmark:statement:{told.digest.hex()}",
        "log": shop.origin,
        "digest": told.digest.hex(),
        "keys": keys,
        "reason": reason,
    }
