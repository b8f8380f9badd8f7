"""
A log of any size for the audits: real entries, tiles, bundles and a signed checkpoint in a folder; nobody's statements behind it.

Made of the ledger's own parts, a group of entries at a time, so that memory does not grow with the log.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.folder import FolderObjects
from ledger.tiles import RightEdge, TileStore
from producers.sign import Signer, sign_note
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import leaf_hash
from verify.note import LOG
from verify.tiles import WIDTH

GROUP = 65_536  # entries made together
ORIGIN = "log.example/synthetic"
START_MS = 1_795_000_000_000  # 2026-11-18
PARTIES, LOT = 200, 50  # parties; entries of a lot


def make_log(folder: Path, size: int) -> str:
    """Write a log of `size` entries; returns its verifier key."""
    store, edge = TileStore(FolderObjects(folder)), RightEdge()
    for start in range(0, size, GROUP):
        entries = [_entry(index) for index in range(start, min(start + GROUP, size))]
        edge, touched = edge.extend([leaf_hash(entry) for entry in entries])
        store.write({at: tile for at, tile in touched.items() if len(tile) == WIDTH}, _bundles(start, entries))
    store.write(edge.tiles, {})
    signer = Signer(ORIGIN, LOG, Ed25519PrivateKey.generate())
    store.write_checkpoint(sign_note(Checkpoint(ORIGIN, size, edge.root()).format(), [signer]))
    return signer.vkey.format()


def _bundles(start: int, entries: Sequence[bytes]) -> dict[int, Sequence[bytes]]:
    return {(start + at) // WIDTH: entries[at : at + WIDTH] for at in range(0, len(entries), WIDTH)}


@cache
def _party(number: int) -> bytes:
    return sha256(b"party %d" % number).digest()


@lru_cache(maxsize=4)
def _lot(number: int) -> bytes:
    return sha256(b"lot %d" % number).digest()


def _entry(index: int) -> bytes:
    """As a harvest's: a party, a lot, and a digest that is nobody's."""
    one, two = _party(index * 7_919 % PARTIES), _lot(index // LOT)
    digest = sha256(b"statement %d" % index).digest()
    return Entry(START_MS + index // 4, digest, (one, two) if one < two else (two, one)).encode()
