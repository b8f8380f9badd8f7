"""
Faults: an object store and a database session whose n-th operation fails, with or without having done its work.

"Failed" and "failed, but stored" are different states, and a writer cannot tell which one it is in.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from ledger.db import Database
from ledger.objects import Objects


class Fault(OSError):
    """The disk, the network or the database let us down."""


@dataclass
class Switch:
    """Counts operations; the one numbered `at` fails, after its work was done where `stored`."""

    at: int = 0
    stored: bool = False
    count: int = 0
    fired: bool = False
    names: list[str] = field(default_factory=list)

    def arm(self, at: int, *, stored: bool) -> None:
        """Let the `at`-th operation from now on fail, once."""
        self.at, self.stored, self.count, self.fired = at, stored, 0, False
        self.names.clear()

    def disarm(self) -> None:
        """Let everything succeed."""
        self.at = 0

    def run(self, name: str, work: Any) -> Any:
        """Do one operation, or fail at it."""
        self.count += 1
        self.names.append(name)
        fails = self.at == self.count and not self.fired
        if fails and not self.stored:
            self.fired = True
            raise Fault(f"{name} failed")
        result = work()
        if fails:
            self.fired = True
            raise Fault(f"{name} failed, but was stored")
        return result


@dataclass
class FaultyObjects:
    """An object store behind a switch."""

    inner: Objects
    switch: Switch

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        result: bytes | None = self.switch.run(f"read {path}", lambda: self.inner.read(path))
        return result

    def create(self, path: str, data: bytes) -> None:
        """See Objects."""
        self.switch.run(f"create {path}", lambda: self.inner.create(path, data))

    def replace(self, path: str, data: bytes) -> None:
        """See Objects."""
        self.switch.run(f"replace {path}", lambda: self.inner.replace(path, data))

    def settle(self) -> None:
        """See Objects."""
        self.switch.run("settle", self.inner.settle)


def faulty_database(database: Database, switch: Switch) -> Database:
    """The same database, whose writing sessions commit behind the switch."""

    class FaultySession(Session):
        """Commits behind the switch."""

        def commit(self) -> None:
            switch.run("commit", super().commit)

    writer = database.engine.execution_options(originmark_write=True)
    return Database(database.engine, database.reading, sessionmaker(writer, class_=FaultySession))
