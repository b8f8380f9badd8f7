"""
The procedures of docs/operations.md, played step by step with the real commands.

Each starts from a served log with a season's beginning in it, and ends with an audit.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from producers.keys import read_key
from producers.sign import PrivateKey, sign
from tests.support.ledger import event_body, payload, quantity
from tests.support.service import Service
from verify.policy import Policy

GTIN = "https://id.gs1.org/01/09520001000010"
LABEL = "/01/09520001000010/10/H-1"
FARM = "https://rehearsal-farm.example/"
WITNESS = "witness.example/w1"


@dataclass
class Log:
    """A served log, one farm, and what it submitted."""

    service: Service
    folder: Path
    key: PrivateKey
    sent: list[bytes] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)

    def submit(self, count: int, key: PrivateKey | None = None) -> list[httpx2.Response]:
        """Events with numbers of their own; what is taken is remembered, as an outbox does."""
        answers = []
        for _ in range(count):
            number = len(self.sent) + 1
            body = event_body(number, quantityList=[quantity(f"{GTIN}/10/H-{number}", 10)])
            raw = sign(payload("TraceabilityEvent", FARM, body), key or self.key)
            answers.append(self.send(raw))
            if answers[-1].status_code == 201:
                self.sent.append(raw)
                self.indexes.append(answers[-1].json()["index"])
        return answers

    def send(self, raw: bytes) -> httpx2.Response:
        one = {"content-type": "application/vc+jwt"}
        return httpx2.post(f"{self.service.url}/statements", content=raw, headers=one, timeout=30)

    def run(self, *words: str) -> str:
        """`originmark …`, and insist that it works."""
        done = self.service.command(*words, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refuses(self, *words: str) -> str:
        """`originmark …`, and insist on a sentence."""
        done = self.service.command(*words, check=False)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr

    def size(self) -> int:
        return int(httpx2.get(f"{self.service.url}/log/checkpoint").text.split("\n")[1])

    def keep(self, name: str) -> tuple[Path, Path]:
        """Save today's bundle and today's proposed policy, as a careful reader does."""
        bundle, policy = self.folder / f"{name}.json", self.folder / f"{name}.policy"
        bundle.write_text(httpx2.get(self.service.url + LABEL, headers={"accept": "application/json"}).text, "utf-8")
        policy.write_text(httpx2.get(f"{self.service.url}/log/policy").text, "utf-8")
        return bundle, policy

    def verify(self, bundle: Path, policy: Path) -> dict[str, str]:
        """State by step, as `python -m verify` tells it."""
        import subprocess
        import sys

        words = [sys.executable, "-m", "verify", str(bundle), "--policy", str(policy), "--label", GTIN + "/10/H-1", "--json"]
        told = json.loads(subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True).stdout)
        return {str(step["number"]): step["state"] for step in told["steps"]}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    service = Service(tmp_path / "operator")
    service.command("init")
    service.in_process("originmark", "witness", "add", WITNESS)
    service.start()
    key = read_key(service.enrol(tmp_path, FARM, "producer", "brand-owner", mint=(GTIN,)))
    made = Log(service, tmp_path, key)
    made.submit(3)
    yield made
    if service.process is not None:
        service.end()


def test_a_disaster_with_a_backup_that_is_too_old(log: Log) -> None:
    """docs/operations.md, "After a disaster": 1 stop, 2 restore, 3 it refuses, 4 recover, 5 audit, 6 go on."""
    backup, database = log.folder / "backup", log.service.data / "ledger.db"
    assert "entries of log.example/service" in log.run("backup", str(backup))  # while it serves
    log.submit(4)
    size, receipt = log.size(), httpx2.get(_proof_url(log, 5)).text
    log.service.end()
    _ruin(database)
    assert "damaged" in log.refuses("serve")
    said = log.refuses("restore", str(backup))
    assert f"has seen {size}: signing on from it would fork the log" in said
    outbox = log.folder / "outbox.txt"
    outbox.write_bytes(b"\n".join(log.sent[:-1]))
    assert "1 statements are missing" in log.refuses("restore", str(backup), "--statements", str(outbox))
    outbox.write_bytes(b"\n".join(log.sent))
    said = log.run("restore", str(backup), "--statements", str(outbox))
    assert f"{size} entries, 4 of them recovered" in said
    assert "put aside" in said
    assert f"{size} entries give the root" in log.run("audit")
    log.service.start()
    assert log.submit(1)[0].status_code == 201
    checkpoint = httpx2.get(f"{log.service.url}/log/checkpoint").text
    assert WITNESS in checkpoint  # it remembers the tree from before the disaster, and sees no fork
    assert httpx2.get(_proof_url(log, 5)).text.split("\n")[1] == receipt.split("\n")[1]
    assert [log.send(raw).json()["index"] for raw in log.sent[-3:]] == log.indexes[-3:]
    log.service.end()
    log.run("audit")


def test_the_clock_key_is_rotated_and_yesterdays_proofs_hold(log: Log) -> None:
    """docs/operations.md, "A new clock key": 1 announce, 2 wait, 3 stop, 4 rotate, 5 start."""
    bundle, policy = log.keep("before")
    before = log.verify(bundle, policy)
    assert before["4"] == "verified"
    assert "next" in log.run("rotate-clock", "--announce")
    _, announced = log.keep("announced")
    assert len(Policy.parse(announced.read_text("utf-8")).clocks) == 2
    assert "stop the service first" in log.refuses("rotate-clock")
    log.service.end()
    log.run("rotate-clock")
    log.service.start()
    log.submit(1)
    fresh, current = log.keep("after")
    assert log.verify(fresh, announced) == before  # who took the announced line
    assert log.verify(fresh, current) == before
    assert log.verify(bundle, policy) == before  # what was kept, under what was kept
    assert log.verify(fresh, policy).get("4") != "verified"  # who did not take the new line is not told that all is well
    log.service.end()
    log.run("audit")


def test_a_log_is_frozen_and_its_successor_named(log: Log) -> None:
    """docs/operations.md, "The end of a log": 1 say so, 2 stop, 3 end it, 4 start again for the readers."""
    words = ("freeze", "--successor", "log.example/next", "--url", "https://log.example/next")
    assert "the service runs" in log.refuses(*words)
    assert log.submit(1)[0].json()["code"] == "log-frozen"  # from the first word on
    log.service.end()
    size = 2 + len(log.sent)
    assert f"ends at {size} entries" in log.run(*words)
    for _ in range(2):
        log.service.start()
        refused = log.submit(1)[0]
        assert (refused.status_code, refused.json()["code"]) == (403, "log-frozen")
        assert refused.headers["link"] == '<https://log.example/next>; rel="successor-version"'
        assert log.size() == size
        assert log.send(log.sent[0]).json()["index"] == log.indexes[0]
        assert "FROZEN" in httpx2.get(f"{log.service.url}/log/policy").text
        assert "log.example/next" in httpx2.get(f"{log.service.url}/log", headers={"accept": "text/html"}).text
        assert "originmark_frozen 1.0" in httpx2.get(f"{log.service.url}/metrics").text
        assert httpx2.get(f"{log.service.url}/readyz").status_code == 200
        bundle, policy = log.keep("frozen")
        assert log.verify(bundle, policy)["8"] == "verified"
        log.service.end()
    log.run("audit")


def _proof_url(log: Log, number: int) -> str:
    from verify.statement import parse_statement

    return f"{log.service.url}/statements/{parse_statement(log.sent[number - 1]).digest.hex()}/proof"


def _ruin(database: Path) -> None:
    """A disk that died: the file is there, and its content is not."""
    with database.open("r+b") as file:
        file.write(os.urandom(16_384))
    for end in ("-wal", "-shm"):
        database.with_name(database.name + end).unlink(missing_ok=True)
