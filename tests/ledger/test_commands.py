"""The operator's commands, as a process would run them."""

import json
import re
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ledger.cli import ledger_app
from ledger.db import Busy, open_database, sequencer_lock, single_process_lock
from ledger.genesis import registrar_uri
from ledger.keys import create_keys, load_keys
from ledger.running import database_of, sequencer_of
from ledger.settings import Settings
from producers.keys import KeyRefused, enrol
from producers.private import NotPrivate
from producers.sign import jwk_of
from tests.support.ledger import FARM, GTIN, LOT, p256
from verify.statement import thumbprint

ORIGIN = "log.example/commands"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and settings that point at it."""
    monkeypatch.chdir(tmp_path)  # away from anybody's .env
    monkeypatch.setenv("ORIGINMARK_DATA", str(tmp_path / "var"))
    monkeypatch.setenv("ORIGINMARK_ORIGIN", ORIGIN)
    return tmp_path / "var"


def run(*words: str, code: int = 0) -> str:
    """Run one command and insist on its exit code."""
    result: Result = CliRunner().invoke(ledger_app(), list(words))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def made(data: Path) -> Path:
    """A log, just created."""
    run("init")
    return data


def request(path: Path) -> str:
    """A farm's request for enrolment, as a file."""
    asked = enrol(p256("farm"), origin=ORIGIN, party=FARM, name={"en": "Farm"}, roles=["producer"], mint=[GTIN])
    path.write_text(json.dumps(asked.to_json()), "utf-8")
    return str(path)


def test_init_creates_a_log_once_and_its_keys_are_private(made: Path) -> None:
    assert "a log already" in run("init", code=1)
    assert (made.stat().st_mode & 0o777, (made / "keys").stat().st_mode & 0o777) == (0o700, 0o700)
    assert {path.stat().st_mode & 0o777 for path in (made / "keys").iterdir()} == {0o600}
    assert "1 entries give the root" in run("audit")


