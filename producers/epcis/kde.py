"""
Key data elements: where each fact that a food law asks for stands in an event, so that a report can find it again.

    fact (21 CFR 1.1325 to 1.1350)          stands in
    traceability lot code                   epcClass of the lot; assigned by the event that packs or transforms
    quantity and unit                       quantity and uom beside it
    commodity, variety                      ilmd COMMODITY, VARIETY
    field or container where it grew        ilmd FIELD_NAME, GROWING_CONTAINER
    harvest date                            ilmd HARVEST_DATE; else the harvest's eventTime, at its offset
    farm                                    readPoint of the harvest; ilmd FARM where another event repeats it
    harvester's business name and phone     member HARVESTER {NAME, PHONE}
    cooling date, place                     COOLING_DATE, COOLING_PLACE: ilmd, or member of the cooling
    product description                     PRODUCT_DESCRIPTION: ilmd, or member of a shipment or receipt
    pack date                               ilmd PACK_DATE
    lot code's source, reference to it      TLC_SOURCE (a place), TLC_SOURCE_REFERENCE (GLN, FFRN, URL, GGN): ilmd, or
                                            member of a shipment or receipt
    shipped from and to, previous source    sourceList and destinationList, type location; parties: owning_party
    date shipped, received, transformed     eventTime at eventTimeZoneOffset
    reference document: type and number     bizTransactionList: type, and a URI made by `Reference.uri`
    use by, country of origin               ilmd EXPIRES, COUNTRY: attributes that CBV has already

`ilmd` belongs to the event that makes a lot (action ADD, or a transformation); other events carry facts as their own
members. Members named `originmark:` are ours: their context is NAMESPACE.  Not here: which facts a law requires (the
reports say).

Source: 21 CFR part 1 subpart S; EPCIS 2.0 (ILMD); CBV 2.0 (master data attributes, business transaction identifiers).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, unquote

from verify.gs1 import canonical_uri

PREFIX = "originmark"
NAMESPACE = "https://originmark.example/ns/"
EPCIS_CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"

COMMODITY = "originmark:commodity"
VARIETY = "originmark:variety"
FIELD_NAME = "originmark:fieldName"
GROWING_CONTAINER = "originmark:growingContainer"
HARVEST_DATE = "originmark:harvestDate"
FARM = "originmark:farm"
HARVESTER = "originmark:harvester"
NAME = "originmark:name"
PHONE = "originmark:phone"
COOLING_DATE = "originmark:coolingDate"
COOLING_PLACE = "originmark:coolingPlace"
PRODUCT_DESCRIPTION = "originmark:productDescription"
PACK_DATE = "originmark:packDate"
TLC_SOURCE = "originmark:tlcSource"
TLC_SOURCE_REFERENCE = "originmark:tlcSourceReference"
SAMPLE_NUMBER = "originmark:sampleNumber"
PRICE = "originmark:price"
EXPIRES = "cbvmda:itemExpirationDate"
COUNTRY = "cbvmda:countryOfOrigin"

HARVEST_TICKET = NAMESPACE + "HarvestTicket"  # types of document that CBV 2.0 has no word for
RECEIPT = NAMESPACE + "Receipt"

_BY_GLN = "urn:epcglobal:cbv:bt:"
_BY_NUMBER = "urn:originmark:document:"


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference document: what kind of paper, and the number printed on it."""

    kind: str
    """A word of CBV 2.0 (po, bol, inv, desadv, recadv, testres, cert ...) or a URI such as HARVEST_TICKET."""
    number: str
    """As printed."""
    gln: str = ""
    """13 digits of the party whose number it is; with it both trading partners name the same document alike."""

    @property
    def uri(self) -> str:
        """What stands as bizTransaction."""
        number = quote(self.number, safe="")
        return f"{_BY_GLN}{self.gln}:{number}" if self.gln else _BY_NUMBER + number

    @classmethod
    def of(cls, kind: str, uri: str) -> "Reference":
        """Read a bizTransaction back; a URI of another form is its own number."""
        if uri.startswith(_BY_GLN):
            gln, _, number = uri.removeprefix(_BY_GLN).partition(":")
            return cls(kind, unquote(number), gln)
        return cls(kind, unquote(uri.removeprefix(_BY_NUMBER)) if uri.startswith(_BY_NUMBER) else uri)


@dataclass(frozen=True, slots=True)
class Harvest:
    """What the grower knows about a harvested lot."""

    commodity: str
    harvested_on: date
    variety: str = ""
    field_name: str = ""
    """The grower's own name of the field."""
    growing_container: str = ""
    """Pond, pool, tank or cage, for aquaculture."""
    country: str = ""
    """ISO 3166, two letters."""

    def ilmd(self) -> dict[str, object]:
        """As members of `ilmd`; what is not known is left out."""
        return _known(
            {
                COMMODITY: self.commodity,
                VARIETY: self.variety,
                FIELD_NAME: self.field_name,
                GROWING_CONTAINER: self.growing_container,
                HARVEST_DATE: self.harvested_on,
                COUNTRY: self.country,
            }
        )


@dataclass(frozen=True, slots=True)
class Packing:
    """What the packer knows about a packed lot, and what the law makes it repeat about the harvest."""

    product_description: str
    """Brand, commodity, variety, size and style of the packaging."""
    packed_on: date
    tlc_source: str = ""
    """URI of the place that assigned the lot code."""
    tlc_source_reference: str = ""
    expires_on: date | None = None
    commodity: str = ""
    variety: str = ""
    harvested_on: date | None = None
    farm: str = ""
    field_name: str = ""
    cooled_on: date | None = None
    cooled_at: str = ""

    def ilmd(self) -> dict[str, object]:
        """As members of `ilmd`; what is not known is left out."""
        return _known(
            {
                PRODUCT_DESCRIPTION: self.product_description,
                PACK_DATE: self.packed_on,
                TLC_SOURCE: _place(self.tlc_source),
                TLC_SOURCE_REFERENCE: self.tlc_source_reference,
                EXPIRES: self.expires_on,
                COMMODITY: self.commodity,
                VARIETY: self.variety,
                HARVEST_DATE: self.harvested_on,
                FARM: _place(self.farm),
                FIELD_NAME: self.field_name,
                COOLING_DATE: self.cooled_on,
                COOLING_PLACE: _place(self.cooled_at),
            }
        )


def _place(uri: str) -> str:
    return uri and canonical_uri(uri)


def _known(facts: Mapping[str, str | date | None]) -> dict[str, object]:
    return {name: fact.isoformat() if isinstance(fact, date) else fact for name, fact in facts.items() if fact}
