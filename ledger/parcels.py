"""
Parcels: candidates on their way from a process that admits to the one that sequences, through the database.

Written by processes that are not the sequencer (other API processes, commands), and where the submitter will not wait.

    send          one row for many candidates, sealed
    waiting       what the sequencer has not judged yet, oldest first
    finish        the verdicts, in the ordering transaction; the content goes
    publish       ends the rows whose entries can be seen
    outcomes_of   what became of a row

Not trusted: whoever writes this table can at worst lose an unacknowledged submission.  A seal with a key derived from the
log's says that a process of ours examined the content; without it nothing of it is read.
"""

import hmac
import json
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Integer, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from ledger.candidates import Candidate, pack, unpack
from ledger.freezing import freeze_of
from ledger.models import ParcelRow, RefusalRow
from ledger.pooling import Outcome, Parcel, full
from ledger.problems import Refused
from producers.sign import Signer

KEEP = 86_400_000  # ms that a finished row, and a refusal, can still be asked for
OPEN = ("waiting", "sequenced")
_TAG = 32
# By the table and not through the ORM: both are asked once a batch, mostly for nothing.
_OLDEST = (
    select(ParcelRow.__table__).where(ParcelRow.state == "waiting").order_by(ParcelRow.id).limit(bindparam("most", type_=Integer))
)
_END = (
    update(ParcelRow.__table__)  # type: ignore[arg-type]
    .where(ParcelRow.state == "sequenced", ParcelRow.top < bindparam("size"))
    .values(state="done")
)


def seal_key(log: Signer) -> bytes:
    """
    The key of the seals, for every process that holds the log's key.

    Its version is that of a candidate's members: what an earlier service sealed is refused and sent again, not misread.
    """
    return HKDF(SHA256(), 32, None, b"originmark/parcel/v2").derive(log.private.private_bytes_raw())


def send(session: Session, items: Sequence[Candidate], key: bytes, *, now_ms: int, limit: int, together: bool = False) -> int:
    """Write a parcel; returns its row.  The caller commits.  Raises Refused (`pool-full`, `log-frozen`)."""
    frozen = freeze_of(session)
    if frozen is not None:
        raise frozen.refusal()
    waits = waiting_count(session)
    if waits >= limit:
        raise full(waits)
    content = pack(items)
    row = {
        "count": len(items), "together": together, "content": _tag(content, key) + content,
        "digests": b"".join(one.digest for one in items), "state": "waiting", "received_ms": now_ms,
    }  # fmt: skip
    return int(session.execute(insert(ParcelRow).values(row).returning(ParcelRow.id)).scalar_one())


def waiting(session: Session, limit: int, key: bytes) -> list[Parcel]:
    """The oldest parcels, of about `limit` statements.  A damaged one is refused as a whole when it is judged."""
    found: list[Parcel] = []
    # As mappings: a row is a tuple, and has a `count` of its own.
    for row in session.connection().execute(_OLDEST, {"most": max(1, limit)}).mappings():
        if limit <= 0:
            break
        found.append(Parcel(_opened(row["content"], key), row["together"], row["id"], row["received_ms"]))
        limit -= row["count"]
    return found


def _opened(sealed: bytes, key: bytes) -> list[Candidate]:
    tag, content = sealed[:_TAG], sealed[_TAG:]
    if not hmac.compare_digest(tag, _tag(content, key)):
        return []
    try:
        return [one for one in unpack(content) if isinstance(one, Candidate)]
    except (ValueError, TypeError, LookupError, EOFError):
        return []  # sealed by an earlier version of the service, whose candidates had another shape


def _tag(content: bytes, key: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


def finish(session: Session, parcel: Parcel, outcomes: Sequence[Outcome], *, published: int, now_ms: int) -> None:
    """Write what became of a parcel.  It ends when all its entries are published, at once where they are already."""
    if parcel.row is None:
        return
    top = max((one.index for one in outcomes if one.index is not None), default=-1)
    state = "done" if top < published else "sequenced"
    verdicts = json.dumps([one.as_json() for one in outcomes])
    done = update(ParcelRow).where(ParcelRow.id == parcel.row)
    session.execute(done.values(state=state, content=b"", verdicts=verdicts, top=top, done_ms=now_ms))


def remember(session: Session, outcomes: Sequence[Outcome], now_ms: int) -> None:
    """Keep why statements were refused, for whoever asks by digest: the log keeps nothing of them."""
    rows = {
        one.digest: {"digest": one.digest, "problem": one.refused.as_json(), "done_ms": now_ms}
        for one in outcomes if one.refused is not None
    }  # fmt: skip
    if rows:
        session.execute(delete(RefusalRow).where(RefusalRow.digest.in_(rows)))
        session.execute(insert(RefusalRow), list(rows.values()))


def publish(session: Session, size: int) -> None:
    """End the rows whose entries lie below `size`: everybody can see them."""
    session.connection().execute(_END, {"size": size})


def purge(session: Session, now_ms: int) -> None:
    """Forget what ended long ago; the log answers for it."""
    session.execute(delete(ParcelRow).where(ParcelRow.state == "done", ParcelRow.done_ms < now_ms - KEEP))
    session.execute(delete(RefusalRow).where(RefusalRow.done_ms < now_ms - KEEP))


def waiting_count(session: Session) -> int:
    """How many statements wait to be judged."""
    return int(session.scalar(select(func.sum(ParcelRow.count)).where(ParcelRow.state == "waiting")) or 0)


def first_open(session: Session) -> int | None:
    """The lowest row that is not done, None where all are."""
    return session.scalar(select(func.min(ParcelRow.id)).where(ParcelRow.state.in_(OPEN)))


def outcomes_of(session: Session, row: int) -> list[Outcome]:
    """
    What became of the statements of a row, in order: pending until all can be seen.

    Of a row that is gone nothing is known but that it ended: send again.
    """
    found = session.get(ParcelRow, row, populate_existing=True)
    if found is None:
        return []
    if found.state != "done":
        return [Outcome("pending", found.digests[at : at + 32]) for at in range(0, len(found.digests), 32)]
    told = [Outcome.from_json(one) for one in json.loads(found.verdicts or "[]")]
    damaged = Refused("damaged", "the parcel was damaged on its way to the sequencer: send it again", retry_after_s=1)
    return told or [Outcome("refused", found.digests[at : at + 32], refused=damaged) for at in range(0, len(found.digests), 32)]


def waits(session: Session, digest: bytes) -> bool:
    """Whether a statement is in a parcel that is not done; looks at each, since hardly anybody asks."""
    digests = session.scalars(select(ParcelRow.digests).where(ParcelRow.state.in_(OPEN)))
    return any(found[at : at + 32] == digest for found in digests for at in range(0, len(found), 32))


def refusal_of(session: Session, digest: bytes) -> Refused | None:
    """Why a statement was refused, None where it was not, or long ago."""
    row = session.get(RefusalRow, digest)
    return None if row is None else Refused.from_json(row.problem)
