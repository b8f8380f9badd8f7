"""Files in: every event good or nothing signed, every problem with its place, and a second import changes nothing."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from producers.epcis.validate import EventValidator
from producers.importer import Imported, import_events, survey
from producers.outbox import Outbox
from producers.reading import Reading, read_file
from producers.records import Withholding
from producers.sheets import TEMPLATES, write_template
from producers.split import PART_OF
from tests.producers.farm import FARM, HARVEST, KEY, LOT, csv_file, document, event_text
from verify.statement import parse_statement

NOW = datetime(2026, 3, 3, tzinfo=UTC)
NOW_MS = 1_790_000_100_000
VALIDATOR = EventValidator.build()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        yield outbox


def read(tmp_path: Path, text: str, name: str = "a.json") -> Reading:
    (tmp_path / name).write_text(text, "utf-8")
    return read_file(tmp_path / name, VALIDATOR, issuer=FARM, now=NOW)


def bring(reading: Reading, outbox: Outbox, **options: Any) -> Imported:
    return import_events([reading], outbox, KEY, issuer=FARM, now_ms=NOW_MS, **options)


def without_id(number: int) -> str:
    return event_text(number, event_id="x").replace('"eventID":"x",', "")


class TestDocuments:
    def test_every_event_becomes_one_signed_statement(self, tmp_path: Path, outbox: Outbox) -> None:
        done = bring(read(tmp_path, document(*map(event_text, range(5)))), outbox)
        assert (done.read, done.stored, done.duplicate, done.refused, done.problems) == (5, 5, 0, 0, [])
        first = parse_statement(outbox.waiting(after=0, limit=1)[0].statement)
        assert '"quantity":820.50' in first.payload_text
        assert first.payload["validFrom"] == "2026-03-02T00:00:00.000+08:00"

    @pytest.mark.parametrize("make", [event_text, without_id], ids=["eventID given", "eventID minted"])
    def test_importing_a_file_twice_changes_nothing(self, tmp_path: Path, outbox: Outbox, make: Any) -> None:
        reading = read(tmp_path, document(*map(make, range(5))))
        bring(reading, outbox)
        again = bring(read(tmp_path, document(*map(make, range(5)))), outbox)
        assert (again.stored, again.duplicate, outbox.counts()["saved"]) == (0, 5, 5)

    def test_nor_does_it_with_members_withheld(self, tmp_path: Path, outbox: Outbox) -> None:
        text = event_text(1)[:-1] + ',"sourceList":[{"type":"location","source":"urn:x:y"}]}'
        held = Withholding(("sourceList",))
        for _ in range(2):
            bring(read(tmp_path, document(text)), outbox, withhold=held)
        assert outbox.counts()["saved"] == 1
        assert "urn:x:y" not in parse_statement(outbox.waiting(after=0, limit=1)[0].statement).payload_text

    def test_one_bad_event_keeps_all_from_being_signed(self, tmp_path: Path, outbox: Outbox) -> None:
        bad = event_text(1).replace('"action":"ADD"', '"action":"add"')
        done = bring(read(tmp_path, document(event_text(0), bad, event_text(2))), outbox)
        assert (done.read, done.stored, done.refused, done.held) == (3, 0, 1, 2)
        assert [problem.pointer for problem in done.problems] == ["/epcisBody/eventList/1/action"]
        assert outbox.counts()["saved"] == 0

    def test_unless_the_bad_are_skipped(self, tmp_path: Path, outbox: Outbox) -> None:
        bad = event_text(1).replace("09521234000013/10", "09521234000014/10")
        done = bring(read(tmp_path, document(event_text(0), bad, event_text(2))), outbox, skip_bad=True)
        assert (done.read, done.stored, done.refused) == (3, 2, 1)
        assert done.problems[0].code == "bad-check-digit"
        assert done.problems[0].pointer == "/epcisBody/eventList/1/quantityList/0/epcClass"

    def test_the_tenth_event_is_not_taken_for_the_first(self, tmp_path: Path) -> None:
        events = [event_text(number) for number in range(11)]
        events[10] = events[10].replace('"action":"ADD"', '"action":"add"')
        reading = read(tmp_path, document(*events))
        assert (len(reading.good), reading.bad) == (10, 1)

    def test_an_event_id_that_was_used_for_something_else_is_refused(self, tmp_path: Path, outbox: Outbox) -> None:
        bring(read(tmp_path, document(event_text(1, event_id="urn:x:1"))), outbox)
        done = bring(read(tmp_path, document(event_text(1, event_id="urn:x:1", quantity="820.51"))), outbox)
        assert [problem.code for problem in done.problems] == ["event-id-taken"]
        assert done.stored == 0

    def test_two_files_of_one_import_agree_or_are_refused(self, tmp_path: Path, outbox: Outbox) -> None:
        one = read(tmp_path, document(event_text(1, event_id="urn:x:1")), "a.json")
        same = read(tmp_path, document(event_text(1, event_id="urn:x:1")), "b.json")
        other = read(tmp_path, document(event_text(2, event_id="urn:x:1")), "c.json")
        done = import_events([one, same], outbox, KEY, issuer=FARM, now_ms=NOW_MS)
        assert (done.stored, done.duplicate) == (1, 1)
        done = import_events([same, other], outbox, KEY, issuer=FARM, now_ms=NOW_MS)
        assert [problem.source for problem in done.problems] == ["c.json"]

    def test_a_fault_of_the_document_around_its_events_is_said(self, tmp_path: Path, outbox: Outbox) -> None:
        done = bring(read(tmp_path, document(event_text(0)).replace('"schemaVersion":"2.0",', "")), outbox)
        assert [problem.pointer for problem in done.problems] == ["/schemaVersion"]
        assert done.held == 1

    @pytest.mark.parametrize("text", ["tomatoes", "{}", '{"type":"EPCISDocument"}'])
    def test_a_file_that_is_none_is_one_problem(self, tmp_path: Path, text: str) -> None:
        assert len(survey([read(tmp_path, text)]).problems) == 1

    def test_a_pallet_list_too_large_for_one_statement_becomes_several(self, tmp_path: Path, outbox: Outbox) -> None:
        serials = [f"{LOT[: LOT.index('/10/')]}/21/{number:06}" for number in range(3_000)]
        large = event_text(1, event_id="urn:x:1").replace('"quantityList"', f'"epcList":{json.dumps(serials)},"quantityList"')
        for text in (document(event_text(0), large), large):
            reading = read(tmp_path, text)
            assert reading.problems == ()
            told = [uri for one in reading.good for uri in one.event.get("epcList", [])]  # type: ignore[attr-defined]
            assert told == serials
            assert {one.event[PART_OF] for one in reading.good if "epcList" in one.event} == {"urn:x:1"}
            bring(reading, outbox)
            assert bring(read(tmp_path, text), outbox).stored == 0

    def test_and_is_refused_with_its_place_where_it_cannot_be_split(self, tmp_path: Path) -> None:
        large = event_text(1).replace('"readPoint"', '"a:note":"' + "x" * 60_000 + '","readPoint"')
        reading = read(tmp_path, document(event_text(0), large))
        assert [problem.pointer for problem in reading.problems] == ["/epcisBody/eventList/1"]
        assert (len(reading.good), reading.bad) == (1, 1)

    @pytest.mark.parametrize(("good", "bad", "chinese"), [
        ('"ADD"', '"add"', "应为 ADD、OBSERVE 或 DELETE"), ("09521234000013/10", "09521234000014/10", "校验位有误"),
        ('"action":"ADD",', "", "缺少此成员"), ("2026-03-02T00", "2026-03-05T01", "超前 24 小时"),
        ("2026-03-02T00", "2026-02-30T00", "时"), ('"action"', '"note":1,"action"', "须带命名空间前缀"),
        ("820.50", "-1", "不能为负数"), ('"eventTime"', '"eventTime":"","eventTime"', "成员重复"),
        ('"ADD"', "ADD", "不是有效的 JSON"),
    ])  # fmt: skip
    def test_what_is_wrong_with_an_event_is_said_in_both_languages(
        self, tmp_path: Path, good: str, bad: str, chinese: str
    ) -> None:
        said = [problem.sentence for problem in read(tmp_path, document(event_text(0)).replace(good, bad)).problems]
        assert said
        assert all(chinese in sentence.partition(" / ")[2] for sentence in said)

    def test_the_group_buying_chain_is_imported_whole(self, conformance: Path, outbox: Outbox) -> None:
        reading = read_file(conformance / "trace/groupbuy-chain.jsonld", VALIDATOR, issuer=FARM, now=None)
        done = bring(reading, outbox)
        assert (done.read, done.stored, done.problems) == (10, 10, [])


SHIPPING = {
    "商品编码 GTIN": "09521234000013", "批号 Lot": "H7", "数量 Quantity": "800", "单位 Unit": "KGM",
    "发货时间 Shipping time": "2026/03/02 14:00", "时区 UTC offset": "+08:00", "发货地 From (GLN)": "9521234000013",
    "收货地 To (GLN)": "", "收货方 Recipient (GLN)": "https://warehouse.example/hz", "发货单号 Despatch advice": "DN-88",
}  # fmt: skip


class TestSheets:
    def xlsx_file(self, path: Path, *rows: dict[str, Any]) -> Path:
        with xlsxwriter.Workbook(path) as book:
            sheet = book.add_worksheet("采收 Harvest")
            dated = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
            sheet.write_row(0, 0, list(rows[0]))
            for number, row in enumerate(rows, 1):
                for at, value in enumerate(row.values()):
                    if isinstance(value, datetime):
                        sheet.write_datetime(number, at, value, dated)
                    else:
                        sheet.write(number, at, value)
        return path

    def read(self, path: Path) -> Reading:
        return read_file(path, VALIDATOR, issuer=FARM, now=NOW)

    def test_a_filled_row_is_a_harvest(self, tmp_path: Path, outbox: Outbox) -> None:
        reading = self.read(csv_file(tmp_path / "a.csv", HARVEST))
        assert reading.problems == ()
        event: Any = reading.good[0].event
        assert (event["type"], event["action"], event["eventTime"]) == ("ObjectEvent", "ADD", "2026-03-02T06:10:00.000+08:00")
        assert '"quantity":820.5,"uom":"KGM"' in reading.good[0].text
        assert event["quantityList"][0]["epcClass"] == LOT
        assert event["ilmd"]["originmark:fieldName"] == "3号棚"
        assert bring(reading, outbox).stored == 1
        assert bring(self.read(tmp_path / "a.csv"), outbox).duplicate == 1

    def test_a_filled_row_is_a_shipment_by_us_to_whom_it_names(self, tmp_path: Path) -> None:
        event: Any = self.read(csv_file(tmp_path / "a.csv", SHIPPING)).good[0].event
        assert event["bizStep"] == "shipping"
        assert {"type": "owning_party", "source": FARM} in event["sourceList"]
        assert event["destinationList"] == [{"type": "owning_party", "destination": "https://warehouse.example/hz"}]
        assert event["bizTransactionList"] == [{"type": "desadv", "bizTransaction": "urn:originmark:document:DN-88"}]

    def test_a_spreadsheet_may_spoil_numbers_and_dates_in_its_usual_ways(self, tmp_path: Path) -> None:
        spoilt = HARVEST | {
            "商品编码 GTIN": 9521234000013.0, "批号 Lot": 20260302.0, "数量 Quantity": 820.5, "产地 Place (GLN)": 9521234000013.0,
            "采收时间 Harvest time": datetime(2026, 3, 2, 6, 10),
        }  # fmt: skip
        reading = self.read(self.xlsx_file(tmp_path / "a.xlsx", spoilt))
        assert reading.problems == ()
        event: Any = reading.good[0].event
        assert event["quantityList"][0]["epcClass"].endswith("/01/09521234000013/10/20260302")
        assert event["eventTime"] == "2026-03-02T06:10:00.000+08:00"

    def test_a_csv_of_chinese_excel_is_read(self, tmp_path: Path) -> None:
        reading = self.read(csv_file(tmp_path / "a.csv", HARVEST, encoding="gb18030"))
        assert "番茄" in reading.good[0].text

    @pytest.mark.parametrize(("column", "value", "cell"), [
        ("商品编码 GTIN", "09521234000014", "A3"), ("商品编码 GTIN", "tomato", "A3"), ("商品编码 GTIN", "123456789", "A3"),
        ("批号 Lot", "", "B3"), ("批号 Lot", "三号批次", "B3"), ("数量 Quantity", "-1", "C3"), ("数量 Quantity", "1,200", "C3"),
        ("数量 Quantity", "NaN", "C3"), ("单位 Unit", "筐", "D3"), ("采收时间 Harvest time", "昨天", "E3"),
        ("时区 UTC offset", "8", "F3"), ("产地 Place (GLN)", "9521234000014", "G3"),
        ("采收时间 Harvest time", "2027-03-02 06:10", "E3"),
    ])  # fmt: skip
    def test_every_problem_names_its_cell(self, tmp_path: Path, column: str, value: str, cell: str) -> None:
        reading = self.read(csv_file(tmp_path / "a.csv", HARVEST, HARVEST | {column: value}))
        assert [problem.pointer for problem in reading.problems] == [cell]
        assert re.search("[a-z].* / .*[\u4e00-\u9fff]", reading.problems[0].sentence)
        assert (len(reading.good), reading.bad) == (1, 1)
        named = self.read(self.xlsx_file(tmp_path / "a.xlsx", HARVEST, HARVEST | {column: value}))
        assert [problem.pointer for problem in named.problems] == [f"采收 Harvest!{cell}"]
        assert named.problems[0].source == "a.xlsx"

    def test_a_row_that_stands_twice_is_told_once(self, tmp_path: Path) -> None:
        reading = self.read(csv_file(tmp_path / "a.csv", HARVEST, HARVEST | {"批号 Lot": "H8"}, HARVEST))
        assert [(problem.pointer, problem.code) for problem in reading.problems] == [("A4", "duplicate-event")]
        assert "the same as row 2" in reading.problems[0].sentence
        assert "与第 2 行相同" in reading.problems[0].sentence
        assert (len(reading.good), reading.bad) == (2, 1)

    def test_empty_rows_and_a_farms_own_columns_are_passed_over(self, tmp_path: Path) -> None:
        noted = HARVEST | {"备注": "晴"}
        reading = self.read(csv_file(tmp_path / "a.csv", noted, dict.fromkeys(noted, ""), noted | {"批号 Lot": "H8"}))
        assert (len(reading.good), reading.problems) == (2, ())
        assert "晴" not in reading.good[0].text

    @pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
    def test_a_file_that_is_none_of_our_sheets_is_one_problem(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"tomatoes,1\n")
        assert len(self.read(tmp_path / name).problems) == 1

    @pytest.mark.parametrize("kind", list(TEMPLATES))
    @pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
    def test_what_is_handed_out_is_read_back(self, tmp_path: Path, kind: str, suffix: str) -> None:
        path = tmp_path / f"{kind}{suffix}"
        write_template(TEMPLATES[kind], path)
        assert self.read(path) == Reading(path.name, (), 0, ())
        with pytest.raises(FileExistsError):
            write_template(TEMPLATES[kind], path)

    @pytest.mark.parametrize("kind", list(TEMPLATES))
    def test_the_examples_of_the_help_page_make_a_good_row(self, tmp_path: Path, kind: str) -> None:
        write_template(TEMPLATES[kind], tmp_path / "a.xlsx")
        book = openpyxl.load_workbook(tmp_path / "a.xlsx")
        notes = list(book.worksheets[1].iter_rows(min_row=2, values_only=True))
        path = csv_file(tmp_path / "b.csv", {str(title): example for title, _, example in notes})
        assert self.read(path).problems == ()
        assert len(self.read(path).good) == 1
