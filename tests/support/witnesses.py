"""
Two witnesses as processes of their own on loopback: ours, and one that other people wrote (tests/peers/).
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import httpx2
import pytest

from tests.support.processes import Server, Servers
from tests.support.service import ROOT, free_port
from verify.note import VerifierKey

PEERS = ROOT / ".venv" / "peers"
READY_S = 60


def need_peer() -> None:
    """Skip where the other witness is not installed; CI must have it."""
    if not (PEERS / "aics_witness").is_dir():
        reason = "the second witness is not installed: make .venv/.peers"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Running:
    """A witness that answers at `url`; `command` runs one of its other commands."""

    key: VerifierKey
    url: str
    words: tuple[str, ...]
    environment: Mapping[str, str]
    server: Server
    serve: tuple[str, ...]

    def command(self, *words: str) -> str:
        """What a command of the witness prints."""
        return _run((*self.words, *words), self.environment)


def own_witness(servers: Servers, name: str, log: VerifierKey) -> Running:
    """Start `originmark witness`, following `log`."""
    folder, port = servers.folder / "own", free_port()
    words = (sys.executable, "-m", "ledger", "witness")
    environment = {**os.environ, "ORIGINMARK_WITNESS_DATA": str(folder)}
    key = VerifierKey.parse(_run((*words, "init", name), environment).split()[-1])
    _run((*words, "add-log", log.format()), environment)
    serve = (*words, "serve", "--port", str(port))
    server = servers.start("own", serve, env=environment, cwd=ROOT)
    return _ready(servers, Running(key, f"http://127.0.0.1:{port}", words, environment, server, serve))


def again(servers: Servers, witness: Running) -> Running:
    """Start a witness that ended."""
    server = servers.start(witness.server.name, witness.serve, env=witness.environment, cwd=ROOT)
    return _ready(servers, replace(witness, server=server))


def peer_witness(servers: Servers, name: str, log: VerifierKey) -> Running:
    """Start the witness of the package aics-witness, following `log`."""
    folder, port = servers.folder / "peer", free_port()
    folder.mkdir()
    words = (sys.executable, "-m", "aics_witness")
    environment = {**os.environ, "PYTHONPATH": str(PEERS), "AICS_WITNESS_CONFIG": str(folder / "witness.json")}
    key = VerifierKey.parse(_run((*words, "init", "--name", name), environment).strip())
    _run((*words, "add-log", "--origin", log.name, "--vkey", log.format()), environment)
    serve = (*words, "serve", "--listen", f"127.0.0.1:{port}")
    server = servers.start("peer", serve, env=environment, cwd=ROOT)
    return _ready(servers, Running(key, f"http://127.0.0.1:{port}", words, environment, server, serve))


def _run(words: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _ready(servers: Servers, witness: Running) -> Running:
    def answers() -> bool:
        try:
            # A witness that was never shown this log answers 404, and that is an answer.
            return httpx2.get(f"{witness.url}/{'0' * 64}/checkpoint", timeout=2).status_code == 404
        except httpx2.HTTPError:
            return False

    servers.wait_until(answers, READY_S, witness.key.name, witness.server.name)
    return witness
