"""
The service itself: three `serve` processes on one folder of keys, one database and one bucket, behind one address.

Their settings are docs/cluster/originmark.env, the proxy's docs/cluster/haproxy.cfg.
"""

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from tests.bench.hammering.parties import prepare
from tests.cluster.database import LOOPBACK, SETTINGS, Patroni
from tests.support.processes import Server, Servers, free_ports
from tests.support.seaweed import Seaweed

ROOT = Path(__file__).parents[2]
ORIGIN = "log.example/cluster"
READY_S = 90
BECAME = "sequencer.started"
"""What a process logs when it has become the one that sequences."""


@dataclass
class Front:
    """The processes and their proxy."""

    servers: Servers
    patroni: Patroni
    seaweed: Seaweed
    count: int = 3
    ports: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.public, *self.ports = free_ports(1 + self.count)

    @property
    def url(self) -> str:
        """The one address."""
        return f"http://{LOOPBACK}:{self.public}"

    @property
    def keys(self) -> Path:
        """The hammer's."""
        return self.servers.folder / "hammer-keys"

    @property
    def names(self) -> list[str]:
        """The processes' names."""
        return [f"api{at + 1}" for at in range(self.count)]

    def start(self) -> None:
        """Make the log, grant the hammer's parties, start everything."""
        self.command("init")
        for request in prepare(self.keys, ORIGIN):
            self.command("party", "grant", str(request))
        for at in range(self.count):
            self.start_process(at)
        self.servers.wait_until(lambda: all(map(self._is_ready, self.ports)), READY_S, "the service", *self.names)
        path = self.servers.folder / "haproxy.cfg"
        path.write_text(self._proxy_settings())
        self.servers.start("haproxy", ["haproxy", "-db", "-f", path], is_abrupt=True)
        self.servers.wait_until(lambda: self._is_ready(self.public), READY_S, "the proxy", "haproxy")

    def start_process(self, at: int) -> Server:
        """Start one `serve`, again after it was killed."""
        words = [sys.executable, "-m", "api", "serve", "--host", LOOPBACK, "--port", str(self.ports[at])]
        return self.servers.start(f"api{at + 1}", words, env=self.environment(), cwd=ROOT)

    def command(self, *words: str, check: bool = True, ask: str = "read-write") -> subprocess.CompletedProcess[str]:
        """Run `originmark …` to its end, against the leader, or a replica where `ask` is "standby"."""
        env = self.environment()
        env["ORIGINMARK_DATABASE_URL"] = env["ORIGINMARK_DATABASE_URL"].replace("attrs=read-write", f"attrs={ask}")
        done = subprocess.run([sys.executable, "-m", "api", *words], cwd=ROOT, env=env, text=True, capture_output=True,
                              timeout=900)  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"originmark {' '.join(words)}: {done.stdout}{done.stderr}")
        return done

    def environment(self) -> dict[str, str]:
        """The settings' file as an environment, and nothing of the tester's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORIGINMARK_", "AWS_"))}
        text = Template((SETTINGS / "originmark.env").read_text("utf-8")).substitute(
            data=self.servers.folder / "operator", origin=ORIGIN, url=self.url, password=self.patroni.password,
            hosts=self.patroni.hosts, tiles=self.seaweed.url, s3=self.seaweed.endpoint, credentials=self.seaweed.credentials,
        )  # fmt: skip
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return kept | dict(line.split("=", 1) for line in lines)

    def sequencer(self) -> tuple[str, str]:
        """When a process last said that it sequences now, and which; two empty texts while none has."""
        when, name = max((self._became(name), name) for name in self.names)
        return (when, name) if when else ("", "")

    def _became(self, name: str) -> str:
        """When a process last became the sequencer, RFC 3339; empty where it never did."""
        found = ""
        for line in self.servers.running[name].log.read_text("utf-8", "replace").splitlines():
            if BECAME in line:
                found = str(json.loads(line).get("timestamp", found))
        return found

    def _proxy_settings(self) -> str:
        lines = "\n".join(f"    server api{at + 1} {LOOPBACK}:{port} check" for at, port in enumerate(self.ports))
        template = Template((SETTINGS / "haproxy.cfg").read_text("utf-8"))
        return template.substitute(host=LOOPBACK, port=self.public, servers=lines)

    def is_ready(self, at: int) -> bool:
        """Whether one process is, by its own word."""
        return self._is_ready(self.ports[at])

    def _is_ready(self, port: int) -> bool:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
