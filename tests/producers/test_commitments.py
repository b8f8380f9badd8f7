"""The leaf hashes of item codes, which the outbox keeps until the log has them."""

from datetime import UTC, datetime
from pathlib import Path

from producers import records
from producers.client import LogClient
from producers.commitments import Commitments
from producers.control import LabelCommitment
from producers.labels import ItemCodes
from tests.producers.fake_log import ORIGIN, FakeLog
from tests.producers.farm import FARM, KEY, LOT


def test_two_commands_that_hand_in_the_same_codes_hand_them_in_once(tmp_path: Path, log: FakeLog) -> None:
    codes = ItemCodes(LOT, bytes(range(32)), 3)
    told = LabelCommitment.of(LOT, origin=ORIGIN, root=codes.root, count=3)
    log.append(records.sign_record(records.record(told, issuer=FARM, at=datetime.now(UTC)), KEY))
    path = tmp_path / "outbox.db"
    with LogClient(log.server) as client, Commitments.open(path) as one, Commitments.open(path) as other:
        one.keep(codes.root, codes.leaves())
        other.hand_in(codes.root, client)
        one.hand_in(codes.root, client)
    assert log.leaves == [b"".join(codes.leaves())]
