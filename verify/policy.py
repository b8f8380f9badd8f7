"""The reader's policy: which keys, quorum, registrars and contracts a verifier accepts, and how old an answer may be.
It comes from the reader's side, never from the bundle.  PROTOCOL.md, "Policy", shows every line.  Source:
c2sp.org/tlog-policy, with lines of our own for clock, registrar, anchor and max-age."""
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from .errors import Malformed, need
from .note import COSIGNER, LOG, VerifierKey
from .strict import count

# Chains that anybody starts at home (ganache, hardhat and anvil, eth-tester): a root there proves nothing to others.
DEV_CHAIN_IDS = frozenset((1337, 31337, 131277322940537))
MAX_LINES = 256
_REGISTRAR = re.compile("[A-Za-z0-9_-]{43} [0-9]+-[0-9]*")
_ANCHOR = re.compile("0x[0-9a-fA-F]{40} 0x[0-9a-fA-F]{64} 0x[0-9a-fA-F]{40}( [0-9a-f]{64})?")

@dataclass(frozen=True, slots=True)
class Registrar:
    """Who may bind keys to parties, for entries in [first, until) and parties whose URI starts with `scope` (* for all)."""
    uri: str
    thumbprint: str
    first: int
    until: int | None
    scope: str

    def covers(self, index: int, party: str) -> bool:
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

@dataclass(slots=True)
class Policy:
    """What one reader trusts."""
    logs: tuple[VerifierKey, ...] = ()
    clocks: tuple[VerifierKey, ...] = ()
    witnesses: dict[str, VerifierKey] = field(default_factory=dict)
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)  # how many of which witnesses and groups
    quorum: str | None = None
    registrars: tuple[Registrar, ...] = ()
    anchors: tuple[AnchorPin, ...] = ()
    max_age_s: int = 86_400

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """Parse a policy file; raises Malformed (`bad-policy`) with the line number."""
        # Only LF ends a line: a separator that an editor does not show could hide a line inside a comment.
        policy, lines, words = cls(), text.removesuffix("\n").split("\n"), set[str]()
        need(len(lines) <= MAX_LINES, f"more than {MAX_LINES} lines", "bad-policy")
        for number, line in enumerate(lines, 1):
            word, *rest = re.split("[ \t\r]+", line.split("#", 1)[0].strip(" \t\r"))
            try:
                need(word not in words or word not in ("quorum", "max-age"), f"a second {word}")
                if word:
                    policy._take(word, rest)
            except Malformed as error:
                raise Malformed(f"cannot read: {line.strip()} ({error})", "bad-policy", f"line {number}") from None
            words.add(word)
        need(policy.logs, "a policy has a log", "bad-policy")
        return policy

    def _take(self, word: str, rest: list[str]) -> None:
        names = {*self.witnesses, *self.groups}
        is_free = rest and rest[0] != "none" and rest[0] not in names
        need(word not in ("witness", "group") or is_free, "this name is taken")
        match word, rest:
            case "log", [vkey] | [vkey, _]:
                self.logs += (self._vkey(vkey, LOG),)
            case "clock", [vkey]:
                self.clocks += (self._vkey(vkey, COSIGNER),)
            case "witness", [name, vkey] | [name, vkey, _]:
                self.witnesses[name] = self._vkey(vkey, COSIGNER, *self.logs, *self.clocks)
            case "group", [name, threshold, *members]:
                # A name is defined before it is used, so groups cannot form a circle.
                least = {"any": 1, "all": len(members)}.get(threshold) or count(threshold)
                is_set = len(set(members)) == len(members) and names.issuperset(members)
                need(is_set and 1 <= least <= len(members), "a group is some of distinct members that were defined above")
                self.groups[name] = (least, members)
            case "quorum", [name]:
                need(name == "none" or name in names, "the quorum names nothing defined above")
                self.quorum = None if name == "none" else name
            case "registrar", [uri, thumbprint, span, scope] if _REGISTRAR.fullmatch(f"{thumbprint} {span}"):
                first, _, until = span.partition("-")
                self.registrars += (Registrar(uri, thumbprint, count(first), count(until) if until else None, scope),)
            case "anchor", [chain, *pins] if _ANCHOR.fullmatch(" ".join(pins)):
                contract, log_id, signer, *code = map(str.lower, pins)
                self.anchors += (AnchorPin(count(chain), contract, log_id, signer, code[0] if code else None),)
            case "max-age", [seconds]:
                self.max_age_s = count(seconds)
            case _:
                raise Malformed("no such line")

    def _vkey(self, text: str, kind: int, *others: VerifierKey) -> VerifierKey:
        key = VerifierKey.parse(text)
        need(key.kind == kind, f"a key of kind {kind:02x} was expected")
        # One key counts once, whatever its names; and neither the log nor its clock is a third party.
        known = [other.public for other in (*self.witnesses.values(), *others)]
        need(key.public not in known, "this key is already in the policy")
        return key

    def met_by(self, signed: Collection[str], name: str | None = None) -> bool:
        """Whether the witnesses named in `signed` satisfy the quorum, or the group `name`; never where there is none."""
        name = name or self.quorum
        if name is None or name not in self.groups:
            return name in signed
        least, members = self.groups[name]
        return sum(self.met_by(signed, one) for one in members) >= least
