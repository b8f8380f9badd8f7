"""
Faults upon faults: the reload after an error fails too.  Until one has succeeded nothing is sequenced.

Source: a log that ignored a failed reload and went on with missing tiles (ct-policy dVz6tMLWsRY, 2025-07).
"""

import os
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from ledger.models import CheckpointRow, EntryRow
from ledger.problems import Fatal
from tests.ledger.faults.memory import Cut
from tests.ledger.faults.stage import Snapshot, Stage
from tests.ledger.faults.wire import Point, Way, of_each_class, summary
from verify.note import parse_note

ALL = os.environ.get("FAULTS") == "all"
FIRSTS = (("commit", Way.STORED), ("commit", Way.FAILED), ("create", Way.TORN), ("replace checkpoint", Way.EMPTY))
"""What fails first: the commit of the order, with and without effect, the first tile, the served checkpoint."""


ORDERS = ("sql INSERT entries", "sql COPY entries")
"""Only the ordering transaction does it, which begins when the reload has succeeded."""


def sizes(stage: Stage) -> tuple[int, int, str]:
    """What is sequenced: entries, the committed size, the committed note."""
    with stage.database.reading() as session:
        row = session.execute(select(CheckpointRow.size, CheckpointRow.body)).one()
        return session.scalar(select(func.count()).select_from(EntryRow)) or 0, row.size, row.body


def fail_at(stage: Stage, wanted: str, way: Way) -> None:
    """Sequence one statement, and fail at the first operation of that name."""
    stage.rig.sequencer.recover()
    stage.submit([stage.event()])
    stage.wire.arm()
    held = stage.wire.pick(wanted, way)
    assert not stage.attempt(stage.rig.step)
    stage.wire.disarm()
    assert held.fired is not None, wanted


@pytest.mark.parametrize("first", FIRSTS, ids=lambda one: f"{one[0]}, {one[1]}")
def test_while_reloads_fail_nothing_is_sequenced_and_then_nothing_is_lost(
    stage: Stage, first: tuple[str, Way], record_property: Callable[[str, object], None]
) -> None:
    stage.log()
    held = stage.snapshot()
    points = of_each_class(reload_points(stage, held, first))
    cases = 0
    if not ALL:
        points = points[FIRSTS.index(first) % 2 :: 2]
    for number, point in enumerate(points):
        for way in point.ways if ALL else point.ways[number % len(point.ways) :][:1]:
            stage.load(held)
            fail_at(stage, *first)
            play(stage, point, way)
            cases += 1
    engine = stage.database.engine.dialect.name
    told = f"{len(points)} points ({summary(points)}), {cases} cases, nothing lost"
    record_property("told", f"faults in a reload, {engine}, after {first[0]} {first[1]}: {told}")


def reload_points(stage: Stage, held: Snapshot, first: tuple[str, Way]) -> list[Point]:
    """The operations of the reload that follows this fault."""
    stage.load(held)
    fail_at(stage, *first)
    stage.wire.arm()
    stage.rig.sequencer.recover()
    return stage.wire.disarm()


def play(stage: Stage, point: Point, way: Way) -> None:
    """One case: the reload fails at `point`, again and again, and then it does not."""
    label, before = f"{point.at} {point.name}, {way}", sizes(stage)
    sent = stage.submit([stage.event()])
    try:
        for turn in range(2):
            stage.wire.arm(point, way)
            done = stage.attempt(stage.rig.step)
            seen = stage.wire.disarm()
            assert turn or stage.wire.fired == point.name
            if way is Way.LIED or point.name == "witness" or done:
                break  # the reload did not fail, or only the witness did
            if turn and any(one.name in ORDERS and one.at < point.at for one in seen):
                break  # it was another, since what "failed" before had lasted: what failed now is the step after it
            assert sizes(stage) == before
        stage.power_cut(list(Cut)[point.at % len(Cut)])
        stage.settle(sent)
        stage.progress()
        stage.check()
    except Exception as error:
        raise AssertionError(label) from error


