"""
What an outbox knows of its log: the policy it believes by, the largest checkpoint it verified, entries read, alarms.

Kept in the outbox's own file, so that an operator who shows one tree today and another tomorrow meets the memory of both.
Not here: how a checkpoint is verified (trust.py), who advances this (follow.py).
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from producers.store import transaction
from producers.trust import Head

LIES = ("fork", "anchor-mismatch", "bad-receipt")
"""Alarms that nobody acknowledges away: the log did not verify."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something its owner must look at; `code` is for machines, `about` what it is about."""

    code: str
    about: str
    detail: str
    at_ms: int


class Seen:
    """A view on an open outbox; the same about the same is an alarm once, and none is ever deleted."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def policy(self) -> str | None:
        """The text of the policy under which this outbox believes a log."""
        row = self._db.execute("SELECT policy FROM log").fetchone()
        return None if row is None else cast(str, row[0])

    def pin(self, policy: str) -> None:
        """Store the policy; the head and what was read so far stay."""
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO log (id, policy) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET policy = excluded.policy",
                (policy,),
            )

    def head(self) -> Head | None:
        """The largest verified checkpoint; who witnessed it is not remembered."""
        row = self._db.execute("SELECT origin, size, root, note FROM log WHERE size IS NOT NULL").fetchone()
        if row is None:
            return None
        origin, size, root, note = row
        return Head(origin, size, root, note, frozenset())

    def advance(self, head: Head) -> None:
        """Store a head that was verified to continue the stored one.  A policy was pinned before."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE log SET origin = ?, size = ?, root = ?, note = ?", (head.origin, head.size, head.root, head.note)
            )

    def followed(self) -> int:
        """Entries below this index were read."""
        row = self._db.execute("SELECT followed FROM log").fetchone()
        return 0 if row is None else int(row[0])

    def follow(self, index: int, alarms: Sequence[Alarm]) -> None:
        """Note that entries below `index` were read, together with what was found in them."""
        with transaction(self._db):
            self._db.execute("UPDATE log SET followed = ?", (index,))
            self._insert(alarms)

    def alarm(self, alarm: Alarm) -> None:
        """Raise an alarm."""
        with transaction(self._db):
            self._insert([alarm])

    def alarms(self) -> list[Alarm]:
        """Every alarm that was raised and not acknowledged, the oldest first."""
        query = "SELECT code, about, detail, at_ms FROM alarm WHERE acknowledged_ms IS NULL ORDER BY id"
        return [Alarm(*row) for row in self._db.execute(query)]

    def acknowledge(self, *, now_ms: int) -> int:
        """Their owner has looked at the alarms: they alarm no more.  Those about the log's own lies stay."""
        marks = ", ".join("?" * len(LIES))
        query = f"UPDATE alarm SET acknowledged_ms = ? WHERE acknowledged_ms IS NULL AND code NOT IN ({marks})"  # noqa: S608 - marks
        with transaction(self._db):
            return self._db.execute(query, (now_ms, *LIES)).rowcount

    def _insert(self, alarms: Sequence[Alarm]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO alarm (code, about, detail, at_ms) VALUES (?, ?, ?, ?)",
            [(one.code, one.about, one.detail, one.at_ms) for one in alarms],
        )
