"""
The two secp256k1 keys of an anchor, in files: one signs heads, one pays gas.

The anchor key is all that speaks for the log on a chain: who has it can append garbage, though not rewrite.  The gas
key owns gas money only and may be anybody's.  Both are PEM (PKCS #8) or one line of 64 hexadecimal digits, mode 0600.

The curve arithmetic is eth-account's, in Python: not constant-time, so not for a machine that strangers share.
"""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

MAX_FILE = 4096  # bytes; a PEM of this curve has about 240


class KeyRefused(Exception):
    """The key file is readable by others, or is not a secp256k1 key."""


@dataclass(frozen=True, slots=True)
class ChainKey:
    """A secp256k1 private key."""

    secret: bytes = field(repr=False)
    """32 bytes, big-endian."""

    @property
    def address(self) -> str:
        """0x and 40 lower-case hexadecimal digits, as the genesis entry and a policy name it."""
        from eth_account import Account

        return str(Account.from_key(self.secret).address).lower()


def create_key(path: Path) -> ChainKey:
    """Make a key and write it as PEM, mode 0600.  Raises FileExistsError: a key is never overwritten."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = ec.generate_private_key(ec.SECP256K1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        # A head signed by a key that a power cut then loses can never be followed by another.
        os.fsync(file.fileno())
    return _key(private)


def read_key(path: Path) -> ChainKey:
    """Read a key file.  Raises KeyRefused where others can read it or it holds no such key; OSError passes through."""
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise KeyRefused(f"{path} can be read by others; chmod 600 it")
        content = file.read(MAX_FILE + 1)
    try:
        return _key(_parse(content))
    except ValueError:
        # Without the cause: its text may quote the file.
        raise KeyRefused(f"{path} holds no secp256k1 private key") from None


def _parse(content: bytes) -> ec.EllipticCurvePrivateKey:
    text = content.strip()
    if re.fullmatch(rb"(0x)?[0-9a-fA-F]{64}", text):
        return ec.derive_private_key(int(text, 16), ec.SECP256K1())
    private = load_pem_private_key(content[:MAX_FILE], password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256K1):
        raise ValueError("another kind of key")
    return private


def _key(private: ec.EllipticCurvePrivateKey) -> ChainKey:
    return ChainKey(private.private_numbers().private_value.to_bytes(32, "big"))
