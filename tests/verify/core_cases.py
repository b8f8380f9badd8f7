"""
What a vector is, and the keys that sign in them.

A case says what must come out, from the rule or from a known answer; nothing here asks the code under test.  Keys are
derived from fixed bytes and ECDSA is deterministic (RFC 6979), so that printing the vectors again changes no byte.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, secp256r1


@dataclass(frozen=True, slots=True)
class Case:
    """One vector: a function by its name in the protocol, its input, and the answer or the code of the refusal."""

    name: str
    about: str
    fn: str
    input: Mapping[str, Any]
    expect: Mapping[str, Any]

    def format(self) -> str:
        """Print the file."""
        body = {"name": self.name, "about": self.about, "fn": self.fn, "input": self.input, **self.expect}
        return json.dumps(body, indent=1, ensure_ascii=True) + "\n"


def accepts(name: str, about: str, fn: str, given: Mapping[str, Any], expect: Mapping[str, Any] | None = None) -> Case:
    """A case that passes, with what it establishes."""
    return Case(name, about, fn, given, {"expect": expect or {}})


def refuses(name: str, about: str, fn: str, given: Mapping[str, Any], code: str, where: str | None = None) -> Case:
    """A case that is refused with `code`, at `where` if that is part of the rule."""
    return Case(name, about, fn, given, {"error": {"code": code} if where is None else {"code": code, "where": where}})


def b64(data: bytes) -> str:
    """Standard base64."""
    return b64encode(data).decode()


def b64u(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def compact(value: object) -> str:
    """JSON without spaces, as our producers write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


LOG_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
MACHINE_KEY = Ed25519PrivateKey.from_private_bytes(sha256(b"originmark vectors: a machine").digest())
FARM_KEY = ec.derive_private_key(int.from_bytes(sha256(b"originmark vectors: a farm").digest(), "big"), ec.SECP256R1())
OTHER_KEY = ec.derive_private_key(int.from_bytes(sha256(b"originmark vectors: other").digest(), "big"), ec.SECP256R1())


def key_data(kind: int, key: Ed25519PrivateKey | bytes) -> bytes:
    """What a verifier key holds: the kind, then the public key, which may be any bytes."""
    return bytes([kind]) + (key if isinstance(key, bytes) else key.public_key().public_bytes_raw())


def key_id(name: str, data: bytes) -> bytes:
    """The four bytes by which a signature line names its key."""
    return sha256(name.encode() + b"\n" + data).digest()[:4]


def vkey(name: str, kind: int, key: Ed25519PrivateKey | bytes) -> str:
    """A verifier key of any kind and any bytes, well-formed or not worth trusting."""
    data = key_data(kind, key)
    return f"{name}+{key_id(name, data).hex()}+{b64(data)}"


def note_line(name: str, kind: int, key: Ed25519PrivateKey, message: bytes, before: bytes = b"") -> str:
    """A signature line by `key`; `before` is what a cosignature has in front of the 64 bytes."""
    return f"— {name} {b64(key_id(name, key_data(kind, key)) + before + key.sign(message))}\n"


def jwk(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> dict[str, str]:
    """The public JWK."""
    if isinstance(key, Ed25519PrivateKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": b64u(key.public_key().public_bytes_raw())}
    numbers = key.public_key().public_numbers()
    return {"crv": "P-256", "kty": "EC", "x": b64u(numbers.x.to_bytes(32, "big")), "y": b64u(numbers.y.to_bytes(32, "big"))}


def kid(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> str:
    """The RFC 7638 thumbprint of the public JWK; its members are already in order."""
    return b64u(sha256(compact(jwk(key)).encode()).digest())


def sign(message: bytes, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey, *, low: bool = True) -> bytes:
    """64 bytes; `low` False gives the other half's form of the same ES256 signature."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))
    s = min(s, P256_ORDER - s) if low else max(s, P256_ORDER - s)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
