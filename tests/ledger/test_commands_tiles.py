"""`originmark tiles`, as an operator runs it."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ledger.commands import log
from ledger.commands.tiles import tiles_app


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log, just created, and settings that point at it."""
    monkeypatch.chdir(tmp_path)  # away from anybody's .env
    monkeypatch.setenv("ORIGINMARK_DATA", str(tmp_path / "var"))
    monkeypatch.setenv("ORIGINMARK_ORIGIN", "log.example/tiles")
    app = typer.Typer()
    app.command("init")(log.init)
    assert CliRunner().invoke(app, []).exit_code == 0
    return tmp_path / "var" / "tiles"


def run(*words: str, code: int = 0) -> str:
    """Run one command and insist on its exit code."""
    result = CliRunner().invoke(tiles_app, list(words))
    assert result.exit_code == code, result.output
    return result.output


def test_a_check_names_the_damage_and_changes_nothing(made: Path) -> None:
    (made / "tile" / "0" / "000.p" / "1").write_bytes(b"")
    (made / "checkpoint").unlink()
    said = run("rebuild", "--check", code=1)
    assert "torn\ttile/0/000.p/1" in said
    assert "missing\tcheckpoint" in said
    assert not (made / "checkpoint").exists()
    assert "2 objects written" in run("rebuild")
    assert "tree of 1: 0 objects are wrong" in run("rebuild", "--check")


def test_collecting_leaves_the_right_edge(made: Path) -> None:
    assert "tree of 1: 0 partial tiles deleted" in run("collect", "--keep-for", "0")
    assert (made / "tile" / "0" / "000.p" / "1").exists()
    (made / "checkpoint").write_bytes(b"")
    assert "BROKEN" in run("collect", code=1)


def test_a_store_that_refuses_us_is_a_sentence(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIGINMARK_TILES_URL", "s3://tiles/log")
    monkeypatch.setenv("ORIGINMARK_S3_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("ORIGINMARK_S3_TIMEOUT_S", "0.3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "in-the-environment")
    said = run("rebuild", "--check", code=3)
    assert "the object store cannot be used: s3://tiles/log" in said
    assert "in-the-environment" not in said
