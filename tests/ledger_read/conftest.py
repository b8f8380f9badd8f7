"""The small season on each engine: played once, copied for every test, so that a test may do to it what it likes."""

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from ledger.db import open_database
from tests.ledger_read.season import Season, play
from tests.support.ledger import Rig

MIGRATED = "originmark_template"  # made by tests/conftest.py


class Played:
    """A finished season: its folder (keys and tiles, perhaps the database) and what to know of it."""

    def __init__(self, url: str, folder: Path) -> None:
        database = open_database(url)
        season = play(database, folder)
        database.close()
        self.url, self.folder, self.season = url, folder, season

    def copy(self, url: str, folder: Path) -> Season:
        """The same season over a copied database and a copied folder."""
        rig = Rig(open_database(url), folder, now_ms=self.season.rig.now_ms, numbers=copy.copy(self.season.rig.numbers))
        return Season(rig, dict(self.season.told))


@pytest.fixture(scope="session")
def sqlite_season(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Played on SQLite."""
    folder = tmp_path_factory.mktemp("season")
    shutil.copyfile(sqlite_template, folder / "ledger.db")
    return Played(f"sqlite:///{folder / 'ledger.db'}", folder)


@pytest.fixture(scope="session")
def postgresql_season(postgres_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Played on PostgreSQL."""
    name = f"season_{uuid4().hex}"
    _run(postgres_url("postgres"), f"CREATE DATABASE {name} TEMPLATE {MIGRATED}")
    return Played(postgres_url(name), tmp_path_factory.mktemp("season"))


@pytest.fixture(params=["sqlite", "postgresql"])
def season(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Season]:
    """Everybody honest, everything published."""
    played: Played = request.getfixturevalue(f"{request.param}_season")
    folder = tmp_path / "log"
    shutil.copytree(played.folder, folder)
    if request.param == "sqlite":
        found = played.copy(f"sqlite:///{folder / 'ledger.db'}", folder)
        yield found
        found.rig.database.close()
        return
    url_of: Callable[[str], str] = request.getfixturevalue("postgres_url")
    name = f"test_{uuid4().hex}"
    _run(url_of("postgres"), f"CREATE DATABASE {name} TEMPLATE {make_url(played.url).database} STRATEGY file_copy")
    found = played.copy(url_of(name), folder)
    yield found
    found.rig.database.close()
    _run(url_of("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


def _run(url: str, command: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(command))
    engine.dispose()
