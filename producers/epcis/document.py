"""
EPCIS documents from other systems: each event cut out as it stands, able to stand alone once signed.

    EPCISDocument           epcisBody.eventList
    EPCISQueryDocument      epcisBody.queryResults.resultsBody.eventList
    one event               the object itself
    [event, ...]            as some systems export

What is signed is `DocumentEvent.text`: the file's own tokens, numbers as received, without white space; with two
members that it may have lacked:

    @context    the document's, followed by what the event adds itself.  Always, and not only where a prefix needs it:
                EPCIS wants it on a bare event, and no reader should have to guess what a prefix meant
    eventID     where the event has none, minted from the text without errorDeclaration and recordTime: a file read
                twice gives the same identifiers, and a declaration of error that of the event which it repeats

One bad event does not spoil the file: it becomes a problem with file name and JSON pointer, and the others are read.
Not here: whether an event is good EPCIS (validate.py; `check_document` asks it).

Source: EPCIS 2.0, JSON/JSON-LD binding; JSON-LD 1.1 (contexts apply in order).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import cast

from producers.epcis.identity import mint_event_id
from producers.epcis.master import MasterElement, master_data
from producers.epcis.problems import DocumentRefused, EventRefused, Problem, in_both, join
from producers.epcis.text import assemble, compact, parse, split
from producers.epcis.validate import EventValidator
from verify.errors import Malformed
from verify.strict import MAX_DEPTH, check_depth

MAX_DOCUMENT = 33_554_432  # bytes; the same 32 MiB that one submission may have
MAX_EVENTS = 100_000  # per document; "[{},{},…" would otherwise fill memory
MAX_EVENT = 48_000  # bytes; base64url and the envelope make that a statement of at most 65,536
ENVELOPE = 16  # levels that a document may put around an event
MAX_CONTEXT = 8_192  # bytes; it is repeated in every event

_PATHS: Mapping[str, tuple[str, ...]] = {
    "EPCISDocument": ("epcisBody", "eventList"),
    "EPCISQueryDocument": ("epcisBody", "queryResults", "resultsBody", "eventList"),
}
_PASSING = ("errorDeclaration", "recordTime")  # no part of what happened: CBV 2.0's event hash leaves them out as well


@dataclass(frozen=True, slots=True)
class DocumentEvent:
    """One event, ready to be checked and signed."""

    pointer: str
    """Where it stands in the file."""
    event: Mapping[str, object]
    """`text` as `verify.strict.parse` reads it."""
    text: str
    """The exact JSON text to sign; stands alone."""
    raw_text: str
    """As it stands in the file."""
    minted: bool
    """Whether the eventID is ours."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds, and what in it could not be read."""

    name: str
    envelope: Mapping[str, object] | None
    """The document with an empty list of events; None for bare events."""
    events: tuple[DocumentEvent, ...]
    master_data: tuple[MasterElement, ...]
    problems: tuple[Problem, ...]
    """Events that could not be read; they are not among `events`."""


def read_document(
    data: bytes, *, name: str, issuer: str = "", max_bytes: int = MAX_DOCUMENT, max_events: int = MAX_EVENTS
) -> Document:
    """
    Read EPCIS JSON or JSON-LD.  `name` appears in every problem; `issuer` is the party that will sign, for minting.

    Raises DocumentRefused where the file as a whole cannot be read: size, encoding, JSON, no list of events.
    """
    try:
        return _read(_decode(data, max_bytes), name, issuer, max_events)
    except Malformed as error:
        raise _refused(name, error.where or "", error.message, error.code) from None


def check_document(document: Document, validator: EventValidator, *, now: datetime | None = None) -> tuple[Problem, ...]:
    """All problems of a document: unreadable events, the envelope, each event, and an eventID used for two events."""
    found = list(document.problems)
    if document.envelope is not None:
        found += [problem.within(document.name, "") for problem in validator.document_problems(document.envelope)]
    seen: set[object] = set()
    for one in document.events:
        try:
            validator.check(one.event, now=now)
        except EventRefused as error:
            found += [problem.within(document.name, one.pointer) for problem in error.problems]
        identifier = one.event["eventID"]
        if "errorDeclaration" in one.event or not isinstance(identifier, str):
            continue  # a declaration repeats the identifier of the event that it declares wrong
        if identifier in seen:
            pointer = join(one.pointer, "eventID")
            sentence = "is the eventID of an earlier event / 与前面某个事件的 eventID 相同"
            found.append(Problem(pointer, sentence, "duplicate-event", document.name))
        seen.add(identifier)
    return tuple(found)


