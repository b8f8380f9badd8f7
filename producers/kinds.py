"""
The kinds of record that are no event, as values: master data, certificates, laboratory reports.

One class a kind; what a party with a role of its own tells (registrations, recalls, commitments) is in control.py.

Source: protocol.md section 1; W3C VC Data Model 2.0 (credentialSubject).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

from producers.epcis.text import encode
from verify.errors import Malformed

Text = Mapping[str, str]
"""A text by language: {"en": ..., "zh": ...}."""


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
    """{"lat": "31.23", "lon": "121.47"}: decimal strings, WGS 84 degrees; both or nothing."""
    field: str | None = None
    allowed_producers: Sequence[str] | None = None
    """Parties that may commission lots of this product, beside its owner."""
    image: str | None = None
    """Hash of the picture, lower-case hex SHA-256."""
    more: Mapping[str, object] | None = None
    """
    Further descriptive members.

    Of a place: `phone`, `address`, `city`, `region`, `postalCode` and `country` (ISO 3166, two letters).  With the name of its
    `holder` they make the location description that FSMA 204 asks for (21 CFR 1.1310); each may be a text, or one by language.
    """

    def __post_init__(self) -> None:
        told = [] if self.geo is None else [self.geo.get("lat", ""), self.geo.get("lon", "")]
        if not all(re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{1,10})?", one) for one in told):
            raise Malformed("lat and lon as decimal degrees, \"31.23\" / 需要十进制经纬度", "bad-position", "/geo")


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


def _plain(value: object) -> Any:
    if is_dataclass(value):
        told = {member(one.name): getattr(value, one.name) for one in fields(value)}
        more = told.pop("more", None) or {}
        return {name: _plain(member) for name, member in {**told, **more}.items() if member is not None}
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def member(name: str) -> str:
    """The JSON member of a field: camel case, `class_` is class."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.title() for word in rest)
