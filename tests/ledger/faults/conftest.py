"""The stage, on each engine."""

from pathlib import Path

import pytest

from ledger.db import Database
from tests.ledger.faults.stage import Stage


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    """A stage with its log and one farm."""
    return Stage(database, tmp_path).create()
