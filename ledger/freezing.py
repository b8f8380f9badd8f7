"""
The end of a log, in order: nothing new is admitted, what was admitted is published, the last checkpoint is signed.

Reads go on for ever: entries, tiles, proofs and scans stay as they are, and the checkpoint's time is still renewed, or every
scan would grow stale.  No statement in the log says that it is frozen, since the protocol knows no such kind: it is shown on
the log's page, in the proposed policy and in every refusal.  A successor is a log of its own, with a genesis of its own;
readers take it into their policy like any other.

Source: Tessera (freeze: stop writes, wait until sequenced == integrated == published); protocol.md section 1.
"""

from dataclasses import dataclass

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from ledger.keys import Keys
from ledger.models import CheckpointRow
from ledger.models.freezing import FreezeRow
from ledger.problems import Fatal, Refused
from ledger.signing import open_signed, sign_checkpoint


@dataclass(frozen=True, slots=True)
class Freeze:
    """A log that takes nothing any more."""

    origin: str
    successor: str
    url: str
    frozen_ms: int | None
    size: int | None

    def refusal(self) -> Refused:
        """What a submitter is told, with the way to the successor."""
        where = f"; its successor is {self.successor}" + (f" at {self.url}" if self.url else "") if self.successor else ""
        return Refused("log-frozen", f"{self.origin} takes no statements any more{where}", link=self.url or None)


# By the columns and not through the ORM: asked twice a batch, and nearly always for nothing.
_ENDED = select(*(FreezeRow.__table__.c[name] for name in ("origin", "successor", "url", "frozen_ms", "size")))


def freeze_of(session: Session) -> Freeze | None:
    """The log's end, None while it grows."""
    row = session.connection().execute(_ENDED).one_or_none()
    return None if row is None else Freeze(*row)


def announce(session: Session, origin: str, *, successor: str, url: str, now_ms: int) -> None:
    """
    Take nothing new from now on; the caller commits.  Doing it again changes the successor.

    Raises Fatal for a log that names itself.
    """
    if successor == origin:
        raise Fatal("a log cannot succeed itself")
    row = session.get(FreezeRow, origin) or FreezeRow(origin=origin, announced_ms=now_ms, frozen_ms=None, size=None)
    row.successor, row.url = successor, url
    session.add(row)


def complete(session: Session, keys: Keys, *, now_ms: int) -> int:
    """
    Sign the last checkpoint anew and write down that it is the last; returns its size.  The caller commits.

    The signature replaces the checkpoint row by compare-and-swap, so that a sequencer which is about to grow the log fails,
    reloads, and finds it frozen.  Raises Fatal where another process just did so: try again.
    """
    row, freeze = session.get_one(CheckpointRow, keys.log.name), session.get_one(FreezeRow, keys.log.name)
    last = open_signed(row.body, keys.log.vkey, keys.clock.vkey)
    time_ms = max(now_ms, row.time_ms + 1000)  # another second, or the note would be the same and nothing swapped
    signed = sign_checkpoint(keys, last, last.checkpoint, [], time_ms // 1000)
    swap = update(CheckpointRow).where(CheckpointRow.origin == row.origin, CheckpointRow.body == row.body)
    done = session.execute(swap.values(body=signed.body, time_ms=time_ms))
    if not isinstance(done, CursorResult) or done.rowcount != 1:
        raise Fatal("the log grew meanwhile")
    freeze.frozen_ms, freeze.size = now_ms, signed.checkpoint.size
    return signed.checkpoint.size
