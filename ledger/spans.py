"""
A table gone through once in the order of the log, handed out span by span.

One sorted query and not one for each span: subject keys have no index by position, since only who reads all of them asks so.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Table, select
from sqlalchemy.orm import Session

READ = 10_000  # rows fetched at once


class InOrder:
    """Rows of `columns`, by index; other statements may run on the session meanwhile."""

    def __init__(self, session: Session, table: Table, columns: list[Column[Any]]) -> None:
        position: Column[Any] = table.c["index"]
        others = [one for one in table.primary_key if one is not position]
        wanted = select(position, *columns).order_by(position, *others)
        self._rows: Iterator[Any] = iter(session.execute(wanted).yield_per(READ))
        self._next = next(self._rows, None)

    def below(self, end: int) -> list[tuple[Any, ...]]:
        """The rows of entries below `end` that were not handed out before."""
        found = []
        while self._next is not None and self._next[0] < end:
            found.append(tuple(self._next[1:]))
            self._next = next(self._rows, None)
        return found

    @property
    def first(self) -> int | None:
        """The index of the first row that is left."""
        return None if self._next is None else int(self._next[0])
