"""
The anchor worker: brings heads of the published log to a chain, through an outbox that survives any crash.

    queued -> submitted -> included -> safe -> final           (the chain's own words, anchors/__init__.py)
    superseded      a newer head went first, and covers it      conflict, refused      somebody has to look

One tick: look where every open anchor stands; where one is under way, send its stored bytes again or replace them at higher
fees; where none is and one is due, sign the newest head.  Bytes are stored and committed before they are sent.  Success is
what the contract says, never a transaction's receipt: whoever sent it, our head is there or it is not.

Source: reference evm.md section 5 (outbox); protocol.md section 4.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from obstore.exceptions import BaseError
from sqlalchemy import Select, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ledger.anchors import AnchorBackend, AnchorError, Attempt, Conflict, Head, Included, NodeTrouble, Refused, State, TooDear
from ledger.anchors.fees import Fees
from ledger.db import Database
from ledger.models import AnchorAttempt, AnchorRow, EntryRow, Published
from ledger.problems import Fatal
from ledger.sequencer import system_clock
from ledger.settings import Settings
from ledger.tiles import TileStore
from verify.checkpoint import Checkpoint
from verify.merkle import prove_consistency, root
from verify.note import parse_note

log = structlog.get_logger()

BUMP_AFTER = 36_000  # ms; three blocks of 12 s without a place mean that the fee is too low
TICK = 12.0  # s; one block of Ethereum
OPEN = ("submitted", "included", "safe")


@dataclass(slots=True)
class Anchoring:
    """The outbox of one backend.  Run one worker per gas key: under db.sequencer_lock, or alone."""

    database: Database
    store: TileStore
    backend: AnchorBackend
    interval_ms: int

    def tick(self, now_ms: int) -> None:
        """Do what is due.  Raises NodeTrouble and WrongChain: nothing was decided, the next tick looks again."""
        for row, attempts in self._open():
            self._look(row, attempts, now_ms)
        for row, attempts in self._open():
            if row.state == "submitted":
                self._push(row, attempts, now_ms)
                return  # one nonce under way is enough
        due = self._due(now_ms)
        if due is not None:
            self._send(due, None, now_ms)

    def _open(self) -> list[tuple[AnchorRow, list[Attempt]]]:
        with self.database.reading() as session:
            rows = session.scalars(self._mine().where(AnchorRow.state.in_(OPEN)).order_by(AnchorRow.size)).all()
            return [(row, _attempts(session, row.id)) for row in rows]

    def _mine(self) -> Select[AnchorRow]:
        pin = self.backend.pin
        return select(AnchorRow).where(
            AnchorRow.chain_id == pin.chain_id, AnchorRow.contract == pin.contract, AnchorRow.signer == pin.signer
        )

    def _look(self, row: AnchorRow, attempts: Sequence[Attempt], now_ms: int) -> None:
        """Write down how firmly the chain holds an anchor; after a reorganisation that may be less than before."""
        head = Head(row.size, row.root)
        try:
            state = self.backend.standing(head)
        except Conflict as error:
            log.error("anchor.conflict", size=row.size, reason=str(error))
            self._note(row.id, now_ms, state="conflict", remark=str(error))
            return
        found = _placed(self.backend, attempts)
        if state == State.SUBMITTED:
            self._lost(row, attempts, found, now_ms)
        elif found is None:
            self._note(row.id, now_ms, state=str(state), remark="anchored by a transaction that is not ours, or by a later head")
        else:
            attempt, place = found
            told = {"tx_hash": attempt.tx_hash, "block": place.number, "block_time_s": place.time_s}
            self._note(row.id, now_ms, state=str(state), remark=None, **told)

    def _lost(
        self, row: AnchorRow, attempts: Sequence[Attempt], found: tuple[Attempt, Included] | None, now_ms: int
    ) -> None:
        if found is not None and found[1].reverted:
            self._note(row.id, now_ms, state="refused", remark="the transaction is in a block and changed nothing")
        elif not attempts or self.backend.next_nonce() > attempts[-1].nonce:
            # The nonce went to something else: a foreign transaction, or one of ours that a reorganisation undid.
            self._note(row.id, now_ms, state="queued", remark="the nonce was used by another transaction")
        else:
            self._note(row.id, now_ms, state="submitted", block=None, block_time_s=None)

    def _push(self, row: AnchorRow, attempts: Sequence[Attempt], now_ms: int) -> None:
        with self.database.reading() as session:
            sent = session.scalar(select(AnchorAttempt).where(AnchorAttempt.tx_hash == attempts[-1].tx_hash))
        if sent is not None and now_ms - sent.created_ms >= BUMP_AFTER:
            self._send(row, attempts[-1], now_ms)
            return
        submitted = self.backend.broadcast(attempts[-1].raw)
        self._note(row.id, now_ms, remark=submitted.remark)

    def _due(self, now_ms: int) -> AnchorRow | None:
        """The row to send now: the newest published head, once an interval has passed since the last one."""
        with self.database.writing() as session:
            published = session.scalar(select(Published))
            rows = session.scalars(self._mine().order_by(AnchorRow.size)).all()
            queued = [row for row in rows if row.state == "queued"]
            done = [row for row in rows if row.state not in ("queued", "superseded")]
            fresh = published is not None and published.size > max([1, *(row.size for row in rows)])
            is_time = not done or now_ms - done[-1].created_ms >= self.interval_ms
            if published is not None and fresh and is_time:
                for row in queued:
                    row.state, row.remark, row.changed_ms = "superseded", None, now_ms
                queued = [self._queue(session, published, now_ms)]
            session.commit()
            if not queued:
                return None
            session.refresh(queued[-1])  # a commit expires it, and it is read after this session has closed
            return queued[-1]

    def _queue(self, session: Session, published: Published, now_ms: int) -> AnchorRow:
        pin, checkpoint = self.backend.pin, Checkpoint.parse(parse_note(published.body).text)
        row = AnchorRow(
            chain_id=pin.chain_id, contract=pin.contract, signer=pin.signer, log_id=bytes.fromhex(pin.log_id[2:]),
            size=checkpoint.size, root=checkpoint.root, state="queued", created_ms=now_ms, changed_ms=now_ms,
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row

    def _send(self, row: AnchorRow, replaces: Attempt | None, now_ms: int) -> None:
        held = self.backend.head()
        if held.size >= row.size:
            self._note(row.id, now_ms, state="submitted")  # another process was first; the next look says whose root
            return
        reader = self.store.reader(row.size)
        if root(reader, held.size) != held.root:
            log.error("anchor.conflict", size=held.size)
            self._note(row.id, now_ms, state="conflict", remark=f"the contract's tree of {held.size} is not this log's")
            return
        try:
            proof = prove_consistency(reader, held.size, row.size)
            attempt = self.backend.prepare(Head(row.size, row.root), proof, replaces=replaces)
        except (TooDear, Refused) as error:
            log.warning("anchor.waits", size=row.size, reason=str(error))
            self._note(row.id, now_ms, remark=str(error))
            return
        self._store(row.id, attempt, now_ms)
        # Stored and committed: a crash from here on sends these very bytes again, never others under the same nonce.
        submitted = self.backend.broadcast(attempt.raw)
        self._note(row.id, now_ms, remark=submitted.remark)

    def _store(self, anchor_id: int, attempt: Attempt, now_ms: int) -> None:
        with self.database.writing() as session:
            session.add(
                AnchorAttempt(
                    anchor_id=anchor_id, nonce=attempt.nonce, raw=attempt.raw, tx_hash=attempt.tx_hash,
                    max_fee=attempt.fees.max_fee, tip=attempt.fees.tip, created_ms=now_ms,
                )
            )  # fmt: skip
            row = session.get_one(AnchorRow, anchor_id)
            row.state, row.tx_hash, row.changed_ms = "submitted", attempt.tx_hash, now_ms
            session.commit()

    def _note(self, anchor_id: int, now_ms: int, **values: Any) -> None:
        with self.database.writing() as session:
            row = session.get_one(AnchorRow, anchor_id)
            if any(getattr(row, name) != value for name, value in values.items()):
                for name, value in values.items():
                    setattr(row, name, value)
                row.changed_ms = now_ms
            session.commit()


def _attempts(session: Session, anchor_id: int) -> list[Attempt]:
    rows = select(AnchorAttempt).where(AnchorAttempt.anchor_id == anchor_id).order_by(AnchorAttempt.id)
    return [Attempt(row.raw, row.tx_hash, row.nonce, Fees(row.max_fee, row.tip)) for row in session.scalars(rows)]


def _placed(backend: AnchorBackend, attempts: Sequence[Attempt]) -> tuple[Attempt, Included] | None:
    """Any attempt may be the one that made it, not only the last."""
    for attempt in attempts:
        place = backend.find(attempt.tx_hash)
        if place is not None:
            return attempt, place
    return None


def anchoring_of(settings: Settings, database: Database, store: TileStore, provider: Any = None) -> Anchoring | None:
    """
    The configured outbox, None where nothing is to be anchored.  `provider` is a chain in this process.

    Raises KeyRefused, FileNotFoundError where keys/anchor.pem or keys/gas.pem cannot be used; ValueError for a bad pin.
    """
    if not settings.anchor_contract or (provider is None and not settings.anchor_rpc_url):
        return None
    # web3 takes most of a second to import: only who anchors pays.
    from ledger.anchors.evm import EvmBackend
    from ledger.anchors.keys import read_key
    from ledger.anchors.node import connect
    from verify.policy import AnchorPin

    with database.reading() as session:
        log_id = session.scalar(select(EntryRow.leaf).where(EntryRow.index == 0))
    if log_id is None:
        raise ValueError("there is no log yet: originmark init")
    anchor, gas = read_key(settings.keys / "anchor.pem"), read_key(settings.keys / "gas.pem")
    pin = AnchorPin(settings.anchor_chain_id, settings.anchor_contract.lower(), "0x" + log_id.hex(), anchor.address, None)
    backend = EvmBackend(provider or connect(settings.anchor_rpc_url), pin, anchor_key=anchor, gas_key=gas)
    return Anchoring(database, store, backend, settings.anchor_interval_s * 1000)


def anchor_worker(
    settings: Settings, database: Database, store: TileStore, stop: threading.Event, *, provider: Any = None,
    tick_s: float = TICK,
) -> None:  # fmt: skip
    """Tick until `stop` is set, and begin again where it could not begin; returns at once where nothing is to be anchored."""
    while not stop.is_set():
        try:
            anchoring = anchoring_of(settings, database, store, provider)
        except Exception as error:
            # A database that is away just now, or a key that is not there yet.
            log.error("anchor.not_begun", reason=str(error))
            stop.wait(tick_s)
            continue
        if anchoring is not None:
            keep_anchoring(anchoring, stop, tick_s)
        return


def keep_anchoring(anchoring: Anchoring, stop: threading.Event, tick_s: float) -> None:
    """Tick until `stop` is set, whatever fails: a thread that ended would leave the log without anchors, and tell nobody."""
    while not stop.is_set():
        try:
            anchoring.tick(system_clock())
        except NodeTrouble as error:
            log.warning("anchor.no_answer", reason=str(error))
        except (AnchorError, Fatal) as error:
            log.error("anchor.failed", reason=str(error))
        except (OSError, BaseError, SQLAlchemyError) as error:
            # Readers are not let in yet after a start, the database fails over, the bucket is away.
            log.warning("anchor.store_away", reason=str(error))
        except Exception as error:
            # A node may answer anything, in shapes that no library foresaw.
            log.error("anchor.failed", exc_info=error)
        stop.wait(tick_s)
