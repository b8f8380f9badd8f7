"""`python -m producers labels`, as a farm types it: whatever happens on the way, a code that is printed can be proven."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.cli.app import main
from producers.labels import ItemCodes, read_secret
from tests.producers.fake_log import ORIGIN, FakeLog, Problem
from tests.producers.farm import FARM, LOT, PLACE
from verify.statement import Statement, parse_statement

GOOD, BAD, USAGE, NOT_SENT = 0, 1, 2, 3
ADDRESS = ("--resolver", "https://id.example.org")
MAKE = ("labels", LOT, "--count", "60", "--secret", "h7.json", *ADDRESS)
HARVEST = ("event", "harvest", f"{LOT},1,KGM", "--commodity", "tomato", "--place", PLACE)


@pytest.fixture
def log() -> Iterator[FakeLog]:
    with FakeLog(cosigned=True).serve() as log:
        yield log


@pytest.fixture(autouse=True)
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A farm's own folder with a key; issuer and key stand in the environment."""
    for name in [name for name in os.environ if name.startswith("ORIGINMARK_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORIGINMARK_ISSUER", FARM)
    monkeypatch.setenv("ORIGINMARK_KEY", "farm.pem")
    assert main(["keygen"]) == GOOD
    return tmp_path


def run(*arguments: str) -> int:
    return main(arguments)


def leaves(farm: Path, secret: str = "h7.json", count: int = 60) -> bytes:
    return b"".join(ItemCodes(LOT, read_secret(farm / secret, LOT), count).leaves())


def commitments(log: FakeLog) -> list[Statement]:
    return [one for one in map(parse_statement, log.statements.values()) if one.kind == "LabelCommitment"]


def before_the_harvest(log: FakeLog) -> Problem | None:
    """What a log says to a commitment for a lot that nobody has told of."""
    told = any(parse_statement(raw).kind == "TraceabilityEvent" for raw in log.statements.values())
    return None if told else {"code": "not-commissioner", "title": "not yours to say"}


class TestCodesCanBeProven:
    def test_labels_made_without_a_network_are_proven_once_submit_has_sent_them(self, farm: Path, log: FakeLog) -> None:
        assert run(*MAKE, "--out", "out", "--origin", ORIGIN) == NOT_SENT
        assert run("submit", "--server", log.server) == GOOD
        assert log.leaves == [leaves(farm)]
        assert run("submit", "--server", log.server) == GOOD
        assert len(log.leaves) == 1

    def test_labels_made_before_the_harvest_are_proven_once_the_refused_is_sent_again(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log.refuse = lambda one: before_the_harvest(log) if one.kind == "LabelCommitment" else None
        assert run(*MAKE, "--out", "out", "--server", log.server) == BAD
        said = capsys.readouterr().err
        assert "no harvest of this lot from you yet" in said
        assert "enroll --mint" in said
        assert not (farm / "out").exists()
        assert run(*HARVEST, "--server", log.server) == GOOD
        assert run("submit", "--server", log.server, "--again") == GOOD
        assert log.leaves == [leaves(farm)]
        assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD
        assert len(json.loads((farm / "out/codes.json").read_text())["codes"]) == 60

    def test_a_refused_commitment_is_sent_again_and_not_made_twice(self, farm: Path, log: FakeLog) -> None:
        log.refuse = lambda one: before_the_harvest(log) if one.kind == "LabelCommitment" else None
        assert run(*MAKE, "--out", "out", "--server", log.server) == BAD
        assert run(*HARVEST, "--server", log.server) == GOOD
        assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD
        assert log.leaves == [leaves(farm)]
        assert run("status", "--server", log.server) == GOOD

    def test_another_refused_record_does_not_keep_codes_from_being_proven(self, farm: Path, log: FakeLog) -> None:
        assert run(*HARVEST) == NOT_SENT
        log.refuse = lambda one: {"code": "unknown-key"} if one.kind == "TraceabilityEvent" else None
        assert run(*MAKE, "--out", "out", "--server", log.server) == BAD
        assert log.leaves == [leaves(farm)]
        assert (farm / "out/codes.json").exists()

    def test_any_command_that_publishes_the_commitment_hands_its_codes_in(self, farm: Path, log: FakeLog) -> None:
        assert run(*MAKE, "--out", "out", "--origin", ORIGIN) == NOT_SENT
        assert run(*HARVEST, "--server", log.server) == GOOD
        assert log.leaves == [leaves(farm)]

    @pytest.mark.parametrize("moment", ["before_request", "before_answer"])
    def test_a_connection_that_breaks_while_codes_are_handed_in_loses_nothing(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str], moment: str
    ) -> None:
        setattr(log, moment, lambda path: "cut" if path == "/codes" else "")
        assert run(*MAKE, "--out", "out", "--server", log.server) == NOT_SENT
        assert run("status", "--server", log.server) == NOT_SENT
        assert "run `submit`" in capsys.readouterr().err
        setattr(log, moment, lambda path: "")
        assert run("submit", "--server", log.server) == GOOD
        assert set(log.leaves) == {leaves(farm)}
        assert run("status", "--server", log.server) == GOOD

    def test_codes_that_the_log_will_not_take_do_not_hold_up_those_of_another_lot(self, farm: Path, log: FakeLog) -> None:
        other = ("labels", f"{LOT}-2", "--count", "3", "--secret", "other.json", *ADDRESS, "--out", "other", "--origin", ORIGIN)
        assert run(*MAKE, "--out", "out", "--origin", ORIGIN) == NOT_SENT
        assert run(*other) == NOT_SENT
        taken, unwanted = log.take, leaves(farm)
        log.take = lambda body: (422, "application/json", b"{}") if body == unwanted else taken(body)  # type: ignore[method-assign]
        assert run("submit", "--server", log.server) == NOT_SENT
        assert [len(one) for one in log.leaves] == [3 * 32]


class TestAgain:
    def test_labels_again_for_a_logged_commitment_only_hands_in_its_codes(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for _ in range(2):
            assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD
        assert "in the log already: only its codes are handed in" in capsys.readouterr().err
        assert log.leaves == [leaves(farm)] * 2
        assert len(commitments(log)) == 1

    def test_so_it_does_after_the_outbox_was_lost(self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(*MAKE, "--out", "out", "--server", log.server) == GOOD
        for path in farm.glob("outbox.db*"):
            path.unlink()
        assert run(*MAKE, "--out", "again", "--server", log.server) == GOOD
        assert "in the log already" in capsys.readouterr().err
        assert len(commitments(log)) == 1
        assert (farm / "again/codes.json").read_bytes() == (farm / "out/codes.json").read_bytes()

    def test_a_commitment_that_waits_is_not_made_twice(self, farm: Path, log: FakeLog) -> None:
        assert run(*MAKE, "--out", "a", "--origin", ORIGIN) == NOT_SENT
        assert run(*MAKE, "--out", "b", "--origin", ORIGIN) == NOT_SENT
        assert run("submit", "--server", log.server) == GOOD
        assert len(log.entries) == 1
