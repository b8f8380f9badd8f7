"""
The quick reading of an event: what quick.py needs of it, from the parsed JSON to its rows in one walk.

Values that many statements share (places, parties, words of the vocabulary, times) are judged once.  A lot is new in nearly
every event: its common spelling is recognised by its shape.  Declarations of error are rare, and left to the literal reading.

Source: verify/epcis.py, producers/epcis/rules.py and ledger/project_events.py, which it repeats.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any

from ledger.column_text import MAX_TEXT, plain
from ledger.ends import End, format_ends
from ledger.project import Told
from ledger.project_events import SIDES, UNLINKED, links
from producers.epcis.rules import MAX_AHEAD, TYPES, holds_nothing, reference_problems
from producers.epcis.validate import EventValidator
from verify.entry import MAX_KEYS
from verify.epcis import read_event
from verify.gs1 import canonical_uri, product_of, subjects_of_uri
from verify.statement import parse_time
from verify.subjects import KIND_URI

Raw = dict[str, Any]
Row = tuple[Any, ...]
Read = tuple[str, tuple[bytes, ...], Told]
"""Event ID, subject keys in order, rows."""
EXACT = 16  # characters of a float's text: up to 15 digits name one double each, and no two of them the same
MEMO = 8_192  # values of a kind that are judged once and remembered; none is longer than MAX_TEXT, or memory were anybody's
_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_LOT = re.compile(r"https://id\.gs1\.org/01/[0-9]{14}/10/[0-9A-Za-z_.-]{1,20}")  # nothing in it has another spelling
_PRODUCT = len("https://id.gs1.org/01/09520001000010")
_OFFSET = re.compile("[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00")
_ROLES = (
    ("epc", "epcList", "quantityList"), ("child", "childEPCs", "childQuantityList"),
    ("input", "inputEPCList", "inputQuantityList"), ("output", "outputEPCList", "outputQuantityList"),
)  # fmt: skip


class Uncommon(Exception):
    """Not the common shape, or wrong: ask the literal reading."""


def read_told(event: Raw, issuer: str, now: datetime, validator: EventValidator) -> Read:
    """
    Read a parsed event, whose numbers may be floats of which Python prints the very text that was signed.

    Raises Uncommon, and whatever a value of the wrong shape makes Python raise.
    """
    if "errorDeclaration" in event or not validator.fits(event):
        raise Uncommon
    kind, action = event["type"], event.get("action")
    _check(event, kind, action)
    time, time_ms = moment(event["eventTime"])
    if time - now > MAX_AHEAD:
        raise Uncommon
    step, disposition = _word(event.get("bizStep")), _word(event.get("disposition"))
    point, location = _place(event.get("readPoint")), _place(event.get("bizLocation"))
    objects, event_id, transformation = _objects(event), event["eventID"], event.get("transformationID")
    uris = {issuer, point or issuer, location or issuer}
    for told in objects:
        uris.update(told[1:3] if told[2] else told[1:2])
    keys = _keys(event_id, uris, step == "retail_selling" or disposition == "returned")
    row = (kind, action, step, disposition, event_id, time_ms, event["eventTimeZoneOffset"], issuer, point, location,
           _ends(event), False, _plain(transformation), None)  # fmt: skip
    rows: dict[str, list[Row]] = {"events": [row], "event_objects": objects}
    if kind not in UNLINKED:
        rows["links"] = [*links(issuer, kind, action, transformation, [(told[0], told[1]) for told in objects])]
    return event_id, keys, rows


def _check(event: Raw, kind: str, action: str | None) -> None:
    """What is no business of the schema's, nor of any row."""
    acts = action in ("ADD", "OBSERVE", "DELETE") or kind == "TransformationEvent"
    has_parent = kind != "AggregationEvent" or action == "OBSERVE" or "parentID" in event
    if not acts or not has_parent or kind not in TYPES or "@context" not in event:
        raise Uncommon
    if kind == "AggregationEvent" and holds_nothing(event.get("parentID")):
        raise Uncommon
    if not _OFFSET.fullmatch(event["eventTimeZoneOffset"]):
        raise Uncommon
    if ("bizTransactionList" in event or "transformationID" in event) and any(reference_problems(event)):
        raise Uncommon


