"""
What a statement is about: the canonical URIs under whose SHA-256 its entry can be found from tiles alone.

Every statement is also about its issuer, every control statement about its kind.  Our own kinds write URIs in canonical
form or are refused, since authority compares them as texts; EPCIS events may come in any notation and are converted.

Source: protocol.md section 1, Subject keys and SD-JWT.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

from .entry import MAX_KEYS
from .epcis import read_event
from .errors import Malformed
from .gs1 import canonical_uri
from .statement import CONTROL_KINDS, Statement

_SUBJECT = "/credentialSubject"
# Members that name subjects, as a URI, or a list of URIs where the name ends in "s"; "?" where one may be absent.
# Withdrawal and Erasure carry their target's keys instead, and events are read by epcis.py.
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "Genesis": ("id",), "PartyRegistration": ("id",), "KeyRevocation": ("id",), "LabelCommitment": ("id",),
    "RecallNotice": ("lots?", "products?", "places?"), "Withdrawal": (), "Erasure": (), "MasterData": ("id", "holder?"),
    "Certificate": ("subjects", "holder"), "CommitmentCertificate": ("lot", "holder"), "LabReport": ("lot", "holder?"),
}  # fmt: skip


def uris(statement: Statement) -> tuple[str, ...]:
    """
    Return the distinct canonical URIs of a statement, its issuer first.

    Raises Malformed: what gs1.py and epcis.py refuse; `withheld-subject` where a reader without the disclosures would find
    others, since keys must be the same for all.
    """
    found = _uris(statement, statement.disclosed)
    if statement.disclosures:
        try:
            bare = _uris(statement, statement.subject)
        except Malformed:
            bare = ()
        if bare != found:
            raise Malformed("a member that names a subject is withheld", code="withheld-subject", where=_SUBJECT)
    return found


def keys(statement: Statement) -> tuple[bytes, ...]:
    """Return the entry's keys: SHA-256 of every URI, or the target's keys as carried; sorted, distinct, at most 1,024."""
    found = {sha256(uri.encode()).digest() for uri in uris(statement)}
    if statement.kind in ("Withdrawal", "Erasure"):
        found |= set(_target_keys(statement.disclosed.get("keys")))
    if len(found) > MAX_KEYS:
        raise Malformed(f"{len(found)} subjects: split the record", code="too-many-subjects", where=_SUBJECT)
    return tuple(sorted(found))


def _uris(statement: Statement, body: Mapping[str, object]) -> tuple[str, ...]:
    kind = statement.kind
    found = [_canonical(statement.issuer, "/issuer")]
    if kind in CONTROL_KINDS:
        found.append(f"urn:originmark:kind:{kind}")
    if kind in ("TraceabilityEvent", "Adoption"):
        found += _told(body if kind == "TraceabilityEvent" else body.get("event"))
    else:
        found += _named(kind, body.get("scope") if kind == "RecallNotice" else body)
    return tuple(dict.fromkeys(found))


def _told(raw: object) -> Iterator[str]:
    event = read_event(raw)
    for one in event.objects:
        yield from (uri for uri in (one.uri, one.lot) if uri is not None)
    yield from (place for place in (event.read_point, event.biz_location) if place is not None)


def _named(kind: str, body: object) -> Iterator[str]:
    if not isinstance(body, dict) or kind not in _MEMBERS:
        raise Malformed(f"a {kind} names its subjects otherwise", code="bad-subject", where=_SUBJECT)
    for member in _MEMBERS[kind]:
        name = member.rstrip("?")
        if name in body or name == member:
            value = body.get(name)
            for uri in value if isinstance(value, list) and name.endswith("s") else [value]:
                yield _canonical(uri, f"{_SUBJECT}/{name}")


def _canonical(value: object, where: str) -> str:
    try:
        uri = canonical_uri(value)
    except Malformed as error:
        raise Malformed(error.message, code=error.code, where=where) from None
    if uri != value:
        raise Malformed(f"not in canonical form: {uri}", code="bad-uri", where=where)
    return uri


def _target_keys(value: object) -> Iterator[bytes]:
    if not isinstance(value, list) or not value:
        raise Malformed("the keys of the target's entry are missing", code="bad-subject", where=f"{_SUBJECT}/keys")
    for key in value:
        if not isinstance(key, str) or not re.fullmatch("[0-9a-f]{64}", key):
            raise Malformed("a subject key is 64 lower-case hex digits", code="bad-subject", where=f"{_SUBJECT}/keys")
        yield bytes.fromhex(key)
