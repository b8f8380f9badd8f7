"""The committed artifact is what the sources give, and what stands on the chain."""

import shutil
import subprocess
from hashlib import sha256

import pytest
from eth_abi import encode
from eth_utils import keccak

from contracts import load_artifact
from ledger.anchors import Head
from tests.support.anvil import CONTRACTS, absent
from verify.merkle import leaf_hash


@pytest.mark.node
def test_the_sources_compile_to_the_committed_bytes():
    node = shutil.which("node")
    if node is None or not (CONTRACTS / "node_modules/solc").is_dir():
        absent("the compiler is not installed: run npm ci in contracts/")
    done = subprocess.run([node, "compile.cjs", "--check"], cwd=CONTRACTS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_selectors_and_topics_follow_from_the_signatures():
    artifact = load_artifact()
    for signature, selector in artifact.functions.items():
        assert selector == "0x" + keccak(text=signature)[:4].hex()
    for entry in artifact.abi:
        signature = f"{entry['name']}({','.join(one['type'] for one in entry['inputs'])})"
        if entry["type"] == "event":
            assert artifact.events[entry["name"]] == "0x" + keccak(text=signature).hex()
        if entry["type"] == "error":
            assert artifact.errors[entry["name"]] == "0x" + keccak(text=signature)[:4].hex()


def test_the_lock_file_names_no_registry_host():
    lock = (CONTRACTS / "package-lock.json").read_text("utf-8")
    assert "resolved" not in lock
    assert "registry" not in lock


@pytest.mark.chain
def test_the_code_on_the_chain_has_the_pinned_hash(contract):
    code = bytes.fromhex(contract.node.rpc("eth_getCode", contract.address, "latest")[2:])
    assert sha256(code).hexdigest() == contract.artifact.runtime_sha256


@pytest.mark.chain
def test_the_contract_signs_for_the_digest_that_eip_712_gives(contract, key):
    """Computed here by hand from EIP-712's text, once, apart from contract and library."""
    head = Head(7, leaf_hash(b"root"))
    domain = keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [
                keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak(text="Originmark Anchor"),
                keccak(text="1"),
                contract.node.chain_id,
                contract.address,
            ],
        )
    )
    kind = keccak(text="Publish(bytes32 logId,uint64 size,bytes32 root)")
    words = ["bytes32", "bytes32", "uint64", "bytes32"]
    message = keccak(encode(words, [kind, leaf_hash(b"genesis"), head.size, head.root]))
    arguments = encode(["bytes32", "uint64", "bytes32"], [leaf_hash(b"genesis"), head.size, head.root])
    data = contract.artifact.functions["digest(bytes32,uint64,bytes32)"] + arguments.hex()
    answer = contract.node.rpc("eth_call", {"to": contract.address, "data": data}, "latest")
    assert bytes.fromhex(answer[2:]) == keccak(b"\x19\x01" + domain + message)
