"""The tables are those that the code expects, on both engines."""

import pytest
from sqlalchemy import text

from ledger.db import Database, open_database
from ledger.migrate import OutOfDate, check, upgrade


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
