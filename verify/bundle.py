"""The bundle: everything one scan needs, in one JSON document (PROTOCOL.md, "Bundle").
Header and payload are exact texts (base64url is canonical, so the signed bytes come back exactly).  Unknown members are
refused: nothing is carried that no check binds.  Source: protocol.md section 1, Bundle."""
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from .errors import at, need
from .merkle import Hash
from .statement import Statement, assemble
from .strict import b64u_decode, members, parse

VERSION = "originmark.org/bundle@v1"
MAX_BYTES = 4 * 1024 * 1024
MAX_STATEMENTS, MAX_ANCHORS = 2_048, 16

@dataclass(frozen=True, slots=True)
class Carried:
    """A statement with its place: index, sequencing time in ms since 1970, and the leaf the log holds for it."""
    index: int
    time_ms: int
    statement: Statement
    leaf: Hash

@dataclass(frozen=True, slots=True)
class AnchorEvidence:
    """What the operator says a contract holds, and the consistency between that tree and the checkpoint's."""
    chain_id: int
    contract: str
    size: int
    root: Hash
    consistency: tuple[Hash, ...]

@dataclass(frozen=True, slots=True)
class ItemProof:
    """That a serial is code number `code` under the LabelCommitment at index `commitment`."""
    commitment: int
    code: int
    path: tuple[Hash, ...]

@dataclass(frozen=True, slots=True)
class Bundle:
    """A parsed bundle: every form rule holds, nothing is verified."""
    label: str
    checkpoint: str
    answer: str
    statements: tuple[Carried, ...]
    proof: tuple[Hash, ...]
    anchors: tuple[AnchorEvidence, ...]
    item: ItemProof | None

def parse_bundle(data: bytes | str) -> Bundle:
    """Parse a bundle of at most 4 MiB.  Raises Malformed with the JSON pointer."""
    shape = "v label checkpoint answer statements:list proof:list anchors:list item?:object"
    body = members(parse(data, own_kind=True, max_bytes=MAX_BYTES), shape, "")
    need(body["v"] == VERSION, "another version of the bundle", "bad-version", "/v")
    is_sized = 0 < len(body["statements"]) <= MAX_STATEMENTS and len(body["anchors"]) <= MAX_ANCHORS
    need(is_sized, "too few or too many statements or anchors", "bad-bundle", "/statements")
    statements = tuple(_carried(one, f"/statements/{number}") for number, one in enumerate(body["statements"]))
    need(all(a.index < b.index for a, b in pairwise(statements)), "statements are not in log order", "bad-bundle", "/statements")
    anchors = tuple(_anchor(one, f"/anchors/{number}") for number, one in enumerate(body["anchors"]))
    item, proof = _item(body["item"]) if "item" in body else None, _hashes(body["proof"], "/proof")
    return Bundle(body["label"], body["checkpoint"], body["answer"], statements, proof, anchors, item)

def _carried(value: object, where: str) -> Carried:
    body = members(value, "index:int time:int header payload signature leaf disclosures?:list", where)
    with at(where, 5):
        signature, disclosures = b64u_decode(body["signature"], length=64), body.get("disclosures", [])
        need(all(isinstance(text, str) for text in disclosures), "disclosures are texts")
        statement = assemble(body["header"], body["payload"], signature, disclosures)
        return Carried(body["index"], body["time"], statement, b64u_decode(body["leaf"], length=32))

def _anchor(value: object, where: str) -> AnchorEvidence:
    body = members(value, "chain:int contract size:int root consistency:list", where)
    root, consistency = b64u_decode(body["root"], length=32), _hashes(body["consistency"], where)
    return AnchorEvidence(body["chain"], body["contract"], body["size"], root, consistency)

def _item(value: object) -> ItemProof:
    body = members(value, "commitment:int code:int path:list", "/item")
    return ItemProof(body["commitment"], body["code"], _hashes(body["path"], "/item/path"))

def _hashes(values: Sequence[Any], where: str) -> tuple[Hash, ...]:
    need(all(isinstance(value, str) for value in values), "hashes were expected", None, where)
    return tuple(b64u_decode(value, length=32) for value in values)
