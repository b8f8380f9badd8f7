"""What is found by eight bytes is decided by the whole hash, and what is unique is judged, since no constraint holds it."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text

from ledger.audit import audit_ledger
from ledger.audit_tiles import Broken
from ledger.candidates import Candidate, candidate_of
from ledger.db import Database, open_database
from ledger.earlier import earlier, heads_of
from ledger.finding import head
from ledger.models import HashHead, StatementRow
from ledger.receipts import Unknown, receipt
from ledger.tiles import TileStore
from tests.support.ledger import FARM, Rig, p256
from verify.statement import parse_statement
from verify.subjects import Record


def lead(rig: Rig, hashed: bytes, index: int) -> None:
    """Let a hash's head lead to a statement that has another, as a collision would."""
    with rig.database.writing() as session:
        session.execute(insert(HashHead), [{"head": head(hashed), "index": index}])
        session.commit()


def test_a_statement_whose_hash_begins_like_anothers_is_logged_and_not_taken_for_it(farm: Rig) -> None:
    (first,) = farm.log(farm.event(FARM, p256("farm")))
    raw = farm.event(FARM, p256("farm"))
    candidate = candidate_of(Record.of(0, 0, parse_statement(raw)))
    assert candidate.event_key is not None
    lead(farm, candidate.signing_input_hash, first)
    lead(farm, candidate.event_key, first)
    (told,) = farm.send(raw)
    assert (told.state, told.index) == ("published", first + 1)


def test_a_digest_that_begins_like_anothers_has_no_receipt(farm: Rig) -> None:
    (index,) = farm.log(farm.event(FARM, p256("farm")))
    digest = farm.entry(index).digest
    other = digest[:8] + bytes(24)
    with farm.database.reading() as session:
        assert receipt(session, farm.store, digest).index == index
        with pytest.raises(Unknown):
            receipt(session, farm.store, other)


def test_a_statement_is_led_to_by_its_digest_and_by_what_it_takes(farm: Rig) -> None:
    wrong = {"declarationTime": "2026-11-18T09:00:00+08:00", "reason": "incorrect_data"}
    raws = [farm.event(FARM, p256("farm")), farm.event(FARM, p256("farm"), errorDeclaration=wrong)]
    for raw, takes in zip(raws, (True, False), strict=True):
        candidate = candidate_of(Record.of(0, 0, parse_statement(raw)))
        (index,) = farm.log(raw)
        key = candidate.event_key if takes else None
        with farm.database.reading() as session:
            held = set(session.scalars(select(HashHead.head).where(HashHead.index == index)))
        assert held == set(heads_of(candidate.digest, candidate.signing_input_hash, key))
        assert farm.send(raw)[0].state == "duplicate"


def test_a_statement_that_was_logged_twice_is_found_by_the_audit(farm: Rig) -> None:
    """A damaged table of heads hides a statement from the sequencer; the database has no constraint that would notice."""
    raw = farm.event(FARM, p256("farm"))
    (first,) = farm.log(raw)
    with farm.database.writing() as session:
        held = session.execute(select(HashHead.head, HashHead.index).where(HashHead.index == first)).mappings().all()
        session.execute(delete(HashHead).where(HashHead.index == first))
        session.commit()
    (again,) = farm.send(raw)
    assert (again.state, again.index) == ("published", first + 1)
    with farm.database.writing() as session:
        session.execute(insert(HashHead), [dict(row) for row in held])
        session.commit()
    with pytest.raises(Broken, match=f"entry {first + 1}: statements.signing_input_hash"):
        audit_ledger(farm.database, TileStore(farm.store.objects), farm.keys.log.vkey, farm.keys.clock.vkey)
    with farm.database.reading() as session:
        named = session.scalars(select(StatementRow.digest).where(StatementRow.index >= first)).all()
    assert named == [parse_statement(raw).digest] * 2


@pytest.fixture
def long_log(postgres: Any) -> Iterator[Database]:
    """A PostgreSQL whose log has 30,000 statements, of which it has just taken statistics."""
    name = postgres.lend()
    database = open_database(postgres.url_of(name))
    count = {"count": 30_000}
    rows = "FROM generate_series(1, :count) AS at"
    with database.writing() as session:
        session.execute(text(f"""INSERT INTO entries SELECT at, 0, sha256(at::text::bytea), '\\x00', '\\x00' {rows}"""), count)
        columns = "index, digest, signing_input_hash, kind, issuer, kid, event_id, valid_from, repeats, jws, disclosures"
        hashed = "sha256(at::text::bytea)"
        values = f"at, {hashed}, {hashed}, 'TraceabilityEvent', 'i', 'k', at::text, '', 0, '\\x00', '[]'"
        session.execute(text(f"INSERT INTO statements ({columns}) SELECT {values} {rows}"), count)
        session.execute(text(f"INSERT INTO hash_heads SELECT at, at {rows}"), count)
        session.commit()
        for table in ("entries", "statements", "hash_heads"):
            session.execute(text(f"ANALYZE {table}"))
        session.commit()
    yield database
    database.close()
    postgres.take_back(name)


def test_thousands_of_new_statements_are_looked_for_by_index_however_the_database_guesses(long_log: Database) -> None:
    """It would guess that each is there, since each was asked for, and read three whole tables to join them."""
    hashed = [sha256(b"%d" % number).digest() for number in range(8_000)]
    new = [Candidate(one, one, "TraceabilityEvent", "i", "k", "e", "", one, (), (), (), False, None, True, b"") for one in hashed]
    with long_log.writing() as session:
        assert not earlier(session, new).places
        whole = session.scalars(text("SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0"))
        assert list(whole) == []
