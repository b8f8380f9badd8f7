"""What the contract refuses: from whoever pays the gas, and from the log's own key."""

from dataclasses import dataclass, replace

import pytest
from eth_utils import keccak
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.anchors import Head
from ledger.anchors.keys import ChainKey
from tests.contracts.conftest import Contract
from tests.support.anvil import run_anvil
from tests.support.trees import slow_consistency, slow_root, some_leaves
from verify.merkle import Hash, leaf_hash

pytestmark = pytest.mark.chain

OLD, NEW = 11, 29
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # SEC 2, secp256k1


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of publish()."""

    log_id: Hash
    head: Head
    proof: tuple[Hash, ...]
    signature: bytes

    def on(self, contract: Contract) -> str:
        """Its call data."""
        return contract.publish_data(self.log_id, self.head, self.proof, self.signature)

    def signed(self, contract: Contract, key: ChainKey) -> "Call":
        """The same with a fresh signature over what it now says."""
        return replace(self, signature=contract.sign(key, self.log_id, self.head))


def grown(contract: Contract, key: ChainKey, leaves: list[Hash], old: int, new: int) -> Call:
    """The honest call from `old` to `new` entries."""
    call = Call(leaves[0], Head(new, slow_root(leaves[:new])), tuple(slow_consistency(old, leaves[:new])), b"")
    return call.signed(contract, key)


@pytest.fixture(scope="module")
def leaves() -> list[Hash]:
    return some_leaves(40, "forgery")


@pytest.fixture(scope="module")
def honest(contract, key, leaves) -> Call:
    """A call that would be accepted: the head stands at OLD, never moved by these tests."""
    contract.send(grown(contract, key, leaves, 1, OLD).on(contract))
    call = grown(contract, key, leaves, OLD, NEW)
    assert contract.outcomes([call.on(contract)]) == ["accepted"]
    return call


def refusal(contract: Contract, call: Call) -> str:
    (outcome,) = contract.outcomes([call.on(contract)])
    return outcome


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(len(value), "big")


class TestTheLogsOwnKey:
    """A new signature over whatever is forged: only the proof stands between the operator and a rewritten log."""

    @pytest.mark.parametrize("changed", range(OLD))
    def test_cannot_change_an_anchored_entry(self, contract, key, leaves, honest, changed):
        rewritten = [*leaves[:changed], leaf_hash(b"rewritten"), *leaves[changed + 1 :]]
        call = replace(grown(contract, key, rewritten, OLD, NEW), log_id=leaves[0]).signed(contract, key)
        assert refusal(contract, call) == "NotConsistent"

    def test_cannot_remove_or_insert_an_entry(self, contract, key, leaves, honest):
        for other in ([*leaves[:4], *leaves[5:]], [*leaves[:4], leaf_hash(b"put in"), *leaves[4:]]):
            assert refusal(contract, grown(contract, key, other, OLD, NEW)) == "NotConsistent"

    @pytest.mark.parametrize("size", [0, 1, OLD - 1, OLD])
    def test_cannot_shorten_the_log_or_stand_still(self, contract, key, leaves, honest, size):
        call = replace(honest, head=Head(size, slow_root(leaves[: max(size, 1)]))).signed(contract, key)
        assert refusal(contract, call) == "SizeDidNotGrow"

    def test_cannot_anchor_a_root_of_zeros(self, contract, key, honest):
        call = replace(honest, head=Head(NEW, bytes(32))).signed(contract, key)
        assert refusal(contract, call) == "RootIsZero"

    def test_cannot_start_a_second_history_under_the_same_log_id(self, contract, leaves, honest):
        stranger = ChainKey(keccak(b"stranger"))
        second = [leaf_hash(b"another genesis"), *leaves[1:]]
        call = replace(grown(contract, stranger, second, 1, NEW), log_id=leaves[0]).signed(contract, stranger)
        assert refusal(contract, call) == "NotConsistent"

    @pytest.mark.parametrize(
        "forge",
        [
            lambda proof: (),
            lambda proof: proof[1:],
            lambda proof: proof[:-1],
            lambda proof: (*proof, proof[-1]),
            lambda proof: (proof[0], *proof),
            lambda proof: proof[::-1],
            lambda proof: (proof[1], proof[0], *proof[2:]),
            lambda proof: (*proof, *proof),
            lambda proof: tuple(bytes(32) for _ in proof),
        ],
        ids=["empty", "no-first", "no-last", "last-twice", "first-twice", "reversed", "swapped", "doubled", "zeros"],
    )
    def test_cannot_use_a_proof_of_another_length_or_order(self, contract, key, honest, forge):
        assert refusal(contract, replace(honest, proof=forge(honest.proof)).signed(contract, key)) == "NotConsistent"

    def test_cannot_use_the_proof_of_another_growth(self, contract, key, leaves, honest):
        for old in range(1, NEW):
            proof = tuple(slow_consistency(old, leaves[:NEW]))
            if proof != honest.proof:
                assert refusal(contract, replace(honest, proof=proof)) == "NotConsistent", f"from {old}"


class TestWhoeverPaysTheGas:
    """Without the key nothing can be changed on the way: not the size, the root, the log or the proof."""

    @settings(max_examples=100)
    @given(data=st.data())
    def test_one_bit_changed_anywhere_is_refused(self, contract, honest, data):
        part = data.draw(st.sampled_from(["log_id", "size", "root", "proof", "signature"]))
        if part == "proof":
            at = data.draw(st.integers(0, len(honest.proof) - 1))
            node = flipped(honest.proof[at], data.draw(st.integers(0, 255)))
            call = replace(honest, proof=(*honest.proof[:at], node, *honest.proof[at + 1 :]))
        elif part == "size":
            size = honest.head.size ^ 1 << data.draw(st.integers(0, 63))
            assume(size > 0)
            call = replace(honest, head=Head(size, honest.head.root))
        elif part == "root":
            call = replace(honest, head=Head(NEW, flipped(honest.head.root, data.draw(st.integers(0, 255)))))
        else:
            value = getattr(honest, part)
            call = replace(honest, **{part: flipped(value, data.draw(st.integers(0, 8 * len(value) - 1)))})
        assert refusal(contract, call) != "accepted"

    def test_a_malleated_signature_is_refused(self, contract, honest):
        r, s, v = honest.signature[:32], int.from_bytes(honest.signature[32:64], "big"), honest.signature[64]
        assert s <= CURVE_ORDER // 2
        twin = r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([v ^ 27 ^ 28])
        assert refusal(contract, replace(honest, signature=twin)) == "ECDSAInvalidSignatureS"

    @pytest.mark.parametrize("length", [0, 1, 64, 66, 130])
    def test_a_signature_of_another_length_is_refused(self, contract, honest, length):
        signature = (honest.signature * 2)[:length]
        assert refusal(contract, replace(honest, signature=signature)) == "ECDSAInvalidSignatureLength"

    @pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
    def test_a_signature_that_recovers_to_nobody_is_refused(self, contract, honest, v):
        signature = honest.signature[:64] + bytes([v])
        assert refusal(contract, replace(honest, signature=signature)) == "ECDSAInvalidSignature"

    def test_money_sent_by_mistake_is_refused(self, contract, honest):
        call = {"to": contract.address, "value": "0x1", "data": honest.on(contract)}
        answers = contract.node.batch([("eth_call", [call, "latest"]), ("eth_call", [{**call, "data": "0x"}, "latest"])])
        assert all("error" in answer for answer in answers)


class TestReplay:
    """A signature counts once, at one contract on one chain."""

    def test_an_overwritten_head_cannot_be_rolled_back(self, contract, leaves):
        key = ChainKey(keccak(b"rolls on"))
        ten, twenty = (grown(contract, key, leaves, old, new) for old, new in ((1, 10), (10, 20)))
        between = grown(contract, key, leaves, 10, 15)
        contract.send(ten.on(contract))
        contract.send(twenty.on(contract))
        assert {refusal(contract, call) for call in (ten, twenty, between)} == {"SizeDidNotGrow"}
        assert contract.head(key.address, leaves[0]) == twenty.head

    def test_a_signature_for_one_contract_does_not_move_the_head_at_another(self, second_contract, key, honest, leaves):
        at_the_other = grown(second_contract, key, leaves, 1, OLD)
        second_contract.send(at_the_other.on(second_contract))
        assert refusal(second_contract, honest) == "NotConsistent"
        assert refusal(second_contract, honest.signed(second_contract, key)) == "accepted"

    def test_a_signature_for_one_chain_does_not_move_the_head_on_another(self, contract, key, honest, leaves):
        with run_anvil(chain_id=contract.node.chain_id + 1) as other_chain:
            code = contract.node.rpc("eth_getCode", contract.address, "latest")
            other_chain.rpc("anvil_setCode", contract.address, code)
            twin = Contract(other_chain, contract.address)
            twin.send(grown(twin, key, leaves, 1, OLD).on(twin))
            assert refusal(twin, honest) == "NotConsistent"
            assert refusal(twin, honest.signed(twin, key)) == "accepted"

    def test_from_genesis_a_foreign_signature_moves_nobodys_head_that_a_reader_pins(self, contract, second_contract):
        """Where no head was published any signature has some address: it is not the signer's."""
        key, leaves = ChainKey(keccak(b"pinned")), some_leaves(7, "foreign")
        call = grown(contract, key, leaves, 1, 7)
        second_contract.send(call.on(second_contract))
        assert second_contract.head(key.address, leaves[0]) == Head(1, leaves[0])
