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
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from .errors import Malformed
from .merkle import MAX_SIZE
from .note import COSIGNER, LOG, VerifierKey

# Chains that anybody starts at home (ganache, hardhat and anvil, eth-tester): a root there proves nothing to others.
DEV_CHAIN_IDS = frozenset((1337, 31337, 131277322940537))
MAX_LINES = 256


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
        reading = _Reading()
        # Only LF ends a line: a separator that an editor does not show could hide a line inside a comment.
        lines = text.removesuffix("\n").split("\n")
        if len(lines) > MAX_LINES:
            raise Malformed(f"more than {MAX_LINES} lines", code="bad-policy")
        for number, line in enumerate(lines, 1):
            words = [word for word in re.split("[ \t\r]+", line.split("#", 1)[0]) if word]
            try:
                if words:
                    reading.read(words[0], words[1:])
            except (ValueError, KeyError, TypeError, Malformed) as error:
                raise Malformed(
                    f"cannot read: {line.strip()} ({error})", code="bad-policy", where=f"line {number}"
                ) from None
        return reading.policy()

    def met_by(self, signed: Collection[str]) -> bool:
        """Whether the witnesses named in `signed` satisfy the quorum; False where the policy has none."""
        return self.quorum is not None and self._counts(self.quorum, signed)

    def _counts(self, name: str, signed: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in signed
        return sum(self._counts(member, signed) for member in group.members) >= group.threshold


class _Reading:
    """A policy while it is read: a name must be defined before it is used, so groups cannot form a circle."""

    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.clocks: list[VerifierKey] = []
        self.witnesses: dict[str, VerifierKey] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: list[str | None] = []
        self.registrars: list[Registrar] = []
        self.anchors: list[AnchorPin] = []
        self.max_age: list[int] = []

    def read(self, word: str, rest: list[str]) -> None:
        """Read one line; KeyError for a word that is not ours."""
        {
            "log": self._log, "clock": self._clock, "witness": self._witness, "group": self._group,
            "quorum": self._quorum, "registrar": self._registrar, "anchor": self._anchor, "max-age": self._age,
        }[word](*rest)  # type: ignore[operator]  # fmt: skip

    def policy(self) -> Policy:
        """The finished policy; at least one log, at most one quorum and one max-age."""
        if not self.logs or len(self.quorum) > 1 or len(self.max_age) > 1:
            raise Malformed("a policy has a log, at most one quorum and at most one max-age", code="bad-policy")
        return Policy(
            tuple(self.logs), tuple(self.clocks), self.witnesses, self.groups, (self.quorum or [None])[0],
            tuple(self.registrars), tuple(self.anchors), (self.max_age or [86_400])[0],
        )  # fmt: skip

    def _log(self, vkey: str, url: str = "") -> None:
        self.logs.append(_vkey(vkey, LOG, self.witnesses.values()))

    def _clock(self, vkey: str) -> None:
        self.clocks.append(_vkey(vkey, COSIGNER, self.witnesses.values()))

    def _witness(self, name: str, vkey: str, url: str = "") -> None:
        self._new(name)
        self.witnesses[name] = _vkey(vkey, COSIGNER, (*self.witnesses.values(), *self.logs, *self.clocks))

    def _group(self, name: str, threshold: str, *names: str) -> None:
        self._new(name)
        if (
            not names
            or len(set(names)) != len(names)
            or not all(one in self.witnesses or one in self.groups for one in names)
        ):
            raise ValueError("a group has distinct members that were defined above")
        count = {"any": 1, "all": len(names)}.get(threshold) or _number(threshold)
        if not 1 <= count <= len(names):
            raise ValueError("the threshold is out of range")
        self.groups[name] = Group(count, names)

    def _quorum(self, name: str) -> None:
        if name != "none" and name not in self.witnesses and name not in self.groups:
            raise ValueError("the quorum names nothing defined above")
        self.quorum.append(None if name == "none" else name)

    def _registrar(self, uri: str, thumbprint: str, span: str, scope: str) -> None:
        first, dash, until = span.partition("-")
        if not dash or not re.fullmatch(r"[A-Za-z0-9_-]{43}", thumbprint):
            raise ValueError("registrar <uri> <thumbprint> <from>-[<until>] <scope|*>")
        self.registrars.append(Registrar(uri, thumbprint, _number(first), _number(until) if until else None, scope))

    def _anchor(self, chain: str, contract: str, log_id: str, signer: str, code: str | None = None) -> None:
        for value, digits in ((contract, 40), (log_id, 64), (signer, 40)):
            if not re.fullmatch(rf"0x[0-9a-fA-F]{{{digits}}}", value):
                raise ValueError(f"0x and {digits} hexadecimal digits were expected")
        if code is not None and not re.fullmatch(r"[0-9a-f]{64}", code):
            raise ValueError("64 hexadecimal digits were expected")
        self.anchors.append(AnchorPin(_number(chain), contract.lower(), log_id.lower(), signer.lower(), code))

    def _age(self, seconds: str) -> None:
        self.max_age.append(_number(seconds))

    def _new(self, name: str) -> None:
        if name == "none" or name in self.witnesses or name in self.groups:
            raise ValueError("this name is taken")


def _vkey(text: str, kind: int, others: Iterable[VerifierKey]) -> VerifierKey:
    key = VerifierKey.parse(text)
    if key.kind != kind:
        raise ValueError(f"a key of kind {kind:02x} was expected")
    # One key counts once, whatever its names; and neither the log nor its clock is a third party.
    if key.public in [other.public for other in others]:
        raise ValueError("this key is already in the policy")
    return key


def _number(text: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", text, re.ASCII) or int(text) > MAX_SIZE:
        raise ValueError(f"{text} is not a number")
    return int(text)
