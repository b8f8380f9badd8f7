"""A disk that rots: the audit says so in a sentence, wherever the damage is, and never ends in a stack trace."""

from pathlib import Path

import pytest

from tests.support.service import Service

PAGE = 4_096  # bytes, SQLite's default
DAMAGED = 8  # pages in a row


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Service:
    service = Service(tmp_path_factory.mktemp("rot") / "operator")
    service.command("init")
    return service


@pytest.mark.parametrize("tenth", [0, 3, 6, 9])
def test_a_damaged_database_is_named_by_the_audit_wherever_the_damage_is(log: Service, tenth: int) -> None:
    file: Path = log.data / "ledger.db"
    whole = file.read_bytes()
    at = (len(whole) - DAMAGED * PAGE) * tenth // 9
    try:
        file.write_bytes(whole[:at] + b"\xa5" * DAMAGED * PAGE + whole[at + DAMAGED * PAGE :])
        said = log.command("audit", check=False)
    finally:
        file.write_bytes(whole)
    assert said.returncode == 1
    assert "BROKEN" in said.stdout + said.stderr
    assert "Traceback" not in said.stdout + said.stderr
