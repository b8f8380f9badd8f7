"""The anchor contract on a real node, spoken to in raw JSON-RPC: what is tested is the contract, not our client."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from eth_abi import decode, encode

from contracts import Artifact, load_artifact
from ledger.anchors import Head
from ledger.anchors.evm import deploy, sign_head
from ledger.anchors.keys import ChainKey
from ledger.anchors.node import connect
from tests.support.anvil import Anvil, run_anvil
from verify.merkle import Hash
from verify.policy import AnchorPin

PUBLISH = "publish(bytes32,uint64,bytes32,bytes32[],bytes)"
RICH = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"  # the first account that anvil gives money


@dataclass(slots=True)
class Contract:
    """One deployed anchor contract."""

    node: Anvil
    address: str
    artifact: Artifact = field(default_factory=load_artifact)

    def pin(self, log_id: Hash, key: ChainKey) -> AnchorPin:
        """The contract, for one log and signer."""
        return AnchorPin(self.node.chain_id, self.address, "0x" + log_id.hex(), key.address, None)

    def sign(self, key: ChainKey, log_id: Hash, head: Head) -> bytes:
        """The signature that `publish` wants here."""
        return sign_head(key, self.pin(log_id, key), head)

    def publish_data(self, log_id: Hash, head: Head, proof: Sequence[Hash], signature: bytes) -> str:
        """The call data of publish()."""
        types = ["bytes32", "uint64", "bytes32", "bytes32[]", "bytes"]
        body = encode(types, [log_id, head.size, head.root, list(proof), signature])
        return self.artifact.functions[PUBLISH] + body.hex()

    def outcomes(self, datas: Sequence[str]) -> list[str]:
        """What each call would come to on the state of now: "accepted", or the name of the contract's error."""
        calls = [("eth_call", [{"from": RICH, "to": self.address, "data": data}, "latest"]) for data in datas]
        return [self._outcome(answer) for answer in self.node.batch(calls)]

    def send(self, data: str) -> dict[str, Any]:
        """Send a transaction that is meant to succeed; its receipt."""
        transaction = {"from": RICH, "to": self.address, "data": data, "gas": hex(5_000_000)}
        # Sync: the node mines beside us, and a receipt asked for at once may not be there yet.
        receipt: dict[str, Any] = self.node.rpc("eth_sendTransactionSync", transaction)
        assert receipt["status"] == "0x1"
        return receipt

    def head(self, signer: str, log_id: Hash) -> Head:
        """head(signer, logId), decoded."""
        data = self.artifact.functions["head(address,bytes32)"] + encode(["address", "bytes32"], [signer, log_id]).hex()
        answer = self.node.rpc("eth_call", {"to": self.address, "data": data}, "latest")
        return Head(*decode(["uint64", "bytes32"], bytes.fromhex(answer[2:])))

    def _outcome(self, answer: dict[str, Any]) -> str:
        if "error" not in answer:
            return "accepted"
        selector = str(answer["error"].get("data"))[:10]
        names = {value: name for name, value in self.artifact.errors.items()}
        return names.get(selector, f"{answer['error']}")


@pytest.fixture(scope="session")
def anvil() -> Iterator[Anvil]:
    """A node for all tests of the contract; each of them uses a log of its own."""
    with run_anvil() as node:
        node.rpc("anvil_setBalance", gas_key().address, hex(10**20))
        yield node


@pytest.fixture(scope="session")
def contract(anvil: Anvil) -> Contract:
    """The contract, deployed."""
    return Contract(anvil, deploy(connect(anvil.url), gas_key(), chain_id=anvil.chain_id).contract)


@pytest.fixture(scope="session")
def second_contract(anvil: Anvil, contract: Contract) -> Contract:
    """The same code at another address of the same chain."""
    return Contract(anvil, deploy(connect(anvil.url), gas_key(), chain_id=anvil.chain_id).contract)


@pytest.fixture(scope="session")
def key() -> ChainKey:
    """The log's anchor key."""
    return ChainKey(sha256(b"a log's anchor key").digest())


def gas_key() -> ChainKey:
    """Whoever pays for the deployments."""
    return ChainKey(sha256(b"anybody").digest())
