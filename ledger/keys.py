"""
The operator's keys, in files: log, clock, first registrar.  The chain's two are in anchors/keys.py.

    keys/log.pem          Ed25519: who has it can fork the log; witnesses and the contract still refuse the fork
    keys/clock.pem        Ed25519: says when; never counts in a quorum
    keys/registrar.pem    P-256: could speak for any party, but every grant is an entry in public

Mode 0600 in a folder of mode 0700; a file that others can read is refused, since then nobody knows who has it.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producers.keys import KeyRefused, generate_key, read_key, write_key
from producers.sign import PrivateKey, Signer
from verify.note import COSIGNER, LOG


@dataclass(frozen=True, slots=True)
class Keys:
    """What the operator signs with."""

    log: Signer
    clock: Signer
    registrar: PrivateKey


def load_keys(folder: Path, origin: str) -> Keys:
    """Read the three keys; `origin` names the log's.  Raises KeyRefused and what producers/keys.py raises."""
    log = note_signer(folder / "log.pem", origin, LOG)
    clock = note_signer(folder / "clock.pem", clock_name(origin), COSIGNER)
    return Keys(log, clock, read_key(folder / "registrar.pem"))


def create_keys(folder: Path, origin: str) -> Keys:
    """Make what is missing of the three keys, and read them.  Raises as `load_keys` does."""
    for made in (folder.parent, folder):
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("log", "clock"):
        if not (folder / f"{name}.pem").exists():
            write_key(folder / f"{name}.pem", generate_key("EdDSA"))
    if not (folder / "registrar.pem").exists():
        write_key(folder / "registrar.pem", generate_key("ES256"))
    return load_keys(folder, origin)


def clock_name(origin: str) -> str:
    """The name on the clock's signature lines."""
    return f"{origin}/clock"


def note_signer(path: Path, name: str, kind: int) -> Signer:
    """Read an Ed25519 key as a note signer of `kind` (verify/note.py).  Raises KeyRefused."""
    private = read_key(path)
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyRefused(f"{path} holds no Ed25519 key")
    return Signer(name, kind, private)
