"""
The anchor outbox, against a chain in memory that crashes, reorganises, drops and competes on command.

What the contract itself refuses is tests/contracts'; that EvmBackend speaks to a real chain is test_anchors_evm.py.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from ledger.anchoring import BUMP_AFTER, Anchoring, anchor_worker, keep_anchoring
from ledger.anchors import Attempt, Conflict, Head, Included, NodeTrouble, State, Submitted, TooDear
from ledger.anchors.fees import Fees
from ledger.anchors.keys import create_key
from ledger.models import AnchorAttempt, AnchorRow, EntryRow
from ledger.problems import Fatal
from ledger.settings import Settings
from ledger.stored import StoreUnavailable
from tests.support.ledger import FARM, Rig, p256
from verify.checkpoint import Checkpoint
from verify.merkle import Hash, verify_consistency
from verify.note import parse_note
from verify.policy import AnchorPin

HOUR = 3_600_000  # ms


@dataclass
class Chain:
    """One contract and one gas key; blocks are made by `mine`."""

    pin: AnchorPin
    heads: list[Head] = field(default_factory=list)
    """The contract's head after each block."""
    waiting: dict[int, Attempt] = field(default_factory=dict)
    wanted: dict[bytes, tuple[Head, Head, list[Hash]]] = field(default_factory=dict)
    blocks: dict[bytes, Included] = field(default_factory=dict)
    nonce: int = 0
    final: int = 0
    sent: list[bytes] = field(default_factory=list)
    down: bool = False
    dear: bool = False

    def head(self, at: str = "latest") -> Head:
        self._check()
        count = {"latest": len(self.heads), "safe": self.final, "finalized": self.final}[at]
        return self.heads[count - 1] if count else Head(1, bytes.fromhex(self.pin.log_id[2:]))

    def prepare(self, head: Head, proof: Sequence[Hash], *, replaces: Attempt | None = None) -> Attempt:
        self._check()
        if self.dear:
            raise TooDear(2, 1)
        fees = Fees(replaces.fees.max_fee * 2, replaces.fees.tip * 2) if replaces else Fees(100, 1)
        raw = f"{head.size} {fees.max_fee} {self.nonce}".encode()
        self.wanted[raw] = (self.head(), head, list(proof))
        return Attempt(raw, sha256(raw).digest(), replaces.nonce if replaces else self.nonce, fees)

    def broadcast(self, raw: bytes) -> Submitted:
        self._check()
        self.sent.append(raw)
        self.waiting[self.nonce] = Attempt(raw, sha256(raw).digest(), self.nonce, Fees(0, 0))
        return Submitted(sha256(raw).digest(), None)

    def standing(self, head: Head) -> State:
        for state, tag in ((State.FINAL, "finalized"), (State.INCLUDED, "latest")):
            held = self.head(tag)
            if held.size == head.size and held.root != head.root:
                raise Conflict(held, head)
            if held.size >= head.size:
                return state
        return State.SUBMITTED

    def find(self, tx_hash: bytes) -> Included | None:
        self._check()
        return self.blocks.get(tx_hash)

    def next_nonce(self) -> int:
        return self.nonce

    def gas_money(self) -> int:
        return 1

    def mine(self) -> None:
        """Put the waiting transaction into a block; the contract checks its proof."""
        attempt = self.waiting.pop(self.nonce, None)
        head = self.head()
        if attempt is not None:
            old, head, proof = self.wanted[attempt.raw]
            verify_consistency(old=old.size, new=head.size, old_root=old.root, new_root=head.root, proof=proof)
            self.blocks[attempt.tx_hash] = Included(len(self.heads) + 1, b"b" * 32, 1_795_000_000, False)
            self.nonce += 1
        self.heads.append(head)

    def reorganise(self) -> None:
        """The newest block never was; its transaction waits again."""
        self.heads.pop()
        (gone,) = [tx for tx, place in self.blocks.items() if place.number > len(self.heads)]
        del self.blocks[gone]
        self.nonce -= 1

    def _check(self) -> None:
        if self.down:
            raise NodeTrouble("frozen")


@pytest.fixture
def anchored(farm: Rig) -> tuple[Rig, Chain, Anchoring]:
    """A log with a few entries, a fresh chain, and the outbox between them."""
    farm.log(farm.event(FARM, p256("farm")))
    with farm.database.reading() as session:
        log_id = session.get_one(EntryRow, 0).leaf
    chain = Chain(AnchorPin(1, "0x" + "c" * 40, "0x" + log_id.hex(), "0x" + "a" * 40, None))
    return farm, chain, Anchoring(farm.database, farm.store, chain, HOUR)


def rows(rig: Rig) -> list[tuple[int, str]]:
    """(size, state) of every anchor."""
    with rig.database.reading() as session:
        return [(row.size, row.state) for row in session.scalars(select(AnchorRow).order_by(AnchorRow.size))]


def test_a_head_goes_from_submitted_to_final(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "submitted")]
    chain.mine()
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "included")]
    chain.final = 1
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "final")]
    with rig.database.reading() as session:
        row = session.scalars(select(AnchorRow)).one()
    assert (row.block, row.tx_hash) == (1, sha256(chain.sent[0]).digest())


