"""
The wire: every operation on database, objects and witnesses goes over it by name, and one of them can be made to fail.

A run without a fault writes down the names: the table of faults is made from that list, so that an operation that is new in
the code is in the table the same day.  "Failed" and "failed, but stored" are two states that a writer cannot tell apart.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Way(StrEnum):
    """How an operation fails."""

    FAILED = "failed"
    STORED = "failed but stored"
    EMPTY = "present but empty"
    TORN = "torn"
    LIED = "said yes without fsync"


EVERY: dict[str, Sequence[Way]] = {
    "create": (Way.FAILED, Way.STORED, Way.EMPTY, Way.TORN),
    "replace": (Way.FAILED, Way.STORED, Way.EMPTY, Way.TORN),
    "settle": (Way.FAILED, Way.STORED, Way.LIED),
    "commit": (Way.FAILED, Way.STORED),
    "delete": (Way.FAILED, Way.STORED),
    "witness": (Way.FAILED, Way.STORED),
    "read": (Way.FAILED,),
    "list": (Way.FAILED,),
    "connect": (Way.FAILED,),
    "sql": (Way.FAILED, Way.STORED),  # inside a transaction that is then rolled back
}
"""By the first word of an operation's name."""


class Fault(OSError):
    """The disk or the network let us down."""


@dataclass(frozen=True, slots=True)
class Point:
    """One operation of a run: its place among all of them, its name, and which of that name it is.

    It is found again by the last two: objects are read many at once, so their places differ from run to run.
    """

    at: int
    name: str
    turn: int

    @property
    def kind(self) -> str:
        """The first word of its name."""
        return self.name.partition(" ")[0]

    @property
    def ways(self) -> Sequence[Way]:
        """In which ways it can fail; a name nobody foresaw has no way, and that is an error."""
        if self.name.startswith(("sql SELECT", "sql BEGIN")):
            return (Way.FAILED,)  # nothing is stored
        return EVERY[self.kind]


@dataclass
class Wire:
    """Writes down operations from `arm` on; the one at `point` fails, once, and after it all of them where `dead`."""

    point: Point | None = None
    way: Way = Way.FAILED
    dead: bool = False
    wanted: str | None = None
    """Instead of a point: the first operation whose name begins so."""
    every: bool = False
    fired: str | None = None
    names: list[str] = field(default_factory=list)
    _on: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, point: Point | None = None, way: Way = Way.FAILED) -> None:
        """Write down from here; without a point nothing fails."""
        self.point, self.way, self.dead, self.fired, self._on = point, way, False, None, True
        self.names, self.wanted, self.every = [], None, False

    def die(self) -> None:
        """From here on everything fails."""
        self.arm()
        self.pick("", Way.FAILED, every=True)

    def pick(self, wanted: str, way: Way, *, dead: bool = False, every: bool = False) -> "Wire":
        """Let the first operation fail whose name begins with `wanted`, and with `every` each of them."""
        self.wanted, self.way, self.dead, self.every = wanted, way, dead, every
        return self

    def disarm(self) -> list[Point]:
        """Let everything pass unseen; returns what was seen."""
        self._on = False
        seen: Counter[str] = Counter()
        points = []
        for at, name in enumerate(self.names, 1):
            seen[name] += 1
            points.append(Point(at, name, seen[name]))
        return points

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What the test itself does is no operation."""
        on, self._on = self._on, False
        yield
        self._on = on

    def carry(self, name: str, work: Callable[[], T], refuse: Callable[[str], Exception] = Fault,
              spoil: Callable[[Way], None] | None = None) -> T:  # fmt: skip
        """Do one operation, or let it fail; `spoil` does what the three ways of objects leave behind."""
        way = self._way(name)
        if way is None:
            return work()
        self.fired = name
        if way is Way.STORED:
            work()
        elif way is not Way.FAILED and spoil is not None:
            spoil(way)
            if way is Way.LIED:
                return None  # type: ignore[return-value]  # settle returns nothing
        raise refuse(f"{name} {way}")

    def _way(self, name: str) -> Way | None:
        with self._lock:
            if not self._on:
                return None
            self.names.append(name)
            return self.way if self._fails(name) else None

    def _fails(self, name: str) -> bool:
        if self.fired is not None and not self.every:
            return self.dead
        if self.point is not None:
            return (name, self.names.count(name)) == (self.point.name, self.point.turn)
        return self.wanted is not None and name.startswith(self.wanted)


def of_each_class(points: Sequence[Point]) -> list[Point]:
    """Every operation outside SQL, and of the SQL statements the first and the last of each class."""
    first = {point.name: point for point in reversed(points)}
    last = {point.name: point for point in points}
    kept = {first[name] for name in first} | {last[name] for name in last}
    return sorted((one for one in points if not one.name.startswith("sql") or one in kept), key=lambda one: one.at)


def summary(points: Sequence[Point]) -> str:
    """How many of each kind."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(one.kind for one in points).items()))
