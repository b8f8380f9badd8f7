"""
What a report is: a name, and tables built from the log for a query.

A new report is one new file that implements `Report` and one line in the registry (__init__.py); writers.py prints all of
them.  A report says what it left out: tables carry the number of their rows and a digest over them, so that a sheet that lost
its end, or a row, can be told from a whole one, whatever order its rows were sorted into.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Protocol

from sqlalchemy.orm import Session

from ledger.shown import Audience
from ledger.units import ANY

Cell = str | int | Decimal | None
Text = Mapping[str, str]
"""A text by language: {"en": ..., "zh": ...}."""
MAX_LOTS = 100  # of one query


class BadQuery(ValueError):
    """The report cannot be built for this."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a report is asked about; times are event times, ms since 1970, both ends included."""

    lots: tuple[str, ...]
    """Canonical URIs of lots, items or logistic units."""
    since_ms: int | None = None
    until_ms: int | None = None
    before: int = ANY
    """Only entries below: the published size."""
    audience: Audience = Audience.REGULATOR
    lang: str = "en"
    """What people read in it, names of parties and places included, is in this language where there are words."""
    coded: bool = False
    """For a program: names of tables, and words that stand for a code, stay the codes in every language."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `law` is the place that asks for it, and `required` whether a row without it is incomplete."""

    key: str
    title: Text
    law: str = ""
    required: bool = False

    def words(self, lang: str) -> str:
        """The title in a language, English where there is no other."""
        return self.title.get(lang) or self.title["en"]

    def heading(self, lang: str) -> str:
        """The title, with the place in the law."""
        return f"{self.words(lang)} [{self.law}]" if self.law else self.words(lang)


@dataclass(frozen=True, slots=True)
class Table:
    """One sheet: rows have a cell for each column."""

    name: str
    """At most 31 characters and none of []:*?/\\, as sheets are named."""
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    """What a reader must know of it, such as that more was found than it holds; printed at its end."""

    @property
    def digest(self) -> str:
        """
        SHA-256 (hex) over the rows, in whatever order: each as a compact JSON array of texts, the lines sorted as bytes and
        joined by line ends.  Numbers are decimal texts, nothing is an empty text.
        """
        lines = sorted(json.dumps([text_of(cell) for cell in row], ensure_ascii=False, separators=(",", ":")).encode()
                       for row in self.rows)  # fmt: skip
        return sha256(b"\n".join(lines)).hexdigest()


class Report(Protocol):
    """A report, found by its name."""

    name: str
    title: Text

    def build(self, session: Session, query: Query) -> Sequence[Table]:
        """Build every table.  Raises BadQuery."""


def text_of(cell: Cell) -> str:
    """A cell as text; decimals without an exponent."""
    if cell is None:
        return ""
    return format(cell, "f") if isinstance(cell, Decimal) else str(cell)
