"""
PostgreSQL as a cluster on loopback: etcd, and three Patroni agents that each keep a server of their own.

The agents' settings are docs/cluster/patroni.yml.  Patroni decides who leads; nothing here promotes anybody.

Source: patroni.readthedocs.io (replication modes, dynamic configuration).
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from urllib.parse import urlencode

import psycopg

from tests.support.processes import Server, Servers, free_ports

LOOPBACK = "127.0.0.1"
SETTINGS = Path(__file__).parents[2] / "docs" / "cluster"
USER = "postgres"  # PostgreSQL refuses to run as root; Debian's package makes this user
READY_S = 60
QUORUM = 4  # first version of Patroni that can promise "any one of them" instead of "this one"


@dataclass(frozen=True, slots=True)
class Node:
    """One database machine."""

    name: str
    port: int
    rest_port: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast a dead leader is noticed (s)."""

    ttl: int
    loop_wait: int = 1
    retry_timeout: int = 3


@dataclass
class Patroni:
    """The cluster; `start` returns when it has a leader and a replica that confirms its commits."""

    servers: Servers
    program: Path
    timing: Timing | None = None
    count: int = 3
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    nodes: list[Node] = field(init=False)

    def __post_init__(self) -> None:
        self._etcd, self._etcd_peer, *ports = free_ports(2 + 2 * self.count)
        base = self.servers.folder / "postgresql"
        self.nodes = [Node(f"pg{at + 1}", ports[2 * at], ports[2 * at + 1], base / f"pg{at + 1}") for at in range(self.count)]
        self.version = version_of(self.program)
        # Patroni 4 raises a shorter ttl to 20 itself.
        self.timing = self.timing or Timing(20 if self.version >= QUORUM else 8)

    @property
    def mode(self) -> str:
        """How commits are confirmed, as Patroni calls it."""
        return "quorum" if self.version >= QUORUM else "true"

    @property
    def hosts(self) -> str:
        """All machines, as a libpq query."""
        return urlencode([("host", f"{LOOPBACK}:{node.port}") for node in self.nodes], safe=":")

    def start(self) -> None:
        """Start everything and make the database."""
        base = self.nodes[0].folder.parent
        for folder in (base, *(node.folder for node in self.nodes)):
            folder.mkdir(parents=True)
            if os.geteuid() == 0:
                shutil.chown(folder, USER, USER)
        self._start_etcd()
        for node in self.nodes:
            self.start_node(node)
        names = [node.name for node in self.nodes]
        self.servers.wait_until(self.is_whole, READY_S, "a leader and its replicas", *names)
        self._make_database()

    def start_node(self, node: Node) -> Server:
        """Start an agent, which starts its server; again after it was killed."""
        path = node.folder / "patroni.yml"
        path.write_text(self._settings(node))
        path.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(path, USER, USER)
        data = node.folder / "data"
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(node.folder)}
        return self.servers.start(node.name, [self.program, path], user=USER, env=env, cwd=node.folder,
                                  pid_file=data / "postmaster.pid")  # fmt: skip

    def leader(self) -> Node | None:
        """Who leads by its own word, None while nobody does."""
        return next((node for node in self.nodes if _status(node, "/primary") == 200), None)

    def confirming(self) -> list[Node]:
        """The replicas that confirm commits."""
        path = "/quorum" if self.version >= QUORUM else "/synchronous"
        return [node for node in self.nodes if _status(node, path) == 200]

    def is_whole(self) -> bool:
        """Whether one leads, all others follow, and commits are confirmed."""
        followers = [node for node in self.nodes if _status(node, "/replica") == 200]
        return self.leader() is not None and len(followers) == self.count - 1 and bool(self.confirming())

    def synchronous_standby_names(self) -> str:
        """What the leader waits for, in PostgreSQL's words."""
        with self._connect("postgres") as connection:
            row = connection.execute("SHOW synchronous_standby_names").fetchone()
        return str(row[0]) if row else ""

    def bytes_stored(self) -> int:
        """The size of the database with its indexes."""
        with self._connect("originmark") as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return int(str(row[0])) if row else 0

    def _start_etcd(self) -> None:
        client, peer = f"http://{LOOPBACK}:{self._etcd}", f"http://{LOOPBACK}:{self._etcd_peer}"
        folder = self.servers.folder / "etcd"
        # Debian's etcd wants to be told on other processors than amd64 and arm64; here it is the only member, on one machine.
        self.servers.start("etcd", [
            "etcd", "--name=etcd1", f"--data-dir={folder}", f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=etcd1={peer}",
        ])  # fmt: skip
        self.servers.wait_until(lambda: _answers(f"{client}/health"), READY_S, "etcd", "etcd")

    def _settings(self, node: Node) -> str:
        timing = self.timing or Timing(20)
        return Template((SETTINGS / "patroni.yml").read_text("utf-8")).substitute(
            name=node.name, host=LOOPBACK, network=f"{LOOPBACK}/32", port=node.port, rest_port=node.rest_port,
            etcd=f"{LOOPBACK}:{self._etcd}", ttl=timing.ttl, loop_wait=timing.loop_wait, retry_timeout=timing.retry_timeout,
            synchronous_mode=self.mode, data=node.folder / "data", bin=binaries(), password=self.password,
            shared_buffers="64MB", sockets=node.folder,
        )  # fmt: skip

    def _make_database(self) -> None:
        with self._connect("postgres") as connection:
            connection.execute(f"CREATE ROLE originmark LOGIN PASSWORD '{self.password}'")
            connection.execute("CREATE DATABASE originmark OWNER originmark")

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        ports = ",".join(str(node.port) for node in self.nodes)
        hosts = ",".join([LOOPBACK] * self.count)
        return psycopg.connect(host=hosts, port=ports, user=USER, password=self.password, dbname=database, autocommit=True,
                               target_session_attrs="read-write", connect_timeout=5)  # fmt: skip


def version_of(program: Path) -> int:
    """The major version of a Patroni."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.", said)
    if found is None:
        raise RuntimeError(f"{program} does not tell its version: {said}")
    return int(found[1])


def binaries() -> Path:
    """The newest PostgreSQL of Debian's packages.  Raises FileNotFoundError."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise FileNotFoundError("no PostgreSQL server is installed")
    return found[-1].parent


def _status(node: Node, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{node.rest_port}{path}", timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(json.load(answer).get("health"))
    except (OSError, ValueError):
        return False
