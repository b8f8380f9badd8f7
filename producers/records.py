"""
Records: what a party tells, as the exact payload text that is then signed once.

    LabReport(...), Certificate(...) ...   values, one class per kind; here and in control.py
    record(subject, issuer=, at=)          their payload text, with members withheld where that is wanted
    event_record(text, issuer=)            the same for an EPCIS event, whose text is embedded as it came
    sign_record(record, key)               the statement as it travels

The text is built once, members in a fixed order, so that the same facts give the same bytes.  Not here: who may say it
(the log and its readers judge), what an event looks like (epcis/).

Source: W3C VC Data Model 2.0; RFC 9901 for withheld members; protocol.md section 1.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar

from producers.epcis.text import assemble, encode, split
from producers.sign import PrivateKey, disclosure, sign
from verify import gs1, subjects
from verify.errors import Malformed
from verify.statement import CONTEXT, KINDS, WITHHOLDABLE, parse_statement
from verify.strict import b64u_encode

# VC 2.0 wants every term defined; this second context defines those that no other does.
UNDEFINED_TERMS = "https://www.w3.org/ns/credentials/undefined-terms/v2"
Text = Mapping[str, str]
"""A text by language: {"en": ..., "zh": ...}."""


class NotWithholdable(ValueError):
    """This member decides what a record is about, or the kind has no such member to withhold."""


@dataclass(frozen=True, slots=True)
class Record:
    """What will be signed: the exact payload, and the disclosures that open its withheld members."""

    payload_text: str
    disclosures: tuple[str, ...] = ()


class Subject:
    """A `credentialSubject`.  Field names become members in camel case; those that are None are left out."""

    __slots__ = ()
    kind: ClassVar[str]

    def text(self) -> str:
        """Its JSON text."""
        return encode(_plain(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterData(Subject):
    """A place (coordinates, field) or a product (names, image), told by its owner."""

    kind: ClassVar[str] = "MasterData"
    id: str
    type: str
    """Place or Product."""
    name: Text
    holder: str | None = None
    geo: Mapping[str, str] | None = None
    """{"lat": "31.23", "lon": "121.47"}: decimal strings, WGS 84 degrees."""
    field: str | None = None
    allowed_producers: Sequence[str] | None = None
    """Parties that may commission lots of this product, beside its owner."""
    image: str | None = None
    """Hash of the picture, lower-case hex SHA-256."""
    more: Mapping[str, object] | None = None
    """Further descriptive members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Subject):
    """A certificate: 绿色食品, 有机, 地理标志, GAP ...; or a farm's copy of one that its issuer does not sign digitally."""

    kind: ClassVar[str] = "Certificate"
    id: str
    scheme: str
    number: str
    holder: str
    subjects: Sequence[str]
    """Products, lots or places it covers."""
    valid_from: str
    valid_until: str
    attestation: str
    """issuer or copy."""
    document_hash: str | None = None
    lookup: str | None = None
    """Where the certifier shows it."""
    price: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentCertificate(Subject):
    """承诺达标合格证: the producer's form, or the purchaser's when lots are mixed or split."""

    kind: ClassVar[str] = "CommitmentCertificate"
    id: str
    form: str
    """producer or purchaser."""
    lot: str
    holder: str
    product: str
    quantity: Mapping[str, str]
    """{"amount": "820.5", "uom": "KGM"}."""
    basis: Sequence[str]
    """What the promise rests on: own test, entrusted test, internal control, self-commitment."""
    origin: Mapping[str, object]
    issued: str
    upstream: Sequence[str] | None = None
    """Digests (hex) of the certificates of the lots that went in."""
    contact: str | None = None
    price: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Subject):
    """One analyte of a laboratory's report; values are decimal strings, `<0.01` below the limit of quantification."""

    analyte: str
    result: str
    unit: str
    verdict: str
    limit: str | None = None
    lod: str | None = None
    loq: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabReport(Subject):
    """What a laboratory found in a sample of a lot."""

    kind: ClassVar[str] = "LabReport"
    id: str
    lot: str
    sample: str
    results: Sequence[Finding]
    method: str
    verdict: str
    attestation: str
    """issuer or copy."""
    laboratory: str | None = None
    holder: str | None = None
    inspector: str | None = None
    price: str | None = None


