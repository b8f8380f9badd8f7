"""
Recovering entries that a backup does not have: from the public tiles, which bind them, and from whoever kept the statements.

The published checkpoint is ours and says what the log is; the tiles give the missing entries under it; each entry names the
digest of its statement.  Farms keep theirs in an outbox, partners and mirrors have copies: where all are found, the log is
whole again, byte for byte, and nothing is signed.  One control statement missing, and nobody could judge what comes after, so
a gap stops it.

Source: ledger/judging.py decides here as it did then; protocol.md section 1 (entry).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import httpx2
from sqlalchemy import update
from sqlalchemy.orm import Session

from ledger.candidates import candidate_of
from ledger.judging import Judge
from ledger.keys import Keys
from ledger.models import CheckpointRow
from ledger.problems import Fatal, Refused
from ledger.signing import Signed, open_signed
from ledger.tiles import RightEdge, TileStore
from producers.sign import format_note
from verify.entry import Entry
from verify.errors import VerificationError
from verify.merkle import leaf_hash
from verify.note import Note, lines_of, parse_note
from verify.statement import parse_statement
from verify.subjects import Record
from verify.tiles import WIDTH

Find = Callable[[bytes], bytes | None]
"""The statement of a digest as it travels, None where nobody has it."""
TIMEOUT_S = 10.0


class Gap(Exception):
    """Statements that nobody has; `missing` are (index, digest)."""

    def __init__(self, missing: list[tuple[int, bytes]]) -> None:
        first, digest = missing[0]
        super().__init__(f"{len(missing)} statements are missing, the first at {first}: {digest.hex()}")
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Missing:
    """The entries of [start, start + len) under the published checkpoint, proven to follow what the backup has."""

    start: int
    entries: list[bytes]
    published: Signed


def missing_entries(store: TileStore, keys: Keys, edge: RightEdge) -> Missing:
    """
    Read what was published beyond `edge`, the tree of the backup.

    Raises Fatal where the tiles are damaged, or are not a continuation of the backup's log.
    """
    published = _ours(open_signed(store.read_checkpoint() or "", keys.log.vkey, keys.clock.vkey), keys)
    size = published.checkpoint.size
    entries: list[bytes] = []
    for bundle in range(edge.size // WIDTH, -(-size // WIDTH)):
        entries += store.read_entries(bundle, size)[edge.size - bundle * WIDTH if bundle == edge.size // WIDTH else 0 :]
    grown, _ = edge.extend([leaf_hash(entry) for entry in entries])
    if (grown.size, grown.root()) != (size, published.checkpoint.root):
        raise Fatal(f"the public tiles of {size} do not continue the backup of {edge.size}: one of them is another log's")
    return Missing(edge.size, entries, published)


def _ours(served: Signed, keys: Keys) -> Signed:
    """The same checkpoint with our own two lines only: that is what the checkpoint row holds."""
    note = parse_note(served.body)
    own = Note(note.text, (*lines_of(note, keys.log.vkey), *lines_of(note, keys.clock.vkey)))
    return Signed(served.checkpoint, format_note(own), served.time_s)


def recover_entries(session: Session, origin: str, missing: Missing, find: Find) -> None:
    """
    Write the missing entries and everything derived, and put the published checkpoint in place; the caller commits.

    Raises Gap before anything is written; Fatal where a statement does not give its entry.
    """
    found = {digest: find(digest) for digest in (Entry.decode(entry).digest for entry in missing.entries)}
    gap = [
        (index, digest)
        for index, digest in enumerate((Entry.decode(entry).digest for entry in missing.entries), missing.start)
        if found[digest] is None
    ]
    if gap:
        raise Gap(gap)
    for index, entry in enumerate(missing.entries, missing.start):
        _write(session, origin, index, entry, found[Entry.decode(entry).digest] or b"")
    made = missing.published.checkpoint
    values = {"size": made.size, "root": made.root, "body": missing.published.body}
    last_ms = Entry.decode(missing.entries[-1]).time_ms
    session.execute(
        update(CheckpointRow)
        .where(CheckpointRow.origin == origin)
        .values(**values, time_ms=max(last_ms, missing.published.time_s * 1000))
    )


def _write(session: Session, origin: str, index: int, entry: bytes, raw: bytes) -> None:
    judge = Judge(session, origin, index=index, time_ms=Entry.decode(entry).time_ms)
    try:
        candidate = candidate_of(Record.of(0, 0, parse_statement(raw)))
        judge.look_up([candidate])
        judge.judge(candidate)
        judge.flush()
    except (Refused, VerificationError) as error:
        raise Fatal(f"the statement at {index} is refused now: {error}") from None
    if judge.leaves != [leaf_hash(entry)]:
        raise Fatal(f"the statement found for {index} does not give its entry")


def statements_in(lines: Iterable[bytes]) -> dict[bytes, bytes]:
    """Statements by digest, one a line; of copies the one with the most disclosures.  A line that is none is passed over."""
    found: dict[bytes, bytes] = {}
    for line in lines:
        try:
            statement = parse_statement(line.strip())
        except VerificationError:
            continue
        if len(line.strip()) > len(found.get(statement.digest, b"")):
            found[statement.digest] = line.strip()
    return found


def finder(kept: Mapping[bytes, bytes], server: str) -> Find:
    """Look in `kept`, then ask a service that still answers reads (empty: none does)."""

    def find(digest: bytes) -> bytes | None:
        if digest in kept or not server:
            return kept.get(digest)
        try:
            answer = httpx2.get(f"{server.rstrip('/')}/statements/{digest.hex()}", timeout=TIMEOUT_S)
        except httpx2.HTTPError:
            return None
        return statements_in([answer.content]).get(digest) if answer.status_code == 200 else None

    return find
