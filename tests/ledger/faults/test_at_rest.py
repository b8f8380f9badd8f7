"""
Damage at rest and power cuts: whatever the object store has lost is derived again from the database at the next start.
"""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from ledger.audit_tiles import Broken
from ledger.deriving import LOOK_BACK
from ledger.stored import StoreUnavailable
from tests.ledger.faults.memory import Cut
from tests.ledger.faults.stage import Stage
from tests.ledger.faults.wire import Way

ALL = os.environ.get("FAULTS") == "all"
T = TypeVar("T")
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


SETTLED: Sequence[tuple[int, ...]] = ((), (0,), (1,), (0, 2))
"""Which of four batches were settled."""


def in_turn(stage: Stage, cut: Cut, cases: Sequence[T]) -> Sequence[T]:
    """Half of them on SQLite, one on PostgreSQL: objects do not know the engine; make fuzz plays all on both."""
    turn = list(Cut).index(cut)
    return cases if ALL else cases[turn % 2 :: 2] if stage.database.is_sqlite else [cases[turn % len(cases)]]


@pytest.mark.parametrize("cut", Cut)
def test_a_power_cut_after_any_batch_takes_nothing_that_anybody_was_told_or_shown(stage: Stage, cut: Cut) -> None:
    stage.rig.sequencer.publisher.settle()
    held = stage.snapshot()
    for settled in in_turn(stage, cut, SETTLED):
        stage.load(held)
        stage.rig.sequencer.recover()
        cut_after_batches(stage, settled, cut)


def cut_after_batches(stage: Stage, settled: tuple[int, ...], cut: Cut) -> None:
    """Batches that end within a tile, at its end and beyond, some of them settled; and then another cut."""
    for number, count in enumerate((200, 53, 1, 260)):
        sent = stage.submit([stage.event() for _ in range(count)], own=True)
        stage.rig.step()
        assert {one.state for one in stage.answers(sent)} == {"published"}
        if number in settled:
            stage.rig.sequencer.publisher.settle()
    stage.power_cut(cut)
    if cut is Cut.AHEAD:
        with pytest.raises(StoreUnavailable):
            stage.readers.read("checkpoint")
    stage.rig.sequencer.recover()
    stage.check()
    stage.power_cut(cut)
    stage.progress()
    stage.check()


@pytest.mark.parametrize("cut", Cut)
def test_a_disk_that_says_yes_without_writing_loses_nothing_that_was_acknowledged(stage: Stage, cut: Cut) -> None:
    stage.rig.sequencer.publisher.settle()
    held, stage.look_back = stage.snapshot(), LOOK_BACK
    for lies in in_turn(stage, cut, (1, 2, 5)):
        stage.load(held)
        lie(stage, lies, cut)


def lie(stage: Stage, lies: int, cut: Cut) -> None:
    """Of four batches the first few are said to be on the disk, and are not."""
    for number in range(4):
        sent = stage.submit([stage.event() for _ in range(90)], own=True)
        stage.rig.sequencer.recover()
        stage.wire.arm()
        stage.wire.pick("settle", Way.LIED, every=number < lies)
        stage.round()
        stage.wire.disarm()
        assert {one.state for one in stage.answers(sent)} == {"published"}
    stage.memory.power_cut(cut)  # what such a disk shows before a start is nobody's promise
    stage.restart()
    stage.progress()
    stage.check()


def test_partial_tiles_of_older_checkpoints_are_right_again_after_a_power_cut(stage: Stage) -> None:
    for _ in range(3):
        stage.rig.log(stage.event(), stage.event())
    older = [path for path in stage.memory.visible if ".p/" in path]
    assert {"tile/0/000.p/4", "tile/entries/000.p/6"} <= set(older)
    stage.power_cut(Cut.ZEROS)
    stage.rig.sequencer.recover()
    for path in older:
        assert stage.memory.visible[path] == stage.memory.ever[path], path
