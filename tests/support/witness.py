"""
A witness and a log with known keys: log key of seed 00..1f, witness of seed 20..3f, the tree of RFC 6962's eight leaves.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from ledger.witness import Submit, Witness
from ledger.witnessing.cosigner import Cosigner
from ledger.witnessing.memory import Memory
from ledger.witnessing.wire import format_request
from producers.sign import Signer, sign_note
from verify.checkpoint import Checkpoint
from verify.merkle import Hash, Reader, leaf_hash, prove_consistency, root, roots_reader
from verify.note import COSIGNER, LOG, VerifierKey

LOG_KEY = Signer("example.com/kat", LOG, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS_KEY = Signer("witness.example/w1", COSIGNER, Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64))))
LEAVES = [leaf_hash(bytes.fromhex(text)) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
          "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
READER = roots_reader(LEAVES)
OTHER = roots_reader([leaf_hash(b"another entry 0"), *LEAVES[1:]])  # a fork: the same log but for its first entry
NOW_S = 1_679_315_147  # 2023-03-20
KNOWN = (
    "— witness.example/w1 IDJKvgAAAABkGFDL7ZFvUOre+H7rPg+rgMyaf3oOOut2IhEGY22OITzj24Sx+Yhk1lOA5r+365V6BE5a7cRA++ljfdWcLDOH6IFw"
    "Ag==\n"
)


def note(size: int, key: Signer = LOG_KEY, tree: Reader = READER) -> str:
    """The signed checkpoint of the first `size` leaves."""
    return sign_note(Checkpoint(key.name, size, root(tree, size)).format(), [key])


def request(old: int, new: int, key: Signer = LOG_KEY, tree: Reader = READER) -> str:
    """An add-checkpoint request with the proof that `tree` gives."""
    return format_request(old, prove_to(new, tree)(old) if old <= new else [], note(new, key, tree))


def prove_to(new: int, tree: Reader = READER) -> Callable[[int], list[Hash]]:
    """What the client asks for a proof."""
    return lambda old: prove_consistency(tree, old, new) if old else []


def cosigner(folder: Path, *logs: VerifierKey, now_s: Callable[[], int] = lambda: NOW_S) -> Cosigner:
    """A witness that knows the one log, or `logs`, with a memory in `folder`: the one that is there, or a new one."""
    path = folder / "witness.db"
    memory = Memory.open(path, WITNESS_KEY.vkey) if path.exists() else Memory.create(path, WITNESS_KEY.vkey)
    for key in logs or (LOG_KEY.vkey,):
        memory.follow(key)
    return Cosigner(WITNESS_KEY, memory, now_s)


def asked(submit: Submit, key: VerifierKey = WITNESS_KEY.vkey, timeout_s: float = 5, now_s: float = NOW_S) -> Witness:
    """A witness as a log asks it, at a time in the test's hand."""
    return Witness(key, submit, timeout_s=timeout_s, now_s=lambda: now_s)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The application behind a real server on loopback, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))  # listens at once: whoever comes early waits in its queue
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
