"""
Request bodies, read under a limit while they arrive.

The length that a client announces is believed only when it is too large: what streams in is counted.

Source: RFC 9110 sections 8.6 and 15.5.14.
"""

from starlette.requests import Request

from api.problems import HttpProblem


async def read_body(request: Request, limit: int) -> bytes:
    """Read at most `limit` bytes.  Raises HttpProblem (`body-too-large`, `body-cut-off`)."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large(limit)
    parts: list[bytes] = []
    received, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise HttpProblem("body-cut-off", "the connection ended before the body did")
        parts.append(message.get("body", b""))
        received += len(parts[-1])
        more = message.get("more_body", False)
        if received > limit:
            # The rest is not read: the server closes the connection after the answer.
            raise too_large(limit)
    return b"".join(parts)


def too_large(limit: int) -> HttpProblem:
    """The refusal of a body over `limit` bytes."""
    return HttpProblem("body-too-large", f"more than {limit} bytes")


def media_type(request: Request) -> str:
    """The media type of the body without parameters, lower case; empty where none was given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
