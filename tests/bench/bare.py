"""
Bare signature verification: what the same cores do with the same statements when they do nothing else.

As fast as `cryptography` lets Python: keys loaded, signatures in DER, a thread a core (OpenSSL runs without the interpreter's
lock).  Nothing is parsed, decoded or looked up: this is the machine's limit, which no log in Python can reach.
"""

import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.bench.farms import Party
from tests.bench.machine import cores

SAMPLE = 256  # statements that are verified over and over
Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Bare:
    """The machine's limit."""

    rate: float
    """Verifications per second."""
    cpu_us: float
    """CPU time of one: what other work on the machine changes least."""


def bare_rate(path: Path, who: Sequence[Party], seconds: float, *, threads: int = 0) -> Bare:
    """Verify over and over, on all cores together unless told how many."""
    with path.open("rb") as file:
        checks = [_check(line.rstrip(b"\n"), who[number % len(who)]) for number, line in zip(range(SAMPLE), file, strict=False)]
    counts = [0] * (threads or cores())
    end = time.perf_counter() + seconds
    workers = [threading.Thread(target=_run, args=(checks, end, counts, at)) for at in range(len(counts))]
    begun, cpu = time.perf_counter(), time.process_time()
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    count = sum(counts)
    return Bare(count / (time.perf_counter() - begun), (time.process_time() - cpu) / count * 1e6)


def _run(checks: Sequence[Check], end: float, counts: list[int], at: int) -> None:
    done = 0
    while time.perf_counter() < end:
        for check in checks:
            check()
        done += len(checks)
    counts[at] = done


def _check(raw: bytes, party: Party) -> Check:
    message, _, encoded = raw.rpartition(b".")
    signature = urlsafe_b64decode(encoded + b"==")
    key = party.key.public_key()
    if isinstance(key, Ed25519PublicKey):
        return lambda: key.verify(signature, message)
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    algorithm = ec.ECDSA(SHA256())
    return lambda: key.verify(der, message, algorithm)
