"""The tables are those that the code expects, on both engines."""

from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, MetaData, insert, select, text

from ledger.audit import audit_ledger
from ledger.candidates import event_key
from ledger.db import Database, open_database
from ledger.ends import ends_of
from ledger.migrate import OutOfDate, _config, check, upgrade
from ledger.models import Base
from ledger.tiles import TileStore
from tests.support.ledger import Rig

Rows = dict[str, list[dict[str, Any]]]


def test_a_migrated_database_is_exactly_what_the_code_expects(database: Database) -> None:
    check(database)


def test_migrating_twice_changes_nothing(database: Database) -> None:
    upgrade(database)
    check(database)


def test_a_table_that_somebody_dropped_is_noticed(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE scans"))
    with pytest.raises(OutOfDate):
        check(database)


def test_an_empty_database_is_out_of_date(tmp_path) -> None:
    empty = open_database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(OutOfDate):
        check(empty)
    empty.close()


def test_a_log_of_the_older_tables_is_the_same_log_after_the_migration(full: Rig) -> None:
    """Every row of every table, and a clean audit: 0004 moves all that it changes; 0005 knows that older code synced tiles."""
    database = full.database
    before = rows_of(database)
    with database.engine.begin() as connection:
        for table in [*Base.metadata.tables, "alembic_version"]:
            connection.execute(text(f"DROP TABLE {table}"))
    with _config(database) as config:
        command.upgrade(config, "0003")
        write_old(config.attributes["connection"], before)
    upgrade(database)
    check(database)
    assert rows_of(database) == before | {"published": [row | {"settled": row["size"]} for row in before["published"]]}
    audit_ledger(database, TileStore(full.store.objects), full.keys.log.vkey, full.keys.clock.vkey)


def rows_of(database: Database) -> Rows:
    """Everything, by table."""
    with database.engine.connect() as connection:
        return {
            name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for name, table in Base.metadata.tables.items()
        }


def write_old(connection: Connection, rows: Rows) -> None:
    """Write rows as the tables before 0004 had them."""
    old = MetaData()
    old.reflect(connection)
    ends = [(row["index"], *end) for row in rows["events"] for end in ends_of(row["parties"])]
    told = {**rows, "event_parties": [
        dict(zip(("index", "direction", "type", "uri", "withheld"), end, strict=True)) for end in ends
    ]}  # fmt: skip
    told["statements"] = [
        row | {"event_key": None if row["repeats"] else event_key(row["issuer"], row["event_id"])} for row in rows["statements"]
    ]
    for name, table in old.tables.items():
        kept = [{column: value for column, value in row.items() if column in table.c} for row in told.get(name, ())]
        if kept:
            connection.execute(insert(table), kept)
