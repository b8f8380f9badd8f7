"""A service does not start on what it cannot stand on, and says why in a sentence."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ledger.db import open_database
from ledger.genesis import create_log
from ledger.keys import create_keys
from ledger.migrate import upgrade
from ledger.sequencer import system_clock
from ledger.soundness import Unsound, check_sound
from tests.support.service import Service

PAGE = 4_096  # bytes, SQLite's default
DAMAGED = 8  # pages in a row


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a log with its genesis."""
    folder = tmp_path_factory.mktemp("whole")
    database = open_database(f"sqlite:///{folder / 'ledger.db'}")
    upgrade(database)
    with database.writing() as session:
        create_log(session, create_keys(folder / "keys", "log.example/unsound"), now_ms=system_clock())
        session.commit()
    database.close()
    # Migrations leave free pages behind: whatever stands in them, nobody reads it.
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as connection:
        connection.execute("VACUUM")
    return (folder / "ledger.db").read_bytes()


def reason(file: Path) -> str:
    database = open_database(f"sqlite:///{file}")
    try:
        with pytest.raises(Unsound) as unsound:
            check_sound(database)
    finally:
        database.close()
    return str(unsound.value)


@pytest.mark.parametrize("tenth", range(10))
def test_a_damaged_file_is_named_wherever_the_damage_is(whole: bytes, tmp_path: Path, tenth: int) -> None:
    at = (len(whole) - DAMAGED * PAGE) * tenth // 9
    file = tmp_path / "ledger.db"
    file.write_bytes(whole[:at] + b"\xa5" * DAMAGED * PAGE + whole[at + DAMAGED * PAGE :])
    said = reason(file)
    assert "damaged" in said
    assert "originmark restore" in said


def test_a_file_that_was_cut_short_is_named(whole: bytes, tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(whole[: len(whole) // 2])
    assert "damaged" in reason(file)


def test_a_sound_database_passes(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(whole)
    database = open_database(f"sqlite:///{tmp_path / 'ledger.db'}")
    check_sound(database)
    database.close()


def test_an_empty_database_asks_for_init(tmp_path: Path) -> None:
    assert "originmark init" in reason(tmp_path / "empty.db")


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    database = open_database("postgresql://originmark:secret@127.0.0.1:1/ledger?connect_timeout=2")
    with pytest.raises(Unsound) as unsound:
        check_sound(database)
    assert "127.0.0.1" in str(unsound.value)
    assert "secret" not in str(unsound.value)


def test_serve_says_it_in_a_sentence_and_ends_with_1(tmp_path: Path) -> None:
    service = Service(tmp_path / "operator")
    service.command("init")
    file = service.data / "ledger.db"
    data = file.read_bytes()
    file.write_bytes(data[:100] + b"\xa5" * 20_000 + data[20_100:])
    failed = service.command("serve", "--port", str(service.port), check=False)
    assert failed.returncode == 1
    assert "damaged" in failed.stderr
    assert "Traceback" not in failed.stderr
