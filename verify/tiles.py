"""
Reading a log's entries from its tiles: a folder, or an address prefix.

    <prefix>/tile/entries/<N>[.p/<W>]      u16 length, big-endian, then the entry; 256 a tile

Nothing is trusted: whoever reads re-hashes the entries and compares the root with a signed one.

Source: c2sp.org/tlog-tiles v0.1.0.
"""

import urllib.request
from pathlib import Path

from .errors import need

WIDTH = 256  # entries or hashes in a full tile
MAX_TILE = WIDTH * (2 + 65_535)  # bytes


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """The path of a tile: `tile/0/x001/x234/067`, and `.p/<width>` where it is partial; level `entries` for entries."""
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    return f"tile/{level}/{'/'.join(groups)}" + ("" if width == WIDTH else f".p/{width}")


def format_entries(entries: list[bytes]) -> bytes:
    """Print entries as one tile."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_entries(data: bytes, count: int) -> list[bytes]:
    """Parse exactly `count` entries from one tile; raises Malformed (`bad-tile`)."""
    entries, end = _split(data, count)
    need(end == len(data) and all(entries), "not an entries tile of this width", "bad-tile")
    return entries


def _split(data: bytes, count: int) -> tuple[list[bytes], int]:
    entries, at = [], 0
    for _ in range(count):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : end])
        at = end
    return entries, at


def read_entries(prefix: str, size: int) -> list[bytes]:
    """Read entries 0 .. size-1.  Raises Malformed for a damaged tile, OSError for one that cannot be read."""
    widths = [min(WIDTH, size - start) for start in range(0, size, WIDTH)]
    return [entry for index, width in enumerate(widths) for entry in parse_entries(_read(prefix, index, width), width)]


def _read(prefix: str, index: int, width: int) -> bytes:
    try:
        return _fetch(prefix, tile_path("entries", index, width))
    except OSError:
        if width == WIDTH:
            raise
    # The partial tile may be gone once the full one exists.
    whole = _fetch(prefix, tile_path("entries", index))
    return whole[: _split(whole, width)[1]]


def _fetch(prefix: str, path: str) -> bytes:
    data = fetch(f"{prefix.rstrip('/')}/{path}", MAX_TILE)
    need(len(data) <= MAX_TILE, "a tile is too large", "bad-tile")
    return data


def fetch(source: str, limit: int, accept: str = "*/*") -> bytes:
    """Read a file, or `limit` bytes and one more from an address.  Raises OSError."""
    if not source.startswith(("http://", "https://")):
        return Path(source).read_bytes()
    request = urllib.request.Request(source, headers={"accept": accept})  # noqa: S310 - scheme checked
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return bytes(answer.read(limit + 1))
