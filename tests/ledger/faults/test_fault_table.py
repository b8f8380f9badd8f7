"""
The table of faults: every operation of a step fails once, in every way it can, and nothing acknowledged is ever lost.

The operations come from a run without faults, so that a new one is in the table the day it is written.  After each fault the
same process goes on, or another starts after a power cut, with the same batch or with another; then everything is audited.
"""

import os
from collections.abc import Callable
from enum import StrEnum

import pytest

from ledger.erasure import erasure_statement
from producers.control import Withdrawal
from tests.ledger.conftest import recall
from tests.ledger.faults.memory import Cut
from tests.ledger.faults.stage import Stage
from tests.ledger.faults.wire import Point, Way, of_each_class, summary
from tests.support.ledger import AGENCY, FARM, HUB, ORIGIN, p256
from verify.statement import parse_statement

ALL = os.environ.get("FAULTS") == "all"  # make fuzz: the whole product, some minutes
Batch = list[list[bytes]]
"""Requests, each logged all or none."""


class After(StrEnum):
    """What follows a fault."""

    SAME_PROCESS = "same process, same batch"
    SAME_BATCH = "restart, same batch"
    OTHER_BATCH = "restart, other batch"


def plain(stage: Stage) -> Batch:
    """Two statements."""
    return [[stage.event()], [stage.event()]]


def mixed(stage: Stage) -> Batch:
    """Something of everything that writes: a grant, a withdrawal, an erasure, a closing, a second copy, a refused pair."""
    rig = stage.rig
    key = p256("farm")
    taken = stage.event()
    rig.numbers, again = iter([7_777]), rig.numbers
    twin = [rig.event(FARM, key, bizStep=step) for step in ("packing",)]
    rig.numbers = iter([7_777])
    twin.append(rig.event(FARM, key, bizStep="storing"))
    rig.numbers = again
    with rig.database.reading() as session:
        erased = erasure_statement(session, rig.keys.registrar, index=2, ground="law", now_ms=rig.now_ms)
    entry = rig.entry(3)
    withdrawn = rig.sign(Withdrawal.of(entry.digest, origin=ORIGIN, keys=entry.keys, reason="typo"), FARM, key)
    closing = rig.sign(recall(2, stage.opened), AGENCY, p256("agency"))
    return [
        [taken], [rig.withholding(FARM, key, HUB, bizStep="shipping", action="OBSERVE")],
        [rig.grant(HUB, p256("hub"), "warehouse")], [withdrawn], [erased], [closing], [stage.whole], twin,
    ]  # fmt: skip


def quiet(stage: Stage) -> Batch:
    """Nothing but time: the checkpoint is signed anew."""
    stage.rig.now_ms += 700_000
    return []


def base_small(stage: Stage) -> None:
    """A few statements that `mixed` refers to."""
    rig, key = stage.rig, p256("farm")
    rig.log(stage.event(), stage.event(), rig.grant(AGENCY, p256("agency"), "authority"))
    opened = rig.sign(recall(1), AGENCY, p256("agency"))
    stage.whole = rig.withholding(FARM, key, HUB, bizStep="shipping", action="OBSERVE")
    stage.opened = parse_statement(opened).digest.hex()
    rig.log(opened, stage.whole.split(b"~")[0] + b"~")


def base_quorum(stage: Stage) -> None:
    """The same, and nothing is published that a witness has not signed."""
    stage.rig.quorum = 1
    stage.restart()
    base_small(stage)


def base_wide(stage: Stage) -> None:
    """A tile that is almost full, so that a batch makes new tiles on two levels."""
    base_small(stage)
    rest = 254 - len(stage.memory.visible.get("tile/0/000.p/7", b"")) // 32
    stage.log(rest)


def crossing(stage: Stage) -> Batch:
    """Four statements around the end of a tile."""
    return [[stage.event() for _ in range(4)]]


ONLY = "create replace settle delete witness commit"
SCENES: dict[str, tuple[Callable[[Stage], None], Callable[[Stage], Batch], str, bool]] = {
    "plain": (base_small, plain, "", True),
    "quorum": (base_quorum, plain, ONLY, True),
    "parcels": (base_small, plain, "parcels refusals commit", False),
    "mixed": (base_small, mixed, "sql", False),
    "quiet": (base_small, quiet, "", False),
    "crossing": (base_wide, crossing, ONLY, True),
}
"""Logged before, the batch, which kinds of operations or tables fail (all where empty), and whether the pool is in memory."""


