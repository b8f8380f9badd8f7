"""`python -m producers import`, as a farm types it: what it says, what it exits with, and what is then in the log."""

import json
from pathlib import Path

import pytest

from producers.keys import read_key
from producers.outbox import Outbox
from producers.sign import jwk_of
from tests.producers.fake_log import FakeLog
from tests.producers.farm import FARM, HARVEST, csv_file, document, event_text
from tests.producers.typed import BAD, GOOD, NOT_SENT, USAGE, logged, run
from verify.statement import verify_signature


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
