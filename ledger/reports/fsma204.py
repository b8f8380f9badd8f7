"""
FSMA 204: the electronic sortable spreadsheet, one sheet for each critical tracking event.

Rows are the logged events of the asked lots and of everything they were made of or became, one for each traceability lot
code.  What the rule requires and nobody told is named in the row and counted in `Missing`, with who owes it; a place whose
description lacks something (1.1310) counts as missing too, and says what it lacks.  What a party tells that never had the goods
is shown as claimed, and is no complete row.  What a party withholds from this reader is said to be that, and nobody owes it: a
regulator's copy has it.  Movements before initial packing are no shipping (1.1340): they tell who the harvest went to.  Not
here: exemptions (1.1305), which are claims that somebody must make first.

Source: 21 CFR 1.1325 to 1.1350 and 1.1455(c)(3); producers/epcis/kde.py for where each element stands.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.orm import Session

from ledger.reports.facts import Book, read_book
from ledger.reports.fsma204_columns import COLUMNS, LOGGED, Row
from ledger.reports.fsma204_rows import Reading
from ledger.reports.fsma204_standing import CLAIMED, STANDS, UNKNOWN, Standing
from ledger.reports.fsma204_words import said
from ledger.reports.interface import Cell, Column, Query, Table

NAME = "fsma204"
_SUMMARY = (
    Column("sheet", {"en": "Sheet", "zh": "工作表"}), Column("rows", {"en": "Rows", "zh": "行数"}),
    Column("complete", {"en": "Complete rows that stand", "zh": "完整且有效的行数"}),
    Column("withheld", {"en": "Rows that lack only what is withheld from you", "zh": "仅缺未向您披露内容的行数"}),
    Column("claimed", {"en": "Rows claimed by a third party", "zh": "第三方声称的行数"}),
    Column("sha256", {"en": "Digest of the rows", "zh": "行摘要"}),
)  # fmt: skip
_MISSING = (
    Column("sheet", {"en": "Sheet", "zh": "工作表"}), Column("element", {"en": "Missing element", "zh": "缺失要素"}),
    Column("law", {"en": "Asked for by", "zh": "法规条款"}), Column("owed_by", {"en": "Owed by", "zh": "责任方"}),
    Column("rows", {"en": "Rows", "zh": "行数"}),
)  # fmt: skip
_ABOUT = (Column("what", {"en": "About this report", "zh": "关于本报表"}), Column("value", {"en": "Value", "zh": "内容"}))
_GLOSSARY = (
    Column("sheet", {"en": "Sheet", "zh": "工作表"}), Column("column", {"en": "Column", "zh": "列"}),
    Column("zh", {"en": "Column (Chinese)", "zh": "中文列名"}), Column("law", {"en": "Place in the law", "zh": "法规条款"}),
    Column("required", {"en": "Required", "zh": "是否必填"}),
)  # fmt: skip


class Fsma204:
    """The report; see the module."""

    name = NAME
    title: Mapping[str, str] = {"en": "FSMA 204 traceability records", "zh": "FSMA 204 可追溯记录"}

    def build(self, session: Session, query: Query) -> Sequence[Table]:
        """Build summary, missing elements, one sheet for each event of the rule, and the glossary.  Raises BadQuery."""
        book = read_book(session, query)
        standing = Standing(book)
        reading = Reading(book, standing)
        rows = {cte: list(reading.rows(cte)) for cte in COLUMNS}
        worth = {cte: [standing.of(row) for row in rows[cte]] for cte in COLUMNS}
        sheets = {cte: _sheet(cte, zip(rows[cte], worth[cte], strict=True), book, query) for cte in COLUMNS}
        return [_summary(rows, worth, sheets, query), _missing(rows, book, query), *sheets.values(), _glossary(query),
                _about(query, book)]  # fmt: skip


def _sheet(cte: str, rows: Iterable[tuple[Row, str]], book: Book, query: Query) -> Table:
    columns = (*COLUMNS[cte], *LOGGED)
    cells = [_logged(row, worth, cte, book, query) for row, worth in rows]
    return Table(said(cte, query), columns, [[row.get(column.key) for column in columns] for row in cells])


def _logged(row: Row, worth: str, cte: str, book: Book, query: Query) -> dict[str, Cell]:
    told = row.fact.told
    gaps = "; ".join(f"{_gap(row, column, query)} [{column.law}]" for column in row.missing(COLUMNS[cte]))
    return row.cells | {
        "teller": book.party(row.teller), "time": told.time, "late_hours": told.late_hours,
        "standing": said(worth, query),
        "event_id": told.event_id, "index": told.index, "digest": told.digest, "missing": gaps,
    }  # fmt: skip


def _summary(rows: Mapping[str, Sequence[Row]], worth: Mapping[str, Sequence[str]], sheets: Mapping[str, Table],
             query: Query) -> Table:  # fmt: skip
    lines: list[list[Cell]] = []
    for cte, one in sheets.items():
        told = [(word, row.is_whole) for word, row in zip(worth[cte], rows[cte], strict=True) if not row.missing(COLUMNS[cte])]
        unseen = sum(word in (STANDS, UNKNOWN) for word, _ in told) - told.count((STANDS, True))
        claimed = worth[cte].count(CLAIMED)
        lines.append([one.name, len(one.rows), told.count((STANDS, True)), unseen, claimed, one.digest])
    return Table(said("Summary", query), _SUMMARY, lines)


def _missing(rows: Mapping[str, Sequence[Row]], book: Book, query: Query) -> Table:
    counts: dict[tuple[str, str, str, str], int] = {}
    for cte, found in rows.items():
        for row in found:
            for column in row.missing(COLUMNS[cte]):
                gap = (said(cte, query), _gap(row, column, query), column.law, book.party(row.teller))
                counts[gap] = counts.get(gap, 0) + 1
    return Table(said("Missing", query), _MISSING, [[*gap, count] for gap, count in counts.items()])


def _gap(row: Row, column: Column, query: Query) -> str:
    """A missing element in words, and what is missing of it where the rest was told."""
    lacks = ", ".join(said(one, query) for one in row.lacking(column))
    return f"{column.words(query.lang)}: {lacks}" if lacks else column.words(query.lang)


def _glossary(query: Query) -> Table:
    needs = {True: said("yes", query), False: said("if applicable", query)}
    lines = [[said(cte, query), one.title["en"], one.title["zh"], one.law, needs[one.required]]
             for cte, columns in COLUMNS.items() for one in columns if one.law]  # fmt: skip
    lines.append([said("Missing", query), "Every place: location description", "每个地点：地点描述", "1.1310", needs[True]])
    return Table(said("Glossary", query), _GLOSSARY, lines)


def _about(query: Query, book: Book) -> Table:
    lines: list[list[Cell]] = [["rule", said("21 CFR part 1, subpart S", query)]]
    lines += [["lot asked", lot] for lot in query.lots]
    lines += [["entries below", query.before], ["events read", len(book.facts)]]
    lines += [["cut short", said("yes" if book.truncated else "no", query)]]
    return Table(said("About", query), _ABOUT, [[said(str(what), query), value] for what, value in lines])
