"""
Request bodies, read under a limit while they arrive.

The length that a client announces is believed only when it is too large: what streams in is counted.

Source: RFC 9110 sections 8.6 and 15.5.14.
"""

from collections.abc import AsyncIterator

from starlette.requests import Request

from api.problems import HttpProblem
from ledger.problems import Refused


async def read_body(request: Request, limit: int) -> bytes:
    """Read at most `limit` bytes.  Raises HttpProblem (`body-too-large`, `body-cut-off`)."""
    return b"".join([part async for part in _parts(request, limit)])


async def read_lines(request: Request, limit: int, most: int) -> list[bytes]:
    """
    Read at most `most` lines of at most `limit` bytes together; the last one may end without a newline.

    They are cut from each part as it arrives, while it is at hand: a body that was put together first would be read from memory
    again, and take as much once more.  Raises HttpProblem as `read_body`, Refused (`too-many-lines`).
    """
    lines: list[bytes] = []
    begun: list[bytes] = []
    async for part in _parts(request, limit):
        if len(lines) > most:
            continue  # the rest is received and not kept: who still sends does not hear an answer
        first, *others = part.split(b"\n")
        begun.append(first)
        if others:
            *whole, rest = others
            lines += (b"".join(begun), *whole)
            begun = [rest]
    if last := b"".join(begun):
        lines.append(last)
    if len(lines) > most:
        raise Refused("too-many-lines", f"more than {most} lines")
    return lines


async def _parts(request: Request, limit: int) -> AsyncIterator[bytes]:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large(limit)
    received, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise HttpProblem("body-cut-off", "the connection ended before the body did")
        part = message.get("body", b"")
        received += len(part)
        more = message.get("more_body", False)
        if received > limit:
            # The rest is not read: the server closes the connection after the answer.
            raise too_large(limit)
        yield part


def too_large(limit: int) -> HttpProblem:
    """The refusal of a body over `limit` bytes."""
    return HttpProblem("body-too-large", f"more than {limit} bytes")


def media_type(request: Request) -> str:
    """The media type of the body without parameters, lower case; empty where none was given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
