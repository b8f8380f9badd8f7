"""
Proofs for those who were just answered: all that are asked for at one moment are made in one go.

A batch answers many single submissions at once.  One session and one read of the checkpoint then serve all of them; a proof
of its own for each would cost more than everything before it.

Source: interface.md, POST /statements.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from ledger.db import Database
from ledger.receipts import Place, proofs_at
from ledger.tiles import TileStore
from producers.sign import format_proof


@dataclass(slots=True)
class Proofs:
    """Makes receipts for one event loop, one gathering at a time."""

    database: Database
    store: TileStore
    _gathered: list[Place] = field(default_factory=list)
    _made: asyncio.Task[list[str]] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, places: Sequence[Place]) -> list[str]:
        """The receipts of published statements, as text, in order.  Raises what ledger.receipts raises."""
        if self._made is None:
            self._made = asyncio.create_task(self._make())
        first, made = len(self._gathered), self._made
        self._gathered += places
        # One who hangs up must not take away what the others wait for.
        return (await asyncio.shield(made))[first : first + len(places)]

    async def _make(self) -> list[str]:
        async with self._turn:
            places, self._gathered, self._made = self._gathered, [], None
            return await run_in_threadpool(self._read, places)

    def _read(self, places: Sequence[Place]) -> list[str]:
        with self.database.reading() as session:
            return [format_proof(one) for one in proofs_at(session, self.store, places)]
