"""
A real EVM node for a test: anvil from contracts/node_modules, on a free loopback port, ended by its own process.

Where it is not installed the test is skipped with a reason; where CI=true it fails, since CI installs it.
"""

import itertools
import json
import os
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CONTRACTS = Path(__file__).parents[2] / "contracts"
CHAIN_ID = 952  # no development chain's id, so that verifiers treat it as a public one
READY = "Listening on "
TIMEOUT = 30  # seconds


@dataclass(slots=True)
class Anvil:
    """A running node."""

    url: str
    chain_id: int
    pid: int
    _ids: Iterator[int] = field(default_factory=itertools.count)

    def batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
        """Send several requests at once; the JSON-RPC answers in their order, errors included."""
        requests = [{"jsonrpc": "2.0", "id": next(self._ids), "method": name, "params": args} for name, args in calls]
        post = urllib.request.Request(
            self.url, json.dumps(requests).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(post, timeout=TIMEOUT) as response:
            answers = {answer["id"]: answer for answer in json.load(response)}
        return [answers[request["id"]] for request in requests]

    def rpc(self, method: str, *params: Any) -> Any:
        """One request; raises AssertionError with the node's words where it answers with an error."""
        (answer,) = self.batch([(method, list(params))])
        assert "error" not in answer, answer["error"]
        return answer["result"]


def anvil_binary() -> Path:
    """The node's program for this platform."""
    found = sorted(CONTRACTS.glob("node_modules/@foundry-rs/anvil-*/bin/anvil*"))
    if not found:
        absent("anvil is not installed: run npm ci in contracts/")
    return found[0]


def absent(reason: str) -> None:
    """Skip for want of a tool; fail where CI=true, which must not pass for that reason."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def run_anvil(*options: str, chain_id: int = CHAIN_ID) -> Iterator[Anvil]:
    """Run a node until the block ends.  It mines a block at each transaction unless `options` say otherwise."""
    command = [str(anvil_binary()), "--host", "127.0.0.1", "--port", "0", "--chain-id", str(chain_id), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    try:
        address = next((line for line in process.stdout if line.startswith(READY)), None)
        assert address is not None, "anvil ended before it listened"
        # Read to the end, or the node blocks once the pipe is full.
        drain.start()
        yield Anvil(f"http://{address.removeprefix(READY).strip()}", chain_id, process.pid)
    finally:
        process.kill()
        process.wait()
        if drain.is_alive():
            drain.join(TIMEOUT)
        process.stdout.close()
