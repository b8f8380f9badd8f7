"""
The regulator's tables as files: what a search found, the records about a subject, who looked.

Source: interface.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.files import Words, sheet, utc
from api.search import MAX_FOUND, Found
from api.subject_page import MAX_RECORDS, Shown
from api.views import look_word, told_word
from ledger.models import Look
from ledger.reports.interface import Cell, Table

FOUND = {"kind": "col.kind", "name": "col.name", "uri": "col.uri", "digest": "col.digest"}
RECORDS = {
    "index": "col.index", "kind": "col.kind", "party": "col.party", "party_uri": "col.party_uri", "detail": "col.detail",
    "when": "col.when", "logged": "col.logged", "late": "col.late_hours", "digest": "col.digest",
}  # fmt: skip
LOOKS = {"logged": "col.looked", "key": "col.key", "holder": "col.name", "what": "col.look", "query": "col.query"}


def search_sheet(found: Sequence[Found], say: Words, lang: str) -> Table:
    """What a search found; statements by their kind, the rest by what it is and its name."""
    rows = [[say.get(f"kind.{one.name}", one.name), "", one.uri, one.digest] if one.digest
            else [say.get(f"level.{one.level}", one.level), one.name, one.uri, ""] for one in found]  # fmt: skip
    return sheet("found", say, lang, FOUND, rows, say["files.cut"] if len(found) >= MAX_FOUND else "")


def records_sheet(facts: Mapping[str, Any], say: Words, lang: str) -> Table:
    """The records of a subject's page."""
    records, names = facts["records"], facts["names"]
    rows = [_record(row, names, say) for row in records]
    return sheet("records", say, lang, RECORDS, rows, say["files.cut"] if len(records) >= MAX_RECORDS else "")


def _record(row: Shown, names: Mapping[str, str], say: Words) -> list[Cell]:
    told = "; ".join(f"{say[f'told.{name}']}{told_word(say, name, value)}" for name, value in row.told.items())
    return [row.index, say.get(f"kind.{row.kind}", row.kind), names.get(row.issuer, row.issuer), row.issuer, told, row.claimed,
            utc(row.logged_ms), row.late_hours or None, row.digest]  # fmt: skip


def looks_sheet(looks: Iterable[Look], holders: Mapping[str, str], say: Words, lang: str) -> Table:
    """Who looked at what, with the key's public id."""
    rows = [[utc(one.at_ms), one.api_key, holders.get(one.api_key, ""), look_word(say, one.what), one.query] for one in looks]
    return sheet("looks", say, lang, LOOKS, rows)
