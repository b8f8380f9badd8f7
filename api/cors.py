"""
What scripts of other origins may do: read what is public, and submit, since neither rests on who asks.

No answer allows credentials, so a regulator's cookie is of no use to another site.

Source: Fetch standard, CORS protocol.
"""

from collections.abc import Callable

from fastapi import Response

HEADERS = "accept, content-type, prefer, gs1-capture-error-behaviour"
KEPT_S = 86_400  # seconds that a browser may remember the answer


def preflight(methods: str) -> Callable[[], Response]:
    """An endpoint that answers OPTIONS for these methods."""

    def allow() -> Response:
        """What may be sent here from elsewhere."""
        return Response(
            status_code=204,
            headers={
                "allow": f"{methods}, OPTIONS", "access-control-allow-origin": "*", "access-control-allow-methods": methods,
                "access-control-allow-headers": HEADERS, "access-control-max-age": str(KEPT_S),
            },
        )  # fmt: skip

    return allow
