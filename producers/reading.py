"""
Files in: EPCIS documents and our own spreadsheets, each event read, checked and placed, before anything is signed.

Every problem has its place: a JSON pointer, or the address of a cell.  An event too large for one statement is split here,
so that what is checked is what will be signed.  Not here: signing and storing (importer.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from producers.epcis.document import Document, DocumentEvent, check_document, read_document
from producers.epcis.problems import DocumentRefused, Problem
from producers.epcis.text import assemble, compact, split
from producers.epcis.validate import EventValidator
from producers.rows import Sheet, read_sheet
from producers.split import NotSplittable, is_too_large, split_event

SHEETS = frozenset((".xlsx", ".xls", ".xlsb", ".ods", ".csv"))
SAME = (
    "is the same as row {number}: delete one of both, or give its own time if it happened twice / "
    "与第 {number} 行相同:请删除其中一行;若确实发生了两次,请填写不同的时间"
)


@dataclass(frozen=True, slots=True)
class Told:
    """One event that may be signed."""

    place: str
    """JSON pointer into the file, or a cell's address."""
    event: Mapping[str, object]
    text: str
    """What will be signed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file holds."""

    name: str
    good: tuple[Told, ...]
    bad: int
    """Events with problems; they are not among `good`."""
    problems: tuple[Problem, ...]
    """Of those events, and of the file around them."""
    unread: tuple[str, ...] = ()
    """Sheets of the file that were passed over: a farm's own."""

    @property
    def count(self) -> int:
        """Events in the file, good and bad."""
        return len(self.good) + self.bad


def read_file(path: Path, validator: EventValidator, *, issuer: str, now: datetime | None) -> Reading:
    """
    Read a file; `issuer` is the party that will sign (eventIDs are minted from it), empty for a dry run.

    Raises OSError.  A file that cannot be read at all is a Reading with one problem.
    """
    try:
        if path.suffix.lower() in SHEETS:
            sheet = read_sheet(path, issuer=issuer)
            reading = _checked(_document_of(path.name, sheet), validator, now, sheet.bad)
            return replace(reading, problems=tuple(_told_of_cells(reading.problems, sheet)), unread=sheet.unread)
        data = path.read_bytes()
        document = read_document(data, name=path.name, issuer=issuer)
    except DocumentRefused as error:
        return Reading(path.name, (), 0, error.problems)
    return _checked(_split_large(document, data, issuer), validator, now, 0)


def _checked(document: Document, validator: EventValidator, now: datetime | None, bad: int) -> Reading:
    problems = check_document(document, validator, now=now)
    spoilt = set(_places(problems))
    good = [Told(one.pointer, one.event, one.text) for one in document.events if one.pointer not in spoilt]
    unreadable = bad or len(document.problems)
    return Reading(document.name, tuple(good), len(document.events) - len(good) + unreadable, problems)


def _places(problems: Iterable[Problem]) -> Iterator[str]:
    """Every pointer that a problem lies at or below."""
    for problem in problems:
        place = problem.pointer
        yield place
        while place:
            place = place.rpartition("/")[0]
            yield place


def _document_of(name: str, sheet: Sheet) -> Document:
    events: list[DocumentEvent] = []
    for row in sheet.rows:
        events += [replace(one, pointer=row.place) for one in read_document(row.text.encode(), name=name).events]
    return Document(name, None, tuple(events), (), sheet.problems)


def _told_of_cells(problems: Sequence[Problem], sheet: Sheet) -> Iterator[Problem]:
    """The problems as who filled in the sheet knows them: at a cell, and a row that is another one's double."""
    rows = {row.place: row for row in sheet.rows}
    # An eventID is minted from what the row says, so an earlier row with the same one says the very same.
    first = {row.text: row.number for row in reversed(sheet.rows)}
    for problem in problems:
        row = next((rows[place] for place in _places([problem]) if place in rows), None)
        if row is None:
            yield problem
        elif problem.code == "duplicate-event":
            yield Problem(row.place, SAME.format(number=first[row.text]), problem.code, problem.source)
        else:
            yield replace(problem, pointer=row.place_of(problem.pointer.removeprefix(row.place)))


def _split_large(document: Document, data: bytes, issuer: str) -> Document:
    events: list[DocumentEvent] = []
    problems: list[Problem] = []
    for one in document.events:
        parts = _parts(document.name, one.pointer, one.text, "", issuer, problems) if is_too_large(one.text) else [one]
        events += parts
    for problem in document.problems:
        if problem.code != "too-large":
            problems.append(problem)
            continue
        # Too large even to be read as one event: its text and the context around it are cut out of the file.
        whole = data.decode("utf-8-sig").strip()
        context = "" if whole.startswith("[") else dict(split(whole)).get("@context", "")
        raw = compact(_at(whole, problem.pointer))
        events += _parts(document.name, problem.pointer, raw, context, issuer, problems)
    return replace(document, events=tuple(events), problems=tuple(problems))


def _parts(name: str, place: str, text: str, context: str, issuer: str, problems: list[Problem]) -> list[DocumentEvent]:
    try:
        listed = "[" + ",".join(split_event(text)) + "]"
    except NotSplittable as error:
        problems.append(Problem(place + (error.where or ""), error.message, error.code, name))
        return []
    around = [("@context", context)] if context else []
    body = assemble([*around, ("type", '"EPCISDocument"'), ("epcisBody", assemble([("eventList", listed)]))])
    found = read_document(body.encode(), name=name, issuer=issuer)
    problems += [replace(problem, pointer=place) for problem in found.problems]
    return [replace(one, pointer=place) for one in found.events]


def _at(text: str, pointer: str) -> str:
    for name in pointer.split("/")[1:]:
        parts = list(split(text))
        text = parts[int(name)][1] if text.startswith("[") else dict(parts)[name.replace("~1", "/").replace("~0", "~")]
    return text
