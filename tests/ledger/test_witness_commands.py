"""A witness of our own from the command line: made, told whom to follow, asked what it caught."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.cli import ledger_app
from ledger.keys import note_signer
from ledger.witnessing.cosigner import Cosigner
from ledger.witnessing.memory import Memory
from tests.support.witness import LOG_KEY, NOW_S, OTHER, WITNESS_KEY, request
from verify.note import COSIGNER


def run(*words: str, code: int = 0) -> str:
    """Run one command and insist on its exit code."""
    result = CliRunner().invoke(ledger_app(), list(words))
    assert result.exit_code == code, result.output
    return result.output


def test_a_log_that_waits_for_witnesses_from_its_first_day_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # away from anybody's .env
    monkeypatch.setenv("ORIGINMARK_DATA", str(tmp_path / "var"))
    monkeypatch.setenv("ORIGINMARK_ORIGIN", "log.example/commands")
    monkeypatch.setenv("ORIGINMARK_WITNESS_FAIL_OPEN", "false")
    monkeypatch.setenv("ORIGINMARK_WITNESS_QUORUM", "1")
    said = run("init")
    assert "add witnesses that follow this log" in said
    assert re.search(r"log key +log\.example/commands\+", said)


class TestOurOwnWitness:
    """A witness for other people's logs, in a folder of its own."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ORIGINMARK_WITNESS_DATA", str(tmp_path / "witness"))

    def test_it_is_made_once_and_follows_keys_and_policies(self, tmp_path: Path) -> None:
        made = run("witness", "init", "coop.example/w")
        assert re.fullmatch(r"witness coop\.example/w coop\.example/w\+[0-9a-f]{8}\+B\S+\n", made)
        assert "a witness already" in run("witness", "init", "coop.example/w", code=1)
        assert (tmp_path / "witness" / "witness.pem").stat().st_mode & 0o777 == 0o600
        (tmp_path / "policy.txt").write_text(f"log {LOG_KEY.vkey.format()}\nquorum none\n")
        for word in (str(tmp_path / "policy.txt"), LOG_KEY.vkey.format()):
            assert run("witness", "add-log", word) == f"follows {LOG_KEY.vkey.format()}\n"
        assert run("witness", "logs").endswith(f"{LOG_KEY.name}\t0\tin order\n")

    def test_what_is_no_log_is_not_followed(self) -> None:
        run("witness", "init", "coop.example/w")
        for word in ("rubbish", WITNESS_KEY.vkey.format(), "/nowhere/policy.txt"):
            assert run("witness", "add-log", word, code=1)

    def test_without_its_memory_it_does_not_start(self, tmp_path: Path) -> None:
        assert "init" in run("witness", "serve", code=1)
        run("witness", "init", "coop.example/w")
        for path in (tmp_path / "witness").glob("witness.db*"):
            path.unlink()
        assert "would cosign a fork" in run("witness", "serve", code=1)
        assert "memory is lost" in run("witness", "init", "coop.example/w", code=1)

    def test_evidence_is_listed_and_a_human_lets_the_log_go_on(self, tmp_path: Path) -> None:
        run("witness", "init", "coop.example/w")
        run("witness", "add-log", LOG_KEY.vkey.format())
        path = tmp_path / "witness"
        signer = note_signer(path / "witness.pem", "coop.example/w", COSIGNER)
        own = Cosigner(signer, Memory.open(path / "witness.db", signer.vkey), lambda: NOW_S)
        for asked in (request(0, 4), request(4, 8, tree=OTHER), request(4, 4, tree=OTHER)):
            own.add_checkpoint(asked)
        said = run("witness", "evidence")
        assert re.search(r"^convicts\t\S+/evidence/[0-9a-f]{16}\.txt$", said, re.M)
        assert f"claim\t{LOG_KEY.name}\t4 -> 8" in said
        assert "CONVICTED" in run("witness", "logs")
        assert run("witness", "resume", LOG_KEY.name, "--reason", " ", code=1)
        assert "again" in run("witness", "resume", LOG_KEY.name, "--reason", "the copy is destroyed")
        assert "nothing stands" in run("witness", "resume", LOG_KEY.name, "--reason", "again", code=1)
