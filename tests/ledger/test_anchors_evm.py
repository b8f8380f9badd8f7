"""The EVM anchor backend: on the demo's chain in process, and on a real node where faults are made on purpose."""

import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from web3.providers import BaseProvider

from api.devchain import CHAIN_ID, DevChain
from ledger.anchors import Conflict, Head, NodeTrouble, Refused, State, TooDear, WrongChain
from ledger.anchors.evm import EvmBackend, deploy
from ledger.anchors.fees import FeeLimits
from ledger.anchors.keys import ChainKey
from ledger.anchors.node import connect
from tests.support.anchors import GAS_KEY, anchor, backend_on, head_at, proof
from tests.support.anvil import Anvil, run_anvil
from tests.support.trees import reader_of, some_leaves
from verify import merkle

TAGS = (("safe",), ("finalized",))  # as web3 passes parameters


@pytest.fixture(scope="module")
def chain() -> DevChain:
    return DevChain(pays_gas=[GAS_KEY.address])


@pytest.fixture
def backend(chain, request) -> EvmBackend:
    return backend_on(chain.provider, CHAIN_ID, chain.contract, request.node.name)


class TestOnTheDemosChain:
    def test_a_log_is_anchored_from_genesis_and_grows(self, backend):
        assert backend.head() == head_at(1)
        for old, new in ((1, 2), (2, 3), (3, 8), (8, 21), (21, 40)):
            assert backend.standing(head_at(new)) is State.SUBMITTED
            found = backend.find(anchor(backend, old, new))
            assert found is not None
            assert not found.reverted
            assert backend.head() == backend.head("finalized") == head_at(new)
            assert backend.standing(head_at(new)) is State.FINAL
        assert backend.standing(head_at(3)) is State.FINAL, "a larger head covers a smaller one"

    def test_a_rewritten_log_is_refused_before_gas_is_spent(self, backend):
        anchor(backend, 1, 20)
        nonce = backend.next_nonce()
        other = reader_of(some_leaves(40, "rewritten"))
        with pytest.raises(Refused, match="NotConsistent"):
            backend.prepare(Head(30, merkle.root(other, 30)), merkle.prove_consistency(other, 20, 30))
        with pytest.raises(Refused, match="SizeDidNotGrow"):
            backend.prepare(head_at(10), proof(1, 10))
        assert backend.next_nonce() == nonce

    def test_another_root_at_our_size_raises_the_alarm(self, backend):
        anchor(backend, 1, 20)
        with pytest.raises(Conflict) as caught:
            backend.standing(Head(20, bytes(32)))
        assert caught.value.held == head_at(20)

    def test_sending_the_stored_bytes_again_changes_nothing(self, backend):
        attempt = backend.prepare(head_at(5), proof(1, 5))
        assert backend.broadcast(attempt.raw).remark is None
        again = backend.broadcast(attempt.raw)
        assert again.tx_hash == attempt.tx_hash
        assert again.remark is not None
        assert "nonce" in again.remark
        assert backend.next_nonce() == attempt.nonce + 1

    def test_nothing_is_signed_for_another_chain_or_another_contract(self, chain, backend):
        for pin in (replace(backend.pin, chain_id=1), replace(backend.pin, code_sha256="00" * 32)):
            key = ChainKey(sha256(b"wrong").digest())
            wrong = EvmBackend(chain.provider, replace(pin, signer=key.address), anchor_key=key, gas_key=GAS_KEY)
            with pytest.raises(WrongChain):
                wrong.prepare(head_at(2), proof(1, 2))

    def test_an_address_without_the_contract_has_no_head(self, chain):
        with pytest.raises(WrongChain):
            backend_on(chain.provider, CHAIN_ID, "0x" + "11" * 20, "nowhere").head()

    def test_a_key_that_the_pin_does_not_name_is_refused_at_once(self, chain, backend):
        with pytest.raises(ValueError, match="pin names"):
            EvmBackend(chain.provider, backend.pin, anchor_key=GAS_KEY, gas_key=GAS_KEY)

    def test_fees_over_the_cap_wait(self, chain):
        poor = backend_on(chain.provider, CHAIN_ID, chain.contract, "poor", limits=FeeLimits(max_fee=1))
        with pytest.raises(TooDear) as caught:
            poor.prepare(head_at(2), proof(1, 2))
        assert caught.value.cap == 1

    def test_where_the_chain_has_no_word_for_final_a_head_must_lie_deep_enough(self):
        chain = DevChain(pays_gas=[GAS_KEY.address])

        class WithoutTags(BaseProvider):
            def request_func(self, *arguments: object) -> Callable[[str, Sequence[object]], object]:
                answer = chain.provider.request_func(*arguments)
                refusal = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "unknown block tag"}}
                return lambda method, params: refusal if params[:1] in TAGS else answer(method, params)

        backend = backend_on(WithoutTags(), CHAIN_ID, chain.contract, "no tags", finality_depth=2)
        states = []
        for old in range(1, 5):
            anchor(backend, old, old + 1)
            states.append(backend.standing(head_at(2)))
        assert states == [State.INCLUDED, State.INCLUDED, State.FINAL, State.FINAL]


