"""Who may sequence on PostgreSQL: a leader that has frozen is replaced, and learns of it before it writes again."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from ledger.db import Busy, LeaseLost, open_database, sequencer_lock
from ledger.models import Published
from tests.conftest import Postgres
from tests.support.ledger import ORIGIN
from tests.support.processes import wait_until


def test_a_leader_that_froze_loses_the_right_to_sequence_and_is_told(postgres: Postgres, tmp_path: Path) -> None:
    name = postgres.lend()
    one, two = open_database(postgres.url_of(name)), open_database(postgres.url_of(name))

    def can_take_over() -> bool:
        try:
            with sequencer_lock(two, tmp_path):
                return True
        except Busy:
            return False

    with sequencer_lock(one, tmp_path, silence_s=1) as check_lease:
        check_lease()
        assert not can_take_over()
        wait_until(can_take_over, 30, "the right to sequence")  # nobody checks meanwhile: the leader is as good as frozen
        with pytest.raises(LeaseLost):
            check_lease()
    for database in (one, two):
        database.close()
    postgres.take_back(name)


def test_a_command_that_works_long_keeps_the_right_to_sequence(postgres: Postgres, tmp_path: Path) -> None:
    name = postgres.lend()
    one, two = open_database(postgres.url_of(name)), open_database(postgres.url_of(name))
    with sequencer_lock(one, tmp_path) as check_lease, two.reading() as session:
        check_lease()
        with pytest.raises(Busy), sequencer_lock(two, tmp_path):
            pass
        assert session.connection().exec_driver_sql("SHOW idle_session_timeout").scalar() == "0"
    for database in (one, two):
        database.close()
    postgres.take_back(name)


def test_what_a_frozen_leader_had_not_committed_is_rolled_back_for_the_next_one(postgres: Postgres, tmp_path: Path) -> None:
    name = postgres.lend()
    frozen, next_one = open_database(postgres.url_of(name)), open_database(postgres.url_of(name))
    row = insert(Published).values(origin=ORIGIN, size=7, body="", time_ms=0)
    with frozen.writing() as session:
        session.execute(row)
        with sequencer_lock(next_one, tmp_path), next_one.writing() as other:
            # It would wait for ever: the same row is in a transaction that nobody ends.
            other.execute(row)
            other.commit()
        with pytest.raises(OperationalError):
            session.execute(select(Published))
    for database in (frozen, next_one):
        database.close()
    postgres.take_back(name)
