"""However a body arrives, its lines are those that were sent."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from api.bodies import read_body, read_lines
from api.problems import HttpProblem
from ledger.problems import Refused

CUTS = st.lists(st.binary(max_size=6) | st.sampled_from([b"\n", b"a\n", b"\n\n", b"\r\n"]), max_size=12)


def request_of(parts: list[bytes]) -> Request:
    """A request whose body comes in these parts."""

    def messages() -> Iterator[Message]:
        for number, part in enumerate(parts, 1):
            yield {"type": "http.request", "body": part, "more_body": number < len(parts)}

    waiting = messages()

    async def receive() -> Message:
        return next(waiting, {"type": "http.request", "body": b"", "more_body": False})

    return Request({"type": "http", "headers": []}, receive)


@given(CUTS)
def test_lines_are_the_same_wherever_the_network_cuts_them(parts: list[bytes]) -> None:
    body = b"".join(parts)
    assert asyncio.run(read_body(request_of(parts), 100)) == body
    found = asyncio.run(read_lines(request_of(parts), 100, 1_000))
    assert found == (body.removesuffix(b"\n").split(b"\n") if body else [])


@given(CUTS, st.integers(0, 8))
def test_more_lines_than_allowed_are_refused_and_no_fewer(parts: list[bytes], most: int) -> None:
    body = b"".join(parts)
    count = len(body.removesuffix(b"\n").split(b"\n")) if body else 0
    if count <= most:
        assert len(asyncio.run(read_lines(request_of(parts), 100, most))) == count
        return
    with pytest.raises(Refused) as refused:
        asyncio.run(read_lines(request_of(parts), 100, most))
    assert refused.value.code == "too-many-lines"


def test_what_comes_after_too_many_lines_is_received_and_not_kept() -> None:
    """Whoever is cut off in the middle of sending never hears why."""
    with pytest.raises(HttpProblem) as problem:
        asyncio.run(read_lines(request_of([b"a\n" * 9, b"b" * 90]), 100, 3))
    assert problem.value.code == "body-too-large"
