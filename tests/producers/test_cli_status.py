"""`python -m producers status`, as a farm types it: what is green, and what alarms."""

import json
from pathlib import Path
from typing import Any

import pytest

from producers.keys import read_key
from tests.producers.fake_log import FakeLog
from tests.producers.farm import LOT, PLACE, statement
from tests.producers.typed import BAD, GOOD, NOT_SENT, run


class TestStatus:
    def tell(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run("status", "--json", *arguments)
        return code, json.loads(capsys.readouterr().out)

    def harvest(self, log: FakeLog) -> None:
        arguments = [f"{LOT},1,KGM", "--commodity", "tomato", "--place", PLACE, "--server", log.server]
        assert run("event", "harvest", *arguments) == GOOD

    def test_all_is_well_when_others_saw_it(self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        self.harvest(log)
        code, told = self.tell(capsys, "--server", log.server)
        assert (code, told["counts"]["witnessed"], told["alarms"], told["unchecked"]) == (GOOD, 1, [], [])

    def test_a_record_signed_with_a_stolen_key_alarms(self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        self.harvest(log)
        log.append(statement(900, key=read_key(farm / "farm.pem")))
        code, told = self.tell(capsys, "--server", log.server)
        assert (code, [alarm["code"] for alarm in told["alarms"]]) == (BAD, ["foreign-entry"])

    def test_a_fork_alarms_and_keeps_alarming_without_a_network(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.harvest(log)
        log.entries = [log.entries[0][:-32]]
        code, told = self.tell(capsys, "--server", log.server)
        assert (code, [alarm["code"] for alarm in told["alarms"]]) == (BAD, ["fork"])
        assert self.tell(capsys, "--offline")[0] == BAD

    def test_a_log_that_cannot_be_asked_is_not_green(self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        self.harvest(log)
        code, told = self.tell(capsys, "--server", "http://127.0.0.1:9")
        assert (code, told["alarms"]) == (NOT_SENT, [])
        assert told["unchecked"][0].count("127.0.0.1:9") == 1

    def test_what_waits_is_shown_to_people_in_both_languages(self, farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = [f"{LOT},1,KGM", "--commodity", "tomato", "--place", PLACE]
        assert run("event", "harvest", *arguments) == NOT_SENT
        assert run("status", "--offline") == NOT_SENT
        shown = capsys.readouterr()
        assert "已保存,未上传" in shown.out
        assert "could not be checked" in shown.err

    def test_the_first_contact_says_whom_it_believes_and_a_policy_of_ones_own_replaces_it(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.harvest(log)
        assert "First contact" in capsys.readouterr().err
        (farm / "policy").write_text(f"log {log.signer.vkey.format()}\n")
        code, told = self.tell(capsys, "--server", log.server, "--policy", "policy")
        assert (code, told["alarms"]) == (NOT_SENT, [])
        assert "no witness and no anchor" in told["unchecked"][0]
        (farm / "policy").write_text(FakeLog().policy)
        code, told = self.tell(capsys, "--server", log.server, "--policy", "policy")
        assert code == NOT_SENT
        assert "no key of the policy signed this" in told["unchecked"][0]
        # A wrong file is not kept: without one, all is as before.
        code, told = self.tell(capsys, "--server", log.server)
        assert "no witness and no anchor" in told["unchecked"][0]
