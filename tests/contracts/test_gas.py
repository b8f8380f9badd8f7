"""What an anchor costs: measured, printed, and kept from growing unseen."""

import pytest
from eth_utils import keccak

from ledger.anchors import Head
from ledger.anchors.keys import ChainKey
from tests.support.trees import reader_of_equal
from verify import merkle

pytestmark = pytest.mark.chain

MILLION = 10**6
CEILINGS = {  # gas; about 3 % above what was measured
    (1, MILLION): 101_000,
    (MILLION, MILLION + 1_000): 58_600,
    (MILLION + 1_000, MILLION + 1_001): 58_600,
    (MILLION + 1_001, 2**20): 69_800,
}


def test_an_anchor_at_a_million_entries_costs_what_was_measured(contract, capsys):
    key, log_id = ChainKey(keccak(b"gas")), merkle.leaf_hash(b"gas")
    read = reader_of_equal(log_id)
    for (old, new), ceiling in CEILINGS.items():
        head, proof = Head(new, merkle.root(read, new)), merkle.prove_consistency(read, old, new)
        data = contract.publish_data(log_id, head, proof, contract.sign(key, log_id, head))
        used = int(contract.send(data)["gasUsed"], 16)
        with capsys.disabled():
            print(f"\npublish {old} -> {new}, {len(proof)} nodes: {used} gas", end="")
        assert used <= ceiling
