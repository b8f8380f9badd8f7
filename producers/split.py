"""
Splitting an event that is too large for one statement into several that together say the same.

An entry holds 1,024 subject keys and a statement 64 KiB, so a pallet list of 5,000 serials becomes several events.  Where,
when and why are repeated; each object and each quantity stands in exactly one part, so that no balance counts it twice.
A part has no eventID of its own yet (one is minted from its bytes) and names the event it is a part of.

Lawful for object, aggregation, association and transaction events, whose lists are about each thing alone.  A
transformation relates all inputs to all outputs: it is split only where a transformationID holds the parts together.

Source: EPCIS 2.0 sections 7.4.2 to 7.4.6; protocol.md section 1, Entry ("producers split above").
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from producers.epcis.kde import NAMESPACE
from producers.epcis.text import assemble, split
from verify.entry import MAX_KEYS
from verify.errors import Malformed

PART_OF = NAMESPACE + "partOf"
MAX_THINGS = (MAX_KEYS - 16) // 2  # a link can name an item and its lot; 16 are for issuer, parent and places
MAX_TEXT = 32_000  # bytes of an event's lists; context and envelope come on top (epcis/document.py allows 48,000)
_LISTS: Mapping[str, tuple[str, ...]] = {
    "ObjectEvent": ("epcList", "quantityList"),
    "AggregationEvent": ("childEPCs", "childQuantityList"),
    "AssociationEvent": ("childEPCs", "childQuantityList"),
    "TransactionEvent": ("epcList", "quantityList"),
    "TransformationEvent": ("inputEPCList", "inputQuantityList", "outputEPCList", "outputQuantityList"),
}
_OUTPUTS = ("outputEPCList", "outputQuantityList")
Thing = tuple[str, str]
"""The list a thing stands in, and its text."""


class NotSplittable(Malformed):
    """The event is too large for one statement and may not be split."""

    code = "not-splittable"


def is_too_large(text: str) -> bool:
    """Whether an event (its JSON text) has to be split before it is signed."""
    if len(text.encode()) > MAX_TEXT:
        return True
    parts = dict(split(text)) if len(text) > MAX_THINGS else {}
    lists = {name for names in _LISTS.values() for name in names}
    return sum(1 for name in lists for _ in split(parts.get(name, ""))) > MAX_THINGS


def split_event(text: str) -> list[str]:
    """
    Split one event into parts, in the order of its lists; numbers stay as spelt.

    Raises NotSplittable where the parts would say something else, or nothing could be taken apart.
    """
    members = list(split(text))
    named = dict(members)
    kind = json.loads(named.get("type", "null"))
    if not isinstance(kind, str) or kind not in _LISTS:
        raise NotSplittable("too large, and not of a type that can be split / 事件过大且不能拆分", where="/type")
    if "errorDeclaration" in named:
        raise NotSplittable("declare each part wrong by itself / 请对拆分后的每个事件分别声明错误", where="/errorDeclaration")
    if kind == "TransformationEvent" and "transformationID" not in named:
        raise NotSplittable(
            "a transformation this large needs a transformationID that holds its parts together / "
            "过大的转换事件需要 transformationID 才能拆分",
            where="/transformationID",
        )
    things = [(name, value) for name in _LISTS[kind] for _, value in split(named.get(name, ""))]
    common = [(name, value) for name, value in members if name not in (*_LISTS[kind], "eventID", "recordTime")]
    if "eventID" in named:
        common.append((PART_OF, named["eventID"]))
    return [_part(kind, common, chunk) for chunk in _chunks(things, len(assemble(common).encode()))]


def _part(kind: str, common: Sequence[tuple[str, str]], things: Sequence[Thing]) -> str:
    lists: dict[str, list[str]] = {}
    for name, value in things:
        lists.setdefault(name, []).append(value)
    told = [(name, "[" + ",".join(values) + "]") for name, values in lists.items()]
    # ilmd describes what was made; a part that only tells of inputs has made nothing.
    made = kind != "TransformationEvent" or any(name in lists for name in _OUTPUTS)
    return assemble([*((name, value) for name, value in common if made or name != "ilmd"), *told])


def _chunks(things: Sequence[Thing], common: int) -> Iterator[list[Thing]]:
    if common > MAX_TEXT // 2 or not things:
        raise NotSplittable("too large for one statement even without its lists / 除清单外内容过大,无法拆分")
    chunk: list[Thing] = []
    size = common
    for thing in things:
        length = len(thing[1].encode()) + 1
        if chunk and (len(chunk) == MAX_THINGS or size + length > MAX_TEXT):
            yield chunk
            chunk, size = [], common
        chunk.append(thing)
        size += length
    yield chunk
