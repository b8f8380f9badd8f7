"""The answer note: what the operator says exists about the subjects of one scan, over its own signature (PROTOCOL.md, "Answer").
If the operator leaves a recall out, this note is the evidence and the tiles convict it: `convict` is the whole trial."""
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from .entry import Entry
from .errors import Malformed, NotIncluded, Omitted, need
from .merkle import Hash, leaf_hash, root, roots_reader
from .statement import CONTROL_KINDS
from .strict import b64_decode, b64_encode, count
from .subjects import KIND_URI, key_of

HEADER = "originmark.org/answer@v1"
MAX_KEYS = 1_024

def kind_key(kind: str) -> bytes:
    """The subject key under which anyone can follow all control statements of a kind."""
    return key_of(KIND_URI + kind)

_CONTROL = frozenset(map(kind_key, CONTROL_KINDS))
_PARTY = frozenset(map(kind_key, ("PartyRegistration", "KeyRevocation")))

@dataclass(frozen=True, slots=True)
class Matches:
    """How many entries match, and the SHA-256 over their indexes."""
    count: int
    digest: bytes

    @classmethod
    def of(cls, indexes: Sequence[int]) -> "Matches":
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
        rows = [f"{word} {b64_encode(key)} {m.count} {b64_encode(m.digest)}"
                for word, asked in (("key", self.keys), ("party", self.parties)) for key, m in sorted(asked.items())]
        head = [HEADER, self.origin, str(self.size), b64_encode(self.root), f"time {self.time_s}"]
        return "\n".join([*head, *rows, " ".join(["control", *map(str, self.control)]), ""])

    @classmethod
    def parse(cls, text: str) -> "Answer":
        """Parse the text; accepts exactly what `format` prints.  Raises Malformed (`bad-answer`)."""
        asked: dict[str, dict[bytes, Matches]] = {"key": {}, "party": {}}
        try:
            _, origin, size, root_, time_s, *rows, last, _ = text.split("\n")
            for word, key, number, digest in (row.split(" ") for row in rows):
                asked[word][b64_decode(key, length=32)] = Matches(count(number), b64_decode(digest, length=32))
            answer = cls(origin, count(size), b64_decode(root_, length=32), count(time_s[5:]), asked["key"], asked["party"],
                         tuple(map(count, last.split(" ")[1:])))
        except (KeyError, ValueError, Malformed):
            raise Malformed("not an answer note", "bad-answer") from None
        is_form = len(rows) <= MAX_KEYS and answer.format() == text and list(answer.control) == sorted(set(answer.control))
        need(is_form, "not an answer note in its one form", "bad-answer")
        return answer

def answer_from(entries: Iterable[Entry], origin: str, size: int, root_: Hash, time_s: int,
                keys: Iterable[bytes], parties: Iterable[bytes]) -> Answer:
    """Make the honest answer from entries in log order: what the operator signs and the tiles confirm."""
    found: dict[bytes, list[int]] = {key: [] for key in keys}
    known: dict[bytes, list[int]] = {key: [] for key in parties}
    control: set[int] = set()
    for index, entry in enumerate(entries):
        for asked in (found,) if _PARTY.isdisjoint(entry.keys) else (found, known):
            for key in [key for key in entry.keys if key in asked]:
                asked[key].append(index)
                control |= set() if _CONTROL.isdisjoint(entry.keys) else {index}
    matches, ours = ({key: Matches.of(indexes) for key, indexes in asked.items()} for asked in (found, known))
    return Answer(origin, size, root_, time_s, matches, ours, tuple(sorted(control)))

def check_shown(answer: Answer, shown: Mapping[int, Sequence[bytes]], asked: Iterable[bytes], parties: Iterable[bytes]) -> None:
    """Check an answer against what is shown with it (index -> subject keys), and what had to be asked.  Raises Omitted."""
    is_covered = set(asked) <= set(answer.keys) and set(parties) <= set(answer.parties)
    Omitted.unless(is_covered, "the answer does not cover every subject of the way back", "subject-not-asked")
    for index in answer.control:
        Omitted.unless(index in shown, f"the control statement {index} is admitted and not shown", "control-not-shown")
    for is_party, matches in ((False, answer.keys), (True, answer.parties)):
        for key, claim in matches.items():
            seen = [i for i, keys in sorted(shown.items()) if key in keys and (not is_party or not _PARTY.isdisjoint(keys))]
            is_told = all(i in answer.control or _CONTROL.isdisjoint(shown[i]) for i in seen)
            Omitted.unless(is_told, "a control statement shown is missing in the answer", "control-not-answered")
            is_right = claim.count > len(seen) if not is_party and claim.count != len(seen) else claim == Matches.of(seen)
            Omitted.unless(is_right, "the answer counts other entries than those shown", "wrong-count")

def convict(answer: Answer, entries: Sequence[bytes]) -> None:
    """Try an answer against all the log's entries.  Raises Omitted where it says else, NotIncluded if they are of another log."""
    is_log = len(entries) == answer.size and root(roots_reader([leaf_hash(one) for one in entries]), answer.size) == answer.root
    NotIncluded.unless(is_log, "these entries are not the log that the answer is about", "other-log")
    told = map(Entry.decode, entries)
    honest = answer_from(told, answer.origin, answer.size, answer.root, answer.time_s, answer.keys, answer.parties)
    hidden = sorted(set(honest.control) - set(answer.control)) or "counted wrong"
    Omitted.unless(honest == answer, f"the operator signed an answer that its own log refutes (entries {hidden})")
