"""Where a farm's commands are typed in tests: a folder of its own, a key, and a log that answers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.cli.app import main
from tests.producers.fake_log import FakeLog
from tests.producers.farm import FARM


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A farm's own folder, with nothing of the tester's environment."""
    for name in [name for name in os.environ if name.startswith("ORIGINMARK_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def log() -> Iterator[FakeLog]:
    """A log that a witness cosigns."""
    with FakeLog(cosigned=True).serve() as log:
        yield log


@pytest.fixture
def farm(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A party with a key; issuer and key stand in the environment."""
    assert main(["keygen", "--key", "farm.pem"]) == 0
    monkeypatch.setenv("ORIGINMARK_ISSUER", FARM)
    monkeypatch.setenv("ORIGINMARK_KEY", "farm.pem")
    return home