@pytest.mark.parametrize("name", SCENES)
def test_whatever_fails_in_a_step_nothing_acknowledged_is_lost_and_the_log_goes_on(
    stage: Stage, name: str, record_property: Callable[[str, object], None]
) -> None:
    base, batch_of, only, own = SCENES[name]
    if name == "crossing" and not ALL and not stage.database.is_sqlite:
        pytest.skip("objects do not know the engine; make fuzz plays it on both")
    base(stage)
    held = stage.snapshot()
    batch = batch_of(stage)
    later = stage.rig.now_ms - held.now_ms
    stage.rig.now_ms = held.now_ms
    points = of_each_class(record(stage, batch, later, own))
    chosen = [one for one in points if not only or one.kind in only or one.name.split(" ")[-1] in only]
    if not ALL:
        chosen = shared_out(chosen, stage.database.is_sqlite)
    cases = 0
    for point in chosen:
        for way in point.ways if ALL or name != "mixed" else point.ways[:1]:
            for after in afters(point, cases, name, stage.database.is_sqlite):
                for cut in cuts(point, cases, name) if after is not After.SAME_PROCESS else [Cut.GONE]:
                    stage.load(held)
                    play(stage, batch, later, own, point, way, after, cut)
                    cases += 1
    engine = stage.database.engine.dialect.name
    told = f"faults in a step, {engine}, {name}: {len(chosen)} points ({summary(chosen)}), {cases} cases, nothing lost"
    record_property("told", told)
    assert cases >= len(chosen) > 0


def shared_out(points: list[Point], is_sqlite: bool) -> list[Point]:
    """Of the statements to the database every other one on each engine; make fuzz plays all on both."""
    sql = [point for point in points if point.kind == "sql"]
    kept = sql[is_sqlite::2]
    return [point for point in points if point.kind != "sql" or point in kept]


def afters(point: Point, turn: int, scene: str, is_sqlite: bool) -> list[After]:
    """What follows: everything where a write may have lasted, else one of the three in turn, or it would take minutes."""
    every = list(After)
    # What objects and witnesses leave behind does not know the engine; what a commit does, does.
    whole = scene == "plain" and (point.kind == "commit" or (is_sqlite and point.kind != "sql"))
    return every if ALL or whole else [every[turn % len(every)]]


def cuts(point: Point, turn: int, scene: str) -> list[Cut]:
    """What the power cut leaves: everything where objects are written and the tile ends, else one of the six in turn."""
    every = list(Cut)
    return every if ALL or (scene == "crossing" and point.kind in "replace settle") else [every[turn % len(every)]]


def record(stage: Stage, batch: Batch, later: int, own: bool) -> list[Point]:
    """The operations of a step without a fault."""
    stage.rig.sequencer.recover()  # a start has operations of its own: test_recovery.py
    stage.submit(*batch, own=own)
    stage.rig.now_ms += later
    stage.wire.arm()
    stage.round()
    return stage.wire.disarm()


def play(stage: Stage, batch: Batch, later: int, own: bool, point: Point, way: Way, after: After, cut: Cut) -> None:
    """One case."""
    label = f"{point.at} {point.name}, {way}, {after}, {cut}"
    stage.rig.sequencer.recover()
    sent = stage.submit(*batch, own=own)
    stage.rig.now_ms += later
    stage.wire.arm(point, way)
    done = stage.attempt(stage.round)
    stage.wire.disarm()
    assert stage.wire.fired == point.name, f"{label}: it was {stage.wire.fired}"
    assert not done or way is Way.LIED or point.name.startswith(("witness", "sql", "commit", "delete")), f"{label}: passed unseen"
    try:
        stage.answers(sent)
        go_on(stage, batch, after, own, cut)
        stage.progress()
        stage.check()
    except Exception as error:
        raise AssertionError(label) from error


def go_on(stage: Stage, batch: Batch, after: After, own: bool, cut: Cut) -> None:
    """What the farm and the operator do next."""
    if after is After.SAME_PROCESS:
        stage.rest()
        stage.settle(stage.submit(*batch, own=own))
        return
    stage.power_cut(cut)
    if after is After.OTHER_BATCH:
        stage.forget_parcels()
        batch = [[stage.event()] for _ in range(3)]
    stage.rig.sequencer.recover()
    stage.settle(stage.submit(*batch, own=own))
