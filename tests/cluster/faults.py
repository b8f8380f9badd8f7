"""
What falls while the hammer runs, and what is measured: the longest time in which nothing was acknowledged.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench.hammering.book import read_book, standstill
from tests.cluster.front import Front
from tests.support.processes import NotReady, Server, wait_until

SETTLE_S = 8.0  # of undisturbed work before and after a kill
BACK_S = 120.0  # in which writes must go on
KINDS = ("database", "volume", "sequencer", "frozen")
FLOW = 50  # acknowledgements that say that writes go on again


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault, measured."""

    victim: str
    what: str
    standstill_s: float
    until_new_s: float | None
    """Until there was another leader or sequencer; None where nobody had to be chosen."""


@dataclass(frozen=True, slots=True)
class Victim:
    """What falls, who says that its work was taken over, and how it comes back."""

    name: str
    what: str
    fall: Callable[[], object]
    rise: Callable[[], object]
    is_taken_over: Callable[[], bool] | None = None
    is_whole: Callable[[], bool] | None = None
    """After it came back, before the next fault."""


def strike(victim: Victim, book: Path) -> Blow:
    """Let it fall, wait until writes go on and it is back, until all is whole.  Raises NotReady where writes do not go on."""
    since, count = _now_ms(), len(read_book(book))
    victim.fall()
    begun, taken = time.monotonic(), None
    if victim.is_taken_over is not None:
        taken = wait_until(victim.is_taken_over, BACK_S, f"nobody took over from {victim.name}")
    # What was on its way when the blow fell may still come in: only what follows a new beginning counts.
    _wait_for_flow(book, count, begun)
    _pause(SETTLE_S)
    until = _now_ms()
    victim.rise()
    if victim.is_whole is not None:
        wait_until(victim.is_whole, BACK_S, f"{victim.name} did not come back")
    _pause(SETTLE_S)
    stood = standstill([one.at_ms for one in read_book(book)], since, until)
    return Blow(victim.name, victim.what, stood, taken)


def _wait_for_flow(book: Path, count: int, begun: float) -> None:
    try:
        wait_until(lambda: len(read_book(book)) >= count + FLOW, BACK_S, "writes")
    except NotReady:
        raise NotReady(f"writes stand still for {time.monotonic() - begun:.0f} s") from None


def victims(front: Front) -> Mapping[str, Callable[[], Victim]]:
    """In this order; each is looked up when its turn comes."""
    return {kind: partial(find, front) for kind, find in zip(KINDS, (_database, _volume, _sequencer, _frozen), strict=True)}


def _database(front: Front) -> Victim:
    patroni = front.patroni
    leader = patroni.leader()
    if leader is None:
        raise NotReady("no leader to kill")
    server = front.servers.running[leader.name]
    return Victim(leader.name, "killed: leader database and its agent", server.kill, lambda: patroni.start_node(leader),
                  lambda: patroni.leader() not in (None, leader), patroni.is_whole)  # fmt: skip


def _volume(front: Front) -> Victim:
    server = front.servers.running["weed-volume-1"]
    return Victim(server.name, "killed: volume server of the tiles", server.kill, lambda: front.seaweed.start_volume(0))


def _sequencer(front: Front) -> Victim:
    began, server = _leading(front)
    at = front.names.index(server.name)
    return Victim(server.name, "killed: process that sequences", server.kill, lambda: front.start_process(at),
                  lambda: front.sequencer()[0] > began, lambda: front.is_ready(at))  # fmt: skip


def _frozen(front: Front) -> Victim:
    """Stopped and woken when another one sequences: two by mistake, for a moment."""
    began, server = _leading(front)
    at = front.names.index(server.name)
    return Victim(server.name, "frozen, later woken: process that sequences", server.freeze, server.wake,
                  lambda: front.sequencer()[0] > began, lambda: front.is_ready(at))  # fmt: skip


def _leading(front: Front) -> tuple[str, Server]:
    began, name = front.sequencer()
    if not name:
        raise NotReady("nobody says that it sequences")
    return began, front.servers.running[name]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _pause(seconds: float) -> None:
    # Not for synchronisation: the load must run undisturbed for a while, or a late effect would be blamed on the next kill.
    threading.Event().wait(seconds)
