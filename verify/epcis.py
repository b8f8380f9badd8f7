"""One EPCIS 2.0 event, read for what the protocol judges: which objects in which role, where, when and between whom.
Not a validator: extension members are passed over.  But whatever names a subject is read strictly, since a name that two
readers take differently would hide a lot from its recall.  Source: EPCIS 2.0 section 7.4 and its JSON binding; CBV 2.0
section 7; protocol.md section 1."""
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from . import gs1
from .errors import need
from .statement import parse_time

_TYPES = ("ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent")
_ROLES = (("epc", "epcList", "quantityList"), ("child", "childEPCs", "childQuantityList"),
          ("input", "inputEPCList", "inputQuantityList"), ("output", "outputEPCList", "outputQuantityList"))
_CBV = re.compile("^(?:https://ref[.]gs1[.]org/cbv/(?:BizStep|Disp|SDT)-|urn:epcglobal:cbv:(?:bizstep|disp|sdt):)")

@dataclass(frozen=True, slots=True)
class Object:
    """An item, lot, class or unit; `role` is epc, parent, child, input or output; no `uom` (KGM) counts instances."""
    role: str
    uri: str
    lot: str | None  # where an item's own link names its lot too
    quantity: Decimal | None
    uom: str | None

    @property
    def uris(self) -> tuple[str, ...]:
        return (self.uri,) if self.lot is None else (self.uri, self.lot)

@dataclass(frozen=True, slots=True)
class Event:
    """What the protocol reads of an event: words of the CBV bare, URIs canonical, sources and the like as (type, URI)."""
    type: str
    action: str | None
    biz_step: str | None
    disposition: str | None
    event_id: str | None
    time: datetime
    offset: str
    objects: tuple[Object, ...]
    uris: tuple[str, ...]  # every object it names, in any role, items with the lot that their link names
    places: tuple[str, ...]  # of the next two, those it names
    read_point: str | None
    biz_location: str | None
    sources: tuple[tuple[str, str], ...]
    destinations: tuple[tuple[str, str], ...]
    transformation_id: str | None
    error_declaration: bool
    ilmd: Mapping[str, Any] | None
    commissioned: tuple[Object, ...]  # what came into being: the objects of an ADD, the outputs of a transformation
    is_shipping: bool
    is_receiving: bool
    is_selling: bool  # to a consumer, or brought back by one: only here may a committed lot's serial stand in clear

def read_event(raw: object) -> Event:
    """Read an event as strict.parse gives it.  Raises Malformed (`bad-event`, `bad-time`, `bad-uri`, `bad-check-digit`)."""
    names = ("type", "action", "bizStep", "disposition", "eventID", "eventTime", "eventTimeZoneOffset", "transformationID")
    kind, action, step, disposition, event_id, time, offset, transformation = (_get(raw, name, str) for name in names)
    is_known = kind in _TYPES and (kind == "TransformationEvent" or action in ("ADD", "OBSERVE", "DELETE"))
    need(is_known, "type or action is not one that EPCIS knows", "bad-event", "/type")
    is_offset = re.fullmatch("[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00", offset or "")
    need(is_offset, "an offset like +08:00 was expected", "bad-event", "/eventTimeZoneOffset")
    need(len(event_id or "") <= gs1.MAX_URI, f"at most {gs1.MAX_URI} characters", "uri-too-long", "/eventID")
    at = parse_time(time or "", "/eventTime")
    objects, sources, destinations = tuple(_objects(raw)), _pairs(raw, "source"), _pairs(raw, "destination")
    read_point, biz_location = _place(raw, "readPoint"), _place(raw, "bizLocation")
    is_error, ilmd = _get(raw, "errorDeclaration", dict) is not None, _get(raw, "ilmd", dict)
    step, disposition, uris = _word(step), _word(disposition), tuple(uri for one in objects for uri in one.uris)
    places = tuple(place for place in (read_point, biz_location) if place is not None)
    role = {"ObjectEvent": "epc" if action == "ADD" else "", "TransformationEvent": "output"}.get(kind)
    made = tuple(one for one in objects if one.role == role)
    is_sent, is_received = step in ("shipping", "departing", "consigning"), step in ("receiving", "arriving", "accepting")
    is_sold = step == "retail_selling" or disposition == "returned"
    return Event(kind, action, step, disposition, event_id, at, offset, objects, uris, places, read_point, biz_location, sources,
                 destinations, transformation, is_error, ilmd, made, is_sent, is_received, is_sold)

def scaled(number: int | Decimal) -> int | None:
    """`number` times 10^6 as an integer, summed without rounding; None where not exact or of more than 40 digits."""
    sign, digits, exponent = Decimal(number).as_tuple()
    whole, shift = int("".join(map(str, digits[:41]))), int(exponent) + 6
    up, down = 10 ** min(max(0, shift), 41), 10 ** min(max(0, -shift), 41)
    is_exact = len(digits) <= 40 and shift <= 40 and whole % down == 0
    return (-whole if sign else whole) * up // down if is_exact or not whole else None

def _objects(raw: object) -> Iterator[Object]:
    if (parent := _get(raw, "parentID", str)) is not None:
        yield _object("parent", parent, {})
    for role, epcs, quantities in _ROLES:
        yield from (_object(role, epc, {}) for epc in _get(raw, epcs, list) or [])
        yield from (_object(role, _get(item, "epcClass", str), item) for item in _get(raw, quantities, list) or [])

def _object(role: str, name: object, item: object) -> Object:
    uri, *lot = gs1.subjects_of_uri(name)
    quantity = _get(item, "quantity", (int, Decimal))
    return Object(role, uri, lot[0] if lot else None, None if quantity is None else Decimal(quantity), _get(item, "uom", str))

def _place(raw: object, name: str) -> str | None:
    return None if (place := _get(raw, name, dict)) is None else gs1.canonical_uri(place.get("id"))

def _pairs(raw: object, name: str) -> tuple[tuple[str, str], ...]:
    found = _get(raw, f"{name}List", list) or []
    return tuple((_word(_get(item, "type", str)) or "", gs1.canonical_uri(item.get(name))) for item in found)

def _get(raw: Any, name: str, kind: type | tuple[type, ...]) -> Any:
    found = raw.get(name) if isinstance(raw, dict) else raw
    if found is None and raw is not None:
        return None
    is_right = found is None or (isinstance(found, kind) and not isinstance(found, bool))
    need(isinstance(raw, dict) and is_right, f"{name} has the wrong type", "bad-event", f"/{name}")
    return found

def _word(text: str | None) -> str | None:
    return None if text is None else _CBV.sub("", text)
