"""What a statement is about: the canonical URIs under whose SHA-256 its entry can be found from tiles alone.
Our own kinds write URIs in canonical form or are refused, since authority compares them as texts; EPCIS events may come in
any notation and are converted.  Source: protocol.md section 1, Subject keys and SD-JWT."""
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from .entry import MAX_KEYS
from .epcis import Event, read_event
from .errors import Malformed, at, need
from .gs1 import canonical_uri
from .statement import CONTROL_KINDS, Statement

_SUBJECT = "/credentialSubject"
KIND_URI = "urn:originmark:kind:"  # a control statement is also about its kind
# Members that name subjects, as a URI, or a list of URIs where the name ends in "s"; "?" where one may be absent.
# Withdrawal and Erasure carry their target's keys instead, and events are read by epcis.py.
_MEMBERS: Mapping[str, str] = {
    "Genesis": "id", "PartyRegistration": "id", "KeyRevocation": "id", "LabelCommitment": "id", "MasterData": "id holder?",
    "Withdrawal": "", "Erasure": "", "RecallNotice": "lots? products? places?", "Certificate": "subjects holder",
    "CommitmentCertificate": "lot holder", "LabReport": "lot holder?",
}

@dataclass(frozen=True, slots=True)
class Logged:
    """What the log knows of one statement."""
    index: int
    digest: bytes
    kind: str
    issuer: str
    keys: tuple[bytes, ...]

@dataclass(frozen=True, slots=True)
class Record(Logged):
    """A statement at its place in the log, with its subjects (canonical URIs) and its event where it tells one."""
    time_ms: int
    statement: Statement
    uris: tuple[str, ...]
    event: Event | None

    @classmethod
    def of(cls, index: int, time_ms: int, told: Statement) -> "Record":
        """Read a statement's subjects and event; raises Malformed."""
        named = uris(told, event := event_of(told.kind, told.disclosed))
        return cls(index, told.digest, told.kind, told.issuer, keys(told, named), time_ms, told, named, event)

def key_of(uri: str) -> bytes:
    """The subject key of a canonical URI, 32 bytes."""
    return sha256(uri.encode()).digest()

def event_of(kind: str, body: Mapping[str, Any]) -> Event | None:
    """The event that a statement of this kind tells, None for kinds that tell none.  Raises Malformed."""
    told = {"TraceabilityEvent": body, "Adoption": body.get("event")}
    return read_event(told[kind]) if kind in told else None

def uris(statement: Statement, event: Event | None = None) -> tuple[str, ...]:
    """Return the distinct canonical URIs of a statement (`event`, where it was read), its issuer first.  Raises Malformed."""
    found = _uris(statement, statement.disclosed, event)
    # A reader without the disclosures must find the same: keys are the same for all.
    if statement.disclosures:
        try:
            bare = _uris(statement, statement.subject)
        except Malformed:
            bare = ()
        need(bare == found, "a member that names a subject is withheld", "withheld-subject", _SUBJECT)
    return found

def keys(statement: Statement, named: Sequence[str] = ()) -> tuple[bytes, ...]:
    """Return the entry's keys: SHA-256 of every URI (`named`, where known), or the target's keys as carried; sorted, distinct."""
    found = set(map(key_of, named or uris(statement)))
    if statement.kind in ("Withdrawal", "Erasure"):
        target = statement.disclosed.get("keys")
        is_list = isinstance(target, list) and all(isinstance(key, str) and re.fullmatch("[0-9a-f]{64}", key) for key in target)
        need(target and is_list, "the keys of the target's entry are missing", "bad-subject", f"{_SUBJECT}/keys")
        found.update(map(bytes.fromhex, target or []))
    need(len(found) <= MAX_KEYS, f"{len(found)} subjects: split the record", "too-many-subjects", _SUBJECT)
    return tuple(sorted(found))

def _uris(statement: Statement, body: Mapping[str, Any], event: Event | None = None) -> tuple[str, ...]:
    kind, issuer = statement.kind, _canonical(statement.issuer, "/issuer")
    event = event or event_of(kind, body)
    named = (*event.uris, *event.places) if event else _named(kind, body.get("scope") if kind == "RecallNotice" else body)
    # Otherwise anybody's event would count as a control statement to whoever follows them from tiles.
    need(not any(uri.startswith(KIND_URI) for uri in (issuer, *named)), "names a kind as its subject", "bad-subject", _SUBJECT)
    kinds = [KIND_URI + kind] * (kind in CONTROL_KINDS)
    return tuple(dict.fromkeys([issuer, *kinds, *named]))

def _named(kind: str, body: Any) -> tuple[str, ...]:
    need(isinstance(body, dict), f"a {kind} names its subjects otherwise", "bad-subject", _SUBJECT)
    found: list[str] = []
    for member in _MEMBERS[kind].split():
        name = member.rstrip("?")
        if name in body or name == member:
            value = body.get(name)
            listed = value if isinstance(value, list) and name.endswith("s") else [value]
            found += [_canonical(uri, f"{_SUBJECT}/{name}") for uri in listed]
    return tuple(found)

def _canonical(value: object, where: str) -> str:
    with at(where):
        uri = canonical_uri(value)
    need(uri == value, f"not in canonical form: {uri}", "bad-uri", where)
    return uri
