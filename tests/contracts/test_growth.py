"""An honest log can always be anchored: no shape of growth is refused."""

import pytest
from eth_abi import decode
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.anchors import Head
from ledger.anchors.keys import ChainKey
from tests.support.trees import reader_of, reader_of_equal, slow_consistency, slow_root, some_leaves
from verify import merkle

pytestmark = pytest.mark.chain

LARGEST = 64


def test_every_honest_growth_between_1_and_64_entries_is_accepted(contract, key):
    leaves = some_leaves(LARGEST, "every pair")
    log_id = leaves[0]
    heads = {size: Head(size, slow_root(leaves[:size])) for size in range(1, LARGEST + 1)}
    signatures = {size: contract.sign(key, log_id, head) for size, head in heads.items()}
    read = reader_of(leaves)
    for old in range(1, LARGEST):
        calls = [
            contract.publish_data(log_id, heads[new], merkle.prove_consistency(read, old, new), signatures[new])
            for new in range(old + 1, LARGEST + 1)
        ]
        assert set(contract.outcomes(calls)) == {"accepted"}, f"from {old}"
        contract.send(calls[0])
        assert contract.head(key.address, log_id) == heads[old + 1]


def test_the_prover_agrees_with_the_rfcs_own_recursion():
    leaves = some_leaves(LARGEST, "twin")
    read = reader_of(leaves)
    for new in range(2, LARGEST + 1):
        assert merkle.root(read, new) == slow_root(leaves[:new])
        for old in range(1, new):
            assert merkle.prove_consistency(read, old, new) == slow_consistency(old, leaves[:new])


@settings(max_examples=25)
@given(st.data())
def test_a_log_of_any_size_that_a_verifier_counts_can_grow_to_any_other(contract, data):
    new = data.draw(st.integers(3, merkle.MAX_SIZE))
    old = data.draw(st.integers(2, new - 1))
    key = ChainKey(keccak(f"{old} {new}".encode()))
    log_id = merkle.leaf_hash(b"equal")
    read = reader_of_equal(log_id)
    for start, end in ((1, old), (old, new)):
        if contract.head(key.address, log_id).size < end:
            head = Head(end, merkle.root(read, end))
            proof = merkle.prove_consistency(read, start, end)
            contract.send(contract.publish_data(log_id, head, proof, contract.sign(key, log_id, head)))
    assert contract.head(key.address, log_id) == Head(new, merkle.root(read, new))


def test_a_head_never_published_is_the_genesis_entry_alone(contract, key):
    log_id = merkle.leaf_hash(b"nobody published this")
    assert contract.head(key.address, log_id) == Head(1, log_id)


def test_the_event_names_signer_log_size_and_root(contract, key):
    leaves = some_leaves(5, "event")
    head = Head(5, slow_root(leaves))
    data = contract.publish_data(leaves[0], head, slow_consistency(1, leaves), contract.sign(key, leaves[0], head))
    (log,) = contract.send(data)["logs"]
    topic, signer, log_id, size = log["topics"]
    assert topic == contract.artifact.events["Anchored"]
    assert signer == "0x" + "00" * 12 + key.address[2:]
    assert log_id == "0x" + leaves[0].hex()
    assert int(size, 16) == 5
    assert decode(["bytes32"], bytes.fromhex(log["data"][2:])) == (head.root,)


def test_a_new_signer_starts_from_genesis_without_anyones_leave(contract, key):
    leaves = some_leaves(6, "new signer")
    head = Head(6, slow_root(leaves))
    for signer in (key, ChainKey(keccak(b"the next signer"))):
        signature = contract.sign(signer, leaves[0], head)
        contract.send(contract.publish_data(leaves[0], head, slow_consistency(1, leaves), signature))
        assert contract.head(signer.address, leaves[0]) == head
