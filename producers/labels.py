"""
Item codes: unguessable serials of one lot, and the farm's commitment to exactly those.

    serial       the first 100 bits of HMAC-SHA-256(lot secret, u32 index), 20 Crockford characters
    leaf input   SHA-256(lot URI) || u32 index || serial
    root         of RFC 6962's tree over the leaf hashes: what a LabelCommitment states with the count

The farm keeps one secret for each commitment; the operator gets the root, so that it can neither make a good code nor know one
before it is scanned.  Not here: pictures (sheet.py), the signed statement (control.LabelCommitment).

Source: protocol.md section 1, Item code; crockford.com/base32.html.
"""

import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from producers.private import create_private, read_private
from verify import gs1, merkle, strict
from verify.errors import Malformed
from verify.merkle import Hash

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
SERIAL_BITS = 100  # 20 characters of 5 bits: as long as AI 21 may be
MAX_COUNT = 65_536  # codes of one commitment: what a log takes the leaves of (POST /codes); more, and a top-up is due


class WrongSecret(ValueError):
    """This file is not the secret of this lot."""


@dataclass(frozen=True, slots=True)
class ItemProof:
    """That a serial is code number `index` of a commitment; `path` leads from its leaf to the root."""

    index: int
    serial: str
    path: tuple[Hash, ...]


@dataclass(frozen=True)
class ItemCodes:
    """The codes 0 .. count-1 of one lot."""

    lot: str
    """Canonical URI, a GTIN with a lot."""
    secret: bytes
    """32 bytes."""
    count: int

    def __post_init__(self) -> None:
        if self.lot != lot_uri(self.lot):
            raise ValueError(f"{self.lot} is not canonical")
        if not 0 < self.count <= MAX_COUNT:
            raise ValueError(f"1 to {MAX_COUNT} codes / 标签数量为 1 至 {MAX_COUNT}")

    def serial(self, index: int) -> str:
        """The serial of code `index`."""
        return serial(self.secret, index)

    def label(self, index: int, resolver: str) -> str:
        """What is printed: the Digital Link of item and lot at `resolver` (https://host, and a path if it has one)."""
        return f"{resolver.rstrip('/')}{self.lot.removeprefix(gs1.HOST)}/21/{self.serial(index)}"

    @property
    def root(self) -> Hash:
        """What the commitment states."""
        return merkle.root(self._reader, self.count)

    def prove(self, index: int) -> ItemProof:
        """Prove that code `index` is committed to.  Raises ValueError past the count."""
        path = merkle.prove_inclusion(self._reader, index, self.count)
        return ItemProof(index, self.serial(index), tuple(path))

    def find(self, wanted: str) -> int:
        """The index of a serial.  Raises ValueError where it is not one of them."""
        return self._serials.index(wanted)

    @cached_property
    def _serials(self) -> Sequence[str]:
        return tuple(serial(self.secret, index) for index in range(self.count))

    def leaves(self) -> list[merkle.Hash]:
        """The leaf hashes in the order of the codes: what the log may know, and no code can be made of."""
        return [merkle.leaf_hash(leaf_input(self.lot, index, one)) for index, one in enumerate(self._serials)]

    @cached_property
    def _reader(self) -> merkle.Reader:
        return merkle.roots_reader(self.leaves())


def serial(secret: bytes, index: int) -> str:
    """Derive a serial; 0 <= index < 2^32."""
    mac = hmac.digest(secret, index.to_bytes(4, "big"), "sha256")
    bits = int.from_bytes(mac, "big") >> (256 - SERIAL_BITS)
    return "".join(ALPHABET[bits >> at & 31] for at in range(SERIAL_BITS - 5, -1, -5))


def leaf_input(lot: str, index: int, code: str) -> bytes:
    """What RFC 6962's leaf hash is taken over; `lot` is canonical."""
    return sha256(lot.encode()).digest() + index.to_bytes(4, "big") + code.encode()


def new_secret() -> bytes:
    """Make a secret, in memory only: what depends on it can be checked before anything is written."""
    return secrets.token_bytes(32)


def create_secret(path: Path, lot: str, secret: bytes | None = None) -> bytes:
    """Write the secret of a lot, a new one where none is given.  Raises FileExistsError: a lost one cannot be had again."""
    secret = secret or new_secret()
    text = json.dumps({"lot": lot_uri(lot), "secret": strict.b64u_encode(secret)})
    create_private(path, text.encode() + b"\n")
    return secret


def read_secret(path: Path, lot: str) -> bytes:
    """Read the secret of a lot.  Raises WrongSecret for another lot's, NotPrivate, OSError."""
    try:
        body = strict.members(strict.parse(read_private(path)), "lot secret", "")
        secret = strict.b64u_decode(body["secret"], length=32)
    except Malformed as error:
        raise WrongSecret(f"{path} is not a lot secret / 不是批次密钥文件: {error.message}") from None
    if body["lot"] != lot_uri(lot):
        # Two lots under one secret would have the same serials.
        raise WrongSecret(f"{path} belongs to {body['lot']} / 属于另一批次")
    return secret


def lot_uri(text: str) -> str:
    """The canonical URI of a lot in any notation.  Raises Malformed for anything that is no lot."""
    uri = gs1.canonical_uri(text)
    link = gs1.read(uri)
    if link is None or not link.parts.keys() >= {"01", "10"}:
        raise Malformed(f"{text} does not name a lot (GTIN and AI 10) / 不是批次编码", code="not-a-lot")
    return uri
