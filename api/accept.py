"""
What a client would rather have: the little of content negotiation that is needed here.

Source: RFC 9110 section 12.5.1.
"""

from collections.abc import Sequence

from starlette.requests import Request

HTML, JSON, LINKSET = "text/html", "application/json", "application/linkset+json"
MAX_RANGES = 32


def prefer(request: Request, offered: Sequence[str]) -> str | None:
    """The best of `offered` under the Accept header, the first of equals; None where nothing is acceptable."""
    header = request.headers.get("accept", "").strip()
    if not header:
        return offered[0]
    ranges = [_parse(part) for part in header.split(",")[:MAX_RANGES]]
    weights = [_weight(media, ranges) for media in offered]
    best = max(weights)
    return offered[weights.index(best)] if best > 0 else None


def wants_html(request: Request) -> bool:
    """Whether a person's browser asks: JSON for who prefers it, names nothing, or asks for it in the address."""
    if request.query_params.get("format") == "json":
        return False
    return bool(request.headers.get("accept")) and prefer(request, (JSON, HTML)) == HTML


def _parse(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
    try:
        return media, min(max(float(weight), 0.0), 1.0)
    except ValueError:
        return media, 0.0


def _weight(offered: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The weight of the most specific range that matches."""
    for pattern in (offered, offered.split("/")[0] + "/*", "*/*"):
        for media, weight in ranges:
            if media == pattern:
                return weight
    return 0.0
