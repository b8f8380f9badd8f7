"""
Signing keys of a party: made, stored, read; and the request by which a registrar is asked to grant one.

P-256 is the default, since every phone's WebCrypto has it; Ed25519 is for machines.  A key file is PKCS#8 in PEM at mode
0600, with a passphrase encrypted.  The library's encryption stretches a passphrase by few rounds, so a short one is
refused.  Not here: which keys are in force (the log says that), the operator's keys (ledger/).

Source: RFC 5958 (PKCS#8); protocol.md section 2, "grant a key".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producers.private import create_private, read_private
from producers.sign import PrivateKey, jwk_of, sign_bytes
from verify import gs1, strict
from verify.authority import ROLES, possession_message
from verify.statement import thumbprint

Algorithm = Literal["ES256", "EdDSA"]
MIN_PASSPHRASE = 12  # characters; PBKDF2 as the library sets it is cheap to try


class KeyRefused(ValueError):
    """This key or passphrase may not be used."""


def generate_key(algorithm: Algorithm = "ES256") -> PrivateKey:
    """Make a key: P-256 for ES256, Ed25519 for EdDSA."""
    return Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(ec.SECP256R1())


def write_key(path: Path, key: PrivateKey, passphrase: str | None = None) -> None:
    """Create a key file.  Raises FileExistsError where there is one, KeyRefused for a passphrase of under 12 characters."""
    if passphrase is not None and len(passphrase) < MIN_PASSPHRASE:
        raise KeyRefused(f"a passphrase has at least {MIN_PASSPHRASE} characters / 口令至少 {MIN_PASSPHRASE} 个字符")
    encryption = (
        serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase.encode())
    )
    create_private(path, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))


def needs_passphrase(path: Path) -> bool:
    """Whether the key file is encrypted.  Raises NotPrivate, OSError."""
    return b"ENCRYPTED" in read_private(path).partition(b"\n")[0]


def read_key(path: Path, passphrase: str | None = None) -> PrivateKey:
    """Read a key file.  Raises NotPrivate, OSError, or KeyRefused for a wrong passphrase and for other kinds of key."""
    data = read_private(path)
    try:
        key = serialization.load_pem_private_key(data, None if passphrase is None else passphrase.encode())
    except TypeError:
        fault = "needs a passphrase / 需要口令" if passphrase is None else "has no passphrase / 没有设置口令"
        raise KeyRefused(f"{path} {fault}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused(f"{path}: no key that can be read, or a wrong passphrase / 无法读取密钥或口令错误") from None
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
    ):
        return key
    raise KeyRefused(f"{path}: only P-256 and Ed25519 keys sign here / 只支持 P-256 与 Ed25519 密钥")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A party's request to have a key granted: what a registrar checks and then signs as a PartyRegistration."""

    party: str
    """Canonical URI."""
    log: str
    """Origin of the log; the possession holds for no other."""
    jwk: Mapping[str, str]
    possession: str
    """base64url of the new key's signature over `verify.authority.possession_message`."""
    name: Mapping[str, str]
    """By language, such as {"en": ..., "zh": ...}."""
    roles: tuple[str, ...]
    mint: tuple[str, ...]
    """URI prefixes under which the party asks to commission lots."""

    def to_json(self) -> dict[str, Any]:
        """The members, as the registrar's command reads them."""
        return {
            "party": self.party, "log": self.log, "jwk": dict(self.jwk), "possession": self.possession,
            "name": dict(self.name), "roles": list(self.roles), "mint": list(self.mint),
        }  # fmt: skip


def enrol(
    key: PrivateKey, *, origin: str, party: str, name: Mapping[str, str], roles: Sequence[str], mint: Sequence[str] = ()
) -> Enrolment:
    """
    Ask for `key` to be granted to `party` in the log `origin`, and prove that whoever asks holds it.

    Raises KeyRefused for an unknown role, Malformed for a party that is no canonical URI.
    """
    if unknown := [role for role in roles if role not in ROLES]:
        raise KeyRefused(f"unknown role / 未知角色 {unknown[0]}: {', '.join(sorted(ROLES))}")
    canonical = gs1.canonical_uri(party)
    jwk = jwk_of(key.public_key())
    signature = sign_bytes(possession_message(origin, canonical, thumbprint(jwk)), key)
    return Enrolment(canonical, origin, jwk, strict.b64u_encode(signature), dict(name), tuple(roles), tuple(mint))
