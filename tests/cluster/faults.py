"""
What is killed while the hammer runs, and what is measured: from the kill to the end of the longest time without an answer.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.hammering.book import read_book, standstill
from tests.cluster.front import Front
from tests.support.processes import NotReady, wait_until

SETTLE_S = 8.0  # of undisturbed work before and after a kill
BACK_S = 120.0  # in which writes must go on
FLOW = 50  # acknowledgements that say that writes go on again


@dataclass(frozen=True, slots=True)
class Kill:
    """One fault, measured."""

    victim: str
    what: str
    standstill_s: float
    until_new_s: float | None
    """Until there was another leader or sequencer; None where nobody had to be chosen."""


@dataclass(frozen=True, slots=True)
class Victim:
    """What to kill, who says that its work was taken over, and how it is started again."""

    name: str
    what: str
    restart: Callable[[], object]
    is_taken_over: Callable[[], bool] | None = None
    is_whole: Callable[[], bool] | None = None
    """After the restart, before the next fault."""


def strike(front: Front, victim: Victim, book: Path) -> Kill:
    """Kill, wait until writes go on, start it again, wait until all is whole.  Raises NotReady where writes do not go on."""
    since, count = _now_ms(), len(read_book(book))
    front.servers.running[victim.name].kill()
    begun, taken = time.monotonic(), None
    if victim.is_taken_over is not None:
        taken = wait_until(victim.is_taken_over, BACK_S, f"nobody took over from {victim.name}")
    # What was on its way when the blow fell may still come in: only what follows a new beginning counts.
    _wait_for_flow(book, count, begun)
    _pause(SETTLE_S)
    until = _now_ms()
    victim.restart()
    if victim.is_whole is not None:
        wait_until(victim.is_whole, BACK_S, f"{victim.name} did not come back")
    _pause(SETTLE_S)
    stood = standstill([one.at_ms for one in read_book(book)], since, until)
    return Kill(victim.name, victim.what, stood, taken)


def _wait_for_flow(book: Path, count: int, begun: float) -> None:
    try:
        wait_until(lambda: len(read_book(book)) >= count + FLOW, BACK_S, "writes")
    except NotReady:
        raise NotReady(f"writes stand still for {time.monotonic() - begun:.0f} s") from None


def victims(front: Front) -> list[Callable[[], Victim]]:
    """In this order; each is looked up when its turn comes."""
    return [lambda: _database(front), lambda: _volume(front), lambda: _sequencer(front)]


def _database(front: Front) -> Victim:
    patroni = front.patroni
    leader = patroni.leader()
    if leader is None:
        raise NotReady("no leader to kill")
    return Victim(leader.name, "leader database with its agent", lambda: patroni.start_node(leader),
                  lambda: patroni.leader() not in (None, leader), patroni.is_whole)  # fmt: skip


def _volume(front: Front) -> Victim:
    return Victim("weed-volume-1", "volume server of the tiles", lambda: front.seaweed.start_volume(0))


def _sequencer(front: Front) -> Victim:
    name = front.sequencer()
    if name is None:
        raise NotReady("nobody says that it sequences")
    at = front.names.index(name)
    return Victim(name, "process that sequences", lambda: front.start_process(at), lambda: front.sequencer() not in (None, name))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _pause(seconds: float) -> None:
    # Not for synchronisation: the load must run undisturbed for a while, or a late effect would be blamed on the next kill.
    threading.Event().wait(seconds)