@dataclass(frozen=True, slots=True)
class Withholding:
    """Members of a subject that travel apart from the statement, and which of them everybody may see."""

    names: Collection[str] = ()
    """Those that are not there are passed over: not every event has a price."""
    public: Collection[str] = ()


NOTHING = Withholding()


def record(subject: Subject, *, issuer: str, at: datetime, withhold: Withholding = NOTHING) -> Record:
    """
    Make the record of `subject`, told by `issuer` (any notation of its URI) and valid from `at` (aware).

    Raises Malformed for an issuer that is no canonical URI, NotWithholdable, ValueError for a time without offset.
    """
    return _record(subject.kind, subject.text(), issuer, rfc3339(at), withhold)


def event_record(text: str, *, issuer: str, withhold: Withholding = NOTHING) -> Record:
    """
    Make the record of one EPCIS event from its JSON text, which is not re-serialised; valid from its `eventTime`.

    Raises Malformed where the text is no object with an `eventTime`, NotWithholdable.
    """
    return _record("TraceabilityEvent", text, issuer, event_time(text), withhold)


def adoption(text: str, *, adopts: str, issuer: str) -> Record:
    """Make the record that tells an event again under a new key; `adopts` is the digest (hex) signed with the revoked one."""
    told = assemble([("adopts", json.dumps(adopts)), ("event", text)])
    return _record("Adoption", told, issuer, event_time(text), NOTHING)


def sign_record(made: Record, key: PrivateKey) -> bytes:
    """
    Sign a record; the result has passed what every reader checks, its subjects included.

    Raises Malformed: over 64 KiB, a subject that is no canonical URI, over 1,024 subject keys.
    """
    statement = sign(made.payload_text, key, made.disclosures)
    subjects.keys(parse_statement(statement))
    return statement


def rfc3339(moment: datetime) -> str:
    """Print a time with its offset, to the millisecond."""
    if moment.utcoffset() is None:
        raise ValueError("a time needs its offset")
    return moment.isoformat(timespec="milliseconds")


def event_time(text: str) -> str:
    """The event's own `eventTime`, as spelt: a file imported twice must give the same bytes."""
    value = json.loads(dict(split(text)).get("eventTime", "null"))
    if not isinstance(value, str):
        raise Malformed("an event has an eventTime", code="missing-member", where="/eventTime")
    return value


def _record(kind: str, subject: str, issuer: str, valid_from: str, withhold: Withholding) -> Record:
    if kind not in KINDS:
        raise ValueError(f"{kind} is no kind of statement")
    if unknown := set(withhold.names) - WITHHOLDABLE.get(kind, frozenset()):
        raise NotWithholdable(f"{kind}: {', '.join(sorted(unknown))} may not be withheld / 不可隐藏")
    parts = list(split(subject))
    hidden = {name: disclosure(name, value) for name, value in parts if name in withhold.names}
    payload = [
        ("@context", encode([CONTEXT, UNDEFINED_TERMS])),
        ("type", encode(["VerifiableCredential", kind])),
        ("issuer", encode(gs1.canonical_uri(issuer))),
        ("validFrom", encode(valid_from)),
    ]
    if not hidden:
        return Record(assemble([*payload, ("credentialSubject", subject)]))
    digests = {name: _digest(text) for name, text in hidden.items()}
    # Sorted, or the order of the digests would tell which member is which.
    shown = [(name, value) for name, value in parts if name not in hidden]
    payload.append(("credentialSubject", assemble([*shown, ("_sd", encode(sorted(digests.values())))])))
    payload.append(("_sd_alg", encode("sha-256")))
    if public := sorted(digest for name, digest in digests.items() if name in withhold.public):
        payload.append(("public", encode(public)))
    return Record(assemble(payload), tuple(hidden.values()))


def _digest(text: str) -> str:
    return b64u_encode(sha256(text.encode()).digest())


def _plain(value: object) -> Any:
    if is_dataclass(value):
        told = {_member(one.name): getattr(value, one.name) for one in fields(value)}
        more = told.pop("more", None) or {}
        return {name: _plain(member) for name, member in {**told, **more}.items() if member is not None}
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _member(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.title() for word in rest)
