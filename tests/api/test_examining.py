"""Statements that come alone share workers and wake-ups, and each gets the answer that is its own."""

import asyncio
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from api.bell import Bell
from api.examining import examined
from api.together import MANY, Together
from ledger.candidates import Candidate
from ledger.examiners import Examiners
from ledger.pooling import Outcome, Ticket
from ledger.problems import Refused
from producers.sign import jwk_of, sign
from tests.support.ledger import FARM, VALIDATOR, event_body, p256, payload
from verify.statement import parse_statement, thumbprint

JWK = jwk_of(p256("farm").public_key())
JWKS = {thumbprint(JWK): JWK}
NUMBERS = itertools.count(1)


@pytest.fixture
def examiners() -> Iterator[Examiners]:
    """With one worker."""
    made = Examiners(VALIDATOR, workers=1)
    yield made
    made.close()


def statements(count: int) -> list[bytes]:
    return [sign(payload("TraceabilityEvent", FARM, event_body(next(NUMBERS))), p256("farm")) for _ in range(count)]


def insist(raws: list[bytes], found: list[Candidate | Refused]) -> None:
    """Each got its own: verified, or refused."""
    for raw, one in zip(raws, found, strict=True):
        if raw.startswith(b"no"):
            assert isinstance(one, Refused)
        else:
            assert isinstance(one, Candidate)
            assert (one.digest, one.verified) == (parse_statement(raw).digest, True)


async def asked(examiners: Examiners, raws: list[bytes]) -> list[Candidate | Refused]:
    """Each for itself, at one moment."""

    async def way(some: Sequence[bytes]) -> Sequence[Candidate | Refused]:
        return await examined(examiners, some, JWKS)

    together = Together(way)
    return list(await asyncio.gather(*(together.answer_to(raw) for raw in raws)))


def started(examiners: Examiners) -> None:
    """Wait for the worker, which nobody else does."""
    while examiners.send(statements(1), now_ms=time.time_ns() // 1_000_000, jwks=JWKS) is None:
        time.sleep(0.05)


def test_whoever_comes_among_many_gets_the_answer_to_what_he_sent(examiners: Examiners) -> None:
    raws = statements(3 * MANY + 5)
    raws[MANY] = raws[-1] = b"no statement"
    insist(raws, asyncio.run(asked(examiners, raws)))  # before there is a worker
    started(examiners)
    insist(raws, asyncio.run(asked(examiners, raws)))
    insist(raws[:1], asyncio.run(asked(examiners, raws[:1])))


def test_a_worker_that_is_killed_loses_no_statement(examiners: Examiners) -> None:
    started(examiners)
    os.kill(examiners.pids[0], signal.SIGKILL)
    for _ in range(3):
        raws = statements(MANY + 1)
        insist(raws, asyncio.run(asked(examiners, raws)))


def test_a_batch_answers_everybody_who_waits_and_nobody_twice() -> None:
    async def wait() -> list[list[Outcome]]:
        bell, tickets = Bell(), [Ticket() for _ in range(200)]
        answers = [bell.answer_of(one) for one in tickets]
        answers[7].cancel()  # hung up

        def answer() -> None:
            for number, ticket in enumerate(tickets):
                ticket.set_result([Outcome("published", bytes(32), number)])

        thread = threading.Thread(target=answer)
        thread.start()
        told = [list(await one) for one in answers if not one.cancelled()]
        thread.join()
        return told

    indexes = [one.index for told in asyncio.run(wait()) for one in told]
    assert indexes == [number for number in range(200) if number != 7]
