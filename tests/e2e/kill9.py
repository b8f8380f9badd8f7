"""
`python -m tests.e2e.kill9 [--rounds 50] [--database URL]`: the service killed without warning while clients submit.

After every kill it starts again; at the end every acknowledged statement must be in the log at its index, no index may be
given twice, and `originmark audit` must find nothing.  Prints what it did; exits with 1 at the first broken promise.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx2
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from producers.sign import PrivateKey, sign
from tests.support.service import Service
from tests.support.workshop import event, payload
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.note import parse_note
from verify.tiles import read_entries

FARM = "https://farm.example/kill9"
LONGEST_S = 0.9  # from start to kill


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
                self._note([json.loads(line) for line in answer.text.splitlines()])
                waiting = []

    def _note(self, results: list[dict[str, object]]) -> None:
        for result in results:
            if result["status"] == "refused":
                self.problem = json.dumps(result)
            if result["status"] in ("published", "duplicate"):
                known = self.acknowledged.setdefault(str(result["digest"]), int(str(result["index"])))
                if known != result["index"]:
                    self.problem = f"{result['digest']} was at {known} and is at {result['index']}"

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


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--database", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        extra = {"ORIGINMARK_DATABASE_URL": arguments.database} if arguments.database else {}
        service = Service(folder / "operator", extra=extra)
        service.command("init")
        loaded = load_pem_private_key(service.enrol(folder, FARM, "producer").read_bytes(), None)
        service.start()
        clients = [Client(service, loaded, first) for first in (10**6, 2 * 10**6, 3 * 10**6)]  # type: ignore[arg-type]
        for client in clients:
            client.start()
        begun = time.monotonic()
        for _ in range(arguments.rounds):
            threading.Event().wait(random.uniform(0.05, LONGEST_S))
            service.end(signal.SIGKILL)
            service.start()
        threading.Event().wait(1)
        for client in clients:
            client.over.set()
        for client in clients:
            client.join(timeout=30)
        print(f"{arguments.rounds} kills in {time.monotonic() - begun:.0f} s: {check(service, clients)}")
        service.end()
        audit = service.command("audit", check=False)
        print(audit.stdout.strip())
        sys.exit(audit.returncode)


if __name__ == "__main__":
    main()
