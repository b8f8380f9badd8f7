"""
Rules for an event that no schema can say: identifiers with right check digits, times that can be, a parent where one
is needed.

Each rule takes an event that has passed the schema and yields problems.  Events of types outside the standard's five
pass the schema with members of any shape, so nothing here trusts a shape.  Who may say what is not judged here
(verify/authority.py).

Source: EPCIS 2.0, data definition layer; protocol, section 2 "Events".
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from producers.epcis.problems import Problem, in_both, join
from verify import gs1
from verify.errors import Malformed
from verify.statement import parse_time

Event = Mapping[str, object]
Place = tuple[str | int, ...]

MAX_AHEAD = timedelta(hours=24)  # a phone's clock may be wrong by a day; protocol, section 2
IN_FUTURE = "event-in-future"
AHEAD = "is more than 24 hours ahead of the log's clock: send it again later / 比账本时钟超前 24 小时以上:请改正,或稍后再发"

TYPES = ("ObjectEvent", "AggregationEvent", "AssociationEvent", "TransactionEvent", "TransformationEvent")
_LISTS = ("epcList", "childEPCs", "inputEPCList", "outputEPCList")
_QUANTITIES = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")
_PLACES = ("readPoint", "bizLocation")
_PAIRS = (("sourceList", "source"), ("destinationList", "destination"))


def identity_problems(event: Event) -> Iterator[Problem]:
    """A logged event is told from every other by its eventID, and stands alone with its own @context."""
    for name in ("eventID", "@context"):
        if name not in event:
            sentence = "is missing: an event that is signed must stand alone / 缺少此成员:要签名的事件须独立完整"
            yield Problem(join("", name), sentence, "missing-member")


def type_problems(event: Event) -> Iterator[Problem]:
    """A logged event is of the standard's five types: nobody could tell what another one does to a lot."""
    if event.get("type") not in TYPES:
        yield Problem("/type", f"must be one of {', '.join(TYPES)} to be logged / 只能是这五种事件类型", "wrong-value")


def identifier_problems(event: Event) -> Iterator[Problem]:
    """Every identifier of an object, place or party has its one canonical form; a wrong check digit is never logged."""
    for place, uri in _identifiers(event):
        try:
            gs1.canonical_uri(uri)
        except Malformed as error:
            yield Problem(join("", *place), in_both(f"cannot be used: {error.message}", error.code), error.code)


def reference_problems(event: Event) -> Iterator[Problem]:
    """An identifier that only refers to a document or a process may be any URI, but no broken GS1 key."""
    for place, uri in _references(event):
        try:
            gs1.canonical_uri(uri)
        except Malformed as error:
            if error.code == "bad-check-digit":
                yield Problem(join("", *place), in_both(f"cannot be used: {error.message}", error.code), error.code)


def quantity_problems(event: Event) -> Iterator[Problem]:
    """A quantity is never negative, and a unit has something to measure."""
    for name in _QUANTITIES:
        for position, item in _objects(event.get(name)):
            amount = item.get("quantity")
            if isinstance(amount, int | float | Decimal) and amount < 0:
                yield Problem(join("", name, position, "quantity"), "must not be negative / 不能为负数", "bad-quantity")
            if amount is None and "uom" in item:
                sentence = "measures nothing: quantity is missing / 有单位而缺少 quantity"
                yield Problem(join("", name, position, "uom"), sentence, "bad-quantity")


def aggregation_problems(event: Event) -> Iterator[Problem]:
    """Only an observation may leave the parent unsaid, and a parent is one thing with a number of its own."""
    if event.get("type") != "AggregationEvent":
        return
    if holds_nothing(event.get("parentID")):
        sentence = "names a lot or product: what holds things has its own number (SSCC, serial) / 容器须有自己的编号"
        yield Problem("/parentID", sentence, "bad-event")
    if event.get("action") != "OBSERVE" and "parentID" not in event:
        sentence = "is missing: only action OBSERVE may leave the parent unsaid / 缺少此成员:只有 action 为 OBSERVE 时可不写"
        yield Problem("/parentID", sentence, "missing-member")


def holds_nothing(parent: object) -> bool:
    """Whether it names a class of things, a lot or product, of which none can be packed into (EPCIS 2.0 section 7.4.3)."""
    try:
        return isinstance(parent, str) and gs1.level(gs1.canonical_uri(parent)) in ("lot", "product")
    except Malformed:
        return False  # told with its place by identifier_problems


def time_problems(event: Event, now: datetime | None) -> Iterator[Problem]:
    """Times exist in the calendar; what happened has happened (but for a wrong clock, up to 24 h ahead of `now`)."""
    declaration = event.get("errorDeclaration")
    claimed = [("/eventTime", event.get("eventTime"))]
    if isinstance(declaration, Mapping):
        claimed.append(("/errorDeclaration/declarationTime", declaration.get("declarationTime")))
    for pointer, text in claimed:
        try:
            time = parse_time(str(text), pointer)
        except Malformed as error:
            yield Problem(pointer, in_both(error.message, "bad-time"), "bad-time")
            continue
        if now is not None and time - now > MAX_AHEAD:
            yield Problem(pointer, AHEAD, IN_FUTURE)


def declaration_problems(event: Event) -> Iterator[Problem]:
    """
    A declaration of error repeats the wrong event with its eventID; what corrects it are other events.

    Which event it repeats is judged in the log's order, by whoever knows the log.
    """
    declaration = event.get("errorDeclaration")
    if not isinstance(declaration, Mapping):
        return
    for position, corrective in enumerate(_list(declaration.get("correctiveEventIDs"))):
        if corrective == event.get("eventID"):
            pointer = join("/errorDeclaration/correctiveEventIDs", position)
            yield Problem(pointer, "is the event that is declared wrong / 就是被声明有误的事件本身", "bad-declaration")


def _identifiers(event: Event) -> Iterator[tuple[Place, str]]:
    found: list[tuple[Place, object]] = [(("parentID",), event.get("parentID"))]
    for name in _LISTS:
        found += [((name, position), uri) for position, uri in enumerate(_list(event.get(name)))]
    for name in _QUANTITIES:
        found += [((name, at, "epcClass"), item.get("epcClass")) for at, item in _objects(event.get(name))]
    for name in _PLACES:
        if isinstance(place := event.get(name), Mapping):
            found.append(((name, "id"), place.get("id")))
    for name, member in _PAIRS:
        found += [((name, at, member), item.get(member)) for at, item in _objects(event.get(name))]
    yield from ((place, uri) for place, uri in found if isinstance(uri, str))


def _references(event: Event) -> Iterator[tuple[Place, str]]:
    found: list[tuple[Place, object]] = [(("transformationID",), event.get("transformationID"))]
    for position, item in _objects(event.get("bizTransactionList")):
        found.append((("bizTransactionList", position, "bizTransaction"), item.get("bizTransaction")))
    yield from ((place, uri) for place, uri in found if isinstance(uri, str))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> Iterator[tuple[int, Mapping[str, object]]]:
    for position, item in enumerate(_list(value)):
        if isinstance(item, Mapping):
            yield position, item
