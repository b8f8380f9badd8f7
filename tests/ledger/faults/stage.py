"""
The stage on which faults are played: one log whose database, objects and witness are on a wire, set back to the same state
before each case, and everything that must hold after it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from obstore.exceptions import BaseError
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from ledger.admission import all_or_none
from ledger.audit import audit_ledger
from ledger.candidates import Candidate
from ledger.db import Database
from ledger.examiners import examine_here
from ledger.genesis import create_log
from ledger.models import Base, EntryRow, GrantRow
from ledger.pooling import Outcome, Ticket
from ledger.problems import Fatal
from ledger.publishing import NotPublished
from ledger.receipts import receipts
from ledger.settling import Settled
from ledger.stored import StoreUnavailable
from ledger.tiles import CHECKPOINT, TileStore, paths_between
from ledger.witness import Witness
from ledger.witnessing.cosigner import Cosigner
from ledger.witnessing.memory import Caught, Remembered
from ledger.witnessing.wire import Reply
from producers.sign import Signer
from tests.ledger.faults.connections import tap
from tests.ledger.faults.memory import Cut, MemoryObjects, Tapped
from tests.ledger.faults.notes import noted
from tests.ledger.faults.wire import Way, Wire
from tests.support.ledger import FARM, GTIN, VALIDATOR, Rig, Submitted, p256
from verify.checkpoint import Checkpoint
from verify.entry import Entry
from verify.merkle import leaf_hash, prove_consistency, verify_consistency, verify_inclusion
from verify.note import COSIGNER, VerifierKey, open_note, parse_note
from verify.statement import parse_statement

HANDLED = (NotPublished, Fatal, SQLAlchemyError, OSError, BaseError)
"""What Sequencer.run answers by a reload; anything else would end its thread."""
STEPS = 6  # more than any backlog of a case needs
WITNESS = Signer("witness.example/stage", COSIGNER, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@dataclass(frozen=True, slots=True)
class Sent:
    """One request under way: through the database as from another process, or in this process's own pool."""

    raws: Sequence[bytes]
    row: Submitted | None = None
    tickets: Sequence[Ticket] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is stored."""

    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    objects: Mapping[str, bytes]
    witness: Remembered
    now_ms: int


class WitnessMemory:
    """What the witness remembers; the first fork that it is shown ends the test."""

    def __init__(self, log: VerifierKey) -> None:
        self.log, self.head = log, Remembered(log.name)

    def keys(self, origin: str) -> list[VerifierKey]:
        """See Memory."""
        return [self.log] if origin == self.log.name else []

    def heads(self, origin: str | None = None) -> list[Remembered]:
        """See Memory."""
        return [self.head]

    def swap(self, old: Remembered, new: Remembered) -> bool:
        """See Memory."""
        self.head = new
        return True

    def keep(self, caught: Caught) -> None:
        """See Memory."""
        raise AssertionError(f"the log forked: {caught.body}")


@dataclass
class Stage:
    """One log.  `acknowledged` holds what submitters were told: digest -> index."""

    database: Database
    folder: Path
    wire: Wire = field(default_factory=Wire)
    memory: MemoryObjects = field(default_factory=MemoryObjects)
    acknowledged: dict[bytes, int] = field(default_factory=dict)
    look_back: int = 0
    """Entries left of the settled tree that a start compares: none, so that the mark alone is held to its word."""

    def __post_init__(self) -> None:
        tap(self.database, self.wire)
        self.database, self.notes = noted(self.database, self.wire)
        self.rig = Rig(self.database, self.folder, objects=Tapped(self.memory, self.wire))
        self.memory_of_witness = WitnessMemory(self.rig.keys.log.vkey)

    def create(self) -> "Stage":
        """A log with one farm; `first` is its state before anything was published."""
        self.restart()
        with self.database.writing() as session:
            create_log(session, self.rig.keys, now_ms=self.rig.now_ms)
            session.commit()
        self.first = self.snapshot()
        self.rig.sequencer.recover()
        self.rig.log(self.rig.grant(FARM, p256("farm"), mint=[GTIN]))
        return self

    def event(self) -> bytes:
        """Any statement that the log takes."""
        return self.rig.event(FARM, p256("farm"))

    def restart(self) -> None:
        """The process ends and another one starts: connections, memory and a new sequencer on the same stores."""
        self.database.close()
        self.rig.witnesses = [self._witness()]
        self.rig.store = TileStore(self.rig.store.objects)
        self.rig.fresh_sequencer().publisher.look_back = self.look_back
        keys = self.rig.keys.log.vkey, self.rig.keys.clock.vkey
        self.readers = Settled(self.memory, self.database, keys, quorum=self.rig.quorum > 0, look_s=0)

    def round(self) -> None:
        """One batch, and what the service does behind it."""
        self.rig.step()
        self.rig.sequencer.publisher.settle()

    def power_cut(self, cut: Cut) -> None:
        """Both stores lose what was not on the disk; another process starts, and shows nobody anything that is not there."""
        self.memory.power_cut(cut)
        if not (self.wire.fired == "commit" and self.wire.way is Way.STORED):  # that one took all notes before it to the disk
            self.notes.lose(self.database)
        self.restart()
        self.check_shown()

    def check_shown(self) -> None:
        """What readers are shown is whole, and no older than what they have seen; or they are asked to come back."""
        try:
            body = self.readers.read(CHECKPOINT) or b""
        except StoreUnavailable:
            return
        note = parse_note(body.decode())
        open_note(note, [self.rig.keys.log.vkey])
        size = Checkpoint.parse(note.text).size
        assert size >= max(Checkpoint.parse(parse_note(one).text).size for one in self.memory.served), "rolled back"
        for path in paths_between(0, size):
            assert self.readers.read(path) == self.memory.ever[path], path

    def rest(self) -> None:
        """A second passes: a witness that failed is asked again."""
        self.rig.sequencer.publisher.witnesses = [self._witness()]

    def _witness(self) -> Witness:
        cosigner = Cosigner(WITNESS, self.memory_of_witness, lambda: self.rig.now_ms // 1000)

        def submit(request: str) -> Reply:
            return self.wire.carry("witness", lambda: cosigner.add_checkpoint(request))

        return Witness(WITNESS.vkey, submit, now_s=lambda: self.rig.now_ms / 1000)

    def snapshot(self) -> Snapshot:
        """Take down everything."""
        with self.database.reading() as session:
            rows = {
                name: [dict(row._mapping) for row in session.execute(select(table))]
                for name, table in Base.metadata.tables.items()
            }
        return Snapshot(rows, dict(self.memory.durable), self.memory_of_witness.head, self.rig.now_ms)

    def load(self, held: Snapshot) -> None:
        """Set everything back, and start."""
        with self.database.writing() as session:
            for name, table in Base.metadata.tables.items():
                session.execute(delete(table))
                if held.rows[name]:
                    session.execute(insert(table), list(held.rows[name]))
            session.commit()
        self.memory.load(held.objects)
        self.memory_of_witness.head = held.witness
        self.rig.now_ms = held.now_ms
        self.acknowledged.clear()
        self.restart()

    def forget_parcels(self) -> None:
        """Lose what was admitted and not acknowledged, as SECURITY.md allows for: another batch comes instead."""
        with self.database.writing() as session:
            session.execute(delete(Base.metadata.tables["parcels"]))
            session.commit()

    def submit(self, *requests: Sequence[bytes], own: bool = False) -> list[Sent]:
        """Admit requests, each logged all or none; `own` puts them into the pool of the process that sequences."""
        return [self._submit(raws, own) for raws in requests]

    def _submit(self, raws: Sequence[bytes], own: bool) -> Sent:
        if not own:
            return Sent(raws, self.rig.submit(*raws, together=len(raws) > 1))
        with self.database.reading() as session:
            jwks = {row.thumbprint: row.jwk for row in session.scalars(select(GrantRow))}
        found = all_or_none(examine_here(raws, self.rig.now_ms, VALIDATOR, jwks))
        items = [one for one in found if isinstance(one, Candidate)]
        assert len(items) == len(raws), found
        return Sent(raws, tickets=self.rig.sequencer.pool.offer(items, now_ms=self.rig.now_ms, together=len(raws) > 1))

    def attempt(self, work: Callable[[], object]) -> bool:
        """Do it; False where it failed in a way that the sequencer's loop answers by a reload."""
        try:
            work()
        except HANDLED:
            return False
        return True

    def settle(self, sent: Sequence[Sent]) -> list[Outcome]:
        """Step until everything sent has its answer."""
        for _ in range(STEPS):
            self.round()
            outcomes = self.answers(sent)
            if all(one.state != "pending" for one in outcomes):
                return outcomes
        raise AssertionError(f"still pending after {STEPS} steps: {outcomes}")

    def log(self, count: int = 1) -> None:
        """So many statements, in one request, published."""
        assert {one.state for one in self.settle(self.submit([self.event() for _ in range(count)]))} == {"published"}

    def answers(self, sent: Sequence[Sent]) -> list[Outcome]:
        """What the submitters are told now.  Whoever is told an index can check it now, and is never told another."""
        outcomes = [outcome for one in sent for outcome in self._answers(one)]
        for one in outcomes:
            if one.state in ("published", "duplicate"):
                assert one.index is not None
                assert self.acknowledged.setdefault(one.digest, one.index) == one.index, "told two places"
        if self.acknowledged:
            self.check_receipts()
        return outcomes

    def _answers(self, sent: Sent) -> Sequence[Outcome]:
        if sent.row is not None:
            return self.rig.results(sent.row)
        if all(ticket.done() for ticket in sent.tickets):
            return [outcome for ticket in sent.tickets for outcome in ticket.result()]
        return [Outcome("pending", b"") for _ in sent.raws]

    def check_receipts(self) -> None:
        """Every acknowledged statement is at its place in the served log."""
        with self.database.reading() as session:
            told = receipts(session, self.rig.store, list(self.acknowledged))
            wanted = select(EntryRow.index, EntryRow.entry).where(EntryRow.index.in_([one.index for one in told]))
            entries = {index: entry for index, entry in session.execute(wanted)}
        for one in told:
            note = parse_note(one.proof.checkpoint)
            open_note(note, [self.rig.keys.log.vkey])
            assert self.acknowledged[one.digest] == one.index == one.proof.index
            assert Entry.decode(entries[one.index]).digest == one.digest
            tree, leaf = Checkpoint.parse(note.text), leaf_hash(entries[one.index])
            verify_inclusion(leaf, index=one.index, size=tree.size, proof=one.proof.path, root=tree.root)

    def check(self) -> None:
        """After every case: nothing acknowledged is lost, no index twice, nothing ever served is taken back, audit clean."""
        keys = self.rig.keys
        report = audit_ledger(self.database, self.rig.store, keys.log.vkey, keys.clock.vkey)
        with self.database.reading() as session:
            count, distinct = session.execute(select(func.count(), func.count(EntryRow.digest.distinct()))).one()
        assert count == distinct == report.entries
        self.readers.read(CHECKPOINT)
        self.check_shown()
        assert len(set(self.acknowledged.values())) == len(self.acknowledged)
        self._check_append_only()

    def _check_append_only(self) -> None:
        trees = {}
        for body in self.memory.served:
            note = parse_note(body)
            open_note(note, [self.rig.keys.log.vkey])
            tree = Checkpoint.parse(note.text)
            assert trees.setdefault(tree.size, tree) == tree, f"two trees of {tree.size} were served"
        reader = self.rig.store.reader(max(trees))
        for old, new in combinations(sorted(trees), 2):
            proof = prove_consistency(reader, old, new)
            verify_consistency(old=old, new=new, old_root=trees[old].root, new_root=trees[new].root, proof=proof)

    def progress(self) -> None:
        """The log goes on: another batch is sequenced, published, and its receipts verify."""
        raws = [self.event() for _ in range(2)]
        outcomes = self.settle([*self.submit(raws[:1]), *self.submit(raws[1:], own=True)])
        assert [one.state for one in outcomes] == ["published"] * len(raws)
        assert {parse_statement(raw).digest for raw in raws} <= set(self.acknowledged)
