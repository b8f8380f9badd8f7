"""
The real service as its own process on loopback: started, killed without warning, started again, ended by its process id.
"""

import io
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from api.__main__ import originmark_app
from producers.cli.app import main as producers_main
from tests.support.processes import free_ports

READY_S = 180  # a machine that runs everything else beside it
POLL_S = 0.05
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    return free_ports(1)[0]


@dataclass
class Service:
    """One operator's folder and process."""

    data: Path
    origin: str = "log.example/service"
    port: int = field(default_factory=free_port)
    extra: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of this service and nothing of the tester's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ORIGINMARK_")}
        own = {"ORIGINMARK_DATA": str(self.data), "ORIGINMARK_ORIGIN": self.origin, "ORIGINMARK_BASE_URL": self.url}
        return kept | own | dict(self.extra)

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `originmark …` to its end."""
        return subprocess.run([sys.executable, "-m", "api", *words], cwd=ROOT, env=self.environment, capture_output=True,
                              text=True, check=check, timeout=600)  # fmt: skip

    def produce(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `python -m producers …` to its end."""
        return subprocess.run([sys.executable, "-m", "producers", *words], cwd=ROOT, env=self.environment, capture_output=True,
                              text=True, check=check, timeout=600)  # fmt: skip

    def start(self) -> None:
        """Start, and return when it is ready."""
        log = self.data.parent / f"{self.data.name}.log"
        self.launch(log)
        self.wait_ready(log)

    def wait_ready(self, log: Path | None = None) -> None:
        """Return when a launched one is ready; raises RuntimeError with the end of its log where it is not."""
        assert self.process is not None
        deadline = time.monotonic() + READY_S
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("not ready" if log is None else log.read_text()[-3000:])
            threading.Event().wait(POLL_S)

    def launch(self, log: Path) -> None:
        """Start without waiting."""
        with log.open("ab") as out:
            self.process = subprocess.Popen([sys.executable, "-m", "api", "serve", "--port", str(self.port)], cwd=ROOT,
                                            env=self.environment, stdout=out, stderr=out)  # fmt: skip

    def _is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx2.HTTPError:
            return False

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the process a signal, by its id, and wait for its end."""
        if self.process is None:
            return 0
        os.kill(self.process.pid, how)
        code = self.process.wait(timeout=60)
        self.process = None
        return code

    def in_process(self, *words: str) -> tuple[int, str]:
        """Run `producers …` or `originmark …` in this process (many of them cost an interpreter each): exit code, stdout."""
        out = io.StringIO()
        with redirect_stdout(out), _environment(self.environment):
            if words[0] == "producers":
                return producers_main(list(words[1:])), out.getvalue()
            code = originmark_app()(list(words[1:]), standalone_mode=False)
            return int(code or 0), out.getvalue()

    def enrol(self, folder: Path, party: str, *roles: str, mint: tuple[str, ...] = ()) -> Path:
        """Make a key for a party, let it ask, let the registrar grant; return the key file."""
        name = party.rstrip("/").rpartition("/")[2]
        key, request = folder / f"{name}.pem", folder / f"{name}.json"
        assert self.in_process("producers", "keygen", str(key))[0] == 0
        words = ["producers", "enroll", "--key", str(key), "--issuer", party, "--origin", self.origin, "--name-en", name]
        for role in roles:
            words += ["--role", role]
        for prefix in mint:
            words += ["--mint", prefix]
        assert self.in_process(*words, "--out", str(request))[0] == 0
        assert self.in_process("originmark", "party", "grant", str(request))[0] == 0
        return key


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def running_service(folder: Path, **extra: str) -> Iterator[Service]:
    """A fresh log, served until the block ends."""
    service = Service(folder / "operator", extra=extra)
    service.command("init")
    service.start()
    try:
        yield service
    finally:
        if service.process is not None:
            service.end()


@contextmanager
def busy_database(service: Service) -> Iterator[sqlite3.Connection]:
    """Somebody else writes to the file, so that whoever submits waits until that is over."""
    with closing(sqlite3.connect(service.data / "ledger.db", isolation_level=None)) as holding:
        holding.execute("BEGIN IMMEDIATE")
        yield holding
