"""
What a reader fetches for himself: a bundle, a log's entries from its tiles, a contract's head with one plain `eth_call`.

Nothing is trusted: entries are hashed again and compared with a signed root, and of RPCs one asks more than one.
Source: c2sp.org/tlog-tiles v0.1.0; Ethereum JSON-RPC; protocol.md section 4.
"""

import json
import urllib.request
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from .errors import need
from .policy import AnchorPin

WIDTH = 256  # entries or hashes in a full tile
MAX_TILE = WIDTH * (2 + 65_535)  # bytes
HEAD_SELECTOR = "24e8393d"  # head(address,bytes32) -> (uint64 size, bytes32 root), as in contracts/Anchor.json
MAX_ANSWER = 262_144  # bytes


def fetch(source: str, limit: int, accept: str = "*/*") -> bytes:
    """Read a file, or `limit` bytes and one more from an address.  Raises OSError."""
    if not source.startswith(("http://", "https://")):
        return Path(source).read_bytes()
    request = urllib.request.Request(source, headers={"accept": accept})  # noqa: S310 - scheme checked
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return bytes(answer.read(limit + 1))


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """The path of a tile: `tile/0/x001/x234/067`, and `.p/<width>` where it is partial; level `entries` for entries."""
    last, rest, groups = f"{index % 1000:03}", index // 1000, ""
    while rest:
        rest, groups = rest // 1000, f"x{rest % 1000:03}/{groups}"
    return f"tile/{level}/{groups}{last}" + ("" if width == WIDTH else f".p/{width}")


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
    widths = [min(WIDTH, size - start) for start in range(0, size, WIDTH)]
    return [entry for index, width in enumerate(widths) for entry in _read_tile(prefix.rstrip("/"), index, width)]


def _read_tile(prefix: str, index: int, width: int) -> list[bytes]:
    try:
        data = fetch(f"{prefix}/{tile_path('entries', index, width)}", MAX_TILE)
    except OSError:
        # The partial tile may be gone once the full one exists.
        data = fetch(f"{prefix}/{tile_path('entries', index)}", MAX_TILE)
        return parse_entries(data, width, more=True)
    return parse_entries(data, width)


def read_head(pin: AnchorPin, urls: Sequence[str]) -> tuple[int, bytes]:
    """Read (size, root) from the first RPC that answers for the pinned chain and code.  Raises OSError where none does."""
    problem = "no RPC was given for this chain"
    for url in urls:
        try:
            return _head(pin, url)
        except (OSError, ValueError) as error:
            problem = f"{url}: {error}"
    raise OSError(problem)


def _head(pin: AnchorPin, url: str) -> tuple[int, bytes]:
    if not url.startswith(("http://", "https://")):
        raise OSError("an RPC address starts with http:// or https://")
    if int(_call(url, "eth_chainId", []), 16) != pin.chain_id:
        raise OSError("another chain")
    code = bytes.fromhex(_call(url, "eth_getCode", [pin.contract, "latest"])[2:])
    if pin.code_sha256 is not None and sha256(code).hexdigest() != pin.code_sha256:
        raise OSError("another contract")
    data = "0x" + HEAD_SELECTOR + pin.signer[2:].rjust(64, "0") + pin.log_id[2:]
    words = bytes.fromhex(_call(url, "eth_call", [{"to": pin.contract, "data": data}, "latest"])[2:])
    if len(words) != 64:
        raise OSError("no such contract")
    return int.from_bytes(words[:32], "big"), words[32:]


def _call(url: str, method: str, params: list[object]) -> str:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - checked by the caller
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        found = json.loads(answer.read(MAX_ANSWER))
    if not isinstance(found, dict) or not isinstance(found.get("result"), str):
        raise OSError(f"{method} was refused")
    return str(found["result"])
