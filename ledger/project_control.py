"""
What statements of other kinds tell: grants, revocations, recalls, label commitments, master data, withdrawals.

Each maker gives rows by the name of their table, without their place (project.py).  A withdrawal's target is left open.

Source: protocol.md sections 1 and 2.
"""

import json
from typing import Any

from ledger.column_text import digest_or_none, plain
from verify import gs1
from verify.authority import grant_of
from verify.statement import Statement
from verify.strict import b64u_decode


def _grant(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    grant = grant_of(statement, 0)
    roles, mint = sorted(grant.roles), list(grant.mint)
    return {"grants": [(grant.party, grant.thumbprint, _copy(grant.jwk), roles, mint, _copy(grant.name), grant.registrar)]}


def _revocation(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    body = statement.subject
    return {"revocations": [(body["id"], body["kid"], body.get("compromisedFrom"), plain(body["reason"]))]}


def _recall(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    body = statement.subject
    row = (statement.digest, statement.issuer, plain(body["class"]), digest_or_none(body.get("closes")), None, _copy(body))
    named = {(kind, gs1.canonical_uri(uri)) for kind in ("lot", "product", "place") for uri in body["scope"].get(kind + "s", ())}
    return {"recalls": [row], "recall_scope": sorted(named)}


def _commitment(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    body = statement.subject
    lot, root = gs1.canonical_uri(body["id"]), b64u_decode(body["root"])
    return {"commitments": [(lot, root, body["count"], digest_or_none(body.get("previous")), statement.issuer)]}


def _master(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    body = statement.disclosed
    return {"master_data": [(gs1.canonical_uri(body["id"]), plain(str(body.get("type", ""))), statement.issuer, _copy(body))]}


def _withdrawal(statement: Statement) -> dict[str, list[tuple[Any, ...]]]:
    return {"withdrawals": [(bytes.fromhex(statement.subject["digest"]), None)]}


# By kind; of other kinds nothing is told.
MAKERS = {
    "Genesis": _grant, "PartyRegistration": _grant, "KeyRevocation": _revocation, "RecallNotice": _recall,
    "LabelCommitment": _commitment, "MasterData": _master, "Withdrawal": _withdrawal,
}  # fmt: skip


def _copy(value: object) -> Any:
    """Plain objects and lists of what the strict parser gave; our own kinds have no number that JSON would change."""
    return json.loads(json.dumps(value))
