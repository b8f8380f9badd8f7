"""
What the audit cannot vouch for: columns that the log says nothing of, each with whose word it is.

Every other column of every table is compared with the log, with a signature or with the tree; a test holds this list to that.
"""

from collections.abc import Iterator

from ledger.models import Base

ALL = "*"
OPERATOR, CHAIN, ORDER = "the operator's word", "the chain says it, and can be asked again", "a number of the database's own"
NOT_VOUCHED: dict[str, dict[str, str]] = {
    "parcels": {ALL: "on the way to the log; nobody was told anything about it"},
    "refusals": {ALL: "the log keeps nothing of what it refused"},
    "api_keys": {ALL: OPERATOR},
    "looks": {ALL: OPERATOR},
    "scans": {ALL: OPERATOR},
    "freezes": {name: OPERATOR for name in ("successor", "url", "announced_ms", "frozen_ms", "size")},
    "witnesses": {"url": OPERATOR},
    "anchors": {
        "id": ORDER, "created_ms": OPERATOR, "changed_ms": OPERATOR, "remark": OPERATOR,
        **{name: CHAIN for name in ("chain_id", "contract", "signer", "state", "tx_hash", "block", "block_time_s")},
    },
    "anchor_attempts": {ALL: CHAIN},
    "checkpoint": {"time_ms": "its note says the second, nothing says the milliseconds"},
    "published": {"settled": "what a start need not derive again; the audit reads every object all the same"},
}  # fmt: skip
ERASED = """statements: signing_input_hash, kind, issuer, kid, event_id, repeats, valid_from\tonly of what was erased
tile/….p/<width>\tpartial tiles of smaller trees, once a wider tile says the same"""


def not_vouched() -> Iterator[tuple[str, str, str]]:
    """Every column that is not vouched for: table, column, and whose word it is."""
    for name, table in sorted(Base.metadata.tables.items()):
        told = NOT_VOUCHED.get(name, {})
        for column in (one.name for one in table.columns):
            if word := told.get(column, told.get(ALL)):
                yield name, column, word
