"""Who may sequence on PostgreSQL: a leader that has frozen is replaced, and learns of it before it writes again."""

from pathlib import Path

import pytest

from ledger.db import Busy, LeaseLost, open_database, sequencer_lock
from tests.conftest import Postgres
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
