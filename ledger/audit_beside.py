"""
The audit of what stands beside the entries: the heads, and the tables whose rows the tree or a signature can vouch for.

    log, checkpoint, published      one log, signed notes, and times that agree with them
    cosignatures, witnesses         each line verifies over the checkpoint of its size, by a witness that we ask
    anchors                         each root is the tree's at that size
    label_trees                     each root is that of its leaves, and a logged commitment's

Not here: entries, statements and what is derived from them (audit_statements.py, audit_derived.py).
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.audit_tiles import Broken, Served, insist_same
from ledger.models import (
    AnchorRow,
    CheckpointRow,
    CommitmentRow,
    CosignatureRow,
    EntryRow,
    FreezeRow,
    LabelTree,
    Log,
    Published,
    StatementRow,
    WitnessRow,
)
from ledger.problems import Fatal
from ledger.signing import Signed, open_signed
from ledger.tiles import TileStore
from verify.checkpoint import Checkpoint
from verify.cosignature import verify_cosignature
from verify.errors import VerificationError
from verify.merkle import root, roots_reader
from verify.note import Note, VerifierKey, lines_of, parse_note

LEAF = 32  # bytes
OWN = 2  # lines


def check_heads(session: Session, served: Served, log: VerifierKey, clock: VerifierKey) -> None:
    """Compare the rows of the log's head with the served checkpoint.  Raises Broken."""
    known, row, out = session.get(Log, 1), session.scalar(select(CheckpointRow)), session.scalar(select(Published))
    checkpoint = served.checkpoint
    for table, held in (("log.id", known), ("checkpoint", row), ("published", out)):
        if held is None:
            raise Broken(f"{table}: the row is missing")
        insist_same(table.partition(".")[0], {"origin": checkpoint.origin}, vars(held))
    assert known is not None
    assert row is not None
    assert out is not None
    signed, shown = _opened("checkpoint", row.body, log, clock), _opened("published", out.body, log, clock)
    told = signed.checkpoint
    insist_same("checkpoint", {"size": told.size, "root": told.root}, vars(row))
    if row.time_ms // 1000 != signed.time_s:
        raise Broken("checkpoint.time_ms is not the time of its note")
    insist_same("published", {"size": shown.checkpoint.size, "time_ms": shown.time_s * 1000}, vars(out))
    if not out.size <= checkpoint.size <= row.size:
        raise Broken(f"served {checkpoint.size}, published.size {out.size}, checkpoint.size {row.size}")
    if row.size == checkpoint.size and row.root != checkpoint.root:
        raise Broken("checkpoint.root is not the served one")
    _check_genesis(session, known)


def _opened(table: str, body: str, log: VerifierKey, clock: VerifierKey) -> Signed:
    try:
        return open_signed(body, log, clock)
    except Fatal as error:
        raise Broken(f"{table}.body: {error}") from None


def _check_genesis(session: Session, known: Log) -> None:
    if session.scalar(select(StatementRow.digest).where(StatementRow.index == 0)) != known.genesis_digest:
        raise Broken("log.genesis_digest is not the digest of the first of the table statements", 0)
    if session.scalar(select(EntryRow.time_ms).where(EntryRow.index == 0)) != known.created_ms:
        raise Broken("log.created_ms is not entries.time_ms of the first entry", 0)


def check_beside(session: Session, store: TileStore, served: Served) -> None:
    """Check what the tree or a signature vouches for.  The tiles are audited already.  Raises Broken."""
    witnesses = _witnesses(session)
    _check_notes(store.read_checkpoint() or "", session.scalars(select(Published)).one().body, witnesses)
    for line in session.scalars(select(CosignatureRow)):
        _check_cosignature(store, served.checkpoint, line, witnesses)
    first = session.scalar(select(EntryRow.leaf).where(EntryRow.index == 0))
    for anchor in session.scalars(select(AnchorRow)):
        _check_anchor(store, served.checkpoint, anchor, first or b"")
    for tree in session.scalars(select(LabelTree)):
        _check_label_tree(session, tree)
    for freeze in session.scalars(select(FreezeRow)):
        insist_same("freezes", {"origin": served.checkpoint.origin}, vars(freeze))


