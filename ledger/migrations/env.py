"""
alembic's entry: runs the versions on the connection that ledger/migrate.py hands over, or on the configured database.

A migration on PostgreSQL gives up after LOCK_TIMEOUT instead of queueing every reader behind it.
"""

from alembic import context
from sqlalchemy import Connection, text

from ledger.db import open_database
from ledger.models import Base
from ledger.settings import Settings

LOCK_TIMEOUT = "5s"


def run(connection: Connection) -> None:
    """Run the versions inside one transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    database = open_database(Settings().database)
    with database.engine.begin() as connection:
        run(connection)
    database.close()
