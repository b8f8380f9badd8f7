"""
The parts that events are built of: how much, of what, when, where, between whom.

Each is a value that cannot be wrong in form: times carry their offset, amounts are exact, identifiers are canonical
when they are printed.  Not here: which parts an event is made of (build.py).

Source: EPCIS 2.0 (what, when, where, why); UN/ECE Recommendation 20 for units.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from producers.epcis.kde import Reference
from verify.gs1 import canonical_uri, subjects_of_uri

MAX_AMOUNT = Decimal(10) ** 12
MAX_PLACES = 6  # a gram in tonnes
MAX_OFFSET = timedelta(hours=14)  # Line Islands; EPCIS allows no more
_UNIT = re.compile("[0-9A-Z]{2,3}")


@dataclass(frozen=True, slots=True)
class Quantity:
    """So many, or so much."""

    amount: Decimal
    """Greater than zero, at most MAX_AMOUNT, at most six places."""
    unit: str = ""
    """UN/CEFACT code (KGM, LTR, H87); empty where instances are counted."""

    def __post_init__(self) -> None:
        exponent = self.amount.as_tuple().exponent
        if not isinstance(exponent, int) or not 0 < self.amount <= MAX_AMOUNT or exponent < -MAX_PLACES:
            raise ValueError(
                f"{self.amount} is not a quantity: above 0, at most {MAX_AMOUNT:,}, at most {MAX_PLACES} decimal places / "
                f"数量应大于 0,不超过 {MAX_AMOUNT:,},小数最多 {MAX_PLACES} 位"
            )
        if self.unit and not _UNIT.fullmatch(self.unit):
            raise ValueError(f"{self.unit} is not a UN/CEFACT unit code / 不是 UN/CEFACT 计量单位代码")


@dataclass(frozen=True, slots=True)
class LotQuantity:
    """A quantity of one lot; without one, the lot as far as it was there."""

    lot: str
    """URI of the lot, or of a product where no lot is known."""
    quantity: Quantity | None = None

    def element(self) -> dict[str, object]:
        """As quantityElement.  Raises Malformed for an identifier that cannot be used."""
        shown: dict[str, object] = {"epcClass": object_uri(self.lot)}
        if self.quantity is not None:
            shown["quantity"] = self.quantity.amount
            if self.quantity.unit:
                shown["uom"] = self.quantity.unit
        return shown


@dataclass(frozen=True, slots=True)
class Things:
    """What an event is about: single objects (items, pallets, crates) and quantities of lots."""

    items: tuple[str, ...] = ()
    """URIs, each once."""
    lots: tuple[LotQuantity, ...] = ()

    def members(self, items_name: str, lots_name: str) -> dict[str, object]:
        """Under the names that the type of event has for them; what is empty is left out."""
        items = list(dict.fromkeys(map(object_uri, self.items)))
        lots = [one.element() for one in self.lots]
        return {name: value for name, value in ((items_name, items), (lots_name, lots)) if value}


@dataclass(frozen=True, slots=True)
class Handover:
    """Who gives and who takes, and from where to where; what is not known stays empty."""

    giver: str = ""
    """URI of the party that owned the goods before."""
    taker: str = ""
    from_place: str = ""
    to_place: str = ""

    def members(self) -> dict[str, object]:
        """As sourceList and destinationList."""
        source = _ends("source", self.giver, self.from_place)
        destination = _ends("destination", self.taker, self.to_place)
        return {name: ends for name, ends in (("sourceList", source), ("destinationList", destination)) if ends}


@dataclass(frozen=True, slots=True)
class Occasion:
    """When and where something was done, and what goes with it."""

    time: datetime
    """With its offset, which also becomes eventTimeZoneOffset: the local time of the place."""
    issuer: str
    """URI of the party that will sign; an eventID is minted from it."""
    place: str = ""
    """URI of the read point."""
    location: str = ""
    """URI of the place where the things are afterwards."""
    event_id: str = ""
    """A URI, `urn:uuid:` by custom; minted where it is empty."""
    references: tuple[Reference, ...] = ()
    certificates: tuple[str, ...] = ()
    """URIs of certificates that cover the event."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Extension members of the event, each with its prefix (kde.py names ours)."""

    def __post_init__(self) -> None:
        offset = self.time.utcoffset()
        if offset is None or abs(offset) > MAX_OFFSET or offset % timedelta(minutes=1):
            raise ValueError("a time needs an offset of whole minutes, at most 14 hours / 时区偏移须为整分钟,不超过 14 小时")
        if not all(":" in name for name in self.extra):
            raise ValueError("an extension member carries its prefix")

    def when(self) -> dict[str, object]:
        """As eventTime and eventTimeZoneOffset."""
        return {"eventTime": timestamp(self.time), "eventTimeZoneOffset": self.time.isoformat()[-6:]}

    def where_and_why(self) -> dict[str, object]:
        """As readPoint, bizLocation, bizTransactionList and certificationInfo."""
        shown: dict[str, object] = {}
        for name, uri in (("readPoint", self.place), ("bizLocation", self.location)):
            if uri:
                shown[name] = {"id": canonical_uri(uri)}
        if self.references:
            shown["bizTransactionList"] = [{"type": one.kind, "bizTransaction": one.uri} for one in self.references]
        if self.certificates:
            shown["certificationInfo"] = list(self.certificates)
        return shown


def object_uri(text: str) -> str:
    """
    The canonical link of an object; an item that was named with its lot keeps the lot.  Raises Malformed.

    Such a link names two subjects.  Without the lot nobody could tell that the serial is one of a committed lot's codes,
    which must not stand in clear before its sale (protocol.md section 1).
    """
    item, *lot = subjects_of_uri(text)
    return f"{lot[0]}/21/{item.rpartition('/')[2]}" if lot else item


def timestamp(time: datetime) -> str:
    """RFC 3339 with the offset, to the millisecond; to the microsecond where the clock was finer."""
    return time.isoformat(timespec="microseconds" if time.microsecond % 1000 else "milliseconds")


def _ends(name: str, party: str, place: str) -> list[dict[str, str]]:
    ends = (("owning_party", party), ("location", place))
    return [{"type": kind, name: canonical_uri(uri)} for kind, uri in ends if uri]