def trees(served: list[str]) -> set[str]:
    """What was signed, whatever witnesses said of it."""
    return {parse_note(body).text for body in served}


@pytest.mark.parametrize("name", ["commit", "settle", "replace checkpoint"])
def test_a_disk_that_is_gone_stops_the_log_and_nothing_else_happens_until_it_is_back(stage: Stage, name: str) -> None:
    stage.rig.sequencer.recover()
    sent = stage.submit([stage.event()])
    stage.wire.arm()
    stage.wire.pick(name, Way.FAILED, dead=True)
    assert not stage.attempt(stage.round)
    stage.wire.die()
    for _ in range(3):
        assert not stage.attempt(stage.rig.step)
    stage.wire.disarm()
    before = sizes(stage)
    assert sizes(stage) == before
    stage.settle(sent)
    stage.progress()
    stage.check()


class TestTheFirstStart:
    """Between `init` and the first served checkpoint there is nothing to go back to."""

    def test_whatever_fails_while_the_genesis_is_published_the_next_start_publishes_it(self, stage: Stage) -> None:
        held = stage.first
        stage.load(held)
        stage.wire.arm()
        stage.rig.sequencer.recover()
        for point in of_each_class(stage.wire.disarm()):
            for way in point.ways:
                stage.load(held)
                stage.wire.arm(point, way)
                stage.attempt(stage.rig.sequencer.recover)
                stage.wire.disarm()
                stage.power_cut(list(Cut)[point.at % len(Cut)])
                stage.rig.sequencer.recover()
                stage.check()


class TestTheClock:
    """Time in the log never runs back."""

    def test_a_clock_set_back_stops_the_log_until_it_is_right_again(self, stage: Stage) -> None:
        sent, served, right = stage.submit([stage.event()]), list(stage.memory.served), stage.rig.now_ms
        stage.rig.now_ms -= 3_600_000
        for start in (stage.rig.step, stage.rig.step, stage.rig.sequencer.recover):
            with pytest.raises(Fatal, match="clock"):
                start()
        stage.restart()
        with pytest.raises(Fatal, match="clock"):
            stage.rig.step()
        assert trees(stage.memory.served) == trees(served)
        stage.rig.now_ms = right
        stage.settle(sent)
        stage.check()


class TestTwoStores:
    """The database and the objects are not equally old."""

    def test_an_older_checkpoint_object_is_replaced_on_start(self, stage: Stage) -> None:
        old = dict(stage.memory.visible)
        stage.log()
        stage.memory.damage("checkpoint", old["checkpoint"])
        stage.restart()
        stage.progress()
        stage.check()

    def test_objects_of_yesterday_are_made_new_from_the_database(self, stage: Stage) -> None:
        old = dict(stage.memory.visible)
        for _ in range(3):
            stage.log()
        served = list(stage.memory.served)
        stage.memory.load(old)
        stage.memory.served = served
        stage.restart()
        stage.progress()
        stage.check()

    @pytest.mark.parametrize("known", [True, False], ids=["rows of yesterday", "another log's rows at the same size"])
    def test_a_database_behind_what_is_served_is_fatal_and_stays_fatal(self, stage: Stage, known: bool) -> None:
        held = stage.snapshot()
        stage.log()
        objects, served, now = dict(stage.memory.visible), list(stage.memory.served), stage.rig.now_ms
        stage.load(held)
        if not known:
            stage.forget_parcels()
            stage.memory.load({})
            stage.log()  # the same size, another tree
        stage.memory.load(objects)
        stage.rig.now_ms = now + 1_000
        stage.restart()
        stage.submit([stage.event()])
        before = sizes(stage)
        for start in self.starts(stage):
            with pytest.raises(Fatal, match="does not know"):
                start()
        assert sizes(stage) == before
        assert stage.memory.visible == objects
        assert served[-1].encode() == objects["checkpoint"]

    def starts(self, stage: Stage) -> list[Callable[[], object]]:
        """Every way to go on."""
        return [stage.rig.sequencer.recover, stage.rig.step, stage.rig.step]
