"""`python -m producers`, as a farm types it: what it says, what it exits with, and what is then in the log."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from producers import store
from producers.cli.app import main
from producers.keys import read_key
from producers.outbox import Outbox
from producers.sign import jwk_of
from tests.producers.fake_log import ORIGIN, FakeLog
from tests.producers.farm import FARM, HARVEST, LOT, PLACE, csv_file, document, event_text, statement
from verify.authority import possession_message
from verify.entry import Entry
from verify.statement import parse_statement, thumbprint, verify_bytes, verify_signature
from verify.strict import b64u_decode

PALLET = "https://id.gs1.org/00/095212340000000013"
GOOD, BAD, USAGE, NOT_SENT = 0, 1, 2, 3


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A farm's own folder, with nothing of the tester's environment."""
    for name in [name for name in os.environ if name.startswith("ORIGINMARK_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def log() -> Iterator[FakeLog]:
    with FakeLog(cosigned=True).serve() as log:
        yield log


@pytest.fixture
def farm(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A party with a key; issuer and key stand in the environment."""
    assert main(["keygen", "--key", "farm.pem"]) == GOOD
    monkeypatch.setenv("ORIGINMARK_ISSUER", FARM)
    monkeypatch.setenv("ORIGINMARK_KEY", "farm.pem")
    return home


def run(*arguments: str) -> int:
    return main(arguments)


def logged(log: FakeLog) -> list[Any]:
    return [parse_statement(log.statements[Entry.decode(entry).digest]) for entry in log.entries]


class TestKeys:
    def test_a_key_is_made_once_and_its_thumbprint_printed(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("keygen", "--key", "farm.pem") == GOOD
        printed = capsys.readouterr().out.strip()
        assert printed == thumbprint(jwk_of(read_key(home / "farm.pem").public_key()))
        assert run("keygen", "farm.pem") == USAGE
        assert capsys.readouterr().err.startswith("farm.pem: exists and is never overwritten")

    def test_a_producer_that_asks_for_no_lots_of_its_own_is_warned(self, farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ask = ["enroll", "--name-en", "Li", "--origin", ORIGIN, "--role"]
        assert run(*ask, "producer") == GOOD
        assert "Without --mint you may name no lots" in capsys.readouterr().err
        assert run(*ask, "warehouse") == GOOD
        assert "--mint" not in capsys.readouterr().err

    def test_a_key_with_a_passphrase_signs_with_it_only(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ORIGINMARK_PASSPHRASE", "three ripe tomatoes")
        assert run("keygen", "--key", "farm.pem", "--algorithm", "EdDSA", "--encrypt") == GOOD
        assert run("keygen") == USAGE
        ask = ["enroll", "--key", "farm.pem", "--issuer", FARM, "--role", "producer", "--name-zh", "李", "--origin", ORIGIN]
        assert run(*ask) == GOOD
        monkeypatch.setenv("ORIGINMARK_PASSPHRASE", "three rotten tomatoes")
        assert run(*ask) == USAGE

    def test_an_enrolment_is_what_a_registrar_checks(self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        log.append(statement(1))
        capsys.readouterr()
        prefix = "https://id.gs1.org/01/09521234"
        ask = ["enroll", "--role", "producer", "--role", "brand-owner", "--name-en", "Li", "--name-zh", "李", "--mint", prefix]
        assert run(*ask, "--server", log.server) == GOOD
        request = json.loads(capsys.readouterr().out)
        assert (request["party"], request["log"], request["mint"]) == (FARM, ORIGIN, [prefix])
        assert request["roles"] == ["producer", "brand-owner"]
        message = possession_message(ORIGIN, FARM, thumbprint(request["jwk"]))
        verify_bytes(message, b64u_decode(request["possession"]), request["jwk"])

    def test_lots_are_asked_for_under_the_one_spelling_that_readers_compare(
        self, farm: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ask = ["enroll", "--role", "producer", "--name-en", "Li", "--origin", ORIGIN]
        capsys.readouterr()
        assert run(*ask, "--mint", "9521234000013", "--mint", " 09521234000013 ", "--mint", "9521234") == GOOD
        said = capsys.readouterr()
        wanted = ["https://id.gs1.org/01/09521234000013", "https://id.gs1.org/01/09521234"]
        assert json.loads(said.out)["mint"] == wanted
        assert f"begin with / 申请命名以下开头的批次: {', '.join(wanted)}" in said.err
        assert run(*ask, "--mint", "9521234000014") == USAGE
        assert "check digit" in capsys.readouterr().err

    @pytest.mark.parametrize("missing", ["--name-en", "--origin", "--role"])
    def test_an_enrolment_says_what_it_lacks(self, farm: Path, capsys: pytest.CaptureFixture[str], missing: str) -> None:
        given = {"--role": "producer", "--name-en": "Li", "--origin": ORIGIN}
        del given[missing]
        assert run("enroll", *[part for pair in given.items() for part in pair]) == USAGE
        assert missing in capsys.readouterr().err


class TestImport:
    @pytest.fixture
    def file(self, farm: Path) -> Path:
        (farm / "harvest.json").write_text(document(*map(event_text, range(7))), "utf-8")
        return farm / "harvest.json"

    def test_a_file_is_signed_sent_and_its_receipts_verified(
        self, farm: Path, file: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("import", str(file), "--server", log.server) == GOOD
        said = capsys.readouterr()
        assert "read / 读取 7   stored / 新存 7   duplicate / 重复 0   refused / 有误 0" in said.out
        assert "published / 已入账 7" in said.err
        jwk = jwk_of(read_key(farm / "farm.pem").public_key())
        for one in logged(log):
            verify_signature(one, jwk)
            assert one.issuer == FARM

    def test_importing_twice_changes_nothing(self, file: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]) -> None:
        for _ in range(2):
            assert run("import", str(file), "--server", log.server) == GOOD
        assert "stored / 新存 0   duplicate / 重复 7" in capsys.readouterr().out
        assert len(log.entries) == 7

    def test_nor_does_importing_again_after_the_outbox_was_lost(self, file: Path, log: FakeLog, home: Path) -> None:
        assert run("import", str(file), "--server", log.server) == GOOD
        for path in home.glob("outbox.db*"):
            path.unlink()
        assert run("import", str(file), "--server", log.server) == GOOD
        assert len(log.entries) == 7

    def test_an_empty_outbox_is_said_to_be_empty(self, farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Outbox.open(farm / "outbox.db").__exit__(None, None, None)
        assert run("submit") == GOOD
        assert "没有待上传的记录" in capsys.readouterr().err

    def test_without_a_network_it_is_saved_and_submit_sends_it(
        self, file: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("import", str(file)) == NOT_SENT
        capsys.readouterr()
        assert run("import", str(file), "--server", "http://127.0.0.1:9") == NOT_SENT
        assert "nothing is lost: run `submit`" in capsys.readouterr().err
        assert run("submit", "--server", log.server) == GOOD
        assert run("import", str(file), "--server", "http://127.0.0.1:9") == GOOD  # nothing waits
        assert len(log.entries) == 7

    def test_a_dry_run_needs_neither_key_nor_server(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (home / "a.json").write_text(document(event_text(1)), "utf-8")
        assert run("import", "a.json", "--dry-run") == GOOD
        (home / "b.json").write_text(document(event_text(1).replace('"ADD"', '"add"')), "utf-8")
        assert run("import", "a.json", "b.json", "--dry-run") == BAD
        assert "b.json#/epcisBody/eventList/0/action" in capsys.readouterr().err
        assert not (home / "outbox.db").exists()
        assert run("import", "a.json") == USAGE

    def test_a_bad_event_stops_all_unless_it_is_skipped(
        self, farm: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (farm / "a.json").write_text(document(event_text(0), event_text(1).replace('"ADD"', '"add"')), "utf-8")
        assert run("import", "a.json", "--server", log.server) == BAD
        assert "nothing was signed" in capsys.readouterr().err
        assert log.entries == []
        assert run("import", "a.json", "--server", log.server, "--skip-bad", "--json") == BAD
        figures = json.loads(capsys.readouterr().out)
        assert (figures["read"], figures["stored"], figures["refused"]) == (2, 1, 1)
        assert figures["problems"][0]["pointer"] == "/epcisBody/eventList/1/action"
        assert len(log.entries) == 1

    def test_a_refusal_by_the_log_is_said_and_can_be_tried_again(
        self, file: Path, log: FakeLog, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log.refuse = lambda one: {
            "code": "unknown-key", "title": "x", "titles": {"en": "no registrar granted this key", "zh": "密钥未登记"},
        }  # fmt: skip
        assert run("import", str(file), "--server", log.server) == BAD
        said = capsys.readouterr().err
        assert "no registrar granted this key / 密钥未登记" in said
        assert "then run `submit --again`" in said
        log.refuse = lambda one: None
        assert run("submit", "--server", log.server) == GOOD
        assert log.entries == []
        assert run("submit", "--server", log.server, "--again") == GOOD
        assert len(log.entries) == 7

    def test_members_can_be_withheld(self, farm: Path, log: FakeLog) -> None:
        text = event_text(1)[:-1] + ',"sourceList":[{"type":"location","source":"urn:x:y"}]}'
        (farm / "a.json").write_text(document(text), "utf-8")
        assert run("import", "a.json", "--server", log.server, "--withhold", "sourceList") == GOOD
        assert "urn:x:y" not in logged(log)[0].payload_text
        (farm / "b.json").write_text(document(event_text(2)), "utf-8")
        assert run("import", "b.json", "--withhold", "quantityList") == USAGE

    @pytest.mark.parametrize("more", [(), ("--dry-run",)])
    @pytest.mark.parametrize(("names", "wrong"), [
        (("--withhold", "destinationList", "--public", "price"), "price is not withheld"),
        (("--public", "sourceList"), "sourceList is not withheld"),
        (("--withhold", "destinationlist"), "destinationlist may not be withheld"),
    ])  # fmt: skip
    def test_a_misspelt_member_is_told_with_those_that_may_be_withheld_even_where_nothing_is_signed(
        self, file: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...], wrong: str, more: tuple[str, ...]
    ) -> None:
        assert run("import", str(file)) == NOT_SENT  # from here on all are duplicates
        capsys.readouterr()
        assert run("import", str(file), *names, *more) == USAGE
        said = capsys.readouterr().err
        assert wrong in said
        assert "bizTransactionList, destinationList, originmark:price, sourceList" in said

    def test_the_help_lists_what_may_be_withheld(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run("import", "--help")
        said = capsys.readouterr().out
        assert all(name in said for name in ("bizTransactionList", "destinationList", "originmark:price", "sourceList"))

    def test_a_sheet_of_an_unknown_form_is_not_written(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("template", "harvest", "harvest.pdf") == USAGE
        assert ".xlsx or .csv" in capsys.readouterr().err
        assert not (home / "harvest.pdf").exists()

    def test_a_sheet_is_handed_out_filled_in_and_brought_back(self, farm: Path, log: FakeLog) -> None:
        assert run("template", "harvest", "sheet.xlsx") == GOOD
        assert run("template", "harvest", "sheet.xlsx") == USAGE
        assert run("template", "tomatoes", "other.xlsx") == USAGE
        csv_file(farm / "filled.csv", HARVEST)
        assert run("import", "filled.csv", "--server", log.server) == GOOD
        assert logged(log)[0].disclosed["ilmd"]["originmark:commodity"] == "番茄"


class TestEvents:
    EVENTS: Sequence[tuple[str, ...]] = (
        ("harvest", f"{LOT},820.50,kg", "--commodity", "tomato", "--variety", "粉果"),
        ("pack", f"{LOT},820.5,KGM", "--into", "01/09521234000013/10/PK1,1600,H87", "--description", "500 g tray"),
        ("aggregate", "01/09521234000013/10/PK1,1600,H87", "--parent", PALLET),
        ("ship", PALLET, "--partner", "https://warehouse.example/hz", "--reference", "po:4711"),
        ("receive", PALLET, "--partner", "https://farm.example/wang"),
        ("sell", "01/09521234000013/10/PK1,1,H87", "--last"),
    )

    def test_every_kind_is_told_in_one_line(self, farm: Path, log: FakeLog) -> None:
        for kind, *rest in self.EVENTS:
            assert run("event", kind, *rest, "--place", "9521234000013", "--server", log.server) == GOOD
        told = [one.disclosed for one in logged(log)]
        assert [event["type"] for event in told] == [
            "ObjectEvent", "TransformationEvent", "AggregationEvent", "ObjectEvent", "ObjectEvent", "ObjectEvent",
        ]  # fmt: skip
        assert [event.get("bizStep") for event in told] == [
            "commissioning", "packing", "packing", "shipping", "receiving", "retail_selling",
        ]  # fmt: skip
        assert str(told[0]["quantityList"][0]["quantity"]) == "820.50"
        assert all(event["readPoint"] == {"id": PLACE} for event in told)
        assert told[3]["sourceList"][0] == {"type": "owning_party", "source": FARM}
        assert told[4]["destinationList"][0] == {"type": "owning_party", "destination": FARM}

    def test_an_event_can_be_looked_at_before_it_is_signed(self, farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
        time = "2026-03-02T06:10:00+08:00"
        harvest = ["harvest", f"{LOT},1,KGM", "--commodity", "tomato", "--place", PLACE, "--time", time]
        assert run("event", *harvest, "--print") == GOOD
        assert json.loads(capsys.readouterr().out)["eventTime"] == "2026-03-02T06:10:00.000+08:00"
        assert not (farm / "outbox.db").exists()

    def test_the_same_event_told_twice_is_one(self, farm: Path, log: FakeLog) -> None:
        time = ["--time", "2026-03-02T06:10:00+08:00", "--place", PLACE, "--server", log.server]
        for _ in range(2):
            assert run("event", "harvest", f"{LOT},1,KGM", "--commodity", "tomato", *time) == GOOD
        assert len(log.entries) == 1

    @pytest.mark.parametrize(("kind", "option", "value"), [
        ("sell", "--partner", "https://warehouse.example/hz"), ("sell", "--into", LOT), ("harvest", "--into", LOT),
        ("ship", "--last", ""), ("aggregate", "--commodity", "tomato"), ("receive", "--parent", PALLET),
        ("harvest", "--partner-place", PLACE), ("pack", "--partner", FARM), ("sell", "--description", "tray"),
    ])  # fmt: skip
    def test_an_option_of_another_kind_is_refused_and_never_left_out_of_what_is_signed(
        self, farm: Path, capsys: pytest.CaptureFixture[str], kind: str, option: str, value: str
    ) -> None:
        assert run("event", kind, LOT, "--place", PLACE, option, *[value] * bool(value)) == USAGE
        said = capsys.readouterr().err.replace("\n", " ")
        assert option in said
        assert f"{kind} does not take this; it takes --" in said
        assert not (farm / "outbox.db").exists()

    @pytest.mark.parametrize(("arguments", "said"), [
        (("cook", LOT), "one of"),
        (("harvest", LOT), "--commodity"),
        (("ship", LOT), "--partner"),
        (("aggregate", LOT), "--parent"),
        (("pack", LOT, "--description", "x"), "at least one input and one output"),
        (("harvest", f"{LOT},many", "--commodity", "x"), "not a number"),
        (("harvest", f"{LOT},1_0", "--commodity", "x"), "not a number in plain digits"),
        (("harvest", f"{LOT},１０", "--commodity", "x"), "not a number in plain digits"),
        (("harvest", LOT, "--commodity", " "), "--commodity"),
        (("pack", LOT, "--into", LOT, "--description", "\t"), "--description"),
        (("pack", LOT, "--into", "01/9521234000013/10/H7,5,KGM", "--description", "x"), "stands on both sides"),
        (("aggregate", PALLET, "--parent", "00/095212340000000013"), "stands on both sides"),
        (("aggregate", LOT, "--parent", PLACE), "a place or a party, no goods"),
        (("ship", PLACE, "--partner", FARM), "a place or a party, no goods"),
        (("sell", "417/9521234000013"), "a place or a party, no goods"),
        (("ship", LOT, "--partner", PLACE), "is no party but a place"),
        (("ship", LOT, "--partner", LOT), "is no party but a lot"),
        (("harvest", f"{LOT},1,basket", "--commodity", "x"), "unknown unit"),
        (("harvest", f"{LOT},1,KGM,2", "--commodity", "x"), "URI,AMOUNT"),
        (("harvest", "01/09521234000014/10/H7", "--commodity", "x"), "check digit"),
        (("sell", LOT, "--time", "yesterday"), "RFC 3339"),
        (("sell", LOT, "--time", "2099-01-01T00:00:00Z"), "24 hours ahead"),
        (("sell", LOT, "--time", "2026-11-28T06:00:00+15:00"), "at most 14 hours"),
        (("sell", LOT, "--reference", "4711"), "KIND:NUMBER"),
    ])  # fmt: skip
    def test_what_is_missing_or_wrong_is_said(
        self, farm: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
    ) -> None:
        assert run("event", *arguments, "--place", PLACE) == USAGE
        assert said in capsys.readouterr().err.replace("\n", " ")
        assert not (farm / "outbox.db").exists()


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


class TestLabels:
    def test_codes_sheets_and_the_signed_commitment_are_made_together(self, farm: Path, log: FakeLog) -> None:
        make = ["labels", LOT, "--count", "60", "--secret", "h7.json", "--out", "out", "--resolver", "https://id.example.org"]
        assert run(*make, "--server", log.server) == GOOD
        listed = json.loads((farm / "out/codes.json").read_text())
        assert (len(listed["codes"]), len(set(listed["codes"]))) == (60, 60)
        assert sorted(path.name for path in (farm / "out").iterdir()) == ["codes.json", "sheet-0001.svg", "sheet-0002.svg"]
        for path in (farm / "h7.json", *(farm / "out").iterdir()):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        said = logged(log)[0]
        assert said.kind == "LabelCommitment"
        assert said.subject == {"id": LOT, "log": ORIGIN, "root": listed["root"], "count": 60}
        assert [len(leaves) for leaves in log.leaves] == [60 * 32]

    def test_the_same_secret_gives_the_same_codes_and_never_overwrites(self, farm: Path) -> None:
        make = ["labels", LOT, "--count", "3", "--secret", "h7.json", "--resolver", "https://id.example.org", "--origin", ORIGIN]
        assert run(*make, "--out", "a", "--png") == NOT_SENT
        assert run(*make, "--out", "b") == NOT_SENT
        assert (farm / "a/codes.json").read_text() == (farm / "b/codes.json").read_text()
        assert (farm / "a/label-000002.png").read_bytes().startswith(b"\x89PNG")
        assert run(*make, "--out", "a") == USAGE
        assert run(*make, "--out", "c", "--previous", "00" * 32) == USAGE  # a top-up with the old secret would repeat codes

    @pytest.mark.parametrize(("lot", "resolver"), [(LOT, ""), (LOT, "id.example.org"), (PLACE, "https://id.example.org")])
    def test_what_is_no_lot_or_no_address_is_refused(self, farm: Path, lot: str, resolver: str) -> None:
        make = ["labels", lot, "--count", "3", "--secret", "h7.json", "--out", "a", "--resolver", resolver]
        assert run(*make) == USAGE
        assert not (farm / "h7.json").exists()


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
