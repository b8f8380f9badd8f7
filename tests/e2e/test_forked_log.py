"""
A log is copied, and both copies go on under the same key with different entries.

Watched by two witnesses, ours and one that other people wrote, and by the monitor.  Everything runs as processes on loopback.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx2
import pytest

from ledger.keys import create_keys, load_keys
from ledger.witnessing.wire import log_path, parse_request
from producers.keys import read_key
from producers.sign import sign
from tests.support.ledger import FARM, GTIN, event_body, payload
from tests.support.processes import Servers, wait_until
from tests.support.service import ROOT, Service
from tests.support.witnesses import Running, need_peer, own_witness, peer_witness
from verify.checkpoint import Checkpoint, Evidence, verify_evidence
from verify.merkle import consistent_roots
from verify.note import VerifierKey, lines_of, parse_note

pytestmark = pytest.mark.xdist_group("forked-log")  # one world for all of them
ORIGIN = "log.example/forked"
PATIENCE_S = 60
STRICT = {"ORIGINMARK_WITNESS_FAIL_OPEN": "false", "ORIGINMARK_WITNESS_QUORUM": "2", "ORIGINMARK_WITNESS_TIMEOUT_S": "10"}


@dataclass
class World:
    """An honest log, two witnesses that follow it, and a reader with a policy, a monitor and nothing else."""

    folder: Path
    log: Service
    key: VerifierKey
    own: Running
    peer: Running
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def events(self, many: int) -> bytes:
        """Statements of the farm, each about another event, one a line."""
        key = read_key(self.folder / "party.pem")
        bodies = [event_body(next(self.numbers)) for _ in range(many)]
        return b"\n".join(sign(payload("TraceabilityEvent", FARM, body), key) for body in bodies)

    def verify(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m verify …` where there is nothing but a copy of verify/."""
        alone = self.folder / "reader"
        if not alone.exists():
            shutil.copytree(ROOT / "verify", alone / "verify", ignore=shutil.ignore_patterns("__pycache__", "web"))
        return subprocess.run([sys.executable, "-m", "verify", *words], cwd=alone, capture_output=True, text=True, timeout=60)

    def look(self, log: Service) -> subprocess.CompletedProcess[str]:
        """One look of the monitor, with its one memory."""
        caught = self.folder / "caught"
        caught.mkdir(exist_ok=True)
        words = ["--policy", str(self.folder / "policy.txt"), "--state", str(self.folder / "state"), "--evidence", str(caught)]
        return self.verify("watch", f"{log.url}/log", *words, "--once")

    def judge(self, evidence: Path) -> subprocess.CompletedProcess[str]:
        """Check evidence with nothing but the log's key."""
        (self.folder / "key.txt").write_text(f"log {self.key.format()}\n")
        return self.verify("evidence", str(evidence), "--policy", str(self.folder / "key.txt"))


def send(log: Service, lines: bytes, **headers: str) -> None:
    """Submit, and do not ask what became of it."""
    answer = httpx2.post(f"{log.url}/statements", content=lines, headers={"content-type": "text/plain", **headers}, timeout=60)
    assert answer.status_code in (200, 202), answer.text


def served(log: Service) -> str:
    """The checkpoint that the public gets."""
    return httpx2.get(f"{log.url}/log/checkpoint").text


