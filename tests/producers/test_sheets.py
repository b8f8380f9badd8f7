"""What a spreadsheet does to a farm's words is told to the farm, at the cell, before anything is signed."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from producers.epcis.validate import EventValidator
from producers.reading import Reading, read_file
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
