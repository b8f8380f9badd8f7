"""Whoever is answered at one moment gets a proof of their own, and one who hangs up takes nothing from the others."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from sqlalchemy import event

from api.proofs import Proofs
from ledger.receipts import Unknown
from tests.support.ledger import FARM, Rig, p256
from verify.proof import TlogProof
from verify.statement import parse_statement

T = TypeVar("T")


def run(asked: Coroutine[Any, Any, T]) -> T:
    """Run in a thread: a browser of another test may have left a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asked).result()


def places(farm: Rig, count: int) -> list[tuple[int, bytes]]:
    """Statements of the farm, published."""
    raws = [farm.event(FARM, p256("farm")) for _ in range(count)]
    return list(zip(farm.log(*raws), [parse_statement(raw).digest for raw in raws], strict=True))


def test_each_gets_the_proof_of_its_own_statement(farm: Rig) -> None:
    wanted, begun = places(farm, 8), []
    event.listen(farm.database.engine, "begin", lambda connection: begun.append(connection))

    async def ask() -> list[str]:
        proofs = Proofs(farm.database, farm.store)
        groups = await asyncio.gather(proofs.of(wanted[:1]), proofs.of(wanted[1:4]), proofs.of(wanted[4:]))
        return [one for told in groups for one in told]

    told = [TlogProof.parse(text) for text in run(ask())]
    assert len(begun) == 1
    assert [(one.index, farm.entry(one.index).digest) for one in told] == wanted


def test_one_who_hangs_up_takes_nothing_from_the_others(farm: Rig) -> None:
    gone, stays = places(farm, 2)

    async def ask() -> list[str]:
        proofs = Proofs(farm.database, farm.store)
        first, second = asyncio.create_task(proofs.of([gone])), asyncio.create_task(proofs.of([stays]))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    (told,) = run(ask())
    assert farm.entry(TlogProof.parse(told).index).digest == stays[1]


@pytest.mark.parametrize(("index", "digest"), [(1, bytes(32)), (10**6, bytes(32)), (10**6, None), (0, None)])
def test_a_proof_of_what_was_never_published_there_is_an_error(farm: Rig, index: int, digest: bytes | None) -> None:
    ((_, published),) = places(farm, 1)

    async def ask() -> None:
        with pytest.raises(Unknown):
            await Proofs(farm.database, farm.store).of([(index, digest or published)])

    run(ask())
