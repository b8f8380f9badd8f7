"""Recalls, take-backs, ended keys, master data and papers, as a party types them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from producers.cli.app import main
from producers.forms import FORMS, read_form
from producers.keys import read_key
from producers.sign import jwk_of
from tests.producers.fake_log import ORIGIN, FakeLog
from tests.producers.farm import FARM, LOT, PLACE, event_text
from verify import subjects
from verify.entry import Entry
from verify.errors import Malformed
from verify.statement import Statement, parse_statement, thumbprint, verify_signature

GOOD, BAD, USAGE = 0, 1, 2
DOCS = Path(__file__).parents[2] / "docs/records.md"
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCS.read_text("utf-8"), re.S)]
KIND = dict(zip(("MasterData", "Certificate", "LabReport", "CommitmentCertificate"), EXAMPLES, strict=True))


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: FakeLog) -> Path:
    """A party with a key and a log."""
    monkeypatch.chdir(tmp_path)
    assert main(["keygen", "--key", "farm.pem"]) == GOOD
    for name, value in {"ISSUER": FARM, "KEY": "farm.pem", "SERVER": log.server, "OUTBOX": "outbox.db"}.items():
        monkeypatch.setenv(f"ORIGINMARK_{name}", value)
    return tmp_path


def last(log: FakeLog) -> Statement:
    return parse_statement(log.statements[Entry.decode(log.entries[-1]).digest])


RECALL = ["recall", "--lot", "01/9521234000013/10/H7", "--product", "9521234000013", "--place", "9521234000013", "--class", "I",
          "--from", "2026-03-01T00:00:00+08:00", "--reason-zh", "农药残留", "--instructions-en", "Do not eat"]  # fmt: skip


class TestRecall:
    def test_a_recall_names_its_scope_in_canonical_form(self, farm: Path, log: FakeLog) -> None:
        assert main(RECALL) == GOOD
        told = last(log)
        verify_signature(told, jwk_of(read_key(farm / "farm.pem").public_key()))
        assert (told.kind, told.issuer, told.subject["log"], told.subject["class"]) == ("RecallNotice", FARM, ORIGIN, "I")
        assert told.subject["scope"] == {
            "lots": [LOT], "products": ["https://id.gs1.org/01/09521234000013"], "places": [PLACE],
            "from": "2026-03-01T00:00:00+08:00",
        }  # fmt: skip
        assert (told.subject["reason"], told.subject["instructions"]) == ({"zh": "农药残留"}, {"en": "Do not eat"})

    def test_it_is_ended_by_its_digest(self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        main(RECALL)
        digest = capsys.readouterr().out.split()[-1]
        for typed in (digest, digest.upper()):
            assert main([*RECALL, "--closes", typed]) == GOOD
            assert last(log).subject["closes"] == digest

    @pytest.mark.parametrize("wrong", [["--class", "IV"], ["--closes", "abc"], ["--from", "yesterday"], ["--lot", "01/123/10/x"]])
    def test_what_cannot_be_is_refused_before_anything_is_signed(self, farm: Path, log: FakeLog, wrong: list[str]) -> None:
        assert main([*RECALL, *wrong]) == USAGE
        assert main(["recall", "--reason-en", "x", "--instructions-en", "y"]) == USAGE  # of what?
        assert not log.entries


class TestTakingBack:
    def test_a_record_is_withdrawn_under_all_its_subjects(self, farm: Path, log: FakeLog) -> None:
        (farm / "events.json").write_text(event_text(1))
        assert main(["import", "events.json"]) == GOOD
        target = last(log)
        assert main(["withdraw", target.digest.hex().upper(), "--reason", "wrong lot"]) == GOOD
        told = last(log)
        assert (told.kind, told.subject["digest"]) == ("Withdrawal", target.digest.hex())
        assert told.subject["keys"] == [key.hex() for key in subjects.keys(target)]

    def test_one_that_was_told_from_elsewhere_is_read_from_the_log(
        self, farm: Path, log: FakeLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (farm / "events.json").write_text(event_text(1))
        main(["import", "events.json"])
        target = last(log)
        monkeypatch.setenv("ORIGINMARK_OUTBOX", "another.db")
        assert main(["withdraw", target.digest.hex(), "--reason", "wrong lot"]) == GOOD
        assert last(log).kind == "Withdrawal"

    def test_what_nobody_told_cannot_be_withdrawn(self, farm: Path, log: FakeLog) -> None:
        assert main(["withdraw", "00" * 32, "--reason", "x"]) == USAGE
        assert not log.entries

    def test_a_key_is_ended_with_another_one(self, farm: Path, log: FakeLog) -> None:
        assert main(["keygen", "--key", "second.pem"]) == GOOD
        kid = thumbprint(jwk_of(read_key(farm / "farm.pem").public_key()))
        assert main(["revoke", kid, "--reason", "phone lost", "--compromised-from", "7", "--key", "second.pem"]) == GOOD
        told = last(log)
        assert (told.kind, told.subject["kid"], told.subject["compromisedFrom"]) == ("KeyRevocation", kid, 7)


class TestForms:
    @pytest.mark.parametrize("kind", KIND)
    def test_every_file_in_the_documents_can_be_told(self, farm: Path, log: FakeLog, kind: str) -> None:
        (farm / "one.json").write_text(json.dumps(KIND[kind], ensure_ascii=False))
        assert main(["say", kind, "one.json"]) == GOOD
        told = last(log)
        assert told.kind == kind
        assert {**told.subject, **KIND[kind]} == told.subject
        assert told.subject["id"]

    def test_what_only_inspectors_may_see_is_withheld(self, farm: Path, log: FakeLog) -> None:
        (farm / "one.json").write_text(json.dumps(KIND["LabReport"] | {"price": "300"}))
        assert main(["say", "LabReport", "one.json", "--withhold", "price"]) == GOOD
        assert "300" not in last(log).payload_text

    @pytest.mark.parametrize(
        ("kind", "change", "where"),
        [("Certificate", {"number": None}, "/number"), ("Certificate", {"nummer": "x"}, "/nummer"),
         ("Certificate", {"subjects": "x"}, "/subjects"), ("Certificate", {"subjects": [1]}, "/subjects/0"),
         ("LabReport", {"results": [{"analyte": "x"}]}, "/results/0/result"), ("MasterData", {"name": {"en": 1}}, "/name/en"),
         ("MasterData", {"id": True}, "/id"),
         ("MasterData", {"geo": {}}, "/geo"), ("MasterData", {"geo": {"lat": "north", "lon": "1"}}, "/geo")],
    )  # fmt: skip
    def test_every_fault_has_its_place(self, kind: str, change: dict[str, Any], where: str) -> None:
        body = {name: value for name, value in (KIND[kind] | change).items() if value is not None}
        with pytest.raises(Malformed) as refused:
            read_form(kind, json.dumps(body))
        assert refused.value.where == where

    def test_nothing_is_signed_where_one_file_of_several_is_wrong(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (farm / "good.json").write_text(json.dumps(KIND["Certificate"]))
        (farm / "bad.json").write_text("[]")
        assert main(["say", "Certificate", "good.json", "bad.json"]) == USAGE
        assert "bad.json" in capsys.readouterr().err
        assert not log.entries

    def test_all_kinds_that_are_no_event_and_need_no_other_command_have_a_form(self) -> None:
        assert set(FORMS) == set(KIND)
