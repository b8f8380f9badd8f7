"""Reading a log's entries from its tiles, to be hashed and compared with a signed root.  Source: c2sp.org/tlog-tiles v0.1.0."""
import urllib.request
from pathlib import Path
from .errors import need

WIDTH = 256  # entries or hashes in a full tile
MAX_TILE = WIDTH * (2 + 65_535)  # bytes

def fetch(source: str, limit: int, accept: str = "*/*", body: bytes | None = None) -> bytes:
    """Read a file, or `limit` bytes and one more from an address, which is sent `body` (JSON).  Raises OSError."""
    if not source.startswith(("http://", "https://")):
        return Path(source).read_bytes()
    request = urllib.request.Request(source, body, {"accept": accept, "content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30 if body is None else 10) as answer:  # noqa: S310 - scheme checked
        return bytes(answer.read(limit + 1))

def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """The path of a tile: `tile/0/x001/x234/067`, and `.p/<width>` where it is partial; level `entries` for entries."""
    last, rest, groups = f"{index % 1000:03}", index // 1000, ""
    while rest:
        rest, groups = rest // 1000, f"x{rest % 1000:03}/{groups}"
    return f"tile/{level}/{groups}{last}" + ("" if width == WIDTH else f".p/{width}")

def fetch_tile(prefix: str, level: int | str, index: int, width: int) -> tuple[bytes, int]:
    """Read a tile of `width`, or the full one in whose favour it may be gone; returns which width was read.  Raises OSError."""
    try:
        return fetch(f"{prefix}/{tile_path(level, index, width)}", MAX_TILE), width
    except OSError:
        return fetch(f"{prefix}/{tile_path(level, index)}", MAX_TILE), WIDTH

def parse_entries(data: bytes, count: int, *, more: bool = False) -> list[bytes]:
    """Parse `count` entries (u16 length, then the entry) from one tile, all of it but with `more`.  Raises Malformed."""
    entries, at = list[bytes](), 0
    for _ in range(count):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : end])
        at = end
    need(all(entries) and at <= len(data) and (more or at == len(data)), "not an entries tile of this width", "bad-tile")
    return entries

def read_entries(prefix: str, size: int) -> list[bytes]:
    """Read entries 0 .. size-1.  Raises Malformed for a damaged tile, OSError for one that cannot be read."""
    entries: list[bytes] = []
    for start in range(0, size, WIDTH):
        width = min(WIDTH, size - start)
        data, found = fetch_tile(prefix.rstrip("/"), "entries", start // WIDTH, width)
        entries += parse_entries(data, width, more=found != width)
    return entries
