"""
The reader's policy: which keys, quorum, registrars and contracts a verifier accepts, and how old an answer may be.

    log <vkey> [url]                                clock <vkey>
    witness <name> <vkey> [url]                     group <name> <k|any|all> <member>...
    quorum <name|none>                              max-age <seconds>
    registrar <uri> <thumbprint> <from>-[<until>] <scope prefix|*>
    anchor <chain id> <contract> <log id> <signer> [<sha256 of the runtime code>]

It comes from the reader's side, never from the bundle.  Index ranges include `from` and exclude `until`.

Source: c2sp.org/tlog-policy, with lines of our own for clock, registrar, anchor and max-age.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import Malformed, need
from .note import COSIGNER, LOG, VerifierKey
from .strict import count

# Chains that anybody starts at home (ganache, hardhat and anvil, eth-tester): a root there proves nothing to others.
DEV_CHAIN_IDS = frozenset((1337, 31337, 131277322940537))
MAX_LINES = 256
_Lines = dict[str, list[Any]]  # word -> what its lines said so far; witnesses and groups with their names
_ANCHOR = re.compile("0x[0-9a-fA-F]{40} 0x[0-9a-fA-F]{64} 0x[0-9a-fA-F]{40} ([0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class Registrar:
    """Who may bind keys to parties, for entries in [first, until) and parties whose URI starts with `scope`."""

    uri: str
    thumbprint: str
    first: int
    until: int | None
    scope: str

    def covers(self, index: int, party: str) -> bool:
        """Whether the policy lets this registrar speak at `index` about `party`."""
        inside = self.first <= index and (self.until is None or index < self.until)
        return inside and (self.scope == "*" or party.startswith(self.scope))


@dataclass(frozen=True, slots=True)
class AnchorPin:
    """One contract on one chain, and the signer whose head counts."""

    chain_id: int
    contract: str
    log_id: str
    signer: str
    code_sha256: str | None

    @property
    def is_dev(self) -> bool:
        """A chain that runs on somebody's desk: never an anchor."""
        return self.chain_id in DEV_CHAIN_IDS


@dataclass(frozen=True, slots=True)
class Group:
    """`threshold` of `members` (witnesses or groups)."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What one reader trusts."""

    logs: tuple[VerifierKey, ...]
    clocks: tuple[VerifierKey, ...] = ()
    witnesses: dict[str, VerifierKey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None
    registrars: tuple[Registrar, ...] = ()
    anchors: tuple[AnchorPin, ...] = ()
    max_age_s: int = 86_400

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """Parse a policy file; raises Malformed (`bad-policy`) with the line number."""
        found: _Lines = {word: [] for word in _READERS}
        # Only LF ends a line: a separator that an editor does not show could hide a line inside a comment.
        lines = text.removesuffix("\n").split("\n")
        need(len(lines) <= MAX_LINES, f"more than {MAX_LINES} lines", "bad-policy")
        for number, line in enumerate(lines, 1):
            word, *rest = re.split("[ \t\r]+", line.split("#", 1)[0].strip(" \t\r"))
            try:
                if word:
                    found[word].append(_READERS[word](found, *rest))
            except (KeyError, TypeError, Malformed) as error:
                message = f"cannot read: {line.strip()} ({error})"
                raise Malformed(message, code="bad-policy", where=f"line {number}") from None
        logs, clocks, witnesses, groups, quorums, registrars, anchors, ages = found.values()
        is_whole = logs and len(quorums) <= 1 and len(ages) <= 1
        need(is_whole, "a policy has a log, at most one quorum and at most one max-age", "bad-policy")
        return cls(
            tuple(logs), tuple(clocks), dict(witnesses), dict(groups), (quorums or [None])[0], tuple(registrars),
            tuple(anchors), (ages or [86_400])[0],
        )  # fmt: skip

    def met_by(self, signed: Collection[str]) -> bool:
        """Whether the witnesses named in `signed` satisfy the quorum; False where the policy has none."""
        return self.quorum is not None and self._counts(self.quorum, signed)

    def _counts(self, name: str, signed: Collection[str]) -> bool:
        group = self.groups.get(name)
        return sum(self._counts(one, signed) for one in group.members) >= group.threshold if group else name in signed


def _witness(found: _Lines, name: str, vkey: str, url: str = "") -> tuple[str, VerifierKey]:
    need(name != "none" and name not in _names(found), "this name is taken")
    return name, _vkey(found, vkey, COSIGNER, "log", "clock")


def _group(found: _Lines, name: str, threshold: str, *members: str) -> tuple[str, Group]:
    need(name != "none" and name not in _names(found), "this name is taken")
    # A name is defined before it is used, so groups cannot form a circle.
    is_set = members and len(set(members)) == len(members) and _names(found).issuperset(members)
    need(is_set, "a group has distinct members that were defined above")
    least = {"any": 1, "all": len(members)}.get(threshold) or count(threshold)
    need(1 <= least <= len(members), "the threshold is out of range")
    return name, Group(least, members)


def _quorum(found: _Lines, name: str) -> str | None:
    need(name == "none" or name in _names(found), "the quorum names nothing defined above")
    return None if name == "none" else name


def _registrar(found: _Lines, uri: str, thumbprint: str, span: str, scope: str) -> Registrar:
    first, dash, until = span.partition("-")
    is_spelled = dash and re.fullmatch("[A-Za-z0-9_-]{43}", thumbprint)
    need(is_spelled, "registrar <uri> <thumbprint> <from>-[<until>] <scope|*>")
    return Registrar(uri, thumbprint, count(first), count(until) if until else None, scope)


def _anchor(found: _Lines, chain: str, contract: str, log_id: str, signer: str, code: str | None = None) -> AnchorPin:
    need(_ANCHOR.fullmatch(f"{contract} {log_id} {signer} {code or ''}"), "anchor <chain> 0x… 0x… 0x… [<sha256>]")
    return AnchorPin(count(chain), contract.lower(), log_id.lower(), signer.lower(), code)


def _names(found: _Lines) -> set[str]:
    return {name for name, _ in found["witness"] + found["group"]}


def _vkey(found: _Lines, text: str, kind: int, *others: str) -> VerifierKey:
    key = VerifierKey.parse(text)
    need(key.kind == kind, f"a key of kind {kind:02x} was expected")
    # One key counts once, whatever its names; and neither the log nor its clock is a third party.
    known = sum([found[word] for word in others], list(dict(found["witness"]).values()))
    need(key.public not in [other.public for other in known], "this key is already in the policy")
    return key


# In the order of Policy's members.
_READERS: Mapping[str, Callable[..., object]] = {
    "log": lambda found, vkey, url="": _vkey(found, vkey, LOG),
    "clock": lambda found, vkey: _vkey(found, vkey, COSIGNER),
    "witness": _witness,
    "group": _group,
    "quorum": _quorum,
    "registrar": _registrar,
    "anchor": _anchor,
    "max-age": lambda found, seconds: count(seconds),
}