def size(body: str) -> int:
    """The size in a checkpoint."""
    return Checkpoint.parse(parse_note(body).text).size


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The honest log: seven entries, a quorum of both witnesses, and a monitor that has looked."""
    need_peer()
    folder = tmp_path_factory.mktemp("forked")
    log = Service(folder / "honest", ORIGIN)
    log.in_process("originmark", "init")
    keys = load_keys(log.data / "keys", ORIGIN)
    with Servers(folder) as servers:
        own, peer = own_witness(servers, "coop.example/w", keys.log.vkey), peer_witness(servers, "peer.example/w", keys.log.vkey)
        for one in (own, peer):
            log.in_process("originmark", "witness", "add", one.key.name, "--vkey", one.key.format(), "--url", one.url)
        lines = [f"log {keys.log.vkey.format()}", f"clock {keys.clock.vkey.format()}", f"witness own {own.key.format()}",
                 f"witness peer {peer.key.format()}", "group both all own peer", "quorum both"]  # fmt: skip
        (folder / "policy.txt").write_text("\n".join([*lines, ""]))
        log.extra = STRICT
        log.enrol(folder, FARM, "producer", mint=(GTIN,)).rename(folder / "party.pem")
        world = World(folder, log, keys.log.vkey, own, peer)
        log.start()
        try:
            send(log, world.events(3))
            assert world.look(log).returncode == 0
            log.end()
            shutil.copytree(log.data, folder / "copy")
            log.start()
            send(log, world.events(2))
            yield world
        finally:
            log.end()


@pytest.fixture(scope="module")
def fork(world: World) -> Iterator[Service]:
    """The copy, under an operator who publishes without his witnesses."""
    shutil.copytree(world.folder / "copy", world.folder / "fork")
    copy = Service(world.folder / "fork", ORIGIN, extra={"ORIGINMARK_WITNESS_FAIL_OPEN": "true"})
    copy.start()

    def both_were_asked() -> bool:
        # A witness that refused is left alone for a while: only one of these batches may be shown to it.
        send(copy, world.events(5))
        return "convicted" in httpx2.get(world.own.url).text and "422" in world.peer.server.tail()

    try:
        wait_until(both_were_asked, PATIENCE_S, "both witnesses were shown the fork")
        yield copy
    finally:
        copy.end()


def test_both_witnesses_cosigned_the_honest_log_and_the_monitor_is_content(world: World) -> None:
    note = parse_note(served(world.log))
    assert size(served(world.log)) == 7
    assert all(lines_of(note, one.key) for one in (world.own, world.peer))
    looked = world.look(world.log)
    assert (looked.returncode, looked.stdout) == (0, f"{ORIGIN}: 7\n")


def test_a_restored_copy_under_honest_settings_publishes_nothing(world: World) -> None:
    strict = Service(world.folder / "restored", ORIGIN, extra=world.log.extra)
    shutil.copytree(world.folder / "copy", strict.data)
    before = (strict.data / "tiles" / "checkpoint").read_text()
    process = subprocess.Popen([sys.executable, "-m", "api", "serve", "--port", str(strict.port)], cwd=ROOT,
                               env=strict.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    try:
        assert process.stdout is not None
        assert any("ahead" in line for line in process.stdout)  # both witnesses say that they have seen more
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert (strict.data / "tiles" / "checkpoint").read_text() == before


def test_neither_witness_cosigns_the_fork(world: World, fork: Service) -> None:
    note = parse_note(served(fork))
    assert size(served(fork)) > 7
    assert not any(lines_of(note, one.key) for one in (world.own, world.peer))


def test_our_witness_keeps_evidence_that_verifies_offline(world: World, fork: Service) -> None:
    found = world.own.command("evidence")
    path = Path(found.split("\t")[1].strip())
    judged = world.judge(path if path.is_absolute() else ROOT / path)
    assert judged.returncode == 0, judged.stderr
    assert world.key.format() in judged.stdout
    public = httpx2.get(f"{world.own.url}/{log_path(ORIGIN)}/evidence").text
    assert verify_evidence(Evidence.parse(public), [world.key])[0] == world.key


def test_what_the_other_peoples_witness_kept_convicts_too(world: World, fork: Service) -> None:
    kept = json.loads(world.peer.command("evidence", "--origin", ORIGIN))
    asked = parse_request(kept[0]["request"])
    older = httpx2.get(f"{world.peer.url}/{log_path(ORIGIN)}/checkpoint").text
    old_root = Checkpoint.parse(parse_note(older).text).root
    found, _ = consistent_roots(old=asked.old, new=asked.checkpoint.size, old_root=old_root, proof=asked.proof)
    newer = kept[0]["request"].partition("\n\n")[2]
    path = world.folder / "from-the-peer.txt"
    path.write_text(Evidence(older, newer, found, asked.proof).format())
    assert world.judge(path).returncode == 0


def test_the_monitor_refuses_the_fork_and_its_evidence_verifies_offline(world: World, fork: Service) -> None:
    assert world.look(world.log).returncode == 0
    looked = world.look(fork)
    assert looked.returncode == 1
    assert "FORK" in looked.stderr
    (path,) = (world.folder / "caught").iterdir()
    judged = world.judge(path)
    assert judged.returncode == 0, judged.stderr
    other = world.folder / "other.txt"
    other.write_text(f"log {create_keys(world.folder / 'other', 'log.example/other').log.vkey.format()}\n")
    assert world.verify("evidence", str(path), "--policy", str(other)).returncode == 1


def test_once_convicted_the_honest_branch_waits_for_a_human_too(world: World, fork: Service) -> None:
    body = served(world.log)
    request = f"old 7\n\n{body}"
    assert httpx2.post(f"{world.own.url}/add-checkpoint", content=request).status_code == 403
    assert "follows" in world.own.command("resume", ORIGIN, "--reason", "the copy was found and destroyed")
    assert httpx2.post(f"{world.own.url}/add-checkpoint", content=request).status_code == 200
