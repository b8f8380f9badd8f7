"""One byte changed in any stored value that follows from the log: the audit names the place, or says it cannot vouch for it."""

import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from itertools import count

import pytest
from sqlalchemy import insert, select

from ledger.audit import audit_ledger
from ledger.audit_columns import ALL, NOT_VOUCHED, not_vouched
from ledger.audit_statements import Report
from ledger.audit_tiles import Broken
from ledger.codes import lot_of_leaves, store_leaves
from ledger.models import AnchorRow, Base, StatementRow, WitnessRow
from ledger.tiles import TileStore, width_at
from ledger.witness import Witness
from ledger.witnessing.cosigner import Cosigner
from producers.control import LabelCommitment
from tests.ledger.faults.stage import WITNESS, WitnessMemory
from tests.support.flips import Flip, Refused, columns, flipped_column, flipped_object
from tests.support.ledger import FARM, LOT, ORIGIN, Rig, p256, quantity
from verify.merkle import leaf_hash, root, roots_reader
from verify.tiles import tile_path

FLIPS = int(os.environ.get("FLIPS", "150"))  # make fuzz: 1,000
SEED = int(os.environ.get("FLIPS_SEED", "1"))
# Empty in every row of this log; compared by the same code, as whole rows.
EMPTY = ["event_objects.lot", "events.adopts", "freezes.origin", "revocations.compromised_from", "statements.erased_by"]
LEAVES = [leaf_hash(bytes([number])) for number in range(3)]


@pytest.fixture
def everything(full: Rig) -> Rig:
    """A log with a row in every table that the audit vouches for."""
    memory = WitnessMemory(full.keys.log.vkey)
    cosigner = Cosigner(WITNESS, memory, lambda: full.now_ms // 1000)
    full.witnesses, full.quorum = [Witness(WITNESS.vkey, cosigner.add_checkpoint, now_s=lambda: full.now_ms / 1000)], 1
    with full.database.writing() as session:
        session.add(WitnessRow(name=WITNESS.name, vkey=WITNESS.vkey.format(), url="https://witness.example/"))
        session.commit()
    full.fresh_sequencer()
    tree = root(roots_reader(LEAVES), len(LEAVES))
    with full.database.reading() as session:
        first = session.scalars(select(StatementRow.digest).where(StatementRow.kind == "LabelCommitment")).one()
    topped = LabelCommitment.of(LOT, origin=ORIGIN, root=tree, count=len(LEAVES), previous=first.hex())
    full.log(full.sign(topped, FARM, p256("farm")))
    gate, named = {"id": "https://farm.example/gate"}, {"inputQuantityList": [quantity(LOT, 1)], "quantityList": None}
    full.log(full.event(FARM, p256("farm"), action="OBSERVE", bizStep="storing", disposition="in_progress", readPoint=gate,
                        bizLocation=gate))  # fmt: skip
    full.log(full.event(FARM, p256("farm"), type="TransformationEvent", action=None, transformationID="urn:uuid:1", **named))
    size = audited(full).entries
    with full.database.writing() as session:
        store_leaves(session, *lot_of_leaves(session, leaves := b"".join(LEAVES)), leaves)
        session.execute(insert(AnchorRow), [{
            "chain_id": 1, "contract": "0x", "signer": "0x", "log_id": leaf_hash(full.entry(0).encode()), "size": size,
            "root": root(full.store.reader(size), size), "state": "queued", "created_ms": 0, "changed_ms": 0,
        }])  # fmt: skip
        session.commit()
    audited(full)
    return full


def audited(rig: Rig) -> Report:
    """The audit, as a process of its own would make it."""
    return audit_ledger(rig.database, TileStore(rig.store.objects), rig.keys.log.vkey, rig.keys.clock.vkey)


def places(rig: Rig, chance: random.Random) -> list[Callable[[], AbstractContextManager[Flip]]]:
    """Everything that can be changed: each vouched column, each object of the served tree."""
    aside = {(table, column) for table, column, _ in not_vouched()}
    size = audited(rig).entries
    paths = ["checkpoint", *(tile_path(level, 0, width_at(0, 0, size)) for level in (0, "entries"))]
    tables = [(table, column) for table, column in columns() if (table.name, column.name) not in aside]
    found = [lambda t=table, c=column: flipped_column(rig.database.engine, t, c, chance) for table, column in tables]
    return [*found, *(lambda p=path: flipped_object(rig.folder / "tiles", p, chance) for path in paths * 8)]


def test_one_changed_byte_anywhere_is_found_and_its_place_named(
    everything: Rig, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(SEED)
    made = places(everything, chance)
    seen: Counter[str] = Counter()
    missed, wrong = [], []
    for number in count():
        if sum(seen.values()) >= FLIPS:
            break
        # Each place once, then places by chance.
        place = made[number] if number < len(made) else chance.choice(made)
        try:
            with place() as flip:
                seen[flip.table or "objects"] += 1
                try:
                    audited(everything)
                    missed.append(flip)
                except Broken as error:
                    if not names(str(error), flip):
                        wrong.append((flip, str(error)))
        except Refused:
            continue
    assert (missed, wrong) == ([], [])
    audited(everything)
    told = f"{sum(seen.values())} changed bytes in {len(seen) - 1} tables and {seen['objects']} in objects, each found and named"
    record_property("told", f"{everything.database.engine.dialect.name}: {told}")


def names(message: str, flip: Flip) -> bool:
    """Whether the message says where: the path, or the table with its column or the entry."""
    if flip.path:
        return flip.path in message
    return flip.table in message and (f"{flip.table}.{flip.column}" in message or "entry " in message or " of " in message)


def test_every_column_is_vouched_for_or_listed_as_not() -> None:
    tables = Base.metadata.tables
    for name, told in NOT_VOUCHED.items():
        assert set(told) - {ALL} <= {column.name for column in tables[name].columns}, name
    listed = {(table, column) for table, column, _ in not_vouched()}
    assert ("statements", "jws") not in listed
    assert {table for table, _ in listed} == set(NOT_VOUCHED)


def test_the_test_above_reaches_every_vouched_column(everything: Rig) -> None:
    aside = {(table, column) for table, column, _ in not_vouched()}
    unreached = []
    for table, column in columns():
        if (table.name, column.name) not in aside:
            with closing(everything.database.engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
                cursor.execute(f'SELECT count("{column.name}") FROM {table.name}')
                if cursor.fetchone()[0] == 0:
                    unreached.append(f"{table.name}.{column.name}")
    assert sorted(unreached) == EMPTY
