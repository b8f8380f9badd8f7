"""Statements that come at one moment go together: each is judged for itself, and each sender is told about their own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from api.alone import Told
from api.deps import Service
from api.rates import Rate
from api.together import MANY, Together
from ledger.problems import Refused
from tests.api.conftest import Operator
from tests.support.ledger import FARM, p256
from verify.proof import TlogProof
from verify.statement import parse_statement


def service_of(operator: Operator) -> Service:
    return cast(Service, cast(Any, operator.client.app).state.service)


def at_once(operator: Operator, *raws: bytes) -> list[Told | BaseException]:
    """All of them on the service's own loop, in one turn of it."""

    async def ask() -> list[Told | BaseException]:
        return await asyncio.gather(*(service_of(operator).alone.log(raw) for raw in raws), return_exceptions=True)

    assert operator.client.portal is not None
    return operator.client.portal.call(ask)


@contextmanager
def changed(thing: object, name: str, value: object) -> Iterator[None]:
    kept = getattr(thing, name)
    setattr(thing, name, value)
    yield
    setattr(thing, name, kept)


def codes(told: list[Told | BaseException]) -> list[str]:
    """What became of each: its state, or the code of its refusal."""
    found = []
    for one in told:
        refused = one.outcome.refused if isinstance(one, Told) else one
        assert refused is None or isinstance(refused, Refused), refused
        found.append(cast(Told, one).outcome.state if refused is None else refused.code)
    return found


def test_each_of_a_group_is_judged_for_itself_and_gets_the_proof_of_its_own(operator: Operator) -> None:
    logged, good = operator.event(), [operator.event() for _ in range(MANY + 3)]
    operator.log(logged)
    forged = operator.event().rpartition(b".")[0] + b"." + operator.event().rpartition(b".")[2]
    stranger = operator.event(FARM, p256("nobody"))
    told = at_once(operator, *good[:3], forged, stranger, b"no statement", logged, good[0], *good[3:])
    assert codes(told) == [*["published"] * 3, "bad-signature", "unknown-key", "not-a-jws", "duplicate", "duplicate",
                           *["published"] * MANY]  # fmt: skip
    for raw, one in zip([*good[:3], *good[3:]], [*told[:3], *told[8:]], strict=True):
        assert isinstance(one, Told)
        assert one.outcome.digest == parse_statement(raw).digest
        assert TlogProof.parse(one.proof or "").index == one.outcome.index
    assert [one.proof for one in told[3:6] if isinstance(one, Told)] == [None] * 3


def test_statements_that_go_together_count_one_by_one_against_their_key(operator: Operator) -> None:
    with changed(service_of(operator).intake, "by_key", Rate(3)):
        told = at_once(operator, *(operator.event() for _ in range(5)))
    assert sorted(codes(told)) == ["key-too-often"] * 2 + ["published"] * 3


def test_a_full_pool_turns_all_of_a_group_away_and_nobody_after_them(operator: Operator) -> None:
    raws = [operator.event() for _ in range(5)]
    with changed(service_of(operator).intake.pool, "_limit", 0):
        assert codes(at_once(operator, *raws)) == ["pool-full"] * 5
    assert codes(at_once(operator, *raws)) == ["published"] * 5


def test_one_who_hangs_up_takes_nothing_from_the_others_on_the_way() -> None:
    async def ask() -> list[bytes]:
        arrived, gone = asyncio.Event(), asyncio.Event()

        async def way(raws: list[bytes]) -> list[bytes]:
            arrived.set()
            await gone.wait()
            return [raw.upper() for raw in raws]

        together = Together(cast(Any, way))
        first, *others = [asyncio.create_task(together.answer_to(raw)) for raw in (b"a", b"b", b"c")]
        await arrived.wait()
        first.cancel()
        gone.set()
        return list(await asyncio.gather(*others))

    assert asyncio.run(ask()) == [b"B", b"C"]


def test_an_error_on_the_way_is_told_to_each_and_to_nobody_after_them() -> None:
    async def ask() -> list[object]:
        broken = True

        async def way(raws: list[bytes]) -> list[bytes]:
            if broken:
                raise OSError("the disk is gone")
            return raws

        together = Together(cast(Any, way))
        told: list[object] = list(await asyncio.gather(*map(together.answer_to, (b"a", b"b")), return_exceptions=True))
        broken = False
        return [*map(type, told), await together.answer_to(b"c")]

    assert asyncio.run(ask()) == [OSError, OSError, b"c"]