def _decode(data: bytes, max_bytes: int) -> str:
    if len(data) > max_bytes:
        raise Malformed(f"{len(data)} bytes; at most {max_bytes} are read", code="too-large")
    try:
        text = data.decode("utf-8-sig")  # a BOM before a foreign file is no part of what is signed
        check_depth(text, MAX_DEPTH + ENVELOPE)
        # Well-formed is enough here: the profile is checked on each event and on the envelope, so that one bad event
        # is one problem.  Numbers stay text and objects are only counted, or long and many ones would be expensive.
        json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=len)
    except UnicodeDecodeError:
        raise Malformed("is not valid UTF-8", code="not-utf8") from None
    except ValueError as error:
        raise Malformed(f"is not JSON: {error}", code="not-json") from None
    return text.strip()


def _read(text: str, name: str, issuer: str, max_events: int) -> Document:
    pointer, listed, envelope, context = _open(text)
    if listed is None:
        places = [("", text)]
    else:
        values = islice(split(listed), max_events + 1)
        places = [(join(pointer, position), value) for position, (_, value) in enumerate(values)]
    if len(places) > max_events:
        raise Malformed(f"holds more than {max_events} events", code="too-large", where=pointer)
    events, problems = [], []
    for place, raw in places:
        try:
            events.append(_event(raw, place, context, issuer))
        except Malformed as error:
            sentence = in_both(f"cannot be read: {error.message}", error.code)
            problems.append(Problem(place + (error.where or ""), sentence, error.code, name))
    elements = tuple(master_data(envelope)) if envelope is not None else ()
    return Document(name, envelope, tuple(events), elements, tuple(problems))


def _open(text: str) -> tuple[str, str | None, Mapping[str, object] | None, str]:
    """Find the events: the pointer and text of their list (None: `text` is the event), the envelope, its context."""
    if text.startswith("["):
        return "", text, None, ""
    path = _PATHS.get(_type(text))
    if path is None:
        return "", None, None, ""
    listed, rest = _take(text, path, "")
    envelope = cast(Mapping[str, object], parse(rest, max_bytes=MAX_DOCUMENT))
    return join("", *path), listed, envelope, _context(text)


def _type(text: str) -> str:
    for member, value in split(text):
        if member == "type" and value.startswith('"'):
            return str(json.loads(value))
    raise Malformed("is neither an EPCIS document, an event nor a list of events: no type says which", code="not-epcis")


def _take(text: str, path: tuple[str, ...], pointer: str) -> tuple[str, str]:
    """Take the list at `path` out: its text, and the text of all else with an empty list in its place."""
    if not path:
        if not text.startswith("["):
            raise Malformed("is not a list of events", code="not-epcis", where=pointer)
        return text, "[]"
    taken, rest = "", []
    for member, value in split(text):
        if member == path[0]:
            taken, value = _take(value, path[1:], join(pointer, member))
        rest.append((member, value))
    if not taken:
        raise Malformed("is missing", code="not-epcis", where=join(pointer, path[0]))
    return taken, assemble(rest)


def _context(text: str) -> str:
    found = next((compact(value) for member, value in split(text) if member == "@context"), "")
    if len(found.encode()) > MAX_CONTEXT:
        message = f"has more than {MAX_CONTEXT} bytes, and every event would carry it"
        raise Malformed(message, code="too-large", where="/@context")
    return found


def _event(raw: str, place: str, context: str, issuer: str) -> DocumentEvent:
    text = compact(raw)
    if not isinstance(parse(text, max_bytes=MAX_EVENT), dict):
        raise Malformed("is not an event", code="not-an-event")
    parts = dict(split(text))  # no member twice: the profile has just refused that
    if merged := _merged(context, parts.pop("@context", "")):
        parts = {"@context": merged, **parts}
    minted = "eventID" not in parts
    if minted:
        lasting = assemble((name, value) for name, value in parts.items() if name not in _PASSING)
        parts = {"eventID": json.dumps(mint_event_id(lasting.encode(), issuer)), **parts}
    text = assemble(parts.items())
    event = cast(Mapping[str, object], parse(text, max_bytes=MAX_EVENT))
    return DocumentEvent(place, event, text, raw, minted)


def _merged(outer: str, inner: str) -> str:
    """One context that means what the event's meant inside the document's: outer first, then inner, none twice."""
    if not outer or not inner:
        return outer or inner
    items: dict[str, None] = {}
    for one in (outer, inner):
        items.update(dict.fromkeys([value for _, value in split(one)] if one.startswith("[") else [one]))
    return "[" + ",".join(items) + "]"


def _refused(name: str, pointer: str, sentence: str, code: str) -> DocumentRefused:
    return DocumentRefused([Problem(pointer, in_both(sentence, code), code, name)])
