"""
What a case of the gallery is: a whole bundle, a reader's policy, and the verdict that must come out.

The verdict is written by hand from PROTOCOL.md; nothing here asks the code under test.  Keys and times are fixed, so that
printing the vectors again changes no byte.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.workshop import FARM, FIELD, HARVEST, START_S, Workshop, compact, quantity

NOW = START_S + 120
ITEM = "https://shop.example/01/09520001000027/10/P-1/21/"


@dataclass(frozen=True, slots=True)
class Case:
    """One vector.  `exit_code` as `python -m verify`; `step` and `code` of the failure; `seen` more steps as "state code"."""

    name: str
    about: str
    bundle: str
    policy: str
    exit_code: int = 0
    step: int | None = None
    code: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[int, str] = field(default_factory=dict)
    label: str | None = None
    now: int = NOW
    heads: Mapping[str, tuple[int, bytes]] | None = None
    entries: Sequence[bytes] = ()
    """All of the log's, where its tiles convict an answer that passes offline."""

    def format(self) -> str:
        """Print the file."""
        heads = self.heads and {chain: {"size": size, "root": _b64(root)} for chain, (size, root) in self.heads.items()}
        given: dict[str, Any] = {
            "bundle": self.bundle,
            "policy": self.policy,
            "label": self.label,
            "now": self.now,
            "heads": heads,
        }
        expect = {
            "exit": self.exit_code,
            "step": self.step,
            "code": self.code,
            "answers": dict(self.answers),
            "seen": {str(number): text for number, text in self.seen.items()},
        }
        if self.entries:
            given["entries"], expect["convicted"] = [_b64(entry) for entry in self.entries], "omitted"
        body = {
            "name": f"gallery-{self.name}",
            "about": self.about,
            "fn": "verifier.verify_bundle",
            "input": given,
            "expect": expect,
        }
        return json.dumps(body, indent=1, ensure_ascii=True) + "\n"


def _b64(data: bytes) -> str:
    return b64encode(data).decode()


def failing(name: str, about: str, shop: Workshop, bundle: str, step: int, code: str, **more: Any) -> Case:
    """A case in which one step fails, under the shop's own policy unless told otherwise."""
    return Case(name, about, bundle, more.pop("policy", shop.policy()), 1, step, code, **more)


def grey(name: str, about: str, shop: Workshop, bundle: str, seen: Mapping[int, str], **more: Any) -> Case:
    """A case in which nothing fails and something could not be checked."""
    return Case(name, about, bundle, more.pop("policy", shop.policy()), 3, seen=seen, **more)


def passing(name: str, about: str, shop: Workshop, bundle: str, seen: Mapping[int, str] | None = None, **more: Any) -> Case:
    """A case with nothing against the label."""
    return Case(name, about, bundle, more.pop("policy", shop.policy()), 0, seen=seen or {}, **more)


def plot() -> Workshop:
    """The smallest log with an origin: a farm, and what it harvested."""
    shop = Workshop()
    shop.grant(FARM, "producer", "brand-owner", mint=["https://id.gs1.org/01/0952000100", "https://farm.example/li"])
    shop.tell(FARM, "ObjectEvent", "commissioning", "ADD", quantityList=[quantity(HARVEST, 100.5)], readPoint={"id": FIELD})
    return shop


def edited(bundle: str, change: Callable[[dict[str, Any]], object]) -> str:
    """A bundle's text with one thing changed by `change`."""
    body = json.loads(bundle)
    change(body)
    return compact(body)


def repayload(bundle: str, at: int, old: str, new: str) -> str:
    """A bundle in which the payload text of statement number `at` is another."""

    def change(body: dict[str, Any]) -> None:
        text = body["statements"][at]["payload"]
        assert old in text
        body["statements"][at]["payload"] = text.replace(old, new, 1)

    return edited(bundle, change)
