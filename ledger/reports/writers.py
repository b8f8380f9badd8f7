"""
Writers: tables as a workbook, as text with commas, or as JSON.

What stands in a cell came from strangers: it never becomes a formula or a link.  Every table ends with its number of rows and
their digest (interface.py), below an empty line, where sorting and filtering do not reach.

Source: OWASP, CSV injection; XlsxWriter; RFC 4180.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import xlsxwriter

from ledger.reports.interface import BadQuery, Cell, Table, text_of

MEDIA: Mapping[str, str] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
MAX_ROWS = 1_048_570  # a sheet has 1,048,576; some are the heading and the end
MAX_TEXT = 32_767  # characters of a cell; XlsxWriter drops longer ones without a word
EXACT = 15  # digits that a sheet's numbers keep
END = "END"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # what some sheet takes for the start of a formula


def render(tables: Sequence[Table], form: str, *, lang: str = "en") -> bytes:
    """Print tables in `form` (a key of MEDIA), headings in `lang`.  Raises BadQuery for another form or too many rows."""
    if form not in _WRITERS:
        raise BadQuery(f"{form} is not one of {', '.join(_WRITERS)}")
    if any(len(table.rows) > MAX_ROWS for table in tables):
        raise BadQuery(f"more than {MAX_ROWS} rows: ask for fewer lots or a shorter time")
    return _WRITERS[form](tables, lang)


def _workbook(tables: Sequence[Table], lang: str) -> bytes:
    out = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, options)
    bold, plain = book.add_format({"bold": True, "text_wrap": True, "valign": "top"}), book.add_format({"valign": "top"})
    for table in tables:
        sheet = book.add_worksheet(table.name)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, max(0, len(table.columns) - 1), 24)
        if table.rows:
            sheet.autofilter(0, 0, len(table.rows), max(0, len(table.columns) - 1))
        # With constant memory, a row is on disk as soon as the next one begins: top to bottom, never back.
        for at, column in enumerate(table.columns):
            sheet.write_string(0, at, column.heading(lang), bold)
        for line, row in enumerate(table.rows, 1):
            for at, cell in enumerate(row):
                _write_cell(sheet, line, at, cell, plain)
        for at, cell in enumerate(_end(table)):
            _write_cell(sheet, len(table.rows) + 2, at, cell, plain)
    book.close()
    return out.getvalue()


def _write_cell(sheet: Any, line: int, at: int, cell: Cell, plain: Any) -> None:
    if isinstance(cell, int | Decimal) and len(Decimal(cell).as_tuple().digits) <= EXACT:
        sheet.write_number(line, at, float(cell), plain)
    elif cell not in (None, ""):
        text = text_of(cell)
        sheet.write_string(line, at, text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…", plain)


def _commas(tables: Sequence[Table], lang: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for at, table in enumerate(tables):
        if len(tables) > 1:
            writer.writerows([[]] * bool(at))
            writer.writerow([f"# {table.name}"])
        writer.writerow([_harmless(column.heading(lang)) for column in table.columns])
        writer.writerows([_harmless(cell) for cell in row] for row in table.rows)
        writer.writerow([])
        writer.writerow([_harmless(cell) for cell in _end(table)])
    # With a byte order mark, or Excel takes 中文 for something else.
    return out.getvalue().encode("utf-8-sig")


def _harmless(cell: Cell) -> str:
    text = text_of(cell)
    return "'" + text if isinstance(cell, str) and text.startswith(_FORMULA) else text


def _json(tables: Sequence[Table], lang: str) -> bytes:
    shown = [
        {
            "name": table.name,
            "columns": [{"key": one.key, "title": one.words(lang), "law": one.law} for one in table.columns],
            "rows": [[text_of(cell) for cell in row] for row in table.rows],
            "count": len(table.rows),
            "sha256": table.digest,
            **({"note": table.note} if table.note else {}),
        }
        for table in tables
    ]
    return json.dumps({"tables": shown}, ensure_ascii=False, separators=(",", ":")).encode()


def _end(table: Table) -> list[Cell]:
    return [END, f"rows: {len(table.rows)}", f"sha256: {table.digest}", *filter(None, [table.note])]


_WRITERS: Mapping[str, Callable[[Sequence[Table], str], bytes]] = {"xlsx": _workbook, "csv": _commas, "json": _json}
