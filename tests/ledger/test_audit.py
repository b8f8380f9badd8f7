"""The audit names the first broken thing: whatever an operator, or who has broken in, changes afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text

from ledger.audit import audit_ledger, audit_served
from ledger.audit_statements import Report
from ledger.audit_tiles import Broken
from ledger.db import Database
from ledger.erasure import erasure_statement
from ledger.keys import create_keys
from ledger.models import Base, EventRow, HashHead, StatementRow, SubjectKey
from ledger.objects import open_objects
from ledger.receipts import receipt
from ledger.shown import erasures
from ledger.tiles import TileStore
from tests.support.ledger import FARM, LOT, ORIGIN, Rig, p256, quantity


def audited(rig: Rig) -> Report:
    """The audit of this ledger."""
    return audit_ledger(rig.database, rig.store, rig.keys.log.vkey, rig.keys.clock.vkey)


@contextmanager
def tampered(database: Database, table: str, command: str) -> Iterator[None]:
    """Change a table for a moment."""
    held = Base.metadata.tables[table]
    with database.engine.begin() as connection:
        before = [dict(row._mapping) for row in connection.execute(select(held))]
        changed = connection.execute(text(command)).rowcount
    assert changed, command
    try:
        yield
    finally:
        with database.engine.begin() as connection:
            connection.execute(delete(held))
            connection.execute(insert(held), before)


# Every row of every table that the audit answers for is somebody's temptation.
TAMPERINGS = [
    ("log", "UPDATE log SET genesis_digest = digest FROM entries WHERE entries.index = 1"),
    ("checkpoint", "UPDATE checkpoint SET size = 3"),
    ("published", "UPDATE published SET size = size + 1"),
    ("entries", "UPDATE entries SET leaf = digest WHERE index = 5"),
    ("entries", "UPDATE entries SET time_ms = time_ms + 1 WHERE index = 5"),
    ("entries", "DELETE FROM entries WHERE index = 5"),
    ("statements", "UPDATE statements SET issuer = 'https://hub.example/' WHERE index = 5"),
    ("statements", "UPDATE statements SET kind = 'LabReport' WHERE index = 5"),
    ("statements", "UPDATE statements SET event_id = 'urn:x:y' WHERE index = 5"),
    ("statements", "UPDATE statements SET repeats = 1 WHERE index = 5"),
    ("statements", "UPDATE statements SET valid_from = '2020-01-01T00:00:00Z' WHERE index = 5"),
    ("statements", "UPDATE statements SET disclosures = '[]' WHERE index = 8"),
    ("statements", "UPDATE statements SET jws = NULL, disclosures = '[]' WHERE index = 5"),
    ("statements", "UPDATE statements SET jws = NULL, disclosures = '[]', erased_by = 12 WHERE index = 5"),
    ("statements", "DELETE FROM statements WHERE index = 5"),
    ("subject_keys", "DELETE FROM subject_keys WHERE index = 10"),
    ("subject_keys", "INSERT INTO subject_keys (key, index) SELECT digest, 6 FROM entries WHERE index = 1"),
    ("subject_keys", "INSERT INTO subject_keys (key, index) SELECT digest, 600 FROM entries WHERE index = 1"),
    ("grants", "UPDATE grants SET mint = '[\"https://id.gs1.org/01/\"]' WHERE index = 1"),
    ("grants", "UPDATE grants SET party = 'https://agency.example/' WHERE index = 1"),
    ("grants", "DELETE FROM grants WHERE index = 2"),
    ("revocations", "DELETE FROM revocations"),
    ("revocations", "UPDATE revocations SET compromised_from = 1"),
    ("events", "UPDATE events SET biz_step = 'receiving' WHERE index = 5"),
    ("events", "UPDATE events SET event_time = event_time - 1 WHERE index = 5"),
    ("events", "DELETE FROM events WHERE index = 6"),
    ("event_objects", "UPDATE event_objects SET quantity = '99' WHERE index = 5"),
    ("event_objects", "UPDATE event_objects SET lot = uri WHERE index = 5"),
    ("events", "UPDATE events SET parties = replace(parties, 'hub', 'shop')"),
    ("event_objects", "UPDATE event_objects SET ordinal = 7 WHERE index = 5"),
    ("hash_heads", "UPDATE hash_heads SET head = head + 1 WHERE index = 5"),
    ("hash_heads", "DELETE FROM hash_heads WHERE index = 10"),
    ("hash_heads", "INSERT INTO hash_heads (head, index) VALUES (7, 6)"),
    ("hash_heads", "INSERT INTO hash_heads (head, index) VALUES (7, 600)"),
    ("links", "DELETE FROM links WHERE kind = 'transform'"),
    ("links", "UPDATE links SET kind = 'uncontain' WHERE kind = 'contain'"),
    ("recalls", "UPDATE recalls SET closed_by = NULL"),
    ("recalls", "UPDATE recalls SET class = 'III'"),
    ("recall_scope", "DELETE FROM recall_scope WHERE kind = 'lot'"),
    ("commitments", "UPDATE commitments SET count = 6"),
    ("master_data", "UPDATE master_data SET body = '{}'"),
    ("withdrawals", "UPDATE withdrawals SET target = 5"),
    ("withdrawals", "DELETE FROM withdrawals"),
]


def test_an_honest_log_audits_clean_and_every_tampering_is_named(full: Rig) -> None:
    report = audited(full)
    assert (report.entries, report.statements, report.erased, report.unchecked) == (14, 14, 0, 0)
    missed = []
    for table, command in TAMPERINGS:
        quoted = command.replace("index", '"index"').replace(" class ", ' "class" ').replace(".\"index\"", '."index"')
        with tampered(full.database, table, quoted):
            try:
                audited(full)
                missed.append(command)
            except Broken:
                continue
    assert missed == []
    audited(full)


def test_an_event_id_that_an_issuer_took_twice_is_named(full: Rig) -> None:
    taken = "urn:uuid:00000000-0000-4000-8000-00000000ffff"
    first, second = (full.event(FARM, p256("farm"), eventID=taken, quantityList=[quantity(LOT, count)]) for count in (1, 2))
    (index,) = full.log(first)
    # What finds the first one is away while the second one comes: the one thing that no constraint of the database holds.
    with tampered(full.database, "hash_heads", f'DELETE FROM hash_heads WHERE "index" = {index}'):
        (again,) = full.log(second)
        with full.database.reading() as session:
            own = [dict(row._mapping) for row in session.execute(select(HashHead.__table__).where(HashHead.index == again))]
    with full.database.engine.begin() as connection:
        connection.execute(insert(HashHead), own)
    with pytest.raises(Broken, match=f"its event ID {taken} is an earlier event's"):
        audited(full)


DAMAGES = {"gone": lambda data: None, "cut": lambda data: data[:-1], "changed": lambda data: bytes([data[0] ^ 1]) + data[1:]}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(full: Rig, damage: str) -> None:
    for path in ("tile/0/000.p/14", "tile/entries/000.p/14", "checkpoint"):
        target = full.folder / "tiles" / path
        data = target.read_bytes()
        target.unlink()
        damaged = DAMAGES[damage](data)
        if damaged is not None:
            target.write_bytes(damaged)
        with pytest.raises(Broken):
            audited(full)
        with pytest.raises(Broken):
            audit_served(full.store, full.keys.log.vkey, full.keys.clock.vkey)
        target.write_bytes(data)


def test_tiles_alone_can_be_audited_by_anybody(full: Rig) -> None:
    copy = TileStore(open_objects(str(full.folder / "tiles")))
    report = audit_served(copy, full.keys.log.vkey, full.keys.clock.vkey)
    assert (report.entries, report.served.is_signed, report.served.time_s) == (14, True, full.now_ms // 1000)
    assert not audit_served(copy).served.is_signed


def test_a_checkpoint_signed_by_another_log_is_broken(full: Rig, tmp_path: Path) -> None:
    other = create_keys(tmp_path / "other", ORIGIN)
    with pytest.raises(Broken, match="served checkpoint"):
        audit_served(full.store, other.log.vkey)


class TestErasure:
    """The content goes, the digest and the keys stay, and the log says so."""

    def erase(self, rig: Rig, index: int) -> int:
        with rig.database.reading() as session:
            raw = erasure_statement(session, rig.keys.registrar, index=index, ground="PIPL art. 47", now_ms=rig.now_ms)
        return rig.log(raw)[0]

    def test_nothing_of_the_content_is_left_and_the_proof_still_holds(self, full: Rig) -> None:
        digest, entry = full.entry(8).digest, full.entry(8)
        by = self.erase(full, 8)
        with full.database.reading() as session:
            row = session.get_one(StatementRow, 8)
            assert (row.jws, row.disclosures, row.erased_by) == (None, [], by)
            assert session.get(EventRow, 8) is None
            assert set(session.scalars(select(SubjectKey.key).where(SubjectKey.index == 8))) == set(entry.keys)
            receipt(session, full.store, digest)
            assert [one.erased_by for one in erasures(session, [LOT])] == [by]
        report = audited(full)
        assert (report.erased, report.unchecked) == (1, 0)

    def test_what_rested_on_erased_content_is_counted_and_not_passed_over(self, full: Rig) -> None:
        self.erase(full, 5)  # the commissioning that the label commitment needs
        assert audited(full).unchecked == 1

    def test_an_erased_statement_sent_again_is_a_duplicate_and_does_not_come_back(self, full: Rig) -> None:
        raw = full.event(FARM, p256("farm"))
        (index,) = full.log(raw)
        self.erase(full, index)
        (again,) = full.send(raw)
        assert (again.state, again.index) == ("duplicate", index)
        with full.database.reading() as session:
            assert session.get_one(StatementRow, index).jws is None

    def test_only_the_operator_erases_and_never_a_control_statement(self, full: Rig) -> None:
        with full.database.reading() as session:
            raw = erasure_statement(session, full.keys.registrar, index=1, ground="x", now_ms=full.now_ms)
        (outcome,) = full.send(raw)
        assert outcome.refused is not None
        assert outcome.refused.code == "not-erasable"
