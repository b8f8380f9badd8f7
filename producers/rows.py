"""
Filled sheets read back in: each row the text of an event, or problems that name their cells.

A cell is read as people fill it in (cells.py): a GTIN that lost its leading zero as a number, 公斤 for KGM, a date as
text.  Not here: files (workbook.py), which sheet and columns (header.py), whether the event is good EPCIS
(epcis/validate.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from producers import cells
from producers.epcis.problems import DocumentRefused, Problem, in_both
from producers.epcis.text import encode
from producers.header import Header, find_header
from producers.sheets import Column
from producers.workbook import MAX_ROWS, read_grids
from verify.errors import Malformed, need

FAILED = (
    "holds the error {shown}: {title}; repair the formula, or type what it should give / "
    "公式出错({shown}):请修正公式,或直接填写内容"
)


# Where a fact of an event stood in its row; all others are said of the row.
_COLUMNS = (("/eventTimeZoneOffset", "offset"), ("/eventTime", "time"), ("/quantityList/0/quantity", "amount"))


@dataclass(frozen=True, slots=True)
class Row:
    """The event of one row."""

    header: Header
    number: int
    text: str
    """The event's."""

    @property
    def place(self) -> str:
        """Address of the row's first cell."""
        return self.header.cell(0, self.number)

    def place_of(self, pointer: str) -> str:
        """Address of the cell that an event's member was read from; the row's where none is known."""
        member = next((member for start, member in _COLUMNS if pointer.startswith(start)), None)
        return self.header.cell(self.header.places[member][0], self.number) if member else self.place


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a sheet holds."""

    rows: tuple[Row, ...]
    """Those that are events."""
    bad: int
    """Rows with problems."""
    problems: tuple[Problem, ...]
    unread: tuple[str, ...]
    """Names of sheets beside it that are none of ours."""


def read_sheet(path: Path, *, issuer: str) -> Sheet:
    """Read the sheet of a file that is filled in, whichever template it is.  Raises DocumentRefused, OSError."""
    found = find_header(read_grids(path), path.name)
    header = found.header
    if len(header.rows) > MAX_ROWS:
        raise DocumentRefused([Problem(header.grid.name, f"more than {MAX_ROWS} rows / 行数过多", "too-large", path.name)])
    rows: list[Row] = []
    problems: list[Problem] = []
    bad = 0
    for number, row in header.rows:
        read, wrong = _read_row(row, header, number)
        if not wrong:
            try:
                rows.append(Row(header, number, encode(header.template.build(read, issuer))))
            except (ValueError, Malformed) as error:
                wrong = [Problem(header.cell(0, number), " / ".join(_words(error)), "wrong-value")]
        bad += bool(wrong)
        problems += wrong
    placed = tuple(Problem(one.pointer, one.sentence, one.code, path.name) for one in problems)
    return Sheet(tuple(rows), bad, placed, tuple(found.unread))


def _read_row(row: Sequence[object], header: Header, number: int) -> tuple[dict[str, object], list[Problem]]:
    found: dict[str, object] = {}
    wrong: list[Problem] = []
    for member, (at, *_) in header.places.items():
        try:
            read = _read_cell(row[at] if at < len(row) else "", header.template.columns[member])
        except Malformed as error:
            wrong.append(Problem(header.cell(at, number), error.message, error.code))
            continue
        if read is not None:
            found[member] = read
    return found, wrong


def _read_cell(value: object, column: Column) -> object:
    """What a cell holds; None for an empty one.  Raises Malformed."""
    if isinstance(value, cells.Failure):
        raise Malformed(FAILED.format(title=column.title, shown=value), code="formula-error")
    if str(value).strip() == "":
        need(not column.required, f"is empty: {column.title} / 不能为空", "missing-member")
        return None
    try:
        return column.read(value)
    except (ValueError, Malformed) as error:
        english, chinese = _words(error)
        sentence = f"{column.title}: {english}; found {cells.text(value)} / {chinese}"
        raise Malformed(sentence, code=getattr(error, "code", "wrong-value")) from None


def _words(error: ValueError | Malformed) -> tuple[str, str]:
    """What is wrong, in English and Chinese."""
    sentence = in_both(error.message, error.code) if isinstance(error, Malformed) else str(error)
    english, _, chinese = sentence.partition(" / ")
    return english, chinese or "内容有误"
