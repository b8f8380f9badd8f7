"""
Migrations by code: bring a database's tables up to date, or say that they are not.

Not here: the versions themselves (migrations/versions), which import no models: old migrations must keep meaning what they
meant.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from ledger.db import Database


class OutOfDate(Exception):
    """The tables are not those that this code expects."""


def upgrade(database: Database) -> None:
    """Run every migration that the database has not seen."""
    with _config(database) as config:
        command.upgrade(config, "head")


def check(database: Database) -> None:
    """Raise OutOfDate unless the tables are exactly those of models.py."""
    with _config(database) as config:
        try:
            command.check(config)
        except CommandError as error:
            raise OutOfDate(str(error)) from None


@contextmanager
def _config(database: Database) -> Iterator[Config]:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        yield config
