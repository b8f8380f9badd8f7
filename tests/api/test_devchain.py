"""The demo's chain: the same contract at every start, and a narrow door for browsers."""

import json
import threading
from hashlib import sha256

import pytest
from eth_abi import decode

from api.devchain import CHAIN_ID, MAX_BODY, DevChain
from contracts import load_artifact
from ledger.anchors import Head
from ledger.anchors.evm import EvmBackend
from tests.support.anchors import GAS_KEY, anchor, backend_on, head_at
from verify.policy import DEV_CHAIN_IDS


@pytest.fixture(scope="module")
def chain() -> DevChain:
    return DevChain(pays_gas=[GAS_KEY.address])


@pytest.fixture
def backend(chain, request) -> EvmBackend:
    return backend_on(chain.provider, CHAIN_ID, chain.contract, request.node.name)


def test_the_address_is_the_same_at_every_start_and_the_chain_counts_as_nobodys(chain):
    assert DevChain().contract == chain.contract
    assert chain.chain_id in DEV_CHAIN_IDS


class TestTheBrowsersDoor:
    """DevChain.rpc: three methods, one contract, one request at a time."""

    def ask(self, chain: DevChain, method: object, *params: object) -> dict[str, object]:
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
        answer = json.loads(chain.rpc(json.dumps(body).encode()))
        assert answer["id"] == 7
        return answer

    def head_call(self, chain: DevChain, backend: EvmBackend) -> dict[str, str]:
        selector = load_artifact().functions["head(address,bytes32)"]
        data = selector + "00" * 12 + backend.pin.signer[2:] + backend.pin.log_id[2:]
        return {"to": chain.contract, "data": data}

    def test_a_browser_reads_chain_code_and_head(self, chain, backend):
        anchor(backend, 1, 9)
        assert int(self.ask(chain, "eth_chainId")["result"], 16) == CHAIN_ID
        code = bytes.fromhex(self.ask(chain, "eth_getCode", chain.contract, "latest")["result"][2:])
        assert sha256(code).hexdigest() == load_artifact().runtime_sha256
        for tag in ("latest", "safe", "finalized"):
            answer = self.ask(chain, "eth_call", self.head_call(chain, backend), tag)["result"]
            assert Head(*decode(["uint64", "bytes32"], bytes.fromhex(answer[2:]))) == head_at(9)

    @pytest.mark.parametrize(
        ("method", "params"),
        [
            ("eth_sendRawTransaction", ["0x00"]),
            ("eth_sendTransaction", [{}]),
            ("eth_accounts", []),
            ("evm_revert", [1]),
            ("eth_getStorageAt", ["0x0", "0x0"]),
            (None, []),
            (["eth_call"], []),
            ("eth_call", []),
            ("eth_call", [{"data": "0x6001"}]),
            ("eth_call", [{"to": "0x" + "04" * 20, "data": "0x"}]),
            ("eth_getCode", []),
            ("eth_getCode", [["x"]]),
        ],
    )
    def test_everything_else_is_refused(self, chain, method, params):
        assert "error" in self.ask(chain, method, *params)

    @pytest.mark.parametrize("change", [{"data": "0xzz"}, {"data": "0x" + "00" * 4000}, {"data": 5}, {"data": "0x12"}])
    def test_call_data_that_is_no_call_of_the_contract_is_refused(self, chain, backend, change):
        assert "error" in self.ask(chain, "eth_call", {**self.head_call(chain, backend), **change})

    @pytest.mark.parametrize("tag", ["pending", "0x0", 1, None, {}])
    def test_another_block_than_the_three_tags_is_refused(self, chain, backend, tag):
        assert "error" in self.ask(chain, "eth_call", self.head_call(chain, backend), tag)

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"null", b"{", b"\xff", b"[" * 5000, b'{"id":[]}', b" " * (MAX_BODY + 1), b'{"params":{}}'],
        ids=["empty", "batch", "null", "cut", "not-utf8", "deep", "id-list", "large", "no-method"],
    )
    def test_a_body_that_is_no_request_gets_an_error_object(self, chain, body):
        assert "error" in json.loads(chain.rpc(body))

    def test_many_readers_beside_the_worker_see_whole_heads(self, chain, backend):
        seen: list[Head] = []

        def read() -> None:
            for _ in range(10):
                answer = self.ask(chain, "eth_call", self.head_call(chain, backend))["result"]
                seen.append(Head(*decode(["uint64", "bytes32"], bytes.fromhex(answer[2:]))))

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for old in range(1, 10):
            anchor(backend, old, old + 1)
        for reader in readers:
            reader.join()
        assert len(seen) == 40
        assert all(head == head_at(head.size) for head in seen)
