"""
The bundle: everything one scan needs, in one JSON document.

    {"v": "originmark.org/bundle@v1", "label": URI, "checkpoint": note, "answer": note,
     "statements": [{"index", "time", "header", "payload", "signature", "disclosures"?, "leaf"}, ...],   ascending
     "proof": [node, ...], "anchors": [{"chain", "contract", "size", "root", "consistency": [node, ...]}, ...],
     "item": {"commitment": index, "code": index of the code, "path": [node, ...]}?}

Header and payload are exact texts (base64url is canonical, so the signed bytes come back exactly); hashes are base64url.
Unknown members are refused: nothing is carried that no check binds.

Source: protocol.md section 1, Bundle.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from .errors import Malformed, VerificationError
from .merkle import Hash
from .statement import Statement, assemble
from .strict import b64u_decode, b64u_encode, members, parse

VERSION = "originmark.org/bundle@v1"
MAX_BYTES = 4 * 1024 * 1024
MAX_STATEMENTS = 2_048
MAX_ANCHORS = 16


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

    def format(self) -> str:
        """Print the bundle as `parse_bundle` reads it."""
        body: dict[str, Any] = {
            "v": VERSION, "label": self.label, "checkpoint": self.checkpoint, "answer": self.answer,
            "statements": [_format_carried(one) for one in self.statements], "proof": _texts(self.proof),
            "anchors": [{"chain": a.chain_id, "contract": a.contract, "size": a.size, "root": b64u_encode(a.root),
                         "consistency": _texts(a.consistency)} for a in self.anchors],
        }  # fmt: skip
        if self.item is not None:
            body["item"] = {"commitment": self.item.commitment, "code": self.item.code, "path": _texts(self.item.path)}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def parse_bundle(data: bytes | str) -> Bundle:
    """Parse a bundle of at most 4 MiB.  Raises Malformed with the JSON pointer."""
    wanted: dict[str, type] = {"v": str, "label": str, "checkpoint": str, "answer": str, "statements": list, "proof": list,
                               "anchors": list}  # fmt: skip
    body: Any = members(parse(data, own_kind=True, max_bytes=MAX_BYTES), wanted, {"item": dict}, "")
    if body["v"] != VERSION:
        raise Malformed("another version of the bundle", code="bad-version", where="/v")
    if not 0 < len(body["statements"]) <= MAX_STATEMENTS or len(body["anchors"]) > MAX_ANCHORS:
        raise Malformed("too few or too many statements or anchors", code="bad-bundle", where="/statements")
    statements = tuple(_parse_carried(one, f"/statements/{at}") for at, one in enumerate(body["statements"]))
    if any(a.index >= b.index for a, b in zip(statements, statements[1:], strict=False)):
        raise Malformed("statements are not in log order", code="bad-bundle", where="/statements")
    anchors = tuple(_parse_anchor(one, f"/anchors/{at}") for at, one in enumerate(body["anchors"]))
    item = _parse_item(body["item"]) if "item" in body else None
    return Bundle(body["label"], body["checkpoint"], body["answer"], statements, _hashes(body["proof"], "/proof"), anchors, item)


def _format_carried(one: Carried) -> dict[str, Any]:
    statement = one.statement
    body: dict[str, Any] = {"index": one.index, "time": one.time_ms, "header": statement.header_text,
                            "payload": statement.payload_text, "signature": b64u_encode(statement.signature)}  # fmt: skip
    if statement.disclosures:
        body["disclosures"] = [shown.text for shown in statement.disclosures]
    return body | {"leaf": b64u_encode(one.leaf)}


def _parse_carried(value: object, where: str) -> Carried:
    wanted = {"index": int, "time": int, "header": str, "payload": str, "signature": str, "leaf": str}
    body: Any = members(value, wanted, {"disclosures": list}, where)
    try:
        signature = b64u_decode(body["signature"], length=64)
        if not all(isinstance(text, str) for text in body.get("disclosures", [])):
            raise Malformed("disclosures are texts")
        statement = assemble(body["header"], body["payload"], signature, body.get("disclosures", []))
        return Carried(body["index"], body["time"], statement, b64u_decode(body["leaf"], length=32))
    except VerificationError as error:
        error.where = where + (error.where or "")
        error.step = 5
        raise


def _parse_anchor(value: object, where: str) -> AnchorEvidence:
    wanted = {"chain": int, "contract": str, "size": int, "root": str, "consistency": list}
    body: Any = members(value, wanted, {}, where)
    root = b64u_decode(body["root"], length=32)
    return AnchorEvidence(body["chain"], body["contract"], body["size"], root, _hashes(body["consistency"], where))


def _parse_item(value: object) -> ItemProof:
    body: Any = members(value, {"commitment": int, "code": int, "path": list}, {}, "/item")
    return ItemProof(body["commitment"], body["code"], _hashes(body["path"], "/item/path"))


def _hashes(values: Sequence[object], where: str) -> tuple[Hash, ...]:
    if not all(isinstance(value, str) for value in values):
        raise Malformed("hashes were expected", where=where)
    return tuple(b64u_decode(cast(str, value), length=32) for value in values)


def _texts(hashes: Sequence[Hash]) -> list[str]:
    return [b64u_encode(one) for one in hashes]
