"""
Damage at rest and power cuts: whatever the object store has lost is derived again from the database at the next start.
"""

from collections.abc import Callable

import pytest

from ledger.audit_tiles import Broken
from tests.ledger.faults.stage import Stage
from tests.ledger.faults.wire import Way

LOSSES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda data: None,
    "present but empty": lambda data: b"",
    "torn": lambda data: data[: len(data) // 3],
}


EDGE = ("tile/0/002.p/10", "tile/entries/002.p/10", "tile/1/000.p/2")  # of the tree of 522


@pytest.fixture
def wide(stage: Stage) -> Stage:
    """A log of 522 entries: two full tiles with their bundles, a partial one, and the level above."""
    stage.log(300)
    stage.log(220)
    return stage


@pytest.mark.parametrize("loss", LOSSES)
def test_every_object_that_is_lost_is_there_again_after_a_start_and_not_only_the_right_edge(wide: Stage, loss: str) -> None:
    if not wide.database.is_sqlite:
        pytest.skip("objects do not know the engine")
    # Partial tiles of smaller trees are nobody's promise.
    whole = {path: data for path, data in wide.memory.visible.items() if ".p/" not in path or path in EDGE}
    assert {"tile/0/000", "tile/0/001", "tile/entries/000", "checkpoint", *EDGE} <= set(whole)
    for path, data in whole.items():
        left = LOSSES[loss](data)
        wide.memory.drop([path])
        if left is not None:
            wide.memory.damage(path, left)
        wide.restart()
        wide.rig.sequencer.recover()
        wide.memory.power_cut()
        assert wide.memory.visible[path].split(b"\n\n")[0] == data.split(b"\n\n")[0], path
    wide.check()


def test_a_tile_with_one_flipped_bit_is_never_mended_in_silence(wide: Stage) -> None:
    data = wide.memory.visible["tile/0/000"]
    wide.memory.damage("tile/0/000", bytes([data[0] ^ 1]) + data[1:])
    wide.restart()
    wide.rig.sequencer.recover()
    with pytest.raises(Broken, match=r"tile/0/000"):
        wide.check()


@pytest.mark.parametrize("lies", [1, 2, 5])
def test_a_disk_that_says_yes_without_writing_loses_nothing_that_was_acknowledged(stage: Stage, lies: int) -> None:
    for number in range(4):
        sent = stage.submit([stage.event() for _ in range(90)], own=True)
        stage.rig.sequencer.recover()
        stage.wire.arm()
        stage.wire.pick("settle", Way.LIED, every=number < lies)
        stage.rig.step()
        stage.wire.disarm()
        assert {one.state for one in stage.answers(sent)} == {"published"}
    stage.memory.power_cut()
    stage.restart()
    stage.progress()
    stage.check()
