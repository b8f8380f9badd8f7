"""
One character of an honest bundle changed, some hundreds of times: both languages say the same, and nothing false turns green.

Fixed seeds, so that a failure can be looked at again; `MUTATIONS` in the environment asks for more.
"""

import json
import os
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from producers.sign import jwk_of, sign_bytes
from tests.support.workshop import FARM, LEADER, PACKED, REGISTRAR, WAREHOUSE, Codes, Workshop, compact, quantity, season, to
from tests.verify.gallery import ITEM, NOW, edited
from tests.verify.test_gallery import run
from verify import subjects
from verify.bundle import ItemProof
from verify.entry import Entry
from verify.errors import VerificationError
from verify.merkle import leaf_hash
from verify.statement import parse_statement, thumbprint
from verify.strict import b64u_decode, b64u_encode

ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("MUTATIONS", "600"))
ODD = ("\n", "\\u0030", "\\", "０", "é", "\u2028", "\ud800", "{}", "[]", '"":0,', "00", "null", "1e3", "-")
POOL = (*map(chr, range(32, 127)), *ODD)
NAMES = ("closes", "compromisedFrom", "previous", "allowedProducers", "errorDeclaration", "_sd", "x")

pytestmark = pytest.mark.node


def everything() -> tuple[Workshop, dict[str, Any]]:
    """A log with every kind of control statement, and what a reader of one item is given."""
    shop, codes = season(), Codes(PACKED)
    first = shop.add("LabelCommitment", FARM, codes.commitment())
    scope = {"id": "urn:uuid:00000000-0000-4000-8000-00000000000a", "log": shop.origin, "scope": {"lots": [PACKED]}, "class": "I"}
    texts = {"reason": {"en": "x"}, "instructions": {"en": "y"}}
    recall = shop.carried[shop.add("RecallNotice", FARM, scope | texts)].statement.digest.hex()
    shop.add("RecallNotice", FARM, scope | texts | {"closes": recall})
    about = shop.carried[10].statement
    told = {"digest": about.digest.hex(), "keys": [key.hex() for key in shop.keys_of(10)], "reason": "typing error"}
    shop.add("Withdrawal", about.issuer, {"id": f"urn:originmark:statement:{about.digest.hex()}", "log": shop.origin} | told)
    product = {"id": PACKED.split("/10/")[0], "type": "Product", "name": {"en": "rice"}, "allowedProducers": [WAREHOUSE]}
    shop.add("MasterData", FARM, product)
    kid = thumbprint(jwk_of(shop.keys[LEADER].public_key()))
    shop.add("KeyRevocation", REGISTRAR, {"id": LEADER, "log": shop.origin, "kid": kid, "reason": "lost", "compromisedFrom": 99})
    label, item = ITEM + codes.serial(3), codes.proof(first, 3)
    size = len(shop.entries)
    heads = {"952": {"size": size, "root": shop.b64_root(size)}}
    bundle = shop.pack(label, item=item, anchors=[shop.evidence(size)])
    return shop, {"bundle": bundle, "policy": shop.policy(shop.pin()), "label": label, "now": NOW, "heads": heads}


def honest() -> dict[str, Any]:
    """A bundle with every part there is, proof nodes too."""
    shop, given = everything()
    size = len(shop.entries)
    shop.tell(FARM, "ObjectEvent", "shipping", quantityList=[quantity(PACKED.replace("P-1", "P-2"), 1)], destinationList=to(FARM))
    body = json.loads(given["bundle"])
    item = ItemProof(body["item"]["commitment"], body["item"]["code"], tuple(map(b64u_decode, body["item"]["path"])))
    bundle = shop.pack(given["label"], leave_out=[size], item=item, anchors=[shop.evidence(size)])
    return given | {"bundle": bundle, "label": None}


def mutations(text: str, count: int) -> Iterator[str]:
    """Texts that differ from `text` in one place: a character replaced, removed, repeated, or something put in."""
    for seed in range(count):
        dice = random.Random(seed)
        at = dice.randrange(len(text))
        put = dice.choice([dice.choice(POOL), "", text[at] * 2, text[at] + dice.choice(POOL)])
        yield text[:at] + put + text[at + 1 :]


