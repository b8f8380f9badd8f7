"""Requests that no browser would send: damaged paths, queries and headers, as raw bytes."""

import random
from collections.abc import Sequence

from tests.support.hostile import TOKENS, mutate_bytes
from tests.support.ledger import LOT

DIGEST = "5" * 64
PATHS: Sequence[str] = (
    f"/statements/{DIGEST}", f"/statements/{DIGEST}/proof", "/log/checkpoint", "/log/tile/0/000.p/2", "/log/tile/entries/000.p/2",
    "/log/tile/63/x999/x999/999", f"/recalls/{DIGEST}", "/01/09520001000010/10/H-1", "/01/09520001000010/21/S1",
    "/01/09520001000010/10/H-1/21/S1?linkType=linkset", "/00/095200010000000012", "/414/9520001000001", "/417/9520001000001",
    "/8003/09520001000010123", f"/trace/back?id={LOT}&depth=3&until=2026-11-18T00:00:00Z&limit=9",
    f"/trace/forward?id={LOT}", f"/reports/fsma204?id={LOT}&from=2026-01-01&format=csv", f"/labels{LOT[18:]}.svg",
    "/open?label=x", "/regulator?q=x", f"/regulator/subject?id={LOT}", "/problems/x", "/?lang=zh", "/log?lang=en",
    "/static/style.css", "/openapi.json", "/anchors", "/.well-known/gs1resolver", "/log/policy", "/readyz",
)  # fmt: skip
ACCEPTS = (b"text/html", b"application/json", b"*/*;q=a", b",,,;;", b"application/linkset+json", b"text/html;q=1e999")
LANGUAGES = (b"zh", b"en;q=x", b"zh;q=nan", b"\xff", b"a" * 300, b"zh-Hant;q=0.5,en;q=0.4")
NAMES = (b"authorization", b"cookie", b"x-request-id", b"range", b"if-none-match", b"x-forwarded-for", b"host", b"expect")
VALUES = (b"Bearer \xff", b"originmark=x", b"bytes=0-", b"1.2.3.4, ::1%x", b"[", b"100-continue", b"\xe4\xb8\xad", b'"')
METHODS = (b"GET", b"GET", b"GET", b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"PUT")


def request(source: random.Random, known: Sequence[str] = ()) -> bytes:
    """One request, complete; `known` are more paths to begin with."""
    path = source.choice([*PATHS, *known]).encode()
    if source.random() < 0.8:
        path = b"/" + _line(mutate_bytes(path[1:], source)).replace(b" ", b"%20")
    if source.random() < 0.3:
        path += source.choice((b"?", b"&", b"%", b"//")) + source.choice(TOKENS).replace(b" ", b"+") * source.randint(1, 50)
    fields = (
        (b"accept", source.choice(ACCEPTS)), (b"accept-language", source.choice(LANGUAGES)),
        (source.choice(NAMES), source.choice(VALUES)), (b"connection", b"close"),
    )  # fmt: skip
    head = b"".join(name + b": " + _damaged(value, source) + b"\r\n" for name, value in fields)
    return source.choice(METHODS) + b" " + path + b" HTTP/1.1\r\n" + head + b"\r\n"


def _damaged(value: bytes, source: random.Random) -> bytes:
    return _line(mutate_bytes(value, source)) if source.random() < 0.4 else value


def _line(data: bytes) -> bytes:
    return data.replace(b"\r", b"").replace(b"\n", b"")
