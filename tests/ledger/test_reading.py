"""Proofs are read from static files: whatever happens to the tables that coordinate writers, published records stay provable."""

from sqlalchemy import text

from ledger.receipts import receipts
from tests.support.ledger import FARM, Rig, p256
from verify.checkpoint import Checkpoint
from verify.merkle import leaf_hash, verify_inclusion
from verify.note import open_note, parse_note

COORDINATION = ("checkpoint", "pool")


def test_a_proof_needs_none_of_the_coordination_tables(farm: Rig) -> None:
    farm.log(*(farm.event(FARM, p256("farm")) for _ in range(5)))
    digests = [farm.entry(index).digest for index in range(7)]
    with farm.database.writing() as session:
        for table in COORDINATION:
            session.execute(text(f"DROP TABLE IF EXISTS {table}"))
        session.commit()
    with farm.database.reading() as session:
        found = receipts(session, farm.store, digests)
    for index, one in enumerate(found):
        note = parse_note(one.proof.checkpoint)
        open_note(note, [farm.keys.log.vkey])
        root = Checkpoint.parse(note.text).root
        verify_inclusion(leaf_hash(farm.entry(index).encode()), index=index, size=7, proof=one.proof.path, root=root)
