"""A log of forty entries, and backends that anchor it: what the tests of anchors and of the demo's chain share."""

from hashlib import sha256

from ledger.anchors import Head
from ledger.anchors.evm import EvmBackend
from ledger.anchors.keys import ChainKey
from tests.support.trees import reader_of, some_leaves
from verify import merkle
from verify.policy import AnchorPin

LEAVES = some_leaves(40, "backend")
READ = reader_of(LEAVES)
GAS_KEY = ChainKey(sha256(b"gas payer").digest())


def head_at(size: int) -> Head:
    """The log's tree at a size of at most 40."""
    return Head(size, merkle.root(READ, size))


def proof(old: int, new: int) -> list[merkle.Hash]:
    """The consistency proof between two of its sizes."""
    return merkle.prove_consistency(READ, old, new)


def backend_on(provider: object, chain_id: int, contract: str, signer: str, **options: object) -> EvmBackend:
    """A backend with a signer of its own: tests share a chain, not a head."""
    key = ChainKey(sha256(signer.encode()).digest())
    pin = AnchorPin(chain_id, contract, "0x" + LEAVES[0].hex(), key.address, None)
    return EvmBackend(provider, pin, anchor_key=key, gas_key=GAS_KEY, **options)


def anchor(backend: EvmBackend, old: int, new: int) -> bytes:
    """Anchor the growth from `old` to `new`; the transaction's hash."""
    attempt = backend.prepare(head_at(new), proof(old, new))
    assert backend.broadcast(attempt.raw).tx_hash == attempt.tx_hash
    return attempt.tx_hash
