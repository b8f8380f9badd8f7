"""
Tables as files: whatever a page shows as a table is handed out as CSV or XLSX, with headings in the reader's language.

Beside each name stands the identifier that it is a name for, and times are whole: a log's in UTC, a party's as it wrote it.
What a spreadsheet could take for a formula is made harmless by the one writer that reports have, too (ledger/reports/writers.py).
Who may ask, and what is recorded of it, is the page's own.

Source: RFC 4180; RFC 6266 (Content-Disposition).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query, Response

from api.deps import Service
from api.problems import HttpProblem
from ledger.reports.interface import Cell, Column, Table
from ledger.reports.writers import MEDIA, render

FILES = ("csv", "xlsx")
Form = Annotated[Literal["json", "csv", "xlsx"] | None, Query(alias="format")]
"""What data is asked for as; another word is refused, with those that are offered."""
FileForm = Annotated[Literal["csv", "xlsx"] | None, Query(alias="format")]
"""The same of a page that is nothing but a page."""
Words = Mapping[str, str]


def words_of(service: Service, lang: str) -> Words:
    """Every word of the pages in one language."""
    return service.views.catalog.tables[lang]


def sheet(name: str, say: Words, lang: str, columns: Mapping[str, str], rows: Iterable[Sequence[Cell]], note: str = "") -> Table:
    """A table whose name and headings are words of the pages: `columns` has the word's key by column."""
    headings = [Column(key, {lang: say[word], "en": say[word]}) for key, word in columns.items()]
    return Table(say[f"sheet.{name}"], headings, [list(row) for row in rows], note)


def handed_out(tables: Sequence[Table], form: str, file: str, lang: str) -> Response:
    """The tables as a file that a browser saves; `form` is one of FILES."""
    headers = {"content-disposition": f'attachment; filename="{file}.{form}"', "cache-control": "no-store",
               "vary": "accept-language, cookie"}  # fmt: skip
    return Response(render(tables, form, lang=lang), 200, headers, MEDIA[form])


def insist_signed_in(key_id: str | None) -> None:
    """Raise HttpProblem where the public asks for a regulator's file: a form to sign in would be saved as one."""
    if key_id is None:
        raise HttpProblem("sign-in", "sign in at /regulator")


def utc(time_ms: int | None) -> str:
    """A log's time for programs: RFC 3339 in UTC, to the second."""
    return "" if time_ms is None else datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