def in_javascript(inputs: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """[exit, step, code, answers] of each, from one node process."""
    lines = "".join(json.dumps(given) + "\n" for given in inputs)
    command = ["node", str(ROOT / "tests/js/support/gallery.mjs")]
    told = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=580)
    assert told.returncode == 0, told.stderr[-2000:]
    return [json.loads(line) for line in told.stdout.splitlines()]


def in_python(given: Mapping[str, Any]) -> list[Any]:
    """The same from Python."""
    found = run(given)
    failed = next((step for step in found.steps if step.state == "failed" and step.code != "recalled"), None)
    return [found.exit_code, failed and failed.number, failed and failed.code, found.answers]


def test_both_languages_judge_every_mutation_alike_and_none_turns_green() -> None:
    good = honest()
    first = in_python(good)
    assert first == [0, None, None, {"record": "verified", "item": "stated", "recall": "stated"}]
    inputs = [good | {"bundle": text} for text in mutations(good["bundle"], COUNT)]
    found = in_javascript([good, *inputs])
    assert found[0] == first
    wrong = []
    for seed, (given, told) in enumerate(zip(inputs, found[1:], strict=True)):
        mine = in_python(given)
        if mine != told or (mine[0] == 0 and mine != first):
            wrong.append((seed, mine, told))
    assert not wrong, wrong[:10]


VALUES: Sequence[Any] = (
    *(None, True, 0, 5, -1, 1.5, 2**53, "", "x", "zz", "a" * 64, PACKED, FARM, "2026-11-18T08:00:00Z", "https://id.gs1.org/01/1"),
    *([], {}, [5], ["x"], [None], [PACKED], [[PACKED]], [{}], {"a": 1}, {"id": 5}, {"id": PACKED}),
)


def changed(body: Any, dice: random.Random) -> None:
    """Change one member at any depth of `credentialSubject`: another value, gone, or one more."""
    place, name = body, "credentialSubject"
    while True:
        inside = place[name]
        if not inside or not isinstance(inside, dict | list) or (place is not body and dice.random() < 0.3):
            break
        place, name = inside, dice.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
    act = dice.random()
    if act < 0.2:
        del place[name]
    elif act < 0.3 and isinstance(place, dict):
        place[dice.choice(NAMES)] = dice.choice(VALUES)
    else:
        place[name] = dice.choice(VALUES)


def oddity(seed: int) -> dict[str, Any]:
    """A log in which one party signed something odd, and the operator logged it all the same."""
    dice = random.Random(seed)
    shop, good = everything()
    at = dice.randrange(1, len(shop.carried))
    told = shop.carried[at].statement
    body = json.loads(told.payload_text)
    changed(body, dice)
    text = compact(body)
    key = shop.keys[told.issuer]
    signed = f"{b64u_encode(told.header_text.encode())}.{b64u_encode(text.encode())}".encode()
    signature = b64u_encode(sign_bytes(signed, key))
    digest = sha256(signed + b"." + signature.encode()).digest()
    try:
        keys = subjects.keys(parse_statement(signed + b"." + signature.encode()))
    except VerificationError:
        keys = shop.keys_of(at)
    entry = Entry(shop.carried[at].time_ms, digest, keys).encode()
    shop.entries[at], shop.carried[at] = entry, replace(shop.carried[at], leaf=leaf_hash(entry))
    odd = {"payload": text, "signature": signature}
    bundle = edited(shop.pack(good["label"]), lambda body: body["statements"][at].update(odd))
    return good | {"bundle": bundle, "policy": shop.policy()}


def test_both_languages_judge_every_signed_oddity_alike() -> None:
    inputs = [oddity(seed) for seed in range(COUNT // 2)]
    found = in_javascript(inputs)
    mine = [in_python(given) for given in inputs]
    wrong = [(seed, one, told) for seed, (one, told) in enumerate(zip(mine, found, strict=True)) if one != told]
    assert not wrong, wrong[:10]
    assert len({(one[1], one[2]) for one in mine}) > 15, "the oddities reach many different rules"
