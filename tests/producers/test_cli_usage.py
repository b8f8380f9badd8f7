"""`python -m producers`, mistyped or met by what cannot be used: one sentence, and the exit code that says so."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from producers import store
from producers.outbox import Outbox
from tests.producers.fake_log import FakeLog
from tests.producers.farm import LOT, PLACE, document, event_text
from tests.producers.typed import BAD, GOOD, NOT_SENT, USAGE, run


class TestWhatCannotBeUsed:
    """A farm reads one sentence, never a trace."""

    @pytest.mark.parametrize("content", ["log 溯源\n".encode("gbk"), bytes(range(256))], ids=["GBK", "binary"])
    @pytest.mark.parametrize("command", [
        ("submit",), ("status", "--offline"), ("event", "sell", LOT, "--place", PLACE),
        ("enroll", "--role", "lab", "--name-en", "Li"),
        ("labels", LOT, "--count", "1", "--secret", "s", "--out", "o", "--resolver", "https://id.example.org"),
    ], ids=lambda command: command[0])  # fmt: skip
    def test_a_policy_that_is_no_text_is_said_to_be_none(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], content: bytes
    ) -> None:
        Outbox.open(farm / "outbox.db").__exit__(None, None, None)
        (farm / "policy").write_bytes(content)
        server = ("--server", log.server) if command[0] != "status" else ()
        assert run(*command, *server, "--policy", "policy") == USAGE
        assert "not text in UTF-8" in capsys.readouterr().err
        assert not (farm / "s").exists()

    @pytest.mark.parametrize("command", [("submit",), ("submit", "--again"), ("status",), ("status", "--offline")])
    def test_a_mistyped_outbox_is_not_made_and_not_called_all_sent(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
    ) -> None:
        assert run(*command, "--outbox", "no/such.db", "--server", log.server) == USAGE
        assert "no/such.db: there is no outbox here" in capsys.readouterr().err
        assert not (farm / "no").exists()

    @pytest.mark.parametrize("command", [("submit",), ("status",), ("event", "sell", LOT, "--place", PLACE)])
    def test_a_folder_is_no_outbox(self, farm: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
        assert run(*command, "--outbox", str(farm)) == USAGE
        assert "is a folder" in capsys.readouterr().err

    @pytest.mark.parametrize("command", [("submit", "--again"), ("event", "sell", LOT, "--place", PLACE)])
    def test_who_meets_an_outbox_that_another_command_holds_is_told_to_try_again(
        self, farm: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
    ) -> None:
        Outbox.open(farm / "outbox.db").__exit__(None, None, None)
        monkeypatch.setattr(store, "BUSY_S", 0.0)
        with closing(sqlite3.connect(farm / "outbox.db", isolation_level=None)) as holding:
            holding.execute("BEGIN IMMEDIATE")
            assert run(*command) == NOT_SENT
        assert "another command is using the outbox: nothing was lost" in capsys.readouterr().err

    @pytest.mark.parametrize("count", ["1000001", "65537", "0"])
    def test_too_many_codes_are_refused_and_leave_no_secret_behind(
        self, farm: Path, capsys: pytest.CaptureFixture[str], count: str
    ) -> None:
        make = ["labels", LOT, "--secret", "s", "--out", "o", "--resolver", "https://id.example.org", "--count"]
        assert run(*make, count) == USAGE
        assert "1 to 65536 codes" in capsys.readouterr().err
        assert not (farm / "s").exists()

    def test_a_terminal_without_chinese_is_shown_it_escaped(self, farm: Path) -> None:
        (farm / "a.json").write_text(document(event_text(1)), "utf-8")
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "latin-1"}
        command = [sys.executable, "-m", "producers"]
        for arguments, code in ((["import", "a.json"], NOT_SENT), (["status", "--offline"], NOT_SENT)):
            ended = subprocess.run([*command, *arguments], env=environment, capture_output=True, check=False)
            assert (ended.returncode, b"Traceback" in ended.stderr) == (code, False)
            assert b"\\u" in ended.stdout


def test_it_runs_as_a_module_with_the_same_exit_codes(home: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "producers"]
    (home / "a.json").write_text("tomatoes")
    found = [
        subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False).returncode
        for arguments in (["--help"], ["import", "a.json", "--dry-run"], ["cook"])
    ]
    assert found == [GOOD, BAD, USAGE]