def _witnesses(session: Session) -> dict[str, VerifierKey]:
    found = {}
    for row in session.scalars(select(WitnessRow)):
        try:
            found[row.name] = VerifierKey.parse(row.vkey)
        except VerificationError as error:
            raise Broken(f"witnesses.vkey of {row.name}: {error.message}") from None
        insist_same("witnesses", {"name": found[row.name].name}, vars(row))
    return found


def _check_notes(served: str, published: str, witnesses: dict[str, VerifierKey]) -> None:
    notes = {"checkpoint (the object)": _checked(served, "checkpoint (the object)", witnesses),
             "published.body": _checked(published, "published.body", witnesses)}  # fmt: skip
    first, second = (set(note.lines) for note in notes.values())
    # The log's line and its clock's stand first; where they are the same, both were written at once.  A line of a witness
    # that is no longer asked cannot be verified, but then it is in both.
    if len({note.lines[:OWN] for note in notes.values()}) == 1:
        known = {(key.name, key.key_id) for key in witnesses.values()}
        for place, lines in zip(notes, (first - second, second - first), strict=True):
            if any((line.name, line.key_id) not in known for line in lines):
                raise Broken(f"{place}: a line by nobody that is asked")


def _checked(body: str, place: str, witnesses: dict[str, VerifierKey]) -> Note:
    try:
        note = parse_note(body)
        for key in witnesses.values():
            for line in lines_of(note, key):
                verify_cosignature(note.text, line, key)
        return note
    except VerificationError as error:
        raise Broken(f"{place}: {error.message}") from None


def _check_cosignature(
    store: TileStore, checkpoint: Checkpoint, row: CosignatureRow, witnesses: dict[str, VerifierKey]
) -> None:
    place = f"cosignatures of {row.name} at {row.size}"
    if not 0 < row.size <= checkpoint.size:
        raise Broken(f"{place}: cosignatures.size is beyond the log")
    text = Checkpoint(checkpoint.origin, row.size, root(store.reader(checkpoint.size), row.size)).format()
    try:
        (line,) = parse_note(f"{text}\n{row.line}").lines
        key = witnesses.get(row.name)
        if key is not None:
            _insist_on_line(Note(text, (line,)), key)
    except (VerificationError, ValueError) as error:
        raise Broken(f"{place}: cosignatures.line: {error}") from None
    insist_same("cosignatures", {"name": line.name, "key_id": line.key_id}, vars(row))


def _insist_on_line(note: Note, key: VerifierKey) -> None:
    if not lines_of(note, key):
        raise ValueError("it is not by the witness of that name")
    verify_cosignature(note.text, note.lines[0], key)


def _check_anchor(store: TileStore, checkpoint: Checkpoint, row: AnchorRow, log_id: bytes) -> None:
    if not 0 < row.size <= checkpoint.size:
        raise Broken(f"anchors.size of row {row.id} is beyond the log")
    wanted = {"root": root(store.reader(checkpoint.size), row.size), "log_id": log_id}
    try:
        insist_same("anchors", wanted, vars(row))
    except Broken as error:
        raise Broken(f"{error}, or anchors.size is another (row {row.id})") from None


def _check_label_tree(session: Session, row: LabelTree) -> None:
    hashes = [row.leaves[at : at + LEAF] for at in range(0, len(row.leaves), LEAF)]
    if not hashes or root(roots_reader(hashes), len(hashes)) != row.root:
        raise Broken(f"label_trees of {row.lot}: label_trees.leaves do not give label_trees.root")
    held = select(CommitmentRow.index).where(CommitmentRow.root == row.root, CommitmentRow.lot == row.lot)
    if session.scalar(held.limit(1)) is None:
        raise Broken(f"label_trees.lot {row.lot}: no commitment of this lot has that root")
