"""A report as tests read it."""

from collections.abc import Mapping

from ledger.reports import REPORTS, Query, Table
from tests.ledger_read.season import P1, Season

DESCRIBED = {"phone": "+86 21 5555 0199", "city": "Shanghai", "postalCode": "200000", "country": "CN"}
"""The rest of a location description, as 21 CFR 1.1310 asks for."""


def tables(season: Season, *asked: str, **more: object) -> dict[str, Table]:
    """The report's tables by name."""
    query = Query(asked or (P1,), **more)  # type: ignore[arg-type]
    with season.rig.database.reading() as session:
        return {table.name: table for table in REPORTS["fsma204"].build(session, query)}


def lines(table: Table) -> list[Mapping[str, object]]:
    """Rows by column key."""
    return [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]
