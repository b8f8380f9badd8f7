"""
What calamine hides of a workbook: a cell whose formula failed, which it reads as an empty one; and a cell so far out
that it would need more memory than there is for the room in between.

An optional cell that failed would be a fact left out in silence, so the file's parts are read once more for these
cells alone.  Not here: what other cells hold (workbook.py).

Source: ECMA-376 part 1, 18.3.1.4 and 18.18.11 (a cell of type `e`); OpenDocument 1.3 part 3, 9.1, with `calcext` as
LibreOffice writes it.
"""

import io
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse
from zipfile import BadZipFile, ZipFile

from producers.cells import address

Failed = Mapping[tuple[int, int], str]
"""What each failed cell shows, #N/A or Err:502, by (row from 1, column from 0)."""

UNREADABLE = (BadZipFile, ParseError, KeyError, ValueError, NotImplementedError)
_MAY_FAIL = re.compile(rb"""["'](e|error)["']""")  # most sheets hold no such value, and are not read a second time
MAX_CELLS = 2**24  # that calamine makes room for, of 32 bytes each
_WIDE = re.compile(rb'r="[A-Z]{2,3}[0-9]+"')  # up to column Z any row may be filled
_HELD = re.compile(rb'<(?:\w+:)?c [^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"[^>]*(?<!/)>')  # an empty one, only coloured, ends in />


class TooFar(Exception):
    """A cell stands too far from all others."""

    def __init__(self, sheet: str, cell: str) -> None:
        super().__init__(f"{sheet}!{cell}")


def failed_cells(path: Path) -> Mapping[str, Failed]:
    """The failed cells of an .xlsx or .ods, by their sheet's name.  Raises TooFar, one of UNREADABLE, OSError."""
    with ZipFile(path) as file:
        if path.suffix.lower() == ".ods":
            return dict(_ods_sheets(file.read("content.xml")))
        names = {name.lower(): name for name in file.namelist()}  # some programs write other capitals
        parts = _parts(file.read(names["xl/_rels/workbook.xml.rels"]), file.read(names["xl/workbook.xml"]))
        return {sheet: _xlsx_sheet(sheet, file.read(names[part])) for sheet, part in parts.items() if part in names}


def _elements(data: bytes) -> Iterator[tuple[str, str, Element]]:
    """(start or end, name without its namespace, element)."""
    # A farm's own file; and expat itself ends an entity that grows without measure.
    for event, element in iterparse(io.BytesIO(data), ("start", "end")):  # noqa: S314
        yield event, element.tag.rpartition("}")[2], element


def _parts(relations: bytes, workbook: bytes) -> Mapping[str, str]:
    """Which part of the file is which sheet."""
    ends = [(name, element) for text in (relations, workbook) for event, name, element in _elements(text) if event == "end"]
    targets = {element.get("Id"): element.get("Target", "") for name, element in ends if name == "Relationship"}
    sheets = [element for name, element in ends if name == "sheet"]
    return {
        sheet.get("name", ""): posixpath.normpath(posixpath.join("/xl", targets[_relation(sheet)])).lstrip("/").lower()
        for sheet in sheets
    }


def _relation(sheet: Element) -> str | None:
    # The namespace differs between the strict and the usual form.
    return next((value for name, value in sheet.items() if name.endswith("}id")), None)


def _xlsx_sheet(name: str, data: bytes) -> Failed:
    if _WIDE.search(data):
        places = [(int(found[2]), _column(found[1].decode())) for found in _HELD.finditer(data)]
        rows, columns = (max(ends, default=0) for ends in ([row for row, _ in places], [at + 1 for _, at in places]))
        if rows * columns > MAX_CELLS:
            row, column = max(places, key=lambda place: place[0] * (place[1] + 1))
            raise TooFar(name, address("", column, row))
    return dict(_xlsx_cells(data))


def _xlsx_cells(data: bytes) -> Iterator[tuple[tuple[int, int], str]]:
    row, column = 0, -1
    if not _MAY_FAIL.search(data):
        return
    for event, name, element in _elements(data):
        if event == "start" and name == "row":
            row, column = int(element.get("r", row + 1)), -1
        elif event == "start" and name == "c":
            # Both positions may be left out: then a row or cell is the next one.
            column = _column(element.get("r", "")) if "r" in element.keys() else column + 1  # noqa: SIM118
        elif name == "c" and element.get("t") == "e":
            yield (row, column), element.findtext("{*}v", "")
        elif event == "end" and name == "row":
            element.clear()


def _column(reference: str) -> int:
    at = 0
    for letter in re.sub("[^A-Z]", "", reference.upper()):
        at = at * 26 + ord(letter) - ord("A") + 1
    return at - 1


def _ods_sheets(data: bytes) -> Iterator[tuple[str, Failed]]:
    row, column, failed = 1, 0, dict[tuple[int, int], str]()
    if not _MAY_FAIL.search(data):
        return
    for event, name, element in _elements(data):
        if event == "start" and name == "table":
            row, column, failed = 1, 0, {}
        elif event == "start":
            continue
        elif name in ("table-cell", "covered-table-cell"):
            if _attribute(element, "calcext", "value-type") == "error":
                failed[row, column] = "".join(element.itertext())
            column += int(_attribute(element, "table", "number-columns-repeated") or 1)
        elif name == "table-row":
            row, column = row + int(_attribute(element, "table", "number-rows-repeated") or 1), 0
            element.clear()
        elif name == "table":
            yield _attribute(element, "table", "name"), failed


def _attribute(element: Element, space: str, name: str) -> str:
    """An attribute of the namespace that ends so: versions of the format differ in what stands before."""
    found = (value for key, value in element.items() if re.search(rf"\b{space}:[0-9.]+}}{name}$", key))
    return next(found, "")
