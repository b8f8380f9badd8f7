"""
A small log that speaks the real protocol over HTTP: admission, tiles, checkpoints and proofs from an in-memory tree.

It judges nothing but duplicates, and misbehaves on request: it refuses, is busy, hangs up, forks, or shows other content.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producers.sign import Signer, cosign, format_proof, sign_note
from producers.tiles import format_entries
from verify import merkle, subjects
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.errors import VerificationError
from verify.note import COSIGNER, LOG
from verify.proof import TlogProof
from verify.statement import Statement, parse_statement
from verify.strict import b64u_encode
from verify.tiles import WIDTH, tile_path

ORIGIN = "log.example/fake"
Problem = dict[str, Any]


@dataclass
class FakeLog:
    """One log; `server` is its address while `serve` runs."""

    signer: Signer = field(default_factory=lambda: Signer(ORIGIN, LOG, Ed25519PrivateKey.generate()))
    witness: Signer = field(default_factory=lambda: Signer("witness.example", COSIGNER, Ed25519PrivateKey.generate()))
    cosigned: bool = False
    """Whether the witness signs."""
    whole_receipts: bool = True
    """Whether one statement is answered with time and proof."""
    refuse: Callable[[Statement], Problem | None] = lambda statement: None
    before_answer: Callable[[str], str] = lambda path: ""
    """Called when a request was executed: "" answers, "busy" answers 503, "cut" closes the connection."""
    before_request: Callable[[str], str] = lambda path: ""
    """The same, before anything is executed."""
    server: str = ""
    time_ms: int = 1_790_000_000_000
    entries: list[bytes] = field(default_factory=list)
    statements: dict[bytes, bytes] = field(default_factory=dict)
    places: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def policy(self) -> str:
        """What a producer of this log may believe by."""
        vkey = self.witness.vkey.format()
        return f"log {self.signer.vkey.format()}\nwitness w {vkey}\nquorum w\n"

    def append(self, raw: bytes) -> int:
        """Sequence a statement unconditionally."""
        statement = parse_statement(raw)
        entry = Entry(self.time_ms, statement.digest, subjects.keys(statement))
        self.time_ms += 1
        self.entries.append(entry.encode())
        self.statements[statement.digest] = raw
        self.places[statement.signing_input] = (len(self.entries) - 1, statement.digest)
        return len(self.entries) - 1

    def admit(self, raw: bytes) -> dict[str, Any]:
        """What POST /statements answers for one statement."""
        try:
            statement = parse_statement(raw)
            subjects.keys(statement)
        except VerificationError as error:
            return {"status": "refused", "problem": {"code": error.code, "detail": error.message, "where": error.where}}
        if problem := self.refuse(statement):
            return {"status": "refused", "problem": problem}
        status = "duplicate" if statement.signing_input in self.places else "published"
        if status == "published":
            self.append(raw)
        index, digest = self.places[statement.signing_input]
        return {"status": status, "index": index, "digest": digest.hex()}

    def take(self, leaves: bytes) -> tuple[int, str, bytes]:
        """What POST /codes answers: only leaves under a logged root are taken."""
        hashes = [leaves[at : at + 32] for at in range(0, len(leaves), 32)]
        root = b64u_encode(merkle.root(merkle.roots_reader(hashes), len(hashes)))
        if root not in [parse_statement(raw).subject.get("root") for raw in self.statements.values()]:
            return 422, "application/problem+json", b'{"code":"not-committed","title":"no such commitment"}'
        self.leaves.append(leaves)
        return 201, "application/json", b"{}"

    def receipt(self, index: int) -> dict[str, Any]:
        """Time and proof of an entry."""
        return {"time": Entry.decode(self.entries[index]).time_ms, "proof": self.proof(index)}

    def proof(self, index: int) -> str:
        """The tlog-proof of an entry."""
        path = merkle.prove_inclusion(self.reader(), index, len(self.entries))
        return format_proof(TlogProof(index, tuple(path), self.checkpoint()))

    def checkpoint(self) -> str:
        """The current checkpoint, signed, and cosigned where a witness takes part."""
        size = len(self.entries)
        text = Checkpoint(self.signer.name, size, merkle.root(self.reader(), size)).format()
        lines = cosign(text, self.witness, self.time_ms // 1_000) if self.cosigned else ""
        return sign_note(text, [self.signer]) + lines

    def reader(self) -> merkle.Reader:
        """Hashes of the whole tree."""
        return merkle.roots_reader([merkle.leaf_hash(entry) for entry in self.entries])

    def tile(self, path: str) -> bytes | None:
        """A tile of the current size, by its path."""
        size, reader = len(self.entries), self.reader()
        for level in range(0, 3):
            hashes = [reader(8 * level, at) for at in range(size >> 8 * level)]
            for first in range(0, len(hashes), WIDTH):
                part = hashes[first : first + WIDTH]
                if path == tile_path(level, first // WIDTH, len(part)):
                    return b"".join(part)
        for first in range(0, size, WIDTH):
            entries = self.entries[first : first + WIDTH]
            if path == tile_path("entries", first // WIDTH, len(entries)):
                return format_entries(entries)
        return None

    @contextmanager
    def serve(self) -> Iterator["FakeLog"]:
        """Answer on a loopback port until the block ends."""
        with ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) as http:
            http.daemon_threads = True
            self.server = f"http://127.0.0.1:{http.server_address[1]}"
            thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                http.shutdown()
                thread.join()


def _handler(log: FakeLog) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *arguments: object) -> None:
            """Stay quiet."""

        def do_GET(self) -> None:
            self._act(lambda: self._get(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._act(lambda: self._post(body, self.headers["content-type"]))

        def _act(self, execute: Callable[[], tuple[int, str, bytes]]) -> None:
            with log.lock:
                log.requests.append(f"{self.command} {self.path}")
            answer: tuple[int, str, bytes] | None = None
            wanted = log.before_request(self.path)
            if not wanted:
                with log.lock:
                    answer = execute()
                wanted = log.before_answer(self.path)
            if wanted == "cut":
                self.close_connection = True
            elif wanted == "busy" or answer is None:
                self._send(503, "application/problem+json", b'{"type":"/problems/busy","title":"busy"}', "7")
            else:
                self._send(*answer)

        def _get(self, path: str) -> tuple[int, str, bytes]:
            parts = path.strip("/").split("/")
            found: bytes | None = None
            if path == "/log/checkpoint":
                found = log.checkpoint().encode()
            elif path == "/log/policy":
                found = log.policy.encode()
            elif path.startswith("/log/tile/"):
                found = log.tile(path.removeprefix("/log/"))
            elif parts[0] == "statements":
                digest = bytes.fromhex(parts[1])
                found = log.statements.get(digest)
                if found is not None and parts[2:] == ["proof"]:
                    index = next(at for at, known in log.places.values() if known == digest)
                    found = log.proof(index).encode()
            return (404, "application/problem+json", b'{"title":"unknown"}') if found is None else (200, "text/plain", found)

        def _post(self, body: bytes, media: str) -> tuple[int, str, bytes]:
            if media == "application/octet-stream":
                return log.take(body)
            if media == "text/plain":
                rows = [log.admit(line) | {"line": at} for at, line in enumerate(body.splitlines(), 1)]
                return 200, "application/jsonl", b"".join(json.dumps(row).encode() + b"\n" for row in rows)
            answer = log.admit(body)
            if answer.get("status") == "refused":
                status = 503 if answer["problem"].get("code") == "event-in-future" else 422
                return status, "application/problem+json", json.dumps(answer["problem"]).encode()
            if log.whole_receipts and "index" in answer:
                answer |= log.receipt(answer["index"])
            return 201, "application/json", json.dumps(answer).encode()

        def _send(self, status: int, media: str, body: bytes, retry_after: str = "") -> None:
            self.send_response(status)
            self.send_header("content-type", media)
            self.send_header("content-length", str(len(body)))
            if retry_after:
                self.send_header("retry-after", retry_after)
            self.end_headers()
            self.wfile.write(body)

    return Handler
