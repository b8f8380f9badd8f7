"""
Random readers: take any acknowledged statement, ask the log for it, and verify the whole way from signature to signed root.

Also the check that follows a run: every acknowledgement of a book, found where it was promised.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.bench.hammering.book import Acknowledged, pick
from tests.bench.hammering.following import Follower, cut_entries
from tests.bench.hammering.log import Away, IsOver, Missing, Remote, Trust
from verify import merkle, subjects
from verify.entry import Entry
from verify.errors import NotIncluded, VerificationError, WrongEntry
from verify.proof import TlogProof
from verify.statement import Jwk, parse_statement, verify_signature
from verify.tiles import WIDTH

PAUSE_S = 0.02
EMPTY_S = 0.2  # while nothing is acknowledged yet
AT_ONCE = 16
TRIES = 50
T = TypeVar("T")


@dataclass(slots=True)
class Sampler:
    """Reads at random; `jwks` are the keys of the parties by URI."""

    remote: Remote
    trust: Trust
    jwks: Mapping[str, Jwk]
    book: Path

    async def run(self, is_over: IsOver) -> None:
        """Read until it is over."""
        while not is_over():
            promised = pick(self.book)
            try:
                if promised is not None:
                    await self.read(promised)
            except Away:
                pass
            except (VerificationError, Missing) as error:
                self.remote.tally.faults.append(f"a random reader, {promised}: {error}")
            await asyncio.sleep(EMPTY_S if promised is None else PAUSE_S)

    async def read(self, promised: Acknowledged) -> None:
        """Verify one acknowledgement.  Raises Away, Missing, VerificationError."""
        begun = time.monotonic()
        raw, proof = await self.remote.statement(promised.digest), TlogProof.parse(await self.remote.proof(promised.digest))
        self.remote.tally.took("random read", begun)
        told = parse_statement(raw)
        verify_signature(told, self.jwks[told.issuer])
        checkpoint, _ = self.trust.open(proof.checkpoint)
        if told.digest.hex() != promised.digest or proof.index != promised.index:
            raise WrongEntry(f"{told.digest.hex()} at {proof.index} was answered")
        number, offset = divmod(promised.index, WIDTH)
        width = min(WIDTH, checkpoint.size - number * WIDTH)
        data = cut_entries(await self.remote.tile("entries", number, width), width)[offset]
        entry = Entry.decode(data)
        if entry.digest != told.digest or entry.keys != subjects.keys(told):
            raise WrongEntry(f"entry {promised.index} is not this statement's")
        leaf = merkle.leaf_hash(data)
        merkle.verify_inclusion(leaf, index=proof.index, size=checkpoint.size, proof=proof.path, root=checkpoint.root)
        self.remote.tally.counts["random statements verified"] += 1


async def check(remote: Remote, trust: Trust, book: Sequence[Acknowledged], proofs: int) -> int:
    """
    Find every acknowledgement again: the tree is rebuilt from the served entries, its root is the signed one, and each digest
    is at its index in it; the newest `proofs` also by the proof that the log gives.  How many were found; faults go to the tally.
    """
    follower = Follower(remote, trust)
    size = (await _patiently(follower.catch_up)).size
    promises: dict[str, int] = {}
    for one in book:
        if promises.setdefault(one.digest, one.index) != one.index:
            remote.tally.faults.append(f"{one.digest} was promised at {promises[one.digest]} and at {one.index}")
    lost = {digest for digest, index in promises.items() if follower.digests.get(bytes.fromhex(digest)) != index}
    remote.tally.faults += [f"{digest}, promised at {promises[digest]}, is not there" for digest in sorted(lost)[:20]]
    if len(set(promises.values())) != len(promises):
        remote.tally.faults.append("one index was promised to two statements")
    gate = asyncio.Semaphore(AT_ONCE)
    newest = [item for item in promises.items() if item[0] not in lost][-proofs:] if proofs else []
    await asyncio.gather(*(_prove(remote, trust, follower, gate, digest, index) for digest, index in newest))
    remote.tally.counts["log size"] = size
    remote.tally.counts["promised"] = len(promises)
    remote.tally.counts["found"] = len(promises) - len(lost)
    return len(promises) - len(lost)


async def _prove(remote: Remote, trust: Trust, follower: Follower, gate: asyncio.Semaphore, digest: str, index: int) -> None:
    async with gate:
        try:
            proof = TlogProof.parse(await _patiently(lambda: remote.proof(digest)))
            checkpoint, _ = trust.open(proof.checkpoint)
            if proof.index != index:
                raise NotIncluded(f"its proof is of {proof.index}")
            leaf = follower.tree.levels[0][index]
            merkle.verify_inclusion(leaf, index=index, size=checkpoint.size, proof=proof.path, root=checkpoint.root)
            remote.tally.counts["proofs verified"] += 1
        except (VerificationError, Missing, Away) as error:
            remote.tally.faults.append(f"{digest}, promised at {index}: {error}")


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    for _ in range(TRIES):
        try:
            return await ask()
        except Away:
            await asyncio.sleep(PAUSE_S)
    raise Away(f"no answer in {TRIES} tries")
