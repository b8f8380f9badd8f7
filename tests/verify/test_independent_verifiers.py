"""
Other people's verifiers accept what our log prints, and refuse what we refuse.

`proofbundle` (MIT) reads notes, cosignatures, tlog-proofs, inclusion and consistency; sigstore's verifier (Apache-2.0, npm)
checkpoints and inclusion.  Neither shares a line with ours: an error made twice in our two languages would show here.
"""

import json
import os
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from proofbundle import checkpoint as others
from proofbundle import merkle as others_merkle
from proofbundle import tlogproof

from producers.sign import Signer, cosign, format_proof, sign_note
from tests.support.node import node_folder
from tests.support.trees import reader_of
from verify import merkle
from verify.checkpoint import Checkpoint
from verify.note import COSIGNER, LOG
from verify.proof import TlogProof

JS = Path(__file__).resolve().parents[1] / "js"
ORIGIN = "traceability.example/log"
ENTRIES = [f"entry {number}".encode() for number in range(48)]
READER = reader_of([merkle.leaf_hash(entry) for entry in ENTRIES])
SIGNER = Signer(ORIGIN, LOG, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = Signer("witness.example/w1", COSIGNER, Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64))))
TIME = 1_792_000_000


def root_at(size: int) -> bytes:
    return merkle.root(READER, size)


def checkpoint_at(size: int) -> str:
    return sign_note(Checkpoint(ORIGIN, size, root_at(size)).format(), [SIGNER])


def witnessed_at(size: int) -> str:
    text = Checkpoint(ORIGIN, size, root_at(size)).format()
    return checkpoint_at(size) + cosign(text, WITNESS, TIME)


def receipt(index: int, size: int, checkpoint: str) -> str:
    return format_proof(TlogProof(index, tuple(merkle.prove_inclusion(READER, index, size)), checkpoint))


class TestProofbundle:
    @pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 48])
    def test_it_reads_the_same_checkpoint_out_of_our_note(self, size: int) -> None:
        found = others.verify_checkpoint(checkpoint_at(size), SIGNER.vkey.format())
        assert (found["ok"], found["origin"], found["tree_size"], found["root"]) == (True, ORIGIN, size, root_at(size))

    def test_it_counts_our_cosignature_as_a_witness(self) -> None:
        known = (SIGNER.vkey.format(), [WITNESS.vkey.format()])
        assert others.verify_witnessed_checkpoint(witnessed_at(48), *known, threshold=1, expected_origin=ORIGIN)["ok"]
        assert not others.verify_witnessed_checkpoint(checkpoint_at(48), *known, threshold=1, expected_origin=ORIGIN)["ok"]

    def test_it_accepts_every_inclusion_proof_up_to_48_entries(self) -> None:
        for size in range(1, len(ENTRIES) + 1):
            for index in range(size):
                proof = merkle.prove_inclusion(READER, index, size)
                assert others_merkle.verify_inclusion(ENTRIES[index], index, size, proof, root_at(size)), (index, size)

    def test_it_accepts_every_consistency_proof_up_to_48_entries(self) -> None:
        for new in range(1, len(ENTRIES) + 1):
            for old in range(1, new + 1):
                proof = merkle.prove_consistency(READER, old, new)
                assert others_merkle.verify_consistency(old, new, proof, root_at(old), root_at(new)), (old, new)

    def test_it_accepts_our_receipt_and_no_other_entry_under_it(self) -> None:
        text, known = receipt(29, 48, witnessed_at(48)), (SIGNER.vkey.format(), [WITNESS.vkey.format()])
        assert tlogproof.verify_tlog_proof(text, ENTRIES[29], *known, threshold=1, expected_origin=ORIGIN)["ok"]
        assert not tlogproof.verify_tlog_proof(text, ENTRIES[28], *known, threshold=1, expected_origin=ORIGIN)["ok"]


@pytest.mark.node
class TestSigstore:
    @pytest.fixture
    def node(self) -> str:
        folder = node_folder()
        if folder is None or not (JS / "node_modules/@sigstore/verify").is_dir():
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("needs Node and `npm ci --prefix tests/js`")
        return str(folder / "node")

    def ask(self, node: str, proofs: list[dict[str, object]]) -> list[str]:
        public = SIGNER.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        given = {"name": ORIGIN, "public": _b64(public), "keyId": _b64(SIGNER.vkey.key_id), "proofs": proofs}
        run = subprocess.run(
            [node, "sigstore_check.cjs"], cwd=JS, input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60
        )
        return list(json.loads(run.stdout))

    def proof(self, index: int, size: int) -> dict[str, object]:
        path = merkle.prove_inclusion(READER, index, size)
        return {"index": index, "hashes": [*map(_b64, path)], "entry": _b64(ENTRIES[index]), "checkpoint": checkpoint_at(size)}

    def test_it_accepts_every_entry_under_our_checkpoints(self, node: str) -> None:
        proofs = [self.proof(index, size) for size in (1, 2, 7, 8, 33, 48) for index in range(size)]
        assert self.ask(node, proofs) == ["verified"] * len(proofs)

    def test_it_accepts_our_checkpoint_with_a_witness_below(self, node: str) -> None:
        assert self.ask(node, [{**self.proof(5, 48), "checkpoint": witnessed_at(48)}]) == ["verified"]

    def test_it_refuses_what_we_refuse(self, node: str) -> None:
        good = self.proof(5, 8)
        bent = [
            {**good, "index": 8},
            {**good, "index": 4},
            {**good, "entry": _b64(b"another")},
            {**good, "hashes": self.proof(4, 8)["hashes"]},
            {**good, "checkpoint": checkpoint_at(7)},
            {**good, "checkpoint": checkpoint_at(8).replace("\n8\n", "\n9\n")},
        ]
        answers = self.ask(node, [good, *bent])
        assert answers[0] == "verified"
        assert "verified" not in answers[1:]


def _b64(data: bytes) -> str:
    return b64encode(data).decode()
