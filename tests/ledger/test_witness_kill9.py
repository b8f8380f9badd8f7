"""A witness that is killed without warning, again and again under load, has never said more than it remembers."""

import signal
import threading
from pathlib import Path

import httpx2

from ledger.witness import Witness, WitnessFailed, over_http
from ledger.witnessing.wire import log_path
from tests.support.processes import Servers
from tests.support.trees import reader_of, some_leaves
from tests.support.witness import LOG_KEY, note, prove_to
from tests.support.witnesses import Running, again, own_witness
from verify.checkpoint import Checkpoint
from verify.note import parse_note

ROUNDS = 4
CLIENTS = 3
ENOUGH = 30  # cosignatures, then comes the kill
TREE = reader_of(some_leaves(2_000))


class Load:
    """Clients that show a witness one growing log, each from where it is, until nobody answers."""

    def __init__(self, witness: Running, start: int) -> None:
        self.witness, self.said, self.enough = witness, [start], threading.Event()
        self.threads = [threading.Thread(target=self._grow) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _grow(self) -> None:
        client = Witness(self.witness.key, over_http(self.witness.url, 10))
        for size in range(self.said[0] + 1, 2_000):
            try:
                client.cosign(note(size, tree=TREE), prove_to(size, TREE))
                self.said.append(size)
            except WitnessFailed as error:
                if error.code == "no-answer":
                    break
            if len(self.said) > ENOUGH:
                self.enough.set()


def test_what_was_cosigned_before_a_kill_is_remembered_after_it(tmp_path: Path) -> None:
    with Servers(tmp_path) as servers:
        witness, head = own_witness(servers, "coop.example/w", LOG_KEY.vkey), 0
        for _ in range(ROUNDS):
            load = Load(witness, head)
            assert load.enough.wait(120)
            witness.server.process.send_signal(signal.SIGKILL)
            for thread in load.threads:
                thread.join()
            witness = again(servers, witness)
            served = httpx2.get(f"{witness.url}/{log_path(LOG_KEY.name)}/checkpoint").text
            head = Checkpoint.parse(parse_note(served).text).size
            # It may remember more than it said: a cosignature that the kill kept from leaving.
            assert max(load.said) <= head
