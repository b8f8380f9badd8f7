"""
Bundles: everything one scan needs, made by the operator and judged by whoever reads it.

Gathering (gathering.py) decides what is carried; here it is put together: statements as the audience may see them, one
multiproof at the published checkpoint, the answer note over the log's own index, anchors with their consistency proof, and
the proof that a scanned serial is one of the farm's codes.  Nothing here decides anything: `verify.verifier` does.

Source: protocol.md section 1, Bundle; verify/bundle.py has the form.
"""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledger.choosing import Budget
from ledger.codes import prove_code
from ledger.gathering import Gathered, gather
from ledger.models import AnchorRow, EntryRow, Published, StatementRow
from ledger.shown import Audience, statement_of
from ledger.tallies import Tallies
from ledger.tiles import TileStore
from ledger.units import chunks
from producers.sign import Signer, format_bundle, sign_note
from verify import gs1
from verify.answer import MAX_KEYS, Answer
from verify.bundle import MAX_ANCHORS, MAX_BYTES, MAX_STATEMENTS, AnchorEvidence, Bundle, Carried, ItemProof
from verify.checkpoint import Checkpoint
from verify.merkle import Reader, prove_consistency, prove_multi
from verify.note import parse_note

# A phone reads some 150 events at once; a mixture of many lots needs more, or its origin could not be checked.
BUDGET = Budget(statements=512, accounts=128, subjects=512, size=2 * 1_048_576)
SMALLEST = 8  # events; below, the control statements alone are more than a bundle may hold
HELD = ("included", "safe", "final")  # states of an anchor that a reader can find in the contract


class NothingKnown(Exception):
    """No event that is published names what this label names."""


class TooMuch(Exception):
    """More control statements touch this label than a bundle may hold: only the whole log answers for it."""


def make_bundle(
    session: Session, store: TileStore, log_signer: Signer, *, label: str, now_s: int, published: Published,
    audience: Audience = Audience.PUBLIC, tallies: Tallies | None = None, budget: Budget = BUDGET,
) -> str:  # fmt: skip
    """
    Make the bundle of `label` (a Digital Link on any host) at the published checkpoint; `now_s` dates the answer note.

    `tallies` is what the process keeps between scans, `budget` how much is carried beside control statements.  Raises
    Malformed for a label, NothingKnown, TooMuch; Fatal for tiles.
    """
    kept = tallies or Tallies()
    uris = gs1.subjects_of_uri(label)
    lot = next((uri for uri in uris if gs1.level(uri) in ("lot", "sscc", "product")), uris[0])
    while budget.statements >= SMALLEST:
        found = gather(session, uris, kept, size=published.size, budget=budget)
        if not found.indexes and not found.left_out:
            raise NothingKnown(f"no published record is about {lot}")
        if found.indexes and len(found.indexes) <= MAX_STATEMENTS and len(found.subjects) + len(found.parties) <= MAX_KEYS:
            made = format_bundle(_assemble(session, store, log_signer, published, found, label, lot, now_s, audience))
            if len(made.encode()) <= MAX_BYTES:
                return made
        budget = budget.halved()
    raise TooMuch(f"what the log holds about {lot} is more than one bundle carries")


def _assemble(
    session: Session, store: TileStore, log_signer: Signer, published: Published, found: Gathered, label: str, lot: str,
    now_s: int, audience: Audience,
) -> Bundle:  # fmt: skip
    checkpoint = Checkpoint.parse(parse_note(published.body).text)
    reader = store.reader(checkpoint.size)
    carried = _carried(session, sorted(found.indexes), audience)
    proof = prove_multi(reader, [one.index for one in carried], checkpoint.size)
    note = sign_note(answer_of(found, checkpoint, now_s).format(), [log_signer])
    anchors = _anchors(session, reader, checkpoint)
    item = _item(session, label, lot, checkpoint.size)
    return Bundle(label, published.body, note, tuple(carried), tuple(proof), tuple(anchors), item)


def answer_of(found: Gathered, checkpoint: Checkpoint, now_s: int) -> Answer:
    """The honest answer over the log's own index; `verify.answer.answer_from` over the entries gives the same."""
    keys = {key: tally.matches() for key, tally in found.subjects.items()}
    parties = {key: tally.party_matches() for key, tally in found.parties.items()}
    return Answer(checkpoint.origin, checkpoint.size, checkpoint.root, now_s, keys, parties, found.control)


def _carried(session: Session, indexes: Sequence[int], audience: Audience) -> list[Carried]:
    found = []
    for part in chunks(indexes):
        wanted = (
            select(StatementRow.index, StatementRow.jws, StatementRow.disclosures, EntryRow.time_ms, EntryRow.leaf)
            .join(EntryRow, EntryRow.index == StatementRow.index)
            .where(StatementRow.index.in_(part), StatementRow.jws.is_not(None))
            .order_by(StatementRow.index)
        )
        for index, jws, disclosures, time_ms, leaf in session.execute(wanted):
            found.append(Carried(index, time_ms, statement_of(jws or b"", disclosures, audience), bytes(leaf)))
    return found


def _anchors(session: Session, reader: Reader, checkpoint: Checkpoint) -> list[AnchorEvidence]:
    """The newest anchored tree of each contract; the reader's own node says whether the contract holds it."""
    # Not all of them: a log that anchors every hour has 9,000 a year, and each scan asks.
    held = (AnchorRow.state.in_(HELD), AnchorRow.size <= checkpoint.size)
    newest_of = func.max(AnchorRow.size).over(partition_by=(AnchorRow.chain_id, AnchorRow.contract))
    ranked = select(AnchorRow.id, (AnchorRow.size == newest_of).label("is_newest")).where(*held).subquery()
    wanted = select(AnchorRow).join(ranked, ranked.c.id == AnchorRow.id).where(ranked.c.is_newest).order_by(AnchorRow.size)
    newest = {(row.chain_id, row.contract): row for row in session.scalars(wanted)}
    return [
        AnchorEvidence(row.chain_id, row.contract, row.size, row.root,
                       tuple(prove_consistency(reader, row.size, checkpoint.size)))
        for row in list(newest.values())[-MAX_ANCHORS:]
    ]  # fmt: skip


def _item(session: Session, label: str, lot: str, size: int) -> ItemProof | None:
    link = gs1.read(label)
    serial = link.parts.get("21") if link is not None else None
    return None if serial is None else prove_code(session, lot, serial, before=size)
