"""
The Python runner of the formats' vectors: every file of a known prefix, and no function that nobody knows.

tests/js/vectors.test.mjs runs the same files; a case that only one language can run is named there with its reason.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producers import sign
from tests.support.trees import reader_of
from tests.verify import make_core_vectors
from verify import merkle, note, policy, statement, strict
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.entry import Entry
from verify.errors import VerificationError
from verify.proof import TlogProof

Given = Mapping[str, Any]
FILES = sorted(path for prefix in make_core_vectors.PREFIXES for path in make_core_vectors.FOLDER.glob(f"{prefix}-*.json"))


def _hashes(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def _spelled(value: object) -> object:
    """A parsed value with its numbers as text, so that no language's number is compared with another's."""
    if isinstance(value, dict):
        return {name: _spelled(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_spelled(item) for item in value]
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return {"$number": str(value)} if is_number else value


def _root(given: Given) -> Given:
    leaves = _hashes(given["leaves"])
    return {"root": merkle.root(reader_of(leaves), len(leaves)).hex()}


def _inclusion(given: Given) -> Given:
    leaf, root, proof = bytes.fromhex(given["leaf"]), bytes.fromhex(given["root"]), _hashes(given["proof"])
    merkle.verify_inclusion(leaf, index=given["index"], size=given["size"], proof=proof, root=root)
    return {}


def _consistency(given: Given) -> Given:
    old_root, new_root = bytes.fromhex(given["old_root"]), bytes.fromhex(given["new_root"])
    proof = _hashes(given["proof"])
    merkle.verify_consistency(old=given["old"], new=given["new"], old_root=old_root, new_root=new_root, proof=proof)
    return {}


def _multi(given: Given) -> Given:
    leaves = {int(index): bytes.fromhex(leaf) for index, leaf in given["leaves"].items()}
    root = bytes.fromhex(given["root"])
    merkle.verify_multi(leaves, size=given["size"], proof=_hashes(given["proof"]), root=root)
    return {}


def _open(given: Given) -> Given:
    keys = [note.VerifierKey.parse(key) for key in given["keys"]]
    return {"signed": [key.name for key in note.open_note(note.parse_note(given["note"]), keys)]}


def _vkey(given: Given) -> Given:
    key = note.VerifierKey.parse(given["vkey"])
    assert key.format() == given["vkey"]
    return {"name": key.name, "kind": key.kind, "id": key.key_id.hex()}


def _checkpoint(given: Given) -> Given:
    found = Checkpoint.parse(given["text"])
    assert found.format() == given["text"]
    return {"origin": found.origin, "size": found.size, "root": found.root.hex()}


def _cosignature(given: Given) -> Given:
    key, found = note.VerifierKey.parse(given["vkey"]), note.parse_note(given["note"])
    (line,) = note.lines_of(found, key)
    return {"time": verify_cosignature(found.text, line, key)}


def _proof(given: Given) -> Given:
    proof = TlogProof.parse(given["proof"])
    assert sign.format_proof(proof) == given["proof"]
    signed = note.parse_note(proof.checkpoint)
    note.open_note(signed, [note.VerifierKey.parse(given["vkey"])])
    checkpoint = Checkpoint.parse(signed.text)
    leaf = merkle.leaf_hash(bytes.fromhex(given["entry"]))
    merkle.verify_inclusion(leaf, index=proof.index, size=checkpoint.size, proof=proof.path, root=checkpoint.root)
    return {"index": proof.index, "size": checkpoint.size, "extra": proof.extra and proof.extra.hex()}


def _encode(given: Given) -> Given:
    entry = Entry(given["time"], bytes.fromhex(given["digest"]), tuple(_hashes(given["keys"])))
    assert Entry.decode(entry.encode()) == entry
    return {"entry": entry.encode().hex()}


def _decode(given: Given) -> Given:
    entry = Entry.decode(bytes.fromhex(given["entry"]))
    return {"time": entry.time_ms, "keys": len(entry.keys)}


def _told(found: statement.Statement) -> Given:
    assert statement.parse_statement(sign.format_statement(found)) == found
    return {
        "digest": found.digest.hex(), "kind": found.kind, "issuer": found.issuer, "kid": found.kid,
        "withheld": found.withheld, "disclosed": _spelled(found.disclosed),
    }  # fmt: skip


def _assemble(given: Given) -> Given:
    signature = strict.b64u_decode(given["signature"], length=64)
    return _told(statement.assemble(given["header"], given["payload"], signature, given["disclosures"]))


def _verify(given: Given) -> Given:
    statement.verify_signature(statement.parse_statement(given["statement"]), given["jwk"])
    return {}


def _time(given: Given) -> Given:
    return {"ms": (statement.parse_time(given["text"]) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)}


def _policy(given: Given) -> Given:
    found = policy.Policy.parse(given["text"])
    return {
        "logs": [key.name for key in found.logs],
        "clocks": [key.name for key in found.clocks],
        "witnesses": {name: key.name for name, key in found.witnesses.items()},
        "groups": {name: list(group) for name, group in found.groups.items()},
        "quorum": found.quorum,
        "registrars": [list(asdict(one).values()) for one in found.registrars],
        "anchors": [list(asdict(one).values()) for one in found.anchors],
        "max_age_s": found.max_age_s,
    }


def _covers(given: Given) -> Given:
    (registrar,) = policy.Policy.parse(given["text"]).registrars
    return {"covers": registrar.covers(given["index"], given["party"])}


FUNCTIONS: Mapping[str, Callable[[Given], Given]] = {
    "strict.parse": lambda given: {"value": _spelled(strict.parse(_bytes(given["base64"]), own_kind=given["own"]))},
    "strict.b64_decode": lambda given: {"hex": strict.b64_decode(given["text"]).hex()},
    "strict.b64u_decode": lambda given: {"hex": strict.b64u_decode(given["text"]).hex()},
    "merkle.root": _root,
    "merkle.verify_inclusion": _inclusion,
    "merkle.verify_consistency": _consistency,
    "merkle.verify_multi": _multi,
    "note.open": _open,
    "note.vkey": _vkey,
    "checkpoint.parse": _checkpoint,
    "cosignature.verify": _cosignature,
    "proof.verify": _proof,
    "entry.encode": _encode,
    "entry.decode": _decode,
    "statement.parse": lambda given: _told(statement.parse_statement(given["statement"])),
    "statement.assemble": _assemble,
    "statement.verify": _verify,
    "statement.thumbprint": lambda given: {"kid": statement.thumbprint(given["jwk"])},
    "statement.parse_time": _time,
    "policy.parse": _policy,
    "policy.met_by": lambda given: {"met": policy.Policy.parse(given["text"]).met_by(given["signed"])},
    "policy.covers": _covers,
}


def _bytes(text: str) -> bytes:
    return strict.b64_decode(text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_rule_holds_in_python(path: Path) -> None:
    vector = json.loads(path.read_text())
    assert vector["name"] == path.stem
    if "error" not in vector:
        found = FUNCTIONS[vector["fn"]](vector["input"])
        assert {name: found[name] for name in vector["expect"]} == vector["expect"]
        return
    with pytest.raises(VerificationError) as refusal:
        FUNCTIONS[vector["fn"]](vector["input"])
    wanted = vector["error"]
    assert refusal.value.code == wanted["code"], refusal.value
    assert "where" not in wanted or refusal.value.where == wanted["where"]


def test_the_vectors_on_disk_are_what_their_maker_prints() -> None:
    assert make_core_vectors.files() == make_core_vectors.stored()


def test_every_area_has_vectors_and_every_function_is_used() -> None:
    used = {json.loads(path.read_text())["fn"] for path in FILES}
    assert used == set(FUNCTIONS)


class TestTesseraLog:
    """ "A log MUST NOT sign any checkpoint inconsistent with one it previously signed." -- tlog-checkpoint"""

    NAME = "example.com/log/testdata"
    SECRET = "AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg"
    WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf", "threeten",
             "fourten", "fivten")  # fmt: skip

    def checkpoint(self, size: int) -> str:
        signer = sign.Signer(self.NAME, 1, Ed25519PrivateKey.from_private_bytes(strict.b64_decode(self.SECRET)[1:]))
        leaves = [merkle.leaf_hash(word.encode()).hex() for word in self.WORDS[:size]]
        root = bytes.fromhex(_root({"leaves": leaves})["root"])
        return sign.sign_note(Checkpoint(self.NAME, size, root).format(), [signer])

    @pytest.mark.parametrize("size", [0, 1, 8, 15])
    def test_four_checkpoints_are_the_ones_in_the_vectors(self, size: int) -> None:
        vector = json.loads((make_core_vectors.FOLDER / f"note-tessera-{size}.json").read_text())
        assert self.checkpoint(size) == vector["input"]["note"]

    @pytest.mark.conformance
    @pytest.mark.parametrize("size", range(16))
    def test_all_checkpoints_come_out_byte_for_byte(self, size: int, conformance: Path) -> None:
        assert self.checkpoint(size) == (conformance / f"tlog/checkpoint.{size}").read_text()