def test_no_second_log_is_begun_where_the_database_of_the_first_was_lost(made: Path) -> None:
    """Another genesis under the same name would fork the log before anybody had looked for a backup."""
    (made / "ledger.db").unlink()
    assert "originmark restore" in run("audit", code=3)
    assert not (made / "ledger.db").exists()
    served = (made / "tiles" / "checkpoint").read_bytes()
    assert "originmark restore" in run("init", code=1)
    assert (made / "tiles" / "checkpoint").read_bytes() == served
    with closing(sqlite3.connect(made / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (0,)


def test_a_key_that_others_can_read_is_refused(made: Path) -> None:
    (made / "keys" / "log.pem").chmod(0o640)
    with pytest.raises((KeyRefused, NotPrivate)):
        load_keys(made / "keys", ORIGIN)
    assert "chmod 600" in run("audit", code=3)


@pytest.mark.parametrize("words", ["audit", "tiles rebuild", "tiles collect", "backup b", "export parquet p"])
def test_a_setting_with_another_origin_is_usage_and_no_broken_log(
    made: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("ORIGINMARK_ORIGIN", "log.example/other")
    told = run(*words.split(), code=2)
    assert "BROKEN" not in told
    assert f"set ORIGINMARK_ORIGIN={ORIGIN}" in told


def test_an_audit_that_finds_nothing_to_read_says_so_and_calls_no_log_broken(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORIGINMARK_DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    assert run("audit", code=3).startswith(f"there is no {tmp_path / 'empty.db'}")
    (tmp_path / "empty.db").touch()
    told = run("audit", code=3)
    assert told.startswith("COULD NOT BE CHECKED: the database cannot be used: no such table")
    assert "originmark restore" in told
    monkeypatch.setenv("ORIGINMARK_DATABASE_URL", "postgresql+psycopg://127.0.0.1:9/none")
    assert run("audit", code=3).startswith("COULD NOT BE CHECKED: the database cannot be used: ")
    assert run("audit", "http://127.0.0.1:9/log", code=3).startswith("COULD NOT BE CHECKED: http://127.0.0.1:9/log")
    assert "no verifier key" in run("audit", str(made / "tiles"), "--log", "x", code=2)


def test_a_broken_log_is_still_exit_code_1(made: Path) -> None:
    whole = (made / "ledger.db").read_bytes()
    (made / "ledger.db").write_bytes(b"no database" + whole[11:])
    for journal in made.glob("ledger.db-*"):
        journal.unlink()
    assert "BROKEN" in run("audit", code=1)


def test_a_registrar_grants_lists_and_revokes(made: Path, tmp_path: Path) -> None:
    asked = request(tmp_path / "request.json")
    assert "published at 1" in run("party", "grant", asked, "--role", "warehouse")
    assert "re-grant" in run("party", "grant", asked, code=1)
    kid = thumbprint(jwk_of(p256("farm").public_key()))
    assert re.search(rf"1\t{FARM}\t{kid}\twarehouse\tin force", run("party", "list"))
    run("party", "revoke", FARM, kid, "--reason", "lost phone")
    assert "revoked at 2" in run("party", "list")
    assert "not a request" in run("party", "grant", str(made / "ledger.db"), code=1)


@pytest.mark.parametrize("mint", ["09520001000010", f"{GTIN}/", "https://id.gs1.org/01/0952", "foo", ""])
def test_a_registrar_grants_no_prefix_that_no_lot_begins_with(made: Path, tmp_path: Path, mint: str) -> None:
    asked = request(tmp_path / "request.json")
    told = json.loads(Path(asked).read_text())
    Path(asked).write_text(json.dumps(told | {"mint": [mint]}))
    assert run("party", "grant", asked, code=1).startswith("mint: ")
    assert run("party", "grant", asked, "--mint", mint, code=1).startswith("mint: ")
    assert FARM not in run("party", "list")
    assert "published at 1" in run("party", "grant", asked, "--mint", GTIN)


def test_a_command_leaves_the_work_to_a_running_service(made: Path, tmp_path: Path) -> None:
    settings = Settings()
    database = database_of(settings)
    stop = threading.Event()
    sequencer = sequencer_of(settings, database, load_keys(settings.keys, settings.origin))
    with sequencer_lock(database, settings.data):
        service = threading.Thread(target=sequencer.run, args=(stop, 0.01))
        service.start()
        try:
            assert "published at 1" in run("party", "grant", request(tmp_path / "request.json"))
        finally:
            stop.set()
            service.join()
    database.close()


def test_a_witness_of_our_own_cosigns_from_the_next_step_on(made: Path, tmp_path: Path) -> None:
    run("witness", "add", "log.example/w1")
    run("party", "grant", request(tmp_path / "request.json"))
    assert "log.example/w1\t2\tlocal:log.example/w1" in run("witness", "status")
    assert "under its own name" in run("witness", "add", "w", "--url", "https://w.example", code=1)


def test_an_erasure_from_the_command_line_is_logged(made: Path, tmp_path: Path) -> None:
    run("party", "grant", request(tmp_path / "request.json"))
    assert "not-erasable" in run("erase", "1", "--reason", "x", code=1)
    assert "no entry 9" in run("erase", "9", "--reason", "x", code=1)


def test_the_audit_of_a_folder_says_what_it_could_not_check(made: Path) -> None:
    text = run("audit", str(made / "tiles"), code=3)
    assert "could not be checked" in text
    key = load_keys(made / "keys", ORIGIN).log.vkey.format()
    assert "could not be checked" not in run("audit", str(made / "tiles"), "--log", key)
    (made / "tiles" / "checkpoint").write_bytes(b"")
    assert "BROKEN" in run("audit", code=1)


def test_an_api_key_is_shown_once_and_kept_as_a_hash(made: Path) -> None:
    key = run("apikey", "create", "市场监管局").strip()
    assert re.fullmatch(r"om_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", key)
    assert key.encode() not in (made / "ledger.db").read_bytes()
    prefix = key.split("_")[1]
    run("apikey", "revoke", prefix)
    assert f"{prefix}\tregulator\t市场监管局\trevoked" in run("apikey", "list")
    assert "no key" in run("apikey", "revoke", prefix, code=1)
    assert "not one of" in run("apikey", "create", "x", "--role", "king", code=1)


def test_a_mock_recall_is_timed_and_told_to_nobody(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "drill.json"
    assert "no record in this log is about" in run("recall", "drill", LOT, "--out", str(out), code=1)
    assert not out.exists()
    known = registrar_uri(ORIGIN)
    assert " s: " in run("recall", "drill", known, "--out", str(out))
    assert json.loads(out.read_text("utf-8"))["lot"] == known
    assert "1 entries" in run("audit")
    assert "URI" in run("recall", "drill", "no uri", code=1)


def test_a_report_is_written_or_said_why_not(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    assert "no record in this log is about" in run("report", "fsma204", LOT, "--out", str(out), code=1)
    known = registrar_uri(ORIGIN)
    run("report", "fsma204", known, "--format", "csv", "--out", str(out))
    assert out.stat().st_size > 0
    assert "there is no report" in run("report", "nonsense", known, code=1)
    assert "not one of" in run("report", "fsma204", known, "--format", "doc", code=1)
    backwards = ("--from", "2026-12-01T00:00:00Z", "--until", "2026-11-01T00:00:00Z")
    assert "later than" in run("report", "fsma204", known, *backwards, code=1)


def test_nothing_is_anchored_without_a_chain(made: Path) -> None:
    assert "nothing is anchored" in run("anchor", "once", code=1)
    assert "set ORIGINMARK_ANCHOR_RPC_URL" in run("anchor", "deploy", code=1)
    assert run("anchor", "status") == ""


def test_tables_out_of_date_are_said_so(data: Path) -> None:
    assert "db upgrade" in run("db", "check", code=1)
    run("db", "upgrade")
    run("db", "check")


class TestLocks:
    def test_a_data_folder_serves_one_process(self, tmp_path: Path) -> None:
        with single_process_lock(tmp_path), pytest.raises(Busy), single_process_lock(tmp_path):
            pass
        with single_process_lock(tmp_path):
            pass

    def test_a_log_has_one_sequencer(self, database_url: str, tmp_path: Path) -> None:
        one, two = open_database(database_url), open_database(database_url)
        with sequencer_lock(one, tmp_path), pytest.raises(Busy), sequencer_lock(two, tmp_path):
            pass
        with sequencer_lock(two, tmp_path):
            pass
        one.close()
        two.close()


def test_keys_are_made_once_and_never_overwritten(tmp_path: Path) -> None:
    first = create_keys(tmp_path / "keys", ORIGIN)
    assert create_keys(tmp_path / "keys", ORIGIN).log.vkey == first.log.vkey
    (tmp_path / "keys" / "registrar.pem").unlink()
    (tmp_path / "keys" / "log.pem").rename(tmp_path / "keys" / "registrar.pem")
    with pytest.raises(FileNotFoundError):
        load_keys(tmp_path / "keys", ORIGIN)
