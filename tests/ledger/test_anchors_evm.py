"""The EVM anchor backend: on the demo's chain in process, and on a real node where faults are made on purpose."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from eth_abi import decode
from web3.providers import BaseProvider

from api.devchain import CHAIN_ID, MAX_BODY, DevChain
from contracts import load_artifact
from ledger.anchors import Conflict, Head, NodeTrouble, Refused, State, TooDear, WrongChain
from ledger.anchors.evm import EvmBackend, deploy
from ledger.anchors.fees import FeeLimits, Fees, bump, quote
from ledger.anchors.keys import ChainKey, KeyRefused, create_key, read_key
from ledger.anchors.node import connect
from tests.support.anvil import Anvil, run_anvil
from tests.support.trees import reader_of, some_leaves
from verify import merkle
from verify.policy import DEV_CHAIN_IDS, AnchorPin

LEAVES = some_leaves(40, "backend")
READ = reader_of(LEAVES)
GAS_KEY = ChainKey(sha256(b"gas payer").digest())
TAGS = (("safe",), ("finalized",))  # as web3 passes parameters


def head_at(size: int) -> Head:
    return Head(size, merkle.root(READ, size))


def proof(old: int, new: int) -> list[merkle.Hash]:
    return merkle.prove_consistency(READ, old, new)


def backend_on(provider: object, chain_id: int, contract: str, signer: str, **options: object) -> EvmBackend:
    """A backend with a signer of its own: tests share a chain, not a head."""
    key = ChainKey(sha256(signer.encode()).digest())
    pin = AnchorPin(chain_id, contract, "0x" + LEAVES[0].hex(), key.address, None)
    return EvmBackend(provider, pin, anchor_key=key, gas_key=GAS_KEY, **options)


def anchor(backend: EvmBackend, old: int, new: int) -> bytes:
    attempt = backend.prepare(head_at(new), proof(old, new))
    assert backend.broadcast(attempt.raw).tx_hash == attempt.tx_hash
    return attempt.tx_hash


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

    def test_the_address_is_the_same_at_every_start_and_the_chain_counts_as_nobodys(self, chain):
        assert DevChain().contract == chain.contract
        assert chain.chain_id in DEV_CHAIN_IDS


def test_whoever_never_anchors_never_loads_the_chains_library():
    code = "import sys, api.devchain, ledger.anchors.evm; sys.exit('web3' in sys.modules or 'eth_account' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


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

    def test_a_node_that_cannot_be_reached_decides_nothing(self, broken):
        backend = backend_on(connect(broken[0]), 1, "0x" + "11" * 20, "unreachable")
        for ask in (backend.head, backend.next_nonce, backend.gas_money, lambda: backend.standing(head_at(2))):
            with pytest.raises(NodeTrouble):
                ask()


class TestFees:
    def test_the_offer_leaves_room_for_the_base_fee_to_double(self):
        assert quote(100, [5, 1, 9], FeeLimits(min_tip=0)) == Fees(max_fee=205, tip=5)
        assert quote(100, [], FeeLimits(min_tip=7)) == Fees(max_fee=207, tip=7)

    @pytest.mark.parametrize("amount", [1, 2, 7, 8, 9, 10**9, 10**9 + 1])
    def test_a_replacement_offers_enough_more_for_every_pool(self, amount):
        more = bump(Fees(amount, amount), Fees(0, 0))
        assert more.max_fee * 8 >= amount * 9  # 12.5 %
        assert more.tip * 8 >= amount * 9

    def test_a_replacement_follows_a_market_that_rose_faster(self):
        assert bump(Fees(10, 1), Fees(100, 50)) == Fees(100, 50)


class TestKeyFiles:
    def test_a_key_is_written_for_its_owner_only_and_never_overwritten(self, tmp_path):
        path = tmp_path / "keys" / "anchor.pem"
        key = create_key(path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert read_key(path) == key
        with pytest.raises(FileExistsError):
            create_key(path)
        assert key.secret.hex() not in repr(key)

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
    def test_a_key_that_others_can_read_is_refused(self, tmp_path, mode):
        path = tmp_path / "anchor.pem"
        create_key(path)
        os.chmod(path, mode)
        with pytest.raises(KeyRefused, match="chmod 600"):
            read_key(path)

    def test_a_key_in_hexadecimal_digits_is_read_too(self, tmp_path):
        path = tmp_path / "gas.hex"
        path.write_text("0x" + GAS_KEY.secret.hex() + "\n")
        path.chmod(0o600)
        assert read_key(path) == GAS_KEY

    @pytest.mark.parametrize("content", [b"", b"00" * 32, b"ff" * 32, b"\xff" * 40, b"-----BEGIN PRIVATE KEY-----\n"])
    def test_a_file_without_a_key_is_refused_without_being_quoted(self, tmp_path, content):
        path = tmp_path / "anchor.pem"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyRefused, match="no secp256k1"):
            read_key(path)

    def test_a_key_of_another_curve_is_refused(self, tmp_path):
        path = tmp_path / "anchor.pem"
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(pem)
        path.chmod(0o600)
        with pytest.raises(KeyRefused):
            read_key(path)

    def test_the_address_is_the_one_that_ethereum_gives_the_key(self):
        assert ChainKey((1).to_bytes(32, "big")).address == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
