"""
Workbooks and CSV files as rows of cells: .xlsx and .ods through calamine, .csv in UTF-8 or GB18030 (what Chinese Excel
and WPS write).  Not .xls and .xlsb: they are no XML inside, and a failed formula would be read as an empty cell.

Not here: what the rows mean (rows.py), how a cell is read (cells.py).
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import python_calamine

from producers import hidden
from producers.cells import Failure
from producers.epcis.problems import DocumentRefused, Problem

MAX_FILE = 33_554_432  # bytes
OLD = frozenset((".xls", ".xlsb"))
MAX_ROWS = 100_000  # that hold something, below the titles
# As a text too: a CSV has nothing else, and some programs keep an array formula's error as one.
_FAILURE = re.compile(r"#(N/A|NAME\?|(DIV/0|VALUE|REF|NUM|NULL|SPILL|CALC|FIELD|BLOCKED|CONNECT|BUSY|UNKNOWN)!)|Err:\d{3}")
_UNREADABLE = (python_calamine.CalamineError, csv.Error, UnicodeDecodeError, *hidden.UNREADABLE)


@dataclass(frozen=True, slots=True)
class Grid:
    """What one sheet holds."""

    name: str
    """Empty for a CSV file."""
    rows: Sequence[tuple[int, Sequence[object]]]
    """Rows that hold something, with their numbers from 1; a cell is a str, number, bool, date, time or Failure."""


def read_grids(path: Path) -> Sequence[Grid]:
    """Read every sheet of a file, at least one.  Raises DocumentRefused, OSError."""
    if path.stat().st_size > MAX_FILE:
        raise DocumentRefused([Problem("", f"more than {MAX_FILE} bytes / 文件过大", "too-large", path.name)])
    if path.suffix.lower() in OLD:
        sentence = "cannot show which formulas failed: save it as .xlsx / 此格式无法辨认出错的公式:请另存为 .xlsx"
        raise DocumentRefused([Problem("", sentence, "not-a-sheet", path.name)])
    try:
        return [_csv_grid(path)] if path.suffix.lower() == ".csv" else _grids(path)
    except hidden.TooFar as error:
        sentence = "stands too far from the other cells to be read: delete it / 离其他单元格太远,无法读取:请删除此单元格"
        raise DocumentRefused([Problem(str(error), sentence, "too-large", path.name)]) from None
    except _UNREADABLE as error:
        raise DocumentRefused([Problem("", f"cannot be read: {error} / 无法读取", "not-a-sheet", path.name)]) from None


def _csv_grid(path: Path) -> Grid:
    return Grid("", _filled(enumerate(csv.reader(io.StringIO(_decode(path.read_bytes()), newline=""), strict=True), 1)))


def _grids(path: Path) -> list[Grid]:
    with python_calamine.load_workbook(path) as book:
        failed = hidden.failed_cells(path)
        # The others are charts and macros.
        names = [one.name for one in book.sheets_metadata if one.typ == python_calamine.SheetTypeEnum.WorkSheet]
        return [_grid(book.get_sheet_by_name(name), failed.get(name, {})) for name in names]


def _grid(sheet: python_calamine.CalamineSheet, failed: hidden.Failed) -> Grid:
    left = [""] * (sheet.start or (0, 0))[1]  # calamine's rows begin at the first, but its columns where something stands
    rows = {number: list(row) for number, row in _filled((at, [*left, *row]) for at, row in enumerate(sheet.iter_rows(), 1))}
    for (number, column), shown in failed.items():
        row = rows.setdefault(number, [])
        row.extend([""] * (column + 1 - len(row)))
        row[column] = Failure(shown)
    return Grid(sheet.name, sorted(rows.items()))


def _filled(rows: Iterable[tuple[int, Sequence[object]]]) -> list[tuple[int, Sequence[object]]]:
    """The rows that hold something."""
    return [(number, [_cell(value) for value in row]) for number, row in rows if any(str(value).strip() for value in row)]


def _cell(value: object) -> object:
    return Failure(value.strip()) if isinstance(value, str) and _FAILURE.fullmatch(value.strip()) else value


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")
