"""A ledger with its genesis, on each engine."""

from pathlib import Path

import pytest

from ledger.db import Database
from tests.support.ledger import FARM, GTIN, Rig, p256


@pytest.fixture
def rig(database: Database, tmp_path: Path) -> Rig:
    """A fresh log: the genesis is published, nobody is registered."""
    return Rig(database, tmp_path).create()


@pytest.fixture
def farm(rig: Rig) -> Rig:
    """The same with one farm, whose key is `p256("farm")`, at index 1."""
    rig.log(rig.grant(FARM, p256("farm"), mint=[GTIN]))
    return rig
