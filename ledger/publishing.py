"""
Publishing: witnesses first, then tiles, then the checkpoint, then the submitters.

All of it repeats without harm: tiles have the same bytes whoever writes them, and a checkpoint is served only after its
tiles.  Nothing here gives an index or signs a tree.

Source: Sunlight (internal/ctlog, sequencePool steps 6 to 8); c2sp.org/tlog-tiles.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ledger import parcels
from ledger.db import Database
from ledger.mending import mend
from ledger.models import CosignatureRow, EntryRow, Published
from ledger.observing import Observer, Silent
from ledger.pooling import Outcome, Parcel, answer
from ledger.problems import Fatal
from ledger.signing import Signed, open_signed, with_lines
from ledger.tiles import RightEdge, Tiles, TileStore
from ledger.witness import Witness, collect
from verify.merkle import Hash, leaf_hash, prove_consistency
from verify.note import VerifierKey, parse_note
from verify.tiles import WIDTH

log = structlog.get_logger()

REBUILD = 65_536  # entries read at once while a lost tree is derived anew


class NotPublished(Exception):
    """Committed, and held back: too few of our witnesses signed."""


@dataclass(frozen=True, slots=True)
class Unpublished:
    """Tiles that grew since the tree of `size` was published."""

    size: int
    tiles: Tiles
    entries: Sequence[bytes] = ()
    """From `size` on, as read back from the database; none where they are to be read."""


@dataclass(slots=True)
class Publisher:
    """Makes what is committed visible.  `quorum` of `witnesses` must sign first; 0 lets the log go on without them."""

    database: Database
    store: TileStore
    log_key: VerifierKey
    clock_key: VerifierKey
    witnesses: Sequence[Witness] = ()
    quorum: int = 0
    observer: Observer = field(default_factory=Silent)
    _waiting: Unpublished | None = field(default=None, init=False)
    _served: str = field(default="", init=False)
    """The log's own note of the checkpoint that is served."""
    _owed: list[tuple[Parcel, Sequence[Outcome]]] = field(default_factory=list, init=False)
    """Answers to this process's submitters, held back until everybody can see their entries."""
    _looked: bool = field(default=False, init=False)

    def take(self, fresh: Unpublished) -> None:
        """Remember what the sequencer added; nothing may be waiting."""
        if self._waiting is not None:
            raise Fatal("the batch before is not published yet")
        self._waiting = fresh

    def owe(self, answers: Iterable[tuple[Parcel, Sequence[Outcome]]]) -> None:
        """Answer these once what is committed now is published."""
        self._owed += answers

    def publish(self, signed: Signed) -> None:
        """
        Publish the tree of `signed`, and answer who waits for it; publishes nothing where it is served already.

        Raises NotPublished, Fatal, OSError.
        """
        if self._waiting is not None or self._served != signed.body:
            self._publish(signed)
        owed, self._owed = self._owed, []
        for parcel, outcomes in owed:
            answer(parcel, outcomes)

    def _publish(self, signed: Signed) -> None:
        waiting = self._waiting or Unpublished(signed.checkpoint.size, {})
        size = signed.checkpoint.size
        lines = self._cosign(signed, waiting.tiles)
        body = with_lines(signed.body, list(lines.values()))
        with self.database.reading() as session:
            bundles = self._bundles(session, waiting.size, size, waiting.entries)
        self.store.write(waiting.tiles, bundles)
        # The checkpoint comes last, so that whatever it commits to can be read.
        self.store.write_checkpoint(body)
        with self.database.writing() as session:
            _serve(session, signed, body, lines)
            parcels.publish(session, size)
            # Before this commit submitters wait, though everybody can see their entries; after it they are answered.
            session.commit()
        self._waiting, self._served = None, signed.body

    def recover(self, signed: Signed) -> RightEdge:
        """
        Derive what a crash may have left unwritten, and compare what is served with `signed`.

        Raises Fatal where the store serves a larger or another tree that our key signed (then this database is an old
        copy, and going on would fork the log), or where the entries do not give the signed root.
        """
        self._waiting, self._served = None, ""
        new = signed.checkpoint
        self._check_served(signed)
        with self.database.reading() as session:
            row = session.get(Published, new.origin)
            old = min(row.size, new.size) if row else 0
            edge, touched = self._edge(session, old, signed)
            bundles = self._bundles(session, max(0, old - 1), new.size)
        # The local store may have lost or torn its newest files in a power cut: the right edge is written again.
        self.store.write({**edge.tiles, **touched}, bundles, repair=True)
        self._waiting = Unpublished(new.size, touched)
        return edge

    def _edge(self, session: Session, old: int, signed: Signed) -> tuple[RightEdge, Tiles]:
        new = signed.checkpoint
        try:
            edge, touched = self.store.read_edge(old).extend(_leaves(session, old, new.size))
            if edge.root() == new.root:
                self._mend(session, old)
                return edge, touched
        except Fatal as error:
            log.warning("tiles.damaged", error=str(error))
        return self._rebuild(session, signed), {}

    def _mend(self, session: Session, size: int) -> None:
        """Once a process: the right edge is sound, and what lies to its left is at least there.  Raises Fatal."""
        if not self._looked:
            for path in mend(session, self.store, size):
                log.warning("tiles.mended", path=path)
        self._looked = True

    def _rebuild(self, session: Session, signed: Signed) -> RightEdge:
        """Write every tile anew from the entries; the root decides whether they are the log."""
        edge, size = RightEdge(), signed.checkpoint.size
        for start in range(0, size, REBUILD):
            end = min(start + REBUILD, size)
            edge, touched = edge.extend(_leaves(session, start, end))
            self.store.write(touched, self._bundles(session, start, end), repair=True)
        if edge.root() != signed.checkpoint.root:
            raise Fatal("the entries do not give the signed root")
        return edge

    def _check_served(self, signed: Signed) -> None:
        served = self.store.read_checkpoint()
        try:
            theirs = open_signed(served or "", self.log_key, self.clock_key).checkpoint
        except Fatal:
            return  # nothing there, or damage: it is written again
        ours = signed.checkpoint
        if theirs.size > ours.size or (theirs.size == ours.size and theirs.root != ours.root):
            raise Fatal(f"the store serves a tree of {theirs.size} that this database ({ours.size}) does not know")

    def _cosign(self, signed: Signed, tiles: Tiles) -> dict[str, str]:
        size = signed.checkpoint.size
        reader = self.store.reader(size, tiles)

        def prove(old: int) -> list[Hash]:
            return prove_consistency(reader, old, size) if old else []

        lines, failed = collect(self.witnesses, signed.body, prove, self.quorum or None)
        for one in (witness.standing for witness in self.witnesses):
            self.observer.witness(one.name, signed=one.outcome == "cosigned", seconds=one.took_s)
        for error in failed:
            log.warning("witness.failed", reason=str(error))
        if len(lines) < self.quorum:
            raise NotPublished(f"{len(lines)} of {self.quorum} witnesses signed the tree of {size}")
        return lines

    def _bundles(self, session: Session, start: int, end: int, known: Sequence[bytes] = ()) -> dict[int, list[bytes]]:
        """Every bundle that has an entry of [start, end), from its first entry on; `known` are those from `start` on."""
        if start >= end:
            return {}
        first, read = start // WIDTH * WIDTH, start if known else end
        wanted = select(EntryRow.entry).where(EntryRow.index >= first, EntryRow.index < read).order_by(EntryRow.index)
        entries = [*(session.scalars(wanted) if first < read else ()), *known]
        if len(entries) != end - first:
            raise Fatal(f"entries are missing between {first} and {end}")
        return {first // WIDTH + at // WIDTH: entries[at : at + WIDTH] for at in range(0, len(entries), WIDTH)}


def _leaves(session: Session, start: int, end: int) -> list[Hash]:
    wanted = select(EntryRow.entry).where(EntryRow.index >= start, EntryRow.index < end).order_by(EntryRow.index)
    leaves = [leaf_hash(entry) for entry in session.scalars(wanted)]
    if len(leaves) != end - start:
        raise Fatal(f"entries are missing between {start} and {end}")
    return leaves


def _serve(session: Session, signed: Signed, body: str, lines: dict[str, str]) -> None:
    size = signed.checkpoint.size
    session.merge(Published(origin=signed.checkpoint.origin, size=size, body=body, time_ms=signed.time_s * 1000))
    if lines:
        session.execute(delete(CosignatureRow).where(CosignatureRow.name.in_(lines)))
    text = parse_note(body).text
    for name, line in lines.items():
        (parsed,) = parse_note(f"{text}\n{line}").lines
        session.add(CosignatureRow(size=size, name=name, key_id=parsed.key_id, line=line))
