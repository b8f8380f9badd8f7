"""
Publishing: witnesses first, then tiles, then the checkpoint, then the submitters.

All of it repeats without harm: tiles have the same bytes whoever writes them, and a checkpoint is served only after its
tiles.  None of it waits for the disk: what a power cut takes, `recover` derives again.  Nothing here gives an index or signs a
tree.

Source: Sunlight (internal/ctlog, sequencePool steps 6 to 8); c2sp.org/tlog-tiles.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from ledger import parcels
from ledger.db import Database
from ledger.deriving import LOOK_BACK, derive_lost
from ledger.models import CosignatureRow, EntryRow, Published
from ledger.observing import Observer, Silent
from ledger.pooling import Outcome, Parcel, answer
from ledger.problems import Fatal
from ledger.settling import settle
from ledger.signing import Signed, open_signed, with_lines
from ledger.tiles import RightEdge, Tiles, TileStore
from ledger.witness import Witness
from ledger.witnesses import collect
from verify.checkpoint import Checkpoint
from verify.merkle import Hash, prove_consistency
from verify.note import VerifierKey, parse_note
from verify.tiles import WIDTH

log = structlog.get_logger()

_SERVE = (
    update(Published.__table__)  # type: ignore[arg-type]
    .where(Published.origin == bindparam("log"))
    .values({name: bindparam(name) for name in ("size", "body", "time_ms")})
)


class NotPublished(Exception):
    """Committed, and held back: too few of our witnesses signed."""


@dataclass(frozen=True, slots=True)
class Unpublished:
    """Tiles that grew since the tree of `size` was published."""

    size: int
    tiles: Tiles
    entries: Sequence[bytes] = ()
    """From `size` on, as read back from the database."""


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
    look_back: int = LOOK_BACK
    _waiting: Unpublished | None = field(default=None, init=False)
    _served: str = field(default="", init=False)
    """The log's own note of the checkpoint that is served."""
    _settled: str = field(default="", init=False)
    """The one that was served when everything was synced last."""
    _owed: list[tuple[Parcel, Sequence[Outcome]]] = field(default_factory=list, init=False)
    """Answers to this process's submitters, held back until everybody can see their entries."""
    _tail: tuple[int, Sequence[bytes]] = field(default=(0, ()), init=False)
    """The size that is published, and the entries of its last bundle where that is not full."""
    _looked: bool = field(default=False, init=False)
    """Whether this process has compared what a start compares."""
    doubted: bool = field(default=False, init=False)
    """A sync failed: nothing that is not settled may be trusted, whatever is read of it, before `recover`."""
    _syncing: threading.Lock = field(default_factory=threading.Lock, init=False)

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
        body = with_lines(signed.body, list(lines.values())) if lines else signed.body
        # None of this waits for the disk.  A power cut from here on may lose any of it, also parts, also what readers have
        # seen: recover derives it again from the committed entries, before anybody is shown anything (settling.py).
        self.store.write(waiting.tiles, self._bundles(waiting, size))
        # The checkpoint comes last, so that whatever it commits to can be read.
        self.store.write_checkpoint(body)
        # A note: lost in a power cut, it is made again by the same recover, from the checkpoint that the order committed.
        # Until then the row names a smaller tree of the same log.  Whoever reads it, here or on a replica (receipts, bundles,
        # anchors, states), says a little less than was known and nothing else; a parcel that was done is waited for again,
        # and has the same verdicts.  Only a quorum's lines nobody here can make again: they are committed for good.
        with (self.database.writing if self.quorum else self.database.noting)() as session:
            _serve(session, signed, body, lines)
            parcels.publish(session, size)
            # Before this commit submitters wait, though everybody can see their entries; after it they are answered.
            session.commit()
        self._waiting, self._served = None, signed.body

    def settle(self) -> None:
        """
        Sync what is published; see settling.py.  From any thread.

        Raises OSError, SQLAlchemyError.  After the first nothing is settled before `recover` has written it all anew: the
        kernel may call pages clean that it failed to write, and another sync would say yes.
        """
        with self._syncing:
            if self.doubted:
                return
            body = self._served
            try:
                settle(self.database, self.store, signed_anew=body != self._settled)
                self._settled = body
            except OSError:
                self.doubted = True
                raise

    def recover(self, signed: Signed) -> RightEdge:
        """
        Derive what a crash or a power cut may have taken, and compare what is served with `signed`.

        Raises Fatal where the store serves a larger or another tree that our key signed (then this database is an old
        copy, and going on would fork the log), or where the entries do not give the signed root.
        """
        self._waiting, self._served, self._settled, self._tail = None, "", "", (0, ())
        self._check_served(signed)
        size = signed.checkpoint.size
        with self._syncing, self.database.reading() as session:
            row = session.get(Published, signed.checkpoint.origin)
            shown = min(row.size, size) if row else 0
            edge = derive_lost(
                session, self.store, signed.checkpoint, settled=min(row.settled, shown) if row else 0, shown=shown,
                look_back=self.look_back, anew=self.doubted or not self._looked, first=not self._looked,
            )  # fmt: skip
            if row is not None:
                self._restore_checkpoint(row.body)
            self._looked, self.doubted = True, False
        return edge

    def _restore_checkpoint(self, body: str) -> None:
        """Show again what was published, where the file was lost: the next one may have to wait for witnesses."""
        served = self._opened_served()
        if served is None or served.size < open_signed(body, self.log_key, self.clock_key).checkpoint.size:
            self.store.write_checkpoint(body)
        elif self.doubted or not self._looked:
            self.store.write_checkpoint(self.store.read_checkpoint() or body)

    def _check_served(self, signed: Signed) -> None:
        ours, theirs = signed.checkpoint, self._opened_served()
        if theirs is None:
            return  # nothing there, or damage: it is written again
        if theirs.size > ours.size or (theirs.size == ours.size and theirs.root != ours.root):
            raise Fatal(f"the store serves a tree of {theirs.size} that this database ({ours.size}) does not know")

    def _opened_served(self) -> Checkpoint | None:
        """What the store serves under our keys."""
        try:
            return open_signed(self.store.read_checkpoint() or "", self.log_key, self.clock_key).checkpoint
        except Fatal:
            return None

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

    def _bundles(self, waiting: Unpublished, end: int) -> dict[int, list[bytes]]:
        """Every bundle that has an entry of [waiting.size, end), from its first entry on."""
        if waiting.size >= end:
            return {}
        first = waiting.size // WIDTH * WIDTH
        entries = [*self._before(first, waiting.size), *waiting.entries]
        if len(entries) != end - first:
            raise Fatal(f"entries are missing between {first} and {end}")
        bundles = {first // WIDTH + at // WIDTH: entries[at : at + WIDTH] for at in range(0, len(entries), WIDTH)}
        self._tail = end, entries[len(entries) - end % WIDTH :]
        return bundles

    def _before(self, first: int, end: int) -> Sequence[bytes]:
        """The entries of the last bundle so far: from the batch before, or from the database."""
        if self._tail[0] == end or first == end:
            return self._tail[1] if first < end else ()
        with self.database.reading() as session:
            wanted = select(EntryRow.entry).where(EntryRow.index >= first, EntryRow.index < end).order_by(EntryRow.index)
            return session.scalars(wanted).all()


def _serve(session: Session, signed: Signed, body: str, lines: dict[str, str]) -> None:
    size = signed.checkpoint.size
    row = {"size": size, "body": body, "time_ms": signed.time_s * 1000}
    if not session.connection().execute(_SERVE, row | {"log": signed.checkpoint.origin}).rowcount:
        session.add(Published(origin=signed.checkpoint.origin, settled=0, **row))
    if lines:
        session.execute(delete(CosignatureRow).where(CosignatureRow.name.in_(lines)))
    text = parse_note(body).text if lines else ""
    for name, line in lines.items():
        (parsed,) = parse_note(f"{text}\n{line}").lines
        session.add(CosignatureRow(size=size, name=name, key_id=parsed.key_id, line=line))
