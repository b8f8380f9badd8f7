"""A ledger with its genesis, on each engine."""

from pathlib import Path

import pytest

from ledger.db import Database
from producers.control import LabelCommitment, RecallNotice, Scope, Withdrawal
from producers.kinds import MasterData
from tests.support.ledger import AGENCY, FARM, GTIN, HUB, LOT, ORIGIN, Rig, p256, quantity
from verify.statement import parse_statement

PACK = f"{GTIN}/10/P-1"
PALLET = "https://id.gs1.org/00/095200011234567898"


@pytest.fixture
def rig(database: Database, tmp_path: Path) -> Rig:
    """A fresh log: the genesis is published, nobody is registered."""
    return Rig(database, tmp_path).create()


@pytest.fixture
def farm(rig: Rig) -> Rig:
    """The same with one farm, whose key is `p256("farm")`, at index 1."""
    rig.log(rig.grant(FARM, p256("farm"), mint=[GTIN]))
    return rig


def recall(number: int, closes: str | None = None) -> RecallNotice:
    """A recall of LOT, or its closing."""
    words = {"en": "pesticide", "zh": "农药"}
    return RecallNotice(
        id=f"urn:uuid:00000000-0000-4000-8000-{number:012}", log=ORIGIN, scope=Scope(lots=[LOT], products=[GTIN]),
        class_="I", reason=words, instructions=words, closes=closes,
    )  # fmt: skip


@pytest.fixture
def full(farm: Rig) -> Rig:
    """A log with something in every derived table."""
    key = p256("farm")
    farm.log(farm.grant(HUB, p256("hub"), "warehouse"), farm.grant(AGENCY, p256("agency"), "authority"))
    farm.log(farm.sign(MasterData(id=GTIN, type="Product", name={"en": "Rice"}), FARM, key), farm.event(FARM, key))
    made = {"inputQuantityList": [quantity(LOT, 90)], "outputQuantityList": [quantity(PACK, 80)], "quantityList": None}
    farm.log(farm.event(FARM, key, type="TransformationEvent", action=None, bizStep="commissioning", **made))
    loaded = {"parentID": PALLET, "childQuantityList": [quantity(PACK, 80)], "quantityList": None, "bizStep": "packing"}
    farm.log(farm.event(FARM, key, type="AggregationEvent", **loaded))
    (shipped,) = farm.log(farm.withholding(FARM, key, HUB, action="OBSERVE", bizStep="shipping"))
    farm.log(farm.sign(LabelCommitment.of(LOT, origin=ORIGIN, root=bytes(32), count=5), FARM, key))
    opened = farm.sign(recall(1), AGENCY, p256("agency"))
    farm.log(opened)
    farm.log(farm.sign(recall(2, parse_statement(opened).digest.hex()), AGENCY, p256("agency")))
    entry = farm.entry(shipped)
    farm.log(farm.sign(Withdrawal.of(entry.digest, origin=ORIGIN, keys=entry.keys, reason="typo"), FARM, key))
    farm.log(farm.revoke(HUB, p256("hub")))
    return farm
