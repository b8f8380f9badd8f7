"""Gallery, part 1: the bundle's bytes, the log's signatures and proofs."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from producers import sign
from tests.support.workshop import FARM, HARVEST, ORIGIN, REGISTRAR, START_S, WAREHOUSE, Codes, Workshop, ed25519, event, quantity
from tests.verify.gallery import Case, edited, failing, grey, passing, plot, repayload
from verify import note
from verify.statement import P256_ORDER
from verify.strict import b64u_encode


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _bytes()
    yield from _checkpoints()
    yield from _flips()
    yield from _logs()


def _bytes() -> Iterator[Case]:
    shop = plot()
    good = shop.pack(HARVEST)
    yield passing(
        "honest-harvest",
        "the smallest honest log: farm, harvest, answer",
        shop,
        good,
        {12: "verified origin-ok", 13: "none no-serial", 16: "none not-anchored"},
        answers={"record": "verified", "item": "none", "recall": "stated"},
    )
    bundles = {
        "duplicate-member": (good.replace('{"v":', '{"v":"x","v":', 1), "duplicate-member"),
        "lone-surrogate": (good.replace('"label":"', '"label":"\\ud800', 1), "lone-surrogate"),
        "index-past-2-53": (good.replace('"index":2', '"index":9007199254740993', 1), "bad-number"),
        "proto": (good.replace('{"v":', '{"__proto__":{"item":{}},"v":', 1), "proto"),
        "full-width-index": (good.replace('"index":2', '"index":\uff12', 1), "not-json"),
        "unknown-member": (good.replace('{"v":', '{"tx":"0xabc","v":', 1), "unknown-member"),
        "another-version": (good.replace("bundle@v1", "bundle@v2", 1), "bad-version"),
        "without-answer": (edited(good, lambda body: body.pop("answer")), "missing-member"),
        "statements-out-of-order": (edited(good, lambda body: body["statements"].reverse()), "bad-bundle"),
        "statement-twice": (edited(good, lambda body: body["statements"].append(body["statements"][-1])), "bad-bundle"),
        "no-statements": (edited(good, lambda body: body["statements"].clear()), "bad-bundle"),
        "leaf-a-number": (edited(good, lambda body: body["statements"][1].update(leaf=5)), "wrong-type"),
    }
    for name, (bundle, code) in bundles.items():
        yield failing(
            f"bundle-{name}", "the bundle has one form, and both languages see the same fault in it", shop, bundle, 1, code
        )
    payloads = {
        "duplicate-member": ('"issuer":', '"issuer":"https://other.example/","issuer":', "duplicate-member"),
        "lone-surrogate": ('"issuer":"', '"issuer":"\\udc00', "lone-surrogate"),
        "proto": ('"readPoint":{', '"readPoint":{"__proto__":{},', "proto"),
        "full-width-quantity": ('"quantity":100.5', '"quantity":\uff11', "not-json"),
    }
    for name, (old, new, code) in payloads.items():
        yield failing(
            f"payload-{name}",
            "a record's own text is read as strictly as the bundle's",
            shop,
            repayload(good, 2, old, new),
            5,
            code,
        )
    codes = Codes(HARVEST)
    shop.add("LabelCommitment", FARM, codes.commitment())
    yield failing(
        "payload-count-past-2-53",
        "2^53+1 is another number in JavaScript: our own kinds refuse it",
        shop,
        repayload(shop.pack(HARVEST), 3, '"count":8', '"count":9007199254740993'),
        5,
        "bad-number",
    )


def _checkpoints() -> Iterator[Case]:
    shop = plot()
    good, size = shop.pack(HARVEST), len(shop.entries)
    stranger = sign.Signer("stranger.example/w", note.COSIGNER, ed25519("stranger"))
    told = shop.checkpoint()
    text = told.split("\n\n")[0] + "\n"
    other = sign.Signer("log.example/other", note.LOG, ed25519("other log"))
    for name, about, checkpoint, code in (
        (
            "size-full-width",
            "a size in full-width digits is no number",
            told.replace(f"\n{size}\n", "\n\uff13\n", 1),
            "bad-checkpoint",
        ),
        ("size-grown", "the size is inside the signed text", told.replace(f"\n{size}\n", f"\n{size + 1}\n", 1), "bad-signature"),
        (
            "unknown-line",
            "a signature line of a key that the policy does not know binds nothing and is refused",
            told + stranger.line(bytes(72)),
            "unknown-line",
        ),
        ("another-log", "signed by a log that the policy does not name", sign.sign_note(text, [other]), "no-known-signature"),
        (
            "for-another-origin",
            "a log of the policy signed in another log's name",
            sign.sign_note(text.replace(ORIGIN, "log.example/twin"), [shop.log]),
            "wrong-origin",
        ),
    ):
        yield failing(f"checkpoint-{name}", about, shop, shop.pack(HARVEST, checkpoint=checkpoint), 2, code)
    alone = shop.pack(HARVEST, checkpoint=shop.checkpoint(witnessed=False))
    yield grey(
        "operator-only",
        "nobody but the operator has seen this log",
        shop,
        alone,
        {3: "unchecked operator-only"},
        answers={"record": "unchecked", "item": "none", "recall": "stated"},
    )
    second = sign.Signer("witness.example/w2", note.COSIGNER, ed25519("second witness"))
    lines = [
        line.replace("quorum w1", f"witness w2 {second.vkey.format()}\ngroup both all w1 w2\nquorum both")
        for line in shop.policy().split("\n")
    ]
    yield grey(
        "no-quorum", "one witness where the policy asks for two", shop, good, {3: "unchecked no-quorum"}, policy="\n".join(lines)
    )
    late = START_S + 60 + 86_400
    yield passing("one-day-old", "as old as the policy allows", shop, good, {4: "verified fresh"}, now=late)
    yield grey(
        "too-old",
        "older than the policy allows: whether it was recalled since cannot be known",
        shop,
        good,
        {4: "unchecked too-old", 15: "unchecked answer-too-old"},
        now=late + 1,
    )
    yield grey(
        "from-the-future",
        "a clock that runs ahead is wrong, not fast",
        shop,
        good,
        {4: "unchecked from-the-future"},
        now=START_S - 600,
    )


def _flips() -> Iterator[Case]:
    """One bit, one step: the places that the browser tests turn over as well."""
    shop = plot()
    shop.grant(WAREHOUSE, "warehouse")
    good = shop.pack(HARVEST, leave_out=[3], anchors=[shop.evidence(4)])
    heads = {"952": (4, shop.root(4))}
    anchored: dict[str, Any] = {"policy": shop.policy(shop.pin()), "heads": heads}
    yield passing(
        "flip-none",
        "the bundle before any bit is changed",
        shop,
        good,
        {3: "verified witnessed", 16: "verified anchored"},
        label=HARVEST,
        **anchored,
    )
    for name, step, code, bundle, more in flips(good):
        more = {"heads": {"952": (4, _turned(shop.root(4)))}} if name == "contract" else more
        yield failing(f"flip-{name}", "one thing changed, and its own step fails", shop, bundle, step, code, **anchored | more)


def flips(good: str) -> Iterator[tuple[str, int, str, str, dict[str, Any]]]:
    """(what, step, code, bundle, more input) for a good bundle, label and all, with one thing changed."""
    body = json.loads(good)
    told, lines = body["checkpoint"].split("\n"), body["checkpoint"].rstrip("\n").split("\n")[4:]
    last = len(body["statements"]) - 1

    def line(at: int) -> str:
        return "\n".join([*told[:4], *(_flip_line(one) if at == place else one for place, one in enumerate(lines))]) + "\n"

    def part(name: str, value: object) -> str:
        return edited(good, lambda body: body.update({name: value}))

    def statement(name: str, change: Callable[[Any], Any]) -> str:
        return edited(good, lambda body: body["statements"][last].update({name: change(body["statements"][last][name])}))

    yield "checkpoint", 2, "bad-signature", part("checkpoint", body["checkpoint"].replace(told[2], _flip(told[2]))), {}
    yield "log-signature", 2, "bad-signature", part("checkpoint", line(0)), {}
    yield "clock", 4, "bad-signature", part("checkpoint", line(1)), {}
    yield "witness", 3, "bad-signature", part("checkpoint", line(2)), {}
    yield "statement", 6, "bad-signature", statement("payload", lambda text: text.replace("T08:00:00", "T08:00:01")), {}
    yield "signature", 6, "bad-signature", statement("signature", _flip), {}
    yield "leaf", 7, "wrong-entry", statement("leaf", _flip), {}
    yield "time", 7, "wrong-entry", statement("time", lambda time: time + 1), {}
    yield "proof", 8, "not-included", part("proof", [_flip(body["proof"][0]), *body["proof"][1:]]), {}
    yield "label", 11, "wrong-label", good, {"label": body["label"].replace("-1", "-0", 1)}
    yield "answer", 14, "bad-signature", part("answer", body["answer"].replace("\ntime 1", "\ntime 2")), {}
    yield "contract", 16, "anchor-mismatch", good, {}


def _turned(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def _flip(text: str) -> str:
    """Another hash or signature in base64: its second character is another one."""
    return text[0] + ("B" if text[1] == "A" else "A") + text[2:]


def _flip_line(line: str) -> str:
    """A signature line with another signature under the same key id."""
    dash, name, data = line.split(" ")
    return f"{dash} {name} {data[:60]}{'B' if data[60] == 'A' else 'A'}{data[61:]}"


def _logs() -> Iterator[Case]:
    shop = plot()
    carried, good = shop.carried[2], shop.pack(HARVEST)
    r, s = carried.statement.signature[:32], int.from_bytes(carried.statement.signature[32:], "big")
    high = b64u_encode(r + (P256_ORDER - s).to_bytes(32, "big"))
    yield failing(
        "malleated-signature",
        "n - s verifies as well and would give the record a second digest",
        shop,
        edited(good, lambda body: body["statements"][2].update(signature=high)),
        6,
        "high-s",
    )
    wrong = plot()
    stored = event("ObjectEvent", "storing", 9, quantityList=[quantity(HARVEST, 1)])
    wrong.sequence(wrong.signed("TraceabilityEvent", FARM, stored), keys=[sha256(HARVEST.encode()).digest()])
    yield failing(
        "wrong-keys",
        "a record filed under other subjects than its own would hide from its recall",
        wrong,
        wrong.pack(HARVEST),
        7,
        "wrong-entry",
    )
    back = plot()
    back.clock_ms = -5_000
    back.tell(FARM, "ObjectEvent", "storing", quantityList=[quantity(HARVEST, 1)])
    yield failing("time-runs-back", "the log's time never decreases", back, back.pack(HARVEST), 8, "time-runs-back")
    other = plot()
    pin = other.pin().replace(other.log_id(), "0x" + "ab" * 32)
    yield failing(
        "anchor-of-another-log",
        "the log that the policy's contract knows began otherwise",
        other,
        other.pack(HARVEST),
        9,
        "wrong-genesis",
        policy=other.policy(pin),
    )
    posing = Workshop(origin="log.example/posing")
    posing.entries.clear(), posing.carried.clear()
    posing.sequence(Workshop().carried[0].statement)
    posing.grant(FARM, "producer", mint=["https://id.gs1.org/01/0952000100"])
    posing.tell(FARM, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(HARVEST, 1)])
    yield failing("genesis-of-another-log", "entry 0 names another log", posing, posing.pack(HARVEST), 9, "no-genesis")
    late = plot()
    late.add("Genesis", REGISTRAR, late.carried[0].statement.subject)
    yield failing("second-genesis", "a log begins once", late, late.pack(HARVEST), 10, "second-genesis")
