"""
Which sheet of a workbook is filled in, which template it is, and which of its columns is which.

What could be read two ways is refused: two sheets with rows, one title above two columns.  A farm's own sheets and
columns beside ours are passed over; a sheet that is almost ours is not.

Not here: what the rows hold (rows.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from producers.cells import address
from producers.epcis.problems import DocumentRefused, Problem
from producers.sheets import HELP, TEMPLATES, Column, Template
from producers.workbook import Grid


@dataclass(frozen=True, slots=True)
class Header:
    """A row of titles, read as those of a template."""

    grid: Grid
    template: Template
    row: int
    places: Mapping[str, Sequence[int]]
    """Column positions from 0 by member: one, unless a title stands twice."""

    @property
    def rows(self) -> Sequence[tuple[int, Sequence[object]]]:
        """The rows below, with their numbers."""
        return [(number, row) for number, row in self.grid.rows if number > self.row]

    def cell(self, column: int, row: int) -> str:
        """A cell's address, with the sheet's name."""
        return address(self.grid.name, column, row)

    @property
    def missing(self) -> Sequence[Column]:
        """What the template requires and no title names."""
        return [column for member, column in self.template.columns.items() if column.required and member not in self.places]

    @property
    def is_almost(self) -> bool:
        """Whether at least half of what the template requires is there: nobody's own notes are."""
        return 2 * len(self.missing) <= sum(column.required for column in self.template.columns.values())


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be read of a workbook."""

    header: Header
    unread: Sequence[str]
    """Names of the farm's own sheets."""


def find_header(grids: Sequence[Grid], name: str) -> Found:
    """Find the one sheet that is filled in, in the file `name`.  Raises DocumentRefused."""
    best = [header for grid in grids if (header := _best(grid)) is not None]
    whole = [header for header in best if not header.missing]
    if not whole:
        sentence = "is none of our sheets: its first row does not hold a template's column titles / 首行不是模板的列标题"
        raise DocumentRefused([Problem("", sentence, "not-a-template", name)])
    header = next((one for one in whole if one.rows), whole[0])
    wrong = [_second(other, header) for other in best if other is not header and other.rows and other.is_almost]
    if wrong := [*wrong, *_repeated(header)]:
        raise DocumentRefused([Problem(place, sentence, code, name) for place, sentence, code in wrong])
    ours = [HELP, *(one.grid.name for one in best if one.is_almost)]
    return Found(header, [grid.name for grid in grids if grid.rows and grid.name not in ours])


def _best(grid: Grid) -> Header | None:
    """The header that lacks least, the first of those; None where no title is ours."""
    found = list(_headers(grid))
    return min(found, key=lambda one: len(one.missing), default=None)


def _headers(grid: Grid) -> Iterator[Header]:
    for number, row in grid.rows[:1]:
        for template in TEMPLATES.values():
            places: dict[str, list[int]] = {}
            for at, cell in enumerate(row):
                for member, column in template.columns.items():
                    if str(cell).strip() == column.title:
                        places.setdefault(member, []).append(at)
            if places:
                yield Header(grid, template, number, places)


def _second(other: Header, header: Header) -> tuple[str, str, str]:
    sentence = (
        f"is filled in beside the sheet {header.grid.name}, and one is read of a file: save it as a file of its own / "
        f"与工作表“{header.grid.name}”同时填写;一个文件只读取一张表,请另存为单独的文件"
    )
    return other.grid.name, sentence, "second-sheet"


def _repeated(header: Header) -> Iterator[tuple[str, str, str]]:
    for member, (first, *others) in header.places.items():
        for at in others:
            known = header.cell(first, header.row)
            sentence = (
                f"repeats the title of {known}, {header.template.columns[member].title}: delete or rename one of both columns / "
                f"与 {known} 的标题重复:请删除其中一列或改名"
            )
            yield header.cell(at, header.row), sentence, "duplicate-title"
