"""
From a request's bytes to what became of each statement.

    examine     order-free rules, on all cores where there are many (ledger/examiners.py)
    hand over   to the pool, where this process sequences; else, or where nobody waits, as a parcel through the database
    wait        without a thread and without a session; then the answers

Nothing is acknowledged before its entry can be seen by everybody.

Source: architecture, Storage and concurrency.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from api.bell import Answer, Bell
from api.examining import examined
from api.rates import Rate
from api.watcher import Watcher
from ledger import parcels
from ledger.admission import all_or_none
from ledger.candidates import Candidate
from ledger.db import Database, chunks
from ledger.earlier import earlier
from ledger.examiners import Examiners, kids_of
from ledger.models import GrantRow
from ledger.pooling import Outcome, Pool, published_size
from ledger.problems import Refused

WAIT_S = 25.0  # then the answer is "pending": proxies cut a silent connection after 30
MAX_KEYS = 65_536  # granted keys kept in memory, 300 bytes each


@dataclass(slots=True)
class Intake:
    """One process's way in.  `seal` is the key of parcels."""

    database: Database
    pool: Pool
    examiners: Examiners
    watcher: Watcher
    seal: bytes
    pool_limit: int
    by_key: Rate = field(default_factory=lambda: Rate(0))
    """Statements a minute under one key."""
    _jwks: dict[str, dict[str, str]] = field(default_factory=dict)
    _heads: dict[bytes, str] = field(default_factory=dict)
    """Headers as they are sent, and the granted key that each names: one spelling a key, or hardly more."""
    _bell: Bell = field(default_factory=Bell)

    async def learn(self, raw: bytes) -> None:
        """Know the key that a statement names, where it is granted: `submit_apart` asks no database."""
        head = raw.partition(b".")[0]
        if self._heads.get(head) in self._jwks:
            return
        kids = kids_of((raw,))
        await self._learn(kids)
        if len(self._heads) >= MAX_KEYS:
            self._heads.clear()
        for kid in kids & self._jwks.keys():
            self._heads[head] = kid

    async def submit_apart(self, raws: Sequence[bytes]) -> list[Outcome]:
        """
        What became of statements of as many senders, who all wait.  Raises Refused (`pool-full`) for all of them.

        They are taken along together, and judged each for itself.
        """
        heads = {raw.partition(b".")[0] for raw in raws}
        kids, known = {self._heads[head] for head in heads & self._heads.keys()}, self._jwks
        jwks = {kid: known[kid] for kid in kids & known.keys()}
        with self.pool.coming(len(raws)):
            found = [self._within_rate([one])[0] for one in await examined(self.examiners, raws, jwks)]
        return await self._told(found, together=False, waits=True)

    async def submit(self, items: Sequence[bytes | Refused], *, together: bool, waits: bool) -> list[Outcome]:
        """What became of each statement, in order.  Raises Refused (`pool-full`) where nothing was taken."""
        found = self._within_rate(await self._examine(items))
        if together:
            found = all_or_none(found)
        return await self._told(found, together, waits)

    async def _told(self, found: Sequence[Candidate | Refused], together: bool, waits: bool) -> list[Outcome]:
        candidates = [one for one in found if isinstance(one, Candidate)]
        told = iter(await self._log(candidates, together, waits) if candidates else ())
        return [Outcome("refused", b"", refused=one) if isinstance(one, Refused) else next(told) for one in found]

    async def _examine(self, items: Sequence[bytes | Refused]) -> list[Candidate | Refused]:
        raws = [one for one in items if isinstance(one, bytes)]
        kids = kids_of(raws)
        await self._learn(kids)
        known = self._jwks
        jwks = {kid: known[kid] for kid in kids & known.keys()}
        check = partial(self.examiners.examine, raws, now_ms=time.time_ns() // 1_000_000, jwks=jwks)
        done = iter(await run_in_threadpool(check))
        return [one if isinstance(one, Refused) else next(done) for one in items]

    def _within_rate(self, found: list[Candidate | Refused]) -> list[Candidate | Refused]:
        """Refuse what a key has too much of.  Only what it verifiably signed counts: a kid is public."""
        kids = [one.kid for one in found if isinstance(one, Candidate) and one.verified]
        counts = Counter(kids) if len(kids) > 1 else dict.fromkeys(kids, 1)
        waits = {kid: wait_s for kid, count in counts.items() if (wait_s := self.by_key.wait_s(kid, count))}
        if not waits:
            return found
        return [
            Refused("key-too-often", "too many statements under this key", where="/header/kid", retry_after_s=waits[one.kid])
            if isinstance(one, Candidate) and one.kid in waits and one.verified else one
            for one in found
        ]  # fmt: skip

    async def _learn(self, kids: set[str]) -> None:
        if not kids <= self._jwks.keys():
            await run_in_threadpool(self._read, kids - self._jwks.keys())

    def _read(self, kids: set[str]) -> None:
        """Read granted keys.  What is not granted is asked for again: its grant may be on the way."""
        # Never emptied: whoever holds the old ones, on another thread, goes on with them.
        known = {} if len(self._jwks) > MAX_KEYS else self._jwks
        with self.database.reading() as session:
            for part in chunks(sorted(kids)):
                rows = select(GrantRow.thumbprint, GrantRow.jwk).where(GrantRow.thumbprint.in_(part))
                known |= {kid: jwk for kid, jwk in session.execute(rows)}
        self._jwks = known

    async def _log(self, items: Sequence[Candidate], together: bool, waits: bool) -> Sequence[Outcome]:
        try:
            return await self._hand_over(items, together, waits)
        except Refused as refused:
            if refused.code != "log-frozen":
                raise
            # Sending again stays safe: what the log has, it still gives the place of.
            return await run_in_threadpool(self._places, items, refused)

    def _places(self, items: Sequence[Candidate], refused: Refused) -> list[Outcome]:
        with self.database.reading() as session:
            places, size = earlier(session, items).places, published_size(session)
        known = {name: Outcome("duplicate", one.digest, one.index, one.time_ms) if one.index < size
                 else Outcome("pending", one.digest) for name, one in places.items()}  # fmt: skip
        return [known.get(one.signing_input_hash, Outcome("refused", one.digest, refused=refused)) for one in items]

    async def _hand_over(self, items: Sequence[Candidate], together: bool, waits: bool) -> Sequence[Outcome]:
        if waits and self.pool.is_open:
            return await self._through_pool(items, together)
        row = await run_in_threadpool(self._send, items, together)
        if waits:
            await self.watcher.wait(row, WAIT_S)
        # Of a row that is gone by now nothing is known but that it ended.
        return await run_in_threadpool(self._outcomes, row) or [Outcome("pending", one.digest) for one in items]

    async def _through_pool(self, items: Sequence[Candidate], together: bool) -> list[Outcome]:
        now_ms = time.time_ns() // 1_000_000
        answers = [self._bell.answer_of(one) for one in self.pool.offer(items, now_ms=now_ms, together=together)]
        told: list[Outcome] = []
        # Not asyncio.timeout, which costs more than all else here: whoever is still waiting then is told nothing.
        late = asyncio.get_running_loop().call_later(WAIT_S, _give_up, answers)
        try:
            for answer in answers:
                if not (found := await answer):
                    break
                told += found
        finally:
            late.cancel()
        # What is late goes on without us, and all behind it: sending again will find it.
        return told + [Outcome("pending", one.digest) for one in items[len(told) :]]

    def _send(self, items: Sequence[Candidate], together: bool) -> int:
        with self.database.writing() as session:
            now_ms = time.time_ns() // 1_000_000
            row = parcels.send(session, items, self.seal, now_ms=now_ms, limit=self.pool_limit, together=together)
            # From here on the statements are ours to lose: nobody is answered before the sequencer has judged them.
            session.commit()
        return row

    def _outcomes(self, row: int) -> list[Outcome]:
        with self.database.reading() as session:
            return parcels.outcomes_of(session, row)


def _give_up(answers: Sequence[Answer]) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_result(())