def _objects(event: Raw) -> list[Row]:
    rows: list[Row] = [("parent", *_subject(event["parentID"]), None, None)] if "parentID" in event else []
    for role, epcs, quantities in _ROLES:
        if epcs in event:
            rows += [(role, *_subject(uri), None, None) for uri in event[epcs]]
        if quantities in event:
            rows += [(role, *_subject(item["epcClass"]), *_measure(item)) for item in event[quantities]]
    return rows


def _measure(item: Raw) -> tuple[str | None, str | None]:
    amount, uom = item.get("quantity"), item.get("uom")
    if amount is None:
        if uom is not None:
            raise Uncommon
        return None, None
    if amount < 0:
        raise Uncommon
    return _amount(amount), _plain(uom)


def _ends(event: Raw) -> str | None:
    if "sourceList" not in event and "destinationList" not in event:
        return None
    return _printed(tuple([(side, item.get("type"), item[side]) for side in SIDES for item in event.get(f"{side}List", ())]))


@lru_cache(maxsize=MEMO)
def _printed(ends: tuple[tuple[str, str | None, str], ...]) -> str | None:
    if sum(len(kind or "") + len(uri) for _, kind, uri in ends) > MAX_TEXT:
        raise Uncommon  # no memory for what is long
    return format_ends([End(side, _word(kind) or "", own_uri(uri), False) for side, kind, uri in ends])


def _keys(event_id: str, uris: set[str], selling: bool) -> tuple[bytes, ...]:
    # A serial in clear is judged by what the log has of its lot.
    if len(event_id) > MAX_TEXT or len(uris) > MAX_KEYS or (not selling and "/21/" in " ".join(uris)):
        raise Uncommon
    return tuple(sorted([_key(uri) for uri in uris]))


def _amount(number: float | int | Decimal) -> str:
    """The text of a quantity as its row has it."""
    if type(number) is not float:
        return format(number, "f") if isinstance(number, Decimal) else str(number)
    text = repr(number)
    if len(text) > EXACT or "e" in text:
        raise Uncommon
    return text


def _place(place: Raw | None) -> str | None:
    return None if place is None else own_uri(place["id"])


@lru_cache(maxsize=MEMO)
def moment(text: str) -> tuple[datetime, int]:
    """A time, and its ms since 1970.  Raises Malformed."""
    time = parse_time(text)
    return time, (time - _EPOCH) // _MS


@lru_cache(maxsize=MEMO)
def own_uri(text: str) -> str:
    """The canonical URI of a party or place.  Raises Malformed, Uncommon."""
    return canonical_uri(_short(text))


def _subject(text: str) -> tuple[str, str | None, str | None]:
    """The URI of an object, of the lot that its own link names, and of its product."""
    return (text, None, _product(text[:_PRODUCT])) if _LOT.fullmatch(text) else _other_subject(text)


@lru_cache(maxsize=MEMO)
def _other_subject(text: str) -> tuple[str, str | None, str | None]:
    uri, *lot = subjects_of_uri(_short(text))
    return uri, lot[0] if lot else None, product_of(uri)


@lru_cache(maxsize=MEMO)
def _product(uri: str) -> str:
    if canonical_uri(uri) != uri:
        raise Uncommon
    return uri


@lru_cache(maxsize=MEMO)
def _word(text: str | None) -> str | None:
    """A word of the CBV, bare, as its column holds it."""
    found = read_event(_BARE | {"bizStep": text and _short(text)}).biz_step
    return None if found is None else plain(found)


_BARE = {"type": "TransformationEvent", "eventTime": "2000-01-01T00:00:00Z", "eventTimeZoneOffset": "+00:00"}


@lru_cache(maxsize=MEMO)
def _plain(text: str | None) -> str | None:
    return None if text is None else plain(_short(text))


@lru_cache(maxsize=MEMO)
def _key(uri: str) -> bytes:
    if uri.startswith(KIND_URI):
        raise Uncommon
    return sha256(_short(uri).encode()).digest()


def _short(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise Uncommon
    return text
