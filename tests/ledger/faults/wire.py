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
    """One operation of a run: its place among all of them, and its name."""

    at: int
    name: str

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
    """Counts operations from `arm` on; the one numbered `at` fails, once, and after it all of them where `dead`."""

    at: int = 0
    way: Way = Way.FAILED
    dead: bool = False
    wanted: str = ""
    """Instead of a number: the first operation whose name begins so."""
    every: bool = False
    fired: str | None = None
    names: list[str] = field(default_factory=list)
    _on: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, at: int = 0, way: Way = Way.FAILED, *, dead: bool = False) -> None:
        """Count from here; with `at` = 0 nothing fails."""
        self.at, self.way, self.dead, self.fired, self._on = at, way, dead, None, True
        self.names, self.wanted = [], ""

    def pick(self, wanted: str, way: Way, *, dead: bool = False, every: bool = False) -> "Wire":
        """Let the first operation fail whose name begins with `wanted`, and with `every` each of them."""
        self.wanted, self.way, self.dead, self.every = wanted, way, dead, every
        return self

    def disarm(self) -> list[Point]:
        """Let everything pass unseen; returns what was seen."""
        self._on = False
        return [Point(at, name) for at, name in enumerate(self.names, 1)]

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
            if self.wanted and name.startswith(self.wanted) and (self.every or not self.at):
                self.at = len(self.names)
            fails = len(self.names) == self.at or (self.dead and 0 < self.at <= len(self.names))
            return self.way if fails else None


def of_each_class(points: Sequence[Point]) -> list[Point]:
    """Every operation outside SQL, and of the SQL statements the first and the last of each class."""
    first = {point.name: point for point in reversed(points)}
    last = {point.name: point for point in points}
    kept = {first[name] for name in first} | {last[name] for name in last}
    return sorted((one for one in points if not one.name.startswith("sql") or one in kept), key=lambda one: one.at)


def summary(points: Sequence[Point]) -> str:
    """How many of each kind."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(one.kind for one in points).items()))
