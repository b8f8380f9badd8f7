"""
What the log refused, and what became of it: sent again, told by another key in its place, or given up.

A refused record was not told: whoever tells it again is not stopped by it.  Nothing is deleted; what has ended stays in the
archive, alarms no more, and leaves its eventID to what took its place.

Source: protocol.md sections 2 (Events) and 3.
"""

import json
import sqlite3
from dataclasses import dataclass

from producers.answers import Problem
from producers.store import transaction

ITEM = "id, statement, state, attempts, saved_ms, problem"
REPLACED, GIVEN_UP = "replaced", "given up"


@dataclass(frozen=True, slots=True)
class Item:
    """One statement and where it stands."""

    id: int
    statement: bytes
    """As it travels."""
    state: str
    attempts: int
    saved_ms: int
    problem: Problem | None


class Refusals:
    """A view on an open outbox."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def items(self) -> list[Item]:
        """What was refused and has not ended, oldest first."""
        query = f"SELECT {ITEM} FROM item WHERE state = 'refused' AND ended IS NULL ORDER BY id"  # noqa: S608 - fixed
        return [item_of(row) for row in self._db.execute(query)]

    def retry(self, *, now_ms: int) -> int:
        """Put them back to be sent: their reason may be gone, as where a key was granted since."""
        again = "UPDATE item SET state = 'saved', changed_ms = ? WHERE state = 'refused' AND ended IS NULL"
        with transaction(self._db):
            return self._db.execute(again, (now_ms,)).rowcount

    def give_up(self, *, now_ms: int) -> int:
        """Their owner has seen them and tells them no more."""
        end = "UPDATE item SET ended = ?, event_key = NULL, changed_ms = ? WHERE state = 'refused' AND ended IS NULL"
        with transaction(self._db):
            return self._db.execute(end, (GIVEN_UP, now_ms)).rowcount

    def make_way(self, issuer: str, event_key: str | None, signed: bytes) -> None:
        """End the refused telling of this event that was signed otherwise; inside the caller's transaction."""
        self._db.execute(
            "UPDATE item SET ended = ?, event_key = NULL WHERE issuer = ? AND event_key = ? AND state = 'refused' "
            "AND signing_input != ?",
            (REPLACED, issuer, event_key, signed),
        )

    def end(self, item: int, *, now_ms: int) -> None:
        """One that something else was signed in place of; inside the caller's transaction."""
        end = "UPDATE item SET ended = ?, event_key = NULL, changed_ms = ? WHERE id = ? AND state = 'refused'"
        self._db.execute(end, (REPLACED, now_ms, item))

    def send_again(self, signed: bytes, event_key: str | None, *, now_ms: int) -> bool:
        """Put back the very same statement, if it was refused; inside the caller's transaction."""
        again = (
            "UPDATE item SET state = 'saved', ended = NULL, event_key = ?, changed_ms = ? "
            "WHERE signing_input = ? AND state = 'refused'"
        )
        return self._db.execute(again, (event_key, now_ms, signed)).rowcount > 0


def item_of(row: tuple[int, bytes, str, int, int, str | None]) -> Item:
    """The item of a row of ITEM's columns."""
    number, statement, state, attempts, saved_ms, problem = row
    return Item(number, statement, state, attempts, saved_ms, Problem.of(json.loads(problem)) if problem is not None else None)