def test_whoever_never_anchors_never_loads_the_chains_library():
    code = "import sys, api.devchain, ledger.anchors.evm; sys.exit('web3' in sys.modules or 'eth_account' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    """A node with finality two epochs of one block back, and money for whoever pays gas."""
    with run_anvil("--slots-in-an-epoch", "1") as anvil:
        anvil.rpc("anvil_setBalance", GAS_KEY.address, hex(10**20))
        yield anvil


@pytest.fixture(scope="module")
def contract(node) -> str:
    return deploy(connect(node.url), GAS_KEY, chain_id=node.chain_id).contract


@pytest.fixture
def real(node, contract, request) -> EvmBackend:
    """Blocks come only when the test mines them."""
    node.rpc("evm_setAutomine", False)
    return backend_on(connect(node.url), node.chain_id, contract, request.node.name)


@pytest.mark.chain
class TestOnARealNode:
    def test_a_head_is_submitted_then_included_then_safe_then_final(self, node, real):
        tx_hash = anchor(real, 1, 7)
        assert real.find(tx_hash) is None
        states = [real.standing(head_at(7))]
        for _ in range(4):
            node.rpc("evm_mine")
            states.append(real.standing(head_at(7)))
        assert list(dict.fromkeys(states)) == [State.SUBMITTED, State.INCLUDED, State.SAFE, State.FINAL]

    def test_a_stuck_attempt_is_replaced_at_its_own_nonce_for_more(self, node, real):
        stuck = real.prepare(head_at(7), proof(1, 7))
        real.broadcast(stuck.raw)
        again = real.broadcast(stuck.raw)
        assert again.remark is not None, "the node knows it already"
        bumped = real.prepare(head_at(8), proof(1, 8), replaces=stuck)
        assert bumped.nonce == stuck.nonce
        real.broadcast(bumped.raw)
        node.rpc("evm_mine")
        assert real.find(stuck.tx_hash) is None
        assert real.find(bumped.tx_hash) is not None
        assert real.head() == head_at(8)

    def test_a_reorganisation_takes_the_head_back_and_the_stored_bytes_bring_it_again(self, node, real):
        attempt = real.prepare(head_at(7), proof(1, 7))
        real.broadcast(attempt.raw)
        node.rpc("evm_mine")
        assert real.standing(head_at(7)) is State.INCLUDED
        node.rpc("anvil_reorg", 1, [])
        assert real.standing(head_at(7)) is State.SUBMITTED
        assert real.find(attempt.tx_hash) is None
        real.broadcast(attempt.raw)
        node.rpc("evm_mine")
        assert real.head() == head_at(7)
        assert real.find(attempt.tx_hash) is not None

    def test_our_head_sent_by_a_stranger_counts_and_our_transaction_is_seen_to_revert(self, node, real, contract):
        ours = real.prepare(head_at(7), proof(1, 7))
        other_payer = ChainKey(sha256(b"another payer").digest())
        node.rpc("anvil_setBalance", other_payer.address, hex(10**20))
        key = ChainKey(sha256(b"test_our_head_sent_by_a_stranger_counts_and_our_transaction_is_seen_to_revert").digest())
        twin = EvmBackend(connect(node.url), real.pin, anchor_key=key, gas_key=other_payer)
        twin.broadcast(twin.prepare(head_at(7), proof(1, 7)).raw)
        node.rpc("evm_mine")
        real.broadcast(ours.raw)
        node.rpc("evm_mine")
        found = real.find(ours.tx_hash)
        assert found is not None
        assert found.reverted
        assert real.head() == head_at(7)

    def test_a_contract_younger_than_the_final_block_is_not_final(self, node):
        node.rpc("evm_setAutomine", True)
        young = deploy(connect(node.url), GAS_KEY, chain_id=node.chain_id).contract
        backend = backend_on(connect(node.url), node.chain_id, young, "young")
        with pytest.raises(WrongChain):
            backend.head("finalized")
        assert backend.standing(head_at(7)) is State.SUBMITTED


class TestANodeInTrouble:
    @pytest.fixture
    def broken(self) -> Iterator[tuple[str, list[str]]]:
        """A node that answers 503 to everything; the methods it was asked for."""
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["method"])
                self.send_error(503)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()
        server.server_close()

    def test_a_transaction_is_sent_once_and_never_retried_behind_our_back(self, broken):
        url, asked = broken
        backend = backend_on(connect(url), 1, "0x" + "11" * 20, "broken")
        with pytest.raises(NodeTrouble):
            backend.broadcast(b"\x02raw")
        assert asked == ["eth_sendRawTransaction"]

    def test_what_is_written_down_of_a_failure_does_not_hold_the_node_s_address(self, broken):
        """Whoever rents a node has the right to use it in its address."""
        for url in (broken[0], "http://127.0.0.1:1"):
            backend = backend_on(connect(f"{url}/v3/a-token"), 1, "0x" + "11" * 20, "secret")
            with pytest.raises(NodeTrouble) as trouble:
                backend.head()
            assert "a-token" not in "".join(traceback.format_exception(trouble.value))

    def test_a_node_that_cannot_be_reached_decides_nothing(self, broken):
        backend = backend_on(connect(broken[0]), 1, "0x" + "11" * 20, "unreachable")
        for ask in (backend.head, backend.next_nonce, backend.gas_money, lambda: backend.standing(head_at(2))):
            with pytest.raises(NodeTrouble):
                ask()