def test_one_transaction_an_interval_whatever_the_write_rate(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    for _ in range(4):
        rig.log(rig.event(FARM, p256("farm")))
        outbox.tick(rig.now_ms)
        chain.mine()
    assert rows(rig) == [(4, "included")]
    outbox.tick(rig.now_ms + HOUR)
    assert rows(rig) == [(4, "included"), (7, "submitted")]
    assert len(chain.sent) == 2


def test_nothing_new_costs_nothing(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    outbox.tick(rig.now_ms)
    chain.mine()
    for _ in range(3):
        outbox.tick(rig.now_ms + 10 * HOUR)
    assert len(chain.sent) == 1


def test_a_crash_before_the_send_sends_the_stored_bytes(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    send, chain.broadcast = chain.broadcast, lambda raw: (_ for _ in ()).throw(NodeTrouble("crash"))  # type: ignore[method-assign]
    with pytest.raises(NodeTrouble):
        outbox.tick(rig.now_ms)
    chain.broadcast = send  # type: ignore[method-assign]
    outbox.tick(rig.now_ms)
    with rig.database.reading() as session:
        assert [row.raw for row in session.scalars(select(AnchorAttempt))] == chain.sent
    chain.mine()
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "included")]


def test_a_stuck_transaction_is_replaced_under_its_own_nonce(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    outbox.tick(rig.now_ms)
    outbox.tick(rig.now_ms + BUMP_AFTER)
    with rig.database.reading() as session:
        attempts = session.scalars(select(AnchorAttempt).order_by(AnchorAttempt.id)).all()
    assert [(one.nonce, one.max_fee) for one in attempts] == [(0, 100), (0, 200)]
    chain.mine()
    outbox.tick(rig.now_ms + BUMP_AFTER)
    assert rows(rig) == [(3, "included")]


def test_a_reorganisation_takes_it_back_and_the_same_bytes_go_again(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    outbox.tick(rig.now_ms)
    chain.mine()
    outbox.tick(rig.now_ms)
    chain.reorganise()
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "submitted")]
    chain.mine()
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "included")]
    assert len(set(chain.sent)) == 1


def test_a_foreign_transaction_on_our_nonce_is_followed_by_a_new_one(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    outbox.tick(rig.now_ms)
    chain.waiting.clear()
    chain.nonce += 1
    outbox.tick(rig.now_ms)
    chain.mine()
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "included")]


def test_the_same_root_by_another_process_is_adopted(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    checkpoint = Checkpoint.parse(parse_note(rig.store.read_checkpoint() or "").text)
    chain.heads.append(Head(checkpoint.size, checkpoint.root))
    outbox.tick(rig.now_ms)
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "included")]
    assert chain.sent == []


@pytest.mark.parametrize("size", [2, 3])
def test_another_root_is_a_conflict_and_nothing_is_sent(anchored: tuple[Rig, Chain, Anchoring], size: int) -> None:
    rig, chain, outbox = anchored
    chain.heads.append(Head(size, b"x" * 32))
    outbox.tick(rig.now_ms)
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "conflict")]
    assert chain.sent == []


def test_a_dear_day_is_waited_out_and_the_newest_head_goes(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    chain.dear = True
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "queued")]
    rig.log(rig.event(FARM, p256("farm")))
    chain.dear = False
    outbox.tick(rig.now_ms)
    assert rows(rig) == [(3, "superseded"), (4, "submitted")]


def test_a_frozen_node_decides_nothing(anchored: tuple[Rig, Chain, Anchoring]) -> None:
    rig, chain, outbox = anchored
    outbox.tick(rig.now_ms)
    before = rows(rig)
    chain.down = True
    with pytest.raises(NodeTrouble):
        outbox.tick(rig.now_ms)
    assert rows(rig) == before


def test_no_failure_ends_anchoring_for_good() -> None:
    """Right after a start readers are not let in yet, and a database may fail over at any time."""
    gone = OperationalError("SELECT 1", None, Exception())
    foreseen = [StoreUnavailable("a start"), gone, Fatal("a tile"), NodeTrouble("a node")]
    troubles = [*foreseen, KeyError("timestamp"), ValueError("not hexadecimal")]
    over, ticks = threading.Event(), 0

    class Troubled(Anchoring):
        def tick(self, now_ms: int) -> None:
            nonlocal ticks
            ticks += 1
            if troubles:
                raise troubles.pop()
            over.set()

    keep_anchoring(Troubled.__new__(Troubled), over, 0.001)
    assert ticks == 7


def test_anchoring_begins_once_it_can(rig: Rig) -> None:
    """A process may take over just while the database is away, or before its keys are there."""
    settings = Settings(data=rig.folder, anchor_contract="0x" + "11" * 20, anchor_chain_id=1, anchor_rpc_url="http://127.0.0.1:1")
    waits = 0

    class Over(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal waits
            waits += 1
            if waits == 1:
                for name in ("anchor", "gas"):
                    create_key(rig.folder / "keys" / f"{name}.pem")
            else:
                self.set()  # it has begun, and its node does not answer
            return True

    anchor_worker(settings, rig.database, rig.store, Over(), tick_s=0.0)
    assert waits == 2
