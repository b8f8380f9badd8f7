"""What a spreadsheet does to a farm's words is told to the farm, at the cell, before anything is signed."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
import xlsxwriter

from producers.epcis.validate import EventValidator
from producers.importer import survey
from producers.reading import Reading, read_file
from producers.sheets import HELP, TEMPLATES, write_template
from producers.workbook import MAX_ROWS
from tests.producers.farm import FARM, HARVEST, csv_file

NOW = datetime(2026, 3, 3, tzinfo=UTC)
VALIDATOR = EventValidator.build()
LOT, AMOUNT, TIME, TAKER = "批号 Lot", "数量 Quantity", "采收时间 Harvest time", "收货方 Recipient (GLN)"
COLUMNS = list(HARVEST)
FORMATS: Mapping[type, str] = {datetime: "yyyy-mm-dd", time: "hh:mm:ss", timedelta: "[h]:mm:ss"}

Fill = Callable[[Any, Any], None]


def book_file(path: Path, sheets: Mapping[str, list[list[Any]]], fill: Fill = lambda book, sheet: None) -> Path:
    """A workbook of these sheets, from the top left cell on; `fill` writes what has no value of its own, into the last."""
    with xlsxwriter.Workbook(path, {"strings_to_numbers": False, "strings_to_formulas": False}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                for column, value in enumerate(row):
                    shown = FORMATS.get(type(value), "General")
                    sheet.write(at, column, value, book.add_format({"num_format": shown}))
        fill(book, sheet)
    return path


def rewritten(path: Path, part: str, change: Callable[[str], str]) -> Path:
    """The same workbook with one of its parts changed."""
    with ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts[part] = change(parts[part].decode()).encode()
    with ZipFile(path, "w") as file:
        for name, data in parts.items():
            file.writestr(name, data)
    return path


def ods_file(path: Path, rows: list[list[str]], failed: Mapping[str, str]) -> Path:
    """A workbook as LibreOffice writes it; the columns `failed` hold errors in every row."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    calc = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"
    error = 'table:formula="of:=NA()" office:value-type="string" office:string-value="" calcext:value-type="error"'
    shown = ""
    for row in rows:
        shown += "<table:table-row>"
        for title, value in zip(COLUMNS, row, strict=True):
            broken = title in failed and row is not rows[0]
            kind, text = (error, failed[title]) if broken else ('office:value-type="string"', value)
            # An empty cell has no type, and neighbours that are the same are written once.
            shown += f"<table:table-cell {kind}><text:p>{text}</text:p></table:table-cell>" if text else "<table:table-cell/>"
        shown += '<table:table-cell table:number-columns-repeated="1000"/></table:table-row>'
    with ZipFile(path, "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{space}:manifest:1.0"/>')
        file.writestr("content.xml", (
            f'<office:document-content xmlns:office="{space}:office:1.0" xmlns:table="{space}:table:1.0" '
            f'xmlns:text="{space}:text:1.0" xmlns:calcext="{calc}"><office:body><office:spreadsheet>'
            f'<table:table table:name="采收">{shown}</table:table></office:spreadsheet></office:body></office:document-content>'
        ))  # fmt: skip
    return path


def filled(*rows: Mapping[str, Any]) -> list[list[Any]]:
    """A harvest sheet: its titles, then these rows."""
    return [COLUMNS, *([row[title] for title in COLUMNS] for row in rows)]


def read(path: Path) -> Reading:
    return read_file(path, VALIDATOR, issuer=FARM, now=NOW)


def harvest(path: Path, *rows: Mapping[str, Any], fill: Fill = lambda book, sheet: None) -> Reading:
    return read(book_file(path, {"采收": filled(*rows)}, fill))


def places(reading: Reading) -> list[str]:
    return [problem.pointer for problem in reading.problems]


class TestCodesThatASpreadsheetChanged:
    """`3-1` in a cell that is not text becomes a date, and would be signed as another lot's code."""

    @pytest.mark.parametrize(("value", "made"), [
        (datetime(2026, 3, 1), "a date"), (time(1, 30), "a time"), (timedelta(hours=30), "a time"), (1.1, "a fraction"),
        (True, "a truth value"), (12345678901234567890, "more than 15 digits"), (10**15, "more than 15 digits"),
    ])  # fmt: skip
    @pytest.mark.parametrize("column", [LOT, "商品编码 GTIN", "产地 Place (GLN)", "地块 Field", TAKER])
    def test_a_code_that_is_no_longer_what_was_typed_is_refused_at_its_cell(
        self, tmp_path: Path, column: str, value: Any, made: str
    ) -> None:
        reading = harvest(tmp_path / "a.xlsx", HARVEST | {column: value})
        assert places(reading) == [f"采收!{chr(ord('A') + COLUMNS.index(column))}2"]
        assert made in reading.problems[0].sentence
        assert "format the column as text" in reading.problems[0].sentence
        assert "设为文本格式" in reading.problems[0].sentence
        assert reading.good == ()

    def test_a_number_that_a_spreadsheet_shortened_in_a_csv_is_no_lot(self, tmp_path: Path) -> None:
        assert places(read(csv_file(tmp_path / "a.csv", HARVEST | {LOT: "1.23457E+19"}))) == ["B2"]

    @pytest.mark.parametrize(("value", "code"), [
        (20260302, "20260302"), (999_999_999_999_999, "9" * 15), ("3-1", "3-1"), ("1.10", "1.10"),
    ])  # fmt: skip
    def test_a_whole_number_of_up_to_15_digits_and_any_text_are_the_code_that_was_typed(
        self, tmp_path: Path, value: Any, code: str
    ) -> None:
        reading = harvest(tmp_path / "a.xlsx", HARVEST | {LOT: value})
        assert reading.problems == ()
        assert f'/10/{code}"' in reading.good[0].text


class TestFormulasThatFailed:
    """A cell that shows #N/A holds nothing, and nothing in an optional column would be a fact left out."""

    @pytest.mark.parametrize("column", [LOT, TAKER])
    @pytest.mark.parametrize("shown", ["#N/A", "#DIV/0!", "#REF!", "#NAME?"])
    @pytest.mark.parametrize("is_array", [False, True])
    def test_a_failed_formula_is_a_problem_at_its_cell_that_names_the_error(
        self, tmp_path: Path, column: str, shown: str, is_array: bool
    ) -> None:
        at = COLUMNS.index(column)

        def fill(book: Any, sheet: Any) -> None:
            if is_array:
                sheet.write_array_formula(2, at, 2, at, "{=NA()}", None, shown)
            else:
                sheet.write_formula(2, at, "=NA()", None, shown)

        reading = harvest(tmp_path / "a.xlsx", HARVEST, HARVEST | {LOT: "H8"}, fill=fill)
        assert places(reading) == [f"采收!{chr(ord('A') + at)}3"]
        assert f"holds the error {shown}" in reading.problems[0].sentence
        assert f"公式出错({shown})" in reading.problems[0].sentence
        assert (len(reading.good), reading.bad) == (1, 1)

    def test_so_is_one_in_a_file_that_leaves_positions_out(self, tmp_path: Path) -> None:
        def fill(book: Any, sheet: Any) -> None:
            sheet.write_formula(1, 10, "=NA()", None, "#N/A")

        path = book_file(tmp_path / "a.xlsx", {"采收": filled(HARVEST)}, fill)
        without = rewritten(path, "xl/worksheets/sheet1.xml", lambda text: re.sub(r' r="[A-Z]*\d+"', "", text))
        assert places(read(without)) == ["采收!K2"]

    def test_so_is_one_in_a_strict_workbook(self, tmp_path: Path) -> None:
        def fill(book: Any, sheet: Any) -> None:
            sheet.write_formula(1, 10, "=NA()", None, "#N/A")

        path = book_file(tmp_path / "a.xlsx", {"采收": filled(HARVEST)}, fill)
        usual, strict = "http://schemas.openxmlformats.org/officeDocument/2006", "http://purl.oclc.org/ooxml/officeDocument"
        rewritten(path, "xl/workbook.xml", lambda text: text.replace(usual, strict))
        assert places(read(path)) == ["采收!K2"]

    def test_so_is_one_in_a_csv(self, tmp_path: Path) -> None:
        assert places(read(csv_file(tmp_path / "a.csv", HARVEST | {TAKER: "#N/A"}))) == ["K2"]

    def test_so_is_one_of_libreoffice(self, tmp_path: Path) -> None:
        rows = filled(HARVEST, HARVEST | {LOT: "H8"})
        reading = read(ods_file(tmp_path / "a.ods", rows, failed={TAKER: "#N/A", AMOUNT: "Err:502"}))
        assert places(reading) == ["采收!C2", "采收!K2", "采收!C3", "采收!K3"]
        assert "Err:502" in reading.problems[0].sentence

    @pytest.mark.parametrize("name", ["a.xls", "a.XLSB"])
    def test_a_file_of_a_format_that_hides_them_is_asked_for_in_another(self, tmp_path: Path, name: str) -> None:
        book_file(tmp_path / name, {"采收": filled(HARVEST)})
        (problem,) = read(tmp_path / name).problems
        assert "save it as .xlsx" in problem.sentence
        assert "另存为 .xlsx" in problem.sentence

    def test_one_among_a_farms_own_notes_is_passed_over(self, tmp_path: Path) -> None:
        def fill(book: Any, sheet: Any) -> None:
            sheet.write(0, 11, "备注")
            sheet.write_formula(1, 11, "=NA()", None, "#N/A")

        assert harvest(tmp_path / "a.xlsx", HARVEST, fill=fill).problems == ()


class TestOneSheetAFile:
    """What could be read two ways is refused: nothing is signed of one sheet while another is passed over in silence."""

    def test_a_second_filled_sheet_is_a_problem_that_names_it(self, tmp_path: Path) -> None:
        reading = read(book_file(tmp_path / "a.xlsx", {"三月": filled(HARVEST), "四月": filled(HARVEST | {LOT: "H8"})}))
        assert [(problem.pointer, problem.code) for problem in reading.problems] == [("四月", "second-sheet")]
        assert "beside the sheet 三月" in reading.problems[0].sentence
        assert reading.good == ()

    def test_so_is_a_second_one_that_lost_a_title(self, tmp_path: Path) -> None:
        other = filled(HARVEST | {LOT: "H8"})
        other[0] = [title if title != LOT else "x" for title in COLUMNS]
        reading = read(book_file(tmp_path / "a.xlsx", {"三月": filled(HARVEST), "四月": other}))
        assert (places(reading), reading.good) == (["四月"], ())

    def test_one_that_was_not_filled_in_is_passed_over_on_either_side(self, tmp_path: Path) -> None:
        for names in (["三月", "四月"], ["四月", "三月"]):
            sheets = {name: filled(HARVEST) if name == "三月" else filled() for name in names}
            reading = read(book_file(tmp_path / "a.xlsx", sheets))
            assert (len(reading.good), reading.problems, reading.unread) == (1, (), ())

    def test_a_farms_own_sheet_is_passed_over_and_said_to_be(self, tmp_path: Path) -> None:
        reading = read(book_file(tmp_path / "a.xlsx", {"三月": filled(HARVEST), "天气": [["日期", "晴"]], "空": []}))
        assert (len(reading.good), reading.problems, reading.unread) == (1, (), ("天气",))
        assert survey([reading]).unread == ["a.xlsx#天气"]

    @pytest.mark.parametrize("suffix", ["xlsx", "csv"])
    def test_a_title_that_stands_twice_is_a_problem_that_names_both_cells(self, tmp_path: Path, suffix: str) -> None:
        rows = [[*COLUMNS, LOT], [*HARVEST.values(), "C2"]]
        if suffix == "xlsx":
            reading, sheet = read(book_file(tmp_path / "a.xlsx", {"采收": rows})), "采收!"
        else:
            (tmp_path / "a.csv").write_text("".join(",".join(row) + "\n" for row in rows), "utf-8")
            reading, sheet = read(tmp_path / "a.csv"), ""
        assert [(problem.pointer, problem.code) for problem in reading.problems] == [(f"{sheet}L1", "duplicate-title")]
        assert f"{sheet}B1" in reading.problems[0].sentence
        assert reading.good == ()


class TestQuantities:
    def test_a_computed_quantity_is_what_the_spreadsheet_shows(self, tmp_path: Path) -> None:
        reading = harvest(
            tmp_path / "a.xlsx", HARVEST,
            fill=lambda book, sheet: sheet.write_formula(1, 2, "=1.1*3", None, 3.3000000000000003),
        )  # fmt: skip
        assert reading.problems == ()
        assert '"quantity":3.3,' in reading.good[0].text

    @pytest.mark.parametrize("value", [10 / 3, 0.0000001, 2e12, "1.1234567", "5000000000000", -1, "1,200"])
    def test_one_that_cannot_be_used_is_a_problem_at_its_own_cell(self, tmp_path: Path, value: Any) -> None:
        reading = harvest(tmp_path / "a.xlsx", HARVEST | {AMOUNT: value})
        assert places(reading) == ["采收!C2"]
        assert " / " in reading.problems[0].sentence


class TestFullWidthLetters:
    """A Chinese keyboard writes １２３ where a Western one writes 123."""

    wide = str.maketrans({at: at + 0xFEE0 for at in range(0x21, 0x7F)} | {0x20: 0x3000})

    def test_full_width_digits_and_letters_are_the_codes_that_they_show(self, tmp_path: Path) -> None:
        narrow = HARVEST | {LOT: "H-7a", "单位 Unit": "kg", "地块 Field": "", TAKER: "9521234000020"}
        reading = harvest(tmp_path / "a.xlsx", {title: value.translate(self.wide) for title, value in narrow.items()})
        assert reading.problems == ()
        assert reading.good[0].text == harvest(tmp_path / "b.xlsx", narrow).good[0].text

    def test_the_check_digit_is_looked_at_all_the_same(self, tmp_path: Path) -> None:
        reading = harvest(tmp_path / "a.xlsx", HARVEST | {"商品编码 GTIN": "09521234000014".translate(self.wide)})
        assert [(problem.pointer, problem.code) for problem in reading.problems] == [("采收!A2", "bad-check-digit")]

    def test_a_name_keeps_the_signs_that_it_was_given(self, tmp_path: Path) -> None:
        name = "番茄\uff08大\uff09"
        assert name in harvest(tmp_path / "a.xlsx", HARVEST | {"品名 Commodity": name}).good[0].text

    @pytest.mark.parametrize("code", ["H7²", "H①"])
    def test_a_sign_that_only_resembles_a_digit_is_no_code(self, tmp_path: Path, code: str) -> None:
        assert places(harvest(tmp_path / "a.xlsx", HARVEST | {LOT: code})) == ["采收!B2"]


class TestTitles:
    """A farm retypes titles, writes its name above them, and moves sheets; what is missing is named."""

    def titled(self, path: Path, titles: list[str], above: int = 0, front: Mapping[str, Any] | None = None) -> Reading:
        rows = [["三号农场 2026 年 3 月"], *([[]] * (above - 1))] if above else []
        return read(book_file(path, {**(front or {}), "三月": [*rows, titles, list(HARVEST.values())]}))

    @pytest.mark.parametrize("spell", [
        lambda title: title.split(" ", 1)[0], lambda title: title.split(" ", 1)[1], str.upper,
        lambda title: title.split(" ", 1)[1].removesuffix(" (GLN)"), lambda title: title.replace(" ", "\n", 1) + " *",
        lambda title: title.replace("(GLN)", "\uff08GLN\uff09"), lambda title: f"  {title}:",
    ], ids=["Chinese", "English", "capitals", "English without GLN", "two lines", "full-width brackets", "colon"])  # fmt: skip
    def test_a_title_may_be_its_chinese_or_english_part_alone(self, tmp_path: Path, spell: Callable[[str], str]) -> None:
        reading = self.titled(tmp_path / "a.xlsx", [spell(title) for title in COLUMNS])
        assert (len(reading.good), reading.problems) == (1, ())

    @pytest.mark.parametrize("above", [1, 9])
    def test_titles_may_stand_in_any_of_the_first_ten_rows(self, tmp_path: Path, above: int) -> None:
        reading = self.titled(tmp_path / "a.xlsx", COLUMNS, above)
        assert (len(reading.good), reading.problems) == (1, ())

    def test_cells_are_named_as_the_farm_sees_them_below_a_title_row(self, tmp_path: Path) -> None:
        rows = [["三号农场"], [], *filled(HARVEST, HARVEST | {LOT: "三号"})]
        assert places(read(book_file(tmp_path / "a.xlsx", {"三月": rows}))) == ["三月!B5"]

    def test_the_help_page_or_another_sheet_may_stand_in_front(self, tmp_path: Path) -> None:
        write_template(TEMPLATES["harvest"], tmp_path / "t.xlsx")
        notes = [list(row) for row in openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[1].iter_rows(values_only=True)]
        reading = self.titled(tmp_path / "a.xlsx", COLUMNS, front={HELP: notes, "封面": [["三号农场"]]})
        assert (len(reading.good), reading.problems, reading.unread) == (1, (), ("封面",))

    def test_a_title_that_is_missing_is_named_with_the_template_that_is_nearest(self, tmp_path: Path) -> None:
        titles = ["重量 Weight" if title == AMOUNT else title for title in COLUMNS if title != LOT]
        rows = [titles, [HARVEST[title] for title in COLUMNS if title != LOT]]
        reading = read(book_file(tmp_path / "a.xlsx", {"封面": [["x"]], "三月": [["三号农场"], *rows]}))
        assert [(problem.pointer, problem.code) for problem in reading.problems] == [("三月!A2", "not-a-template")]
        assert f"nearest to the template Harvest, and has no column {LOT}, {AMOUNT}" in reading.problems[0].sentence
        assert f"最接近模板“采收”,但缺少列:{LOT}, {AMOUNT}" in reading.problems[0].sentence

    def test_a_file_without_any_title_of_ours_is_told_which_templates_there_are(self, tmp_path: Path) -> None:
        reading = read(csv_file(tmp_path / "a.csv", {"tomatoes": "1"}))
        assert "harvest, shipping" in reading.problems[0].sentence

    def test_a_sheet_with_the_columns_of_two_templates_is_neither(self, tmp_path: Path) -> None:
        more = {"发货时间 Shipping time": "2026-03-02 14:00", "发货地 From (GLN)": "9521234000013"}
        reading = read(csv_file(tmp_path / "a.csv", HARVEST | {TAKER: FARM} | more))
        assert [(problem.pointer, problem.code) for problem in reading.problems] == [("A1", "two-templates")]


class TestHowManyRows:
    def test_a_space_far_below_is_no_row(self, tmp_path: Path) -> None:
        reading = harvest(tmp_path / "a.xlsx", HARVEST, fill=lambda book, sheet: sheet.write_string(150_000, 0, " "))
        assert (len(reading.good), reading.problems) == (1, ())

    def test_a_row_far_below_is_read_under_its_own_number(self, tmp_path: Path) -> None:
        reading = harvest(tmp_path / "a.xlsx", HARVEST, fill=lambda book, sheet: sheet.write_string(150_000, 1, "H8"))
        assert (len(reading.good), reading.bad, places(reading)[0]) == (1, 1, "采收!A150001")

    def test_a_space_so_far_out_that_no_memory_reaches_it_is_named(self, tmp_path: Path) -> None:
        reading = harvest(tmp_path / "a.xlsx", HARVEST, fill=lambda book, sheet: sheet.write_string(1_048_575, 16_383, " "))
        assert [(problem.pointer, problem.code) for problem in reading.problems] == [("采收!XFD1048576", "too-large")]

    def test_a_row_that_is_coloured_to_its_end_is_none(self, tmp_path: Path) -> None:
        def fill(book: Any, sheet: Any) -> None:
            colour = book.add_format({"bg_color": "#E8F0E4"})
            for at in range(11, 16_384):
                sheet.write_blank(0, at, None, colour)
            sheet.write_string(150_000, 0, " ")

        assert harvest(tmp_path / "a.xlsx", HARVEST, fill=fill).problems == ()

    def test_only_rows_that_hold_something_are_counted(self, tmp_path: Path) -> None:
        path = csv_file(tmp_path / "a.csv", HARVEST, HARVEST | {LOT: "H8"})
        path.write_text(path.read_text("utf-8").replace("\n", "\n \n" + "\n" * MAX_ROWS), "utf-8")
        assert (len(read(path).good), read(path).problems) == (2, ())
        path.write_text(",".join(COLUMNS) + "\n" + ",H7\n" * (MAX_ROWS + 1), "utf-8")
        assert [problem.code for problem in read(path).problems] == ["too-large"]
