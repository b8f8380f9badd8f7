"""
Writers: sign, send, send again until the log has answered for every statement, and note what it promised.

A single statement's answer carries its proof, and the writer verifies it.  A statement whose answer never came is sent again
with the same bytes, to whatever address is next: that is always safe, and the log must answer with one index for ever.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.hammering.book import Acknowledged, Book
from tests.bench.hammering.log import Away, IsOver, Remote, Trust
from tests.bench.hammering.parties import Party, Signed
from verify import merkle, subjects
from verify.entry import Entry
from verify.errors import VerificationError
from verify.proof import TlogProof
from verify.statement import PLAIN, parse_statement

PAUSE_S = 0.05
PATIENCE_S = 60.0  # after the end, for what was sent and not yet answered


@dataclass(slots=True)
class Writer:
    """Sends `batch` statements a request as lines, or one as itself where that is 1."""

    remote: Remote
    party: Party
    book: Book
    trust: Trust
    batch: int = 1
    rate: float = 0.0
    """Statements a second; 0 for as many as it can."""
    _due: float = field(default=0.0, init=False)

    async def run(self, is_over: IsOver) -> None:
        """Write until it is over, and finish what was begun where that takes no more than a minute longer."""
        while not is_over():
            await self._pace()
            await self._send([self.party.sign() for _ in range(self.batch)], is_over)

    async def _pace(self) -> None:
        if self.rate:
            now = time.monotonic()
            self._due = max(self._due, now - 1) + self.batch / self.rate
            await asyncio.sleep(max(0.0, self._due - now))

    async def _send(self, waiting: Sequence[Signed], is_over: IsOver) -> None:
        kind, begun, sent = "single" if self.batch == 1 else "lines", time.monotonic(), len(waiting)
        over_at = None
        while waiting and (over_at is None or time.monotonic() < over_at + PATIENCE_S):
            over_at = time.monotonic() if over_at is None and is_over() else over_at
            try:
                results = await (self._one(waiting[0]) if self.batch == 1 else self._lines(waiting))
            except Away:
                self.remote.tally.counts["requests tried again"] += 1
                await asyncio.sleep(PAUSE_S)
                continue
            waiting = self._note(waiting, results)
            if waiting:
                await asyncio.sleep(PAUSE_S)
        if not waiting:
            self.remote.tally.took(kind, begun)
            self.remote.tally.counts[f"{kind} requests"] += 1
        self.remote.tally.counts["given up"] += len(waiting)
        self.remote.tally.counts["sent"] += sent

    async def _one(self, one: Signed) -> list[Mapping[str, Any]]:
        answer = await self.remote.ask("POST", "/statements", body=one.jws, media=f"application/{PLAIN}")
        if answer.status_code >= 400:
            return [{"status": "refused", "problem": answer.text[:300]}]
        told = answer.json()
        if told.get("proof"):
            self._verify(one, told)
        return [told]

    async def _lines(self, waiting: Sequence[Signed]) -> list[Mapping[str, Any]]:
        body = b"\n".join(one.jws for one in waiting)
        answer = await self.remote.ask("POST", "/statements", body=body, media="text/plain")
        if answer.status_code >= 400:
            return [{"status": "refused", "problem": answer.text[:300]}] * len(waiting)
        return [json.loads(line) for line in answer.text.splitlines()]

    def _note(self, waiting: Sequence[Signed], results: Sequence[Mapping[str, Any]]) -> list[Signed]:
        """Write down what was promised; returns what has no answer yet."""
        tally, now = self.remote.tally, time.time_ns() // 1_000_000
        if len(results) != len(waiting):
            tally.faults.append(f"{len(waiting)} statements were sent and {len(results)} answered")
            return []
        promised, left = [], []
        for one, told in zip(waiting, results, strict=True):
            if told["status"] in ("published", "duplicate") and told.get("digest") == one.digest:
                promised.append(Acknowledged(now, int(told["index"]), one.digest))
            elif told["status"] == "pending" or _may_come_back(told):
                left.append(one)
            else:
                tally.faults.append(f"{one.digest}: {json.dumps(told, ensure_ascii=False)[:400]}")
        self.book.note(promised)
        tally.counts["acknowledged"] += len(promised)
        tally.counts["answered pending"] += len(left)
        return left

    def _verify(self, one: Signed, told: Mapping[str, Any]) -> None:
        begun = time.monotonic()
        try:
            proof = TlogProof.parse(told["proof"])
            checkpoint, _ = self.trust.open(proof.checkpoint)
            statement = parse_statement(one.jws)
            leaf = merkle.leaf_hash(Entry(told["time"], statement.digest, subjects.keys(statement)).encode())
            merkle.verify_inclusion(leaf, index=proof.index, size=checkpoint.size, proof=proof.path, root=checkpoint.root)
            if proof.index != told["index"]:
                raise VerificationError(f"the proof is of {proof.index}, the answer of {told['index']}")
        except VerificationError as error:
            self.remote.tally.faults.append(f"{one.digest}: its receipt does not verify: {error}")
        self.remote.tally.counts["receipts verified"] += 1
        self.remote.tally.took("verify receipt", begun)


def _may_come_back(told: Mapping[str, Any]) -> bool:
    problem = told.get("problem")
    return isinstance(problem, dict) and problem.get("retry_after") is not None
