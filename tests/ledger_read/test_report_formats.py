"""A report as a workbook, as CSV and as JSON: nobody can shorten or poison it unseen."""

import csv
import io
import json
import re
from decimal import Decimal

import openpyxl
import pytest

from ledger.reports import BadQuery, Table, render
from ledger.reports.fsma204_columns import COLUMNS
from ledger.reports.fsma204_words import CHINESE
from ledger.reports.interface import Column
from ledger.reports.writers import MAX_TEXT
from producers.kinds import MasterData
from tests.ledger_read.report import lines, tables
from tests.ledger_read.season import (
    FARM,
    FIELD,
    Season,
)


class TestFormats:
    """What strangers wrote stays text."""

    POISON = ("=1+1", "+1", "-1", "@x", "\t=1", "＝1", "http://evil.example/", "中文", "a\x00b", "x" * 40_000)

    @pytest.fixture
    def table(self) -> Table:
        columns = (Column("a", {"en": "A", "zh": "甲"}), Column("n", {"en": "N"}))
        return Table("T", columns, [[text, Decimal("1.50")] for text in self.POISON])

    def test_a_workbook_holds_no_formula_and_no_link(self, table: Table) -> None:
        sheet = openpyxl.load_workbook(io.BytesIO(render([table], "xlsx")))["T"]
        cells = [sheet.cell(row, 1) for row in range(2, 2 + len(self.POISON))]
        assert {cell.data_type for cell in cells} == {"s"}
        assert all(cell.hyperlink is None for cell in cells)
        assert cells[0].value == "=1+1"
        assert len(str(cells[-1].value)) == MAX_TEXT
        assert sheet.cell(2, 2).value == 1.5

    def test_a_text_with_commas_opens_as_text_in_a_spreadsheet(self, table: Table) -> None:
        raw = render([table], "csv")
        assert raw.startswith(b"\xef\xbb\xbf")
        read = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
        assert [row[0] for row in read[1:7]] == ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "'＝1"]
        assert read[1][1] == "1.50"

    def test_every_format_ends_with_the_number_of_rows_and_their_digest(self, table: Table) -> None:
        sheet = openpyxl.load_workbook(io.BytesIO(render([table], "xlsx")))["T"]
        last = [cell.value for cell in list(sheet.iter_rows())[-1]]
        comma = list(csv.reader(io.StringIO(render([table], "csv").decode("utf-8-sig"), newline="")))[-1]
        shown = json.loads(render([table], "json"))["tables"][0]
        assert last[:2] == comma[:2] == ["END", "rows: 10"]
        assert comma[2] == f"sha256: {table.digest}"
        assert (shown["count"], shown["sha256"]) == (10, table.digest)

    def test_sorting_keeps_the_digest_and_losing_a_row_changes_it(self, table: Table) -> None:
        assert Table("T", table.columns, list(reversed(table.rows))).digest == table.digest
        assert Table("T", table.columns, table.rows[1:]).digest != table.digest

    def test_the_whole_report_prints_in_every_format_and_language(self, season: Season) -> None:
        built = list(tables(season).values())
        book = openpyxl.load_workbook(io.BytesIO(render(built, "xlsx", lang="zh")))
        assert book.sheetnames == ["Summary", "Missing", *COLUMNS, "Glossary", "About"]
        assert book["Harvest"].cell(1, 1).value == "直接后续接收方 [1.1325(a)(1)(i)]"
        assert "# Harvest" in render(built, "csv").decode("utf-8-sig")
        assert len(json.loads(render(built, "json"))["tables"]) == 11

    def test_a_chinese_reader_gets_a_chinese_workbook(self, season: Season) -> None:
        season.say(FARM, MasterData(id=FIELD, type="Place", name={"en": "Field 7", "zh": "七号地"}))
        season.withdraw(FARM, season.told["cool"])
        built = tables(season, lang="zh")
        assert list(built) == [CHINESE.get(name, name) for name in ("Summary", "Missing", *COLUMNS, "Glossary", "About")]
        assert set(openpyxl.load_workbook(io.BytesIO(render(list(built.values()), "xlsx", lang="zh"))).sheetnames) == set(built)
        (cooled,) = lines(built["预冷"])
        assert cooled["standing"] == "已声明错误或撤回"
        assert "参考单据 [1.1325(b)(1)(vii)]" in str(cooled["missing"])
        assert "直接后续接收方: 地点描述" in {one["element"] for one in lines(built["缺失要素"])}
        assert {str(one["farm"])[:3] for one in lines(built["采收"])} == {"七号地"}
        assert {one["standing"] for one in lines(built["发货"])} == {"有效"}
        assert {one["required"] for one in lines(built["术语"])} == {"是", "如适用"}
        assert {str(one["sheet"]) for name in ("汇总", "缺失要素", "术语") for one in lines(built[name])} <= set(built)
        ours = [one["element"] for one in lines(built["缺失要素"])] + [one["what"] for one in lines(built["关于"])]
        assert all(re.search("[一-鿿]|^GTIN$", str(word)) for word in ours), ours

    def test_a_program_gets_the_same_codes_in_every_language(self, season: Season) -> None:
        season.say(FARM, MasterData(id=FIELD, type="Place", name={"en": "Field 7", "zh": "七号地"}))
        english, chinese = tables(season, coded=True), tables(season, coded=True, lang="zh")
        assert list(english) == list(chinese) == ["Summary", "Missing", *COLUMNS, "Glossary", "About"]
        assert {one["standing"] for one in lines(chinese["Shipping"])} == {"stands"}
        assert [one["what"] for one in lines(chinese["About"])] == [one["what"] for one in lines(english["About"])]
        assert {str(one["farm"])[:3] for one in lines(chinese["Harvest"])} == {"七号地"}

    def test_every_name_of_a_sheet_is_one_that_excel_takes(self) -> None:
        names = ("Summary", "Missing", *COLUMNS, "Glossary", "About")
        assert set(names) <= set(CHINESE)
        for name in (*names, *(CHINESE[one] for one in names)):
            assert 0 < len(name) <= 31
            assert not set("[]:*?/\\'") & set(name)
        assert len({CHINESE[one] for one in names}) == len(names)

    def test_another_format_is_refused(self, table: Table) -> None:
        with pytest.raises(BadQuery):
            render([table], "pdf")
