"""
Which sheet of a workbook is filled in, which template it is, and which of its columns is which.

What could be read two ways is refused: two sheets with rows, one title above two columns.  A farm's own sheets and
columns beside ours are passed over; a sheet that is almost ours is not.

Not here: what the rows hold (rows.py).
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from producers.cells import address
from producers.epcis.problems import DocumentRefused, Problem
from producers.sheets import HELP, TEMPLATES, Column, Template
from producers.workbook import Grid

WITHIN = 10  # rows: a farm writes its name and the month above the titles
_GLN = "(GLN)"


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
        place, sentence = _nearest(best)
        raise DocumentRefused([Problem(place, sentence, "not-a-template", name)])
    header = next((one for one in whole if one.rows), whole[0])
    wrong = [_second(other, header) for other in best if other is not header and other.rows and other.is_almost]
    if wrong := [*wrong, *_both(header), *_repeated(header)]:
        raise DocumentRefused([Problem(place, sentence, code, name) for place, sentence, code in wrong])
    ours = [HELP, *(one.grid.name for one in best if one.is_almost)]
    return Found(header, [grid.name for grid in grids if grid.rows and grid.name not in ours])


def _best(grid: Grid) -> Header | None:
    """The header that lacks least, the first of those; None where no title is ours."""
    return min(_headers(grid), key=lambda one: len(one.missing), default=None)


def _headers(grid: Grid) -> Iterator[Header]:
    for number, row in grid.rows:
        if number > WITHIN:
            return
        spelt = [_spelling(str(cell)) for cell in row]
        for template in TEMPLATES.values():
            places: dict[str, list[int]] = {}
            for at, title in enumerate(spelt):
                if (member := _MEMBERS[template.title].get(title)) is not None:
                    places.setdefault(member, []).append(at)
            if places:
                yield Header(grid, template, number, places)


def _spelling(title: str) -> str:
    """A title as people retype it: its letters and digits, whichever the case, width, spaces and signs between."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", title).casefold())


def _spellings(title: str) -> Iterator[str]:
    """A title whole, its Chinese and its English part; each also without the GLN, or with it."""
    short = title.removesuffix(_GLN).strip()
    for one in (short, *short.split(" ", 1)):
        yield _spelling(one)
        if title.endswith(_GLN):
            yield _spelling(one + _GLN)


_MEMBERS: Mapping[str, Mapping[str, str]] = {
    template.title: {spelling: member for member, column in template.columns.items() for spelling in _spellings(column.title)}
    for template in TEMPLATES.values()
}


def _nearest(best: Sequence[Header]) -> tuple[str, str]:
    """Where a header nearly is, and what it lacks."""
    if not best:
        kinds = ", ".join(TEMPLATES)
        return "", (
            f"is none of our sheets: its first {WITHIN} rows hold no title of our columns; `template` hands out {kinds} / "
            f"前 {WITHIN} 行中没有模板的列标题;请用 template 导出模板:{kinds}"
        )
    header = min(best, key=lambda one: len(one.missing))
    titles = ", ".join(column.title for column in header.missing)
    chinese, english = header.template.title.split(" ", 1)
    return header.cell(0, header.row), (
        f"is nearest to the template {english}, and has no column {titles} / 最接近模板“{chinese}”,但缺少列:{titles}"
    )


def _second(other: Header, header: Header) -> tuple[str, str, str]:
    sentence = (
        f"is filled in beside the sheet {header.grid.name}, and one is read of a file: save it as a file of its own / "
        f"与工作表“{header.grid.name}”同时填写;一个文件只读取一张表,请另存为单独的文件"
    )
    return other.grid.name, sentence, "second-sheet"


def _both(header: Header) -> Iterator[tuple[str, str, str]]:
    for other in _headers(header.grid):
        if not other.missing and other.template is not header.template:
            titles = f"{header.template.title}, {other.template.title}"
            sentence = f"has the columns of two templates, {titles}: make two files / 含有两个模板的列({titles}):请分成两个文件"
            yield header.cell(0, header.row), sentence, "two-templates"


def _repeated(header: Header) -> Iterator[tuple[str, str, str]]:
    for member, (first, *others) in header.places.items():
        for at in others:
            known = header.cell(first, header.row)
            sentence = (
                f"repeats the title of {known}, {header.template.columns[member].title}: delete or rename one of both columns / "
                f"与 {known} 的标题重复:请删除其中一列或改名"
            )
            yield header.cell(at, header.row), sentence, "duplicate-title"
