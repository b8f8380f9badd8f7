"""
The answer note: what the operator says exists about the subjects of one scan, over its own signature.

    originmark.org/answer@v1
    <origin>
    <size>
    <root, base64>
    time <seconds since 1970>
    key <subject key, base64> <count> <SHA-256 of the matching indexes, u64 big-endian each, base64>
    party <subject key, base64> <count> <the same, over registrations and revocations alone>
    control <index> <index> ...

The first line can be no checkpoint's (its second line is no number).  If the operator leaves a recall out, this note is the
evidence and the tiles convict it: `convict` is the whole trial.

Source: protocol.md section 1, Bundle.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from .entry import Entry
from .errors import Malformed, NotIncluded, Omitted
from .merkle import Hash, leaf_hash, root, roots_reader
from .statement import CONTROL_KINDS
from .strict import b64_decode, b64_encode

HEADER = "originmark.org/answer@v1"
MAX_KEYS = 1_024


def kind_key(kind: str) -> bytes:
    """The subject key under which anyone can follow all control statements of a kind."""
    return sha256(f"urn:originmark:kind:{kind}".encode()).digest()


_CONTROL = frozenset(map(kind_key, CONTROL_KINDS))
_PARTY = frozenset(map(kind_key, ("PartyRegistration", "KeyRevocation")))


@dataclass(frozen=True, slots=True)
class Matches:
    """How many entries match, and the SHA-256 over their indexes."""

    count: int
    digest: bytes

    @classmethod
    def of(cls, indexes: Sequence[int]) -> "Matches":
        """Count and hash ascending indexes."""
        return cls(len(indexes), sha256(b"".join(index.to_bytes(8, "big") for index in indexes)).digest())


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of an answer note; keys ascending, control indexes ascending."""

    origin: str
    size: int
    root: Hash
    time_s: int
    keys: Mapping[bytes, Matches]
    parties: Mapping[bytes, Matches]
    control: tuple[int, ...]

    def format(self) -> str:
        """Print the text that the log key signs."""
        rows = [f"{word} {b64_encode(key)} {m.count} {b64_encode(m.digest)}" for word, asked in
                (("key", self.keys), ("party", self.parties)) for key, m in sorted(asked.items())]  # fmt: skip
        last = " ".join(["control", *map(str, self.control)])
        head = [HEADER, self.origin, str(self.size), b64_encode(self.root), f"time {self.time_s}"]
        return "\n".join([*head, *rows, last]) + "\n"

    @classmethod
    def parse(cls, text: str) -> "Answer":
        """Parse the text; accepts exactly what `format` prints.  Raises Malformed (`bad-answer`)."""
        lines = text.split("\n")
        try:
            head, rows, last = lines[:5], [line.split(" ") for line in lines[5:-2]], lines[-2].split(" ")
            asked: dict[str, dict[bytes, Matches]] = {"key": {}, "party": {}}
            for word, key, count, digest in rows:
                asked[word][b64_decode(key, length=32)] = Matches(_number(count), b64_decode(digest, length=32))
            answer = cls(head[1], _number(head[2]), b64_decode(head[3], length=32), _number(head[4][5:]), asked["key"],
                         asked["party"], tuple(map(_number, last[1:])))  # fmt: skip
        except (IndexError, KeyError, ValueError, Malformed):
            raise Malformed("not an answer note", code="bad-answer") from None
        if len(rows) > MAX_KEYS or answer.format() != text or list(answer.control) != sorted(set(answer.control)):
            raise Malformed("not an answer note in its one form", code="bad-answer")
        return answer


def _number(text: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", text, re.ASCII):
        raise ValueError(text)
    return int(text)


def answer_from(entries: Iterable[Entry], origin: str, size: int, root_: Hash, time_s: int,
                keys: Iterable[bytes], parties: Iterable[bytes]) -> Answer:  # fmt: skip
    """Make the honest answer from entries in log order: what the operator signs and the tiles confirm."""
    found: dict[bytes, list[int]] = {key: [] for key in keys}
    known: dict[bytes, list[int]] = {key: [] for key in parties}
    control: set[int] = set()
    for index, entry in enumerate(entries):
        is_control = not _CONTROL.isdisjoint(entry.keys)
        is_party = not _PARTY.isdisjoint(entry.keys)
        for key in entry.keys:
            if key in found:
                found[key].append(index)
                control |= {index} if is_control else set()
            if is_party and key in known:
                known[key].append(index)
                control.add(index)
    matches = {key: Matches.of(indexes) for key, indexes in found.items()}
    return Answer(origin, size, root_, time_s, matches, {k: Matches.of(v) for k, v in known.items()}, tuple(sorted(control)))


def check_shown(answer: Answer, shown: Mapping[int, Sequence[bytes]], asked: Iterable[bytes], parties: Iterable[bytes]) -> None:
    """
    Check an answer against what is shown with it (index -> subject keys): every key asked, every control statement it
    admits carried and the other way round, no count below what is shown.  Raises Omitted.
    """
    if set(asked) - set(answer.keys) or set(parties) - set(answer.parties):
        raise Omitted("the answer does not cover every subject of the way back", code="subject-not-asked")
    missing = [index for index in answer.control if index not in shown]
    if missing:
        raise Omitted(f"the control statement {missing[0]} is admitted and not shown", code="control-not-shown")
    for is_party, matches in ((False, answer.keys), (True, answer.parties)):
        for key, claim in matches.items():
            seen = [i for i, keys in sorted(shown.items()) if key in keys and (not is_party or not _PARTY.isdisjoint(keys))]
            control = [i for i in seen if not _CONTROL.isdisjoint(shown[i])]
            if not set(control) <= set(answer.control):
                raise Omitted("a control statement shown is missing in the answer", code="control-not-answered")
            if claim.count < len(seen) or ((is_party or claim.count == len(seen)) and claim != Matches.of(seen)):
                raise Omitted("the answer counts other entries than those shown", code="wrong-count")


def convict(answer: Answer, entries: Sequence[bytes]) -> None:
    """
    Try an answer against the log's own entries: all `answer.size` of them, as the tiles hold them.

    Raises NotIncluded where the entries are not the log of the answer's root (then they prove nothing against it),
    Omitted where the operator signed something else than its own log says.
    """
    reader = roots_reader([leaf_hash(entry) for entry in entries])
    if len(entries) != answer.size or root(reader, len(entries)) != answer.root:
        raise NotIncluded("these entries are not the log that the answer is about", code="other-log")
    decoded = [Entry.decode(entry) for entry in entries]
    honest = answer_from(decoded, answer.origin, answer.size, answer.root, answer.time_s, answer.keys, answer.parties)
    if honest != answer:
        hidden = sorted(set(honest.control) - set(answer.control))
        raise Omitted(f"the operator signed an answer that its own log refutes (entries {hidden or 'counted wrong'})",
                      code="omitted")  # fmt: skip
