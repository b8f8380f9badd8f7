"""A writer that is killed at a random moment loses nothing that it acknowledged, and leaves a log that audits clean."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.audit import audit_ledger
from ledger.receipts import receipts
from tests.support.ledger import Rig

ROUNDS = 2  # tests/e2e/kill9.py does fifty, over HTTP


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_kill_9_at_any_moment_loses_no_acknowledged_statement(farm: Rig, database_url: str, seed: int) -> None:
    moment = random.Random(seed)
    acknowledged: list[bytes] = []
    for turn in range(2):
        number = 1 + 1_000_000 * (turn + 1)
        acknowledged += write_and_kill(database_url, farm.folder, farm.now_ms, number, lines=moment.randint(1, 40))
        farm.now_ms += 1_000_000
    farm.fresh_sequencer().recover()
    farm.step()
    report = audit_ledger(farm.database, farm.store, farm.keys.log.vkey, farm.keys.clock.vkey)
    assert report.statements >= 2 + len(acknowledged)
    with farm.database.reading() as session:
        assert len(receipts(session, farm.store, acknowledged)) == len(acknowledged)


def write_and_kill(url: str, folder: Path, now_ms: int, number: int, *, lines: int) -> list[bytes]:
    """Let a writer acknowledge `lines` statements or a few more, kill it, and return what it acknowledged."""
    command = [sys.executable, "-m", "tests.support.writer", url, str(folder), str(now_ms), str(number)]
    told: list[bytes] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        while len(told) < lines:
            told.append(bytes.fromhex(writer.stdout.readline()))
        writer.kill()
        told += [bytes.fromhex(line) for line in writer.stdout.read().split("\n")[:-1]]
    return told
