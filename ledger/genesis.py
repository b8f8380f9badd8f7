"""
The first entry: origin, log key, clock key, anchor signers, first registrar, signed by that registrar.

It is written once, by `init`, past pool and sequencer: before it there is nothing to judge by.  Its leaf hash is the
contract's log id.

Source: protocol.md section 1, Genesis.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ledger.earlier import heads_of
from ledger.keys import Keys
from ledger.models import CheckpointRow, EntryRow, HashHead, Log, StatementRow
from ledger.project import derive, store
from ledger.signing import sign_checkpoint
from producers.control import Genesis
from producers.records import record, sign_record
from producers.sign import jwk_of
from verify.authority import History, check_control
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import Hash, leaf_hash
from verify.statement import Statement, parse_statement
from verify.subjects import Record


class LogExists(Exception):
    """This database has a log already; a log is created once."""


def registrar_uri(origin: str) -> str:
    """The first registrar's party URI, where the operator has no better one."""
    return f"https://{origin}/registrar"


def genesis_statement(keys: Keys, *, registrar: str, anchor_signers: Sequence[str], now_ms: int) -> Statement:
    """Make the genesis statement; `registrar` is a canonical URI.  Raises Malformed."""
    who = {"id": registrar, "jwk": jwk_of(keys.registrar.public_key())}
    subject = Genesis.of(
        keys.log.name, log_key=keys.log.vkey.format(), clock_key=keys.clock.vkey.format(),
        anchor_signers=list(anchor_signers), registrar=who,
    )  # fmt: skip
    told = record(subject, issuer=registrar, at=datetime.fromtimestamp(now_ms / 1000, UTC))
    return parse_statement(sign_record(told, keys.registrar))


def create_log(
    session: Session, keys: Keys, *, now_ms: int, registrar: str | None = None, anchor_signers: Sequence[str] = ()
) -> Hash:
    """
    Write entry 0 and the first checkpoint; returns the log id.  The caller commits, `Sequencer.recover` publishes.

    Raises LogExists; Malformed for a registrar that is no canonical URI.
    """
    if session.scalar(select(Log.id)) is not None:
        raise LogExists("this database has a log already")
    who = registrar or registrar_uri(keys.log.name)
    statement = genesis_statement(keys, registrar=who, anchor_signers=anchor_signers, now_ms=now_ms)
    check_control(statement, 0, History(keys.log.name, []))
    told = Record.of(0, now_ms, statement)
    entry = Entry(now_ms, statement.digest, told.keys).encode()
    leaf = leaf_hash(entry)
    signed = sign_checkpoint(keys, None, Checkpoint(keys.log.name, 1, leaf), [], now_ms // 1000)
    session.add(Log(id=1, origin=keys.log.name, genesis_digest=statement.digest, created_ms=now_ms))
    session.execute(insert(EntryRow), [_entry_row(statement, entry, leaf, now_ms)])
    row = _statement_row(statement)
    session.execute(insert(StatementRow), [row])
    heads = heads_of(statement.digest, row["signing_input_hash"], None)
    session.execute(insert(HashHead), [{"head": head, "index": 0} for head in heads])
    store(session, derive(told, lambda digest: None))
    session.add(CheckpointRow(origin=keys.log.name, size=1, root=leaf, body=signed.body, time_ms=now_ms))
    session.flush()
    return leaf


def _entry_row(statement: Statement, entry: bytes, leaf: Hash, now_ms: int) -> dict[str, object]:
    return {"index": 0, "time_ms": now_ms, "digest": statement.digest, "entry": entry, "leaf": leaf}


def _statement_row(statement: Statement) -> dict[str, Any]:
    return {
        "index": 0, "digest": statement.digest, "signing_input_hash": sha256(statement.signing_input).digest(),
        "kind": statement.kind, "issuer": statement.issuer, "kid": statement.kid, "event_id": None, "repeats": 0,
        "valid_from": statement.payload["validFrom"], "jws": statement.jws, "disclosures": [], "erased_by": None,
    }  # fmt: skip
