"""
Cells of a spreadsheet, read as people fill them in, and refused with a sentence where that could mean two things.

Source: GS1 General Specifications (GTIN-8, -12 and -13 in 14 digits); UN/ECE Recommendation 20 (units).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from datetime import time as clock
from decimal import Decimal, InvalidOperation

from producers.epcis.parts import Quantity
from verify import gs1
from verify.errors import Malformed

# What farms write -> UN/CEFACT code.  The codes themselves are taken too.
UNITS: Mapping[str, str] = {
    "kg": "KGM", "公斤": "KGM", "千克": "KGM", "g": "GRM", "克": "GRM", "t": "TNE", "吨": "TNE",
    "l": "LTR", "升": "LTR", "个": "H87", "件": "H87", "枚": "H87", "pcs": "H87",
}  # fmt: skip
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%dT%H:%M")
_OFFSET = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)", re.ASCII)
_GTIN_LENGTHS = (8, 12, 13, 14)
# Chinese keyboards write １２３ＡＢ：. Only these: elsewhere NFKC changes what was meant (² to 2, ① to 1).
_HALF_WIDTH = {0xFF01 + at: 0x21 + at for at in range(94)} | {0x3000: 0x20}
_DIGITS = 15  # of a number, that a spreadsheet shows and keeps; it makes zeros of the others
_SHORTENED = re.compile(r"\d(\.\d+)?E\+\d{2,3}", re.ASCII)  # what it writes into a CSV for a number too long to be shown


@dataclass(frozen=True, slots=True)
class Failure:
    """What stands in a cell whose formula failed."""

    shown: str
    """#N/A, #DIV/0! ..."""

    def __str__(self) -> str:
        return self.shown


def address(sheet: str, column: int, row: int) -> str:
    """A cell's address: column from 0, row from 1, as `采收 Harvest!C5`; without a sheet's name for CSV."""
    letters = ""
    column += 1
    while column:
        column, at = divmod(column - 1, 26)
        letters = chr(ord("A") + at) + letters
    return f"{sheet}!{letters}{row}" if sheet else f"{letters}{row}"


def text(value: object) -> str:
    """A text; a whole number without the `.0` that a spreadsheet gives it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def half_width(value: object) -> str:
    """A text with its full-width letters, digits and signs as ASCII has them."""
    return text(value).translate(_HALF_WIDTH).strip()


def typed(value: object) -> str:
    """
    A text as it was typed; a whole number of up to 15 digits is one too.

    Raises ValueError for what a spreadsheet makes of it in a cell that is not text: `3-1` becomes a date, `1.10` 1.1.
    """
    if made := _made_by_spreadsheet(value):
        english, chinese = made
        raise ValueError(
            f"a spreadsheet made {english} of what was typed: format the column as text and type it again / "
            f"表格软件已把输入内容变为{chinese}:请将此列设为文本格式,再重新输入"
        )
    return text(value)


def code(value: object) -> str:
    """A code or an identifier, typed in full-width letters or not.  Raises ValueError as `typed` does."""
    return half_width(typed(value))


def _made_by_spreadsheet(value: object) -> tuple[str, str] | None:
    if isinstance(value, bool):  # before numbers: True is an int
        return "a truth value", "逻辑值"
    if isinstance(value, date):
        return "a date", "日期"
    if isinstance(value, clock | timedelta):
        return "a time", "时间"
    if isinstance(value, float) and not value.is_integer():
        return "a fraction", "小数"
    if isinstance(value, int | float) and abs(value) >= 10**_DIGITS:
        return "a number of more than 15 digits", "超过 15 位的数字"
    if isinstance(value, str) and _SHORTENED.fullmatch(half_width(value)):
        return "a number in scientific notation", "科学计数法的数字"
    return None


def gtin(value: object) -> str:
    """14 digits; zeros that a spreadsheet dropped from a number are put back, and the check digit must then be right."""
    digits = code(value)
    if not re.fullmatch("[0-9]{6,14}", digits):
        raise ValueError("a GTIN has 8, 12, 13 or 14 digits / GTIN 应为 8、12、13 或 14 位数字")
    if isinstance(value, str) and len(digits) not in _GTIN_LENGTHS:
        raise ValueError(f"a GTIN has 8, 12, 13 or 14 digits, not {len(digits)} / GTIN 位数不对")
    digits = digits.rjust(14, "0")
    gs1.canonical_uri(f"{gs1.HOST}/01/{digits}")
    return digits


def lot(value: object) -> str:
    """A lot code: up to 20 of GS1's 82 characters."""
    found = code(value)
    try:
        gs1.lot_uri("0" * 14, found)
    except Malformed:
        raise ValueError(
            "a lot code has up to 20 ASCII letters, digits and -./ / 批号最多 20 个字母、数字或 -./,不能用中文"
        ) from None
    return found


def amount(value: object) -> Decimal:
    """
    A quantity above 0 with a decimal point; no thousands separators, which would be read two ways.  Raises ValueError.

    A spreadsheet computes with more digits than it shows: =1.1*3 is 3.3000000000000003, and means the 3.3 on the screen.
    """
    shown = format(value, f".{_DIGITS}g") if isinstance(value, float) else half_width(value)
    try:
        found = Decimal(shown)
    except InvalidOperation:
        raise ValueError("not a number / 不是数字") from None
    if not found.is_finite() or found <= 0:
        raise ValueError("must be above 0 / 必须大于 0")
    found = found.normalize() if isinstance(value, float) else found
    return Quantity(found).amount


def unit(value: object) -> str:
    """A UN/CEFACT code, or what farms write for one."""
    found = code(value)
    known = UNITS.get(found.lower(), found.upper())
    if known not in UNITS.values():
        raise ValueError(f"unknown unit; known are {', '.join(sorted(set(UNITS.values())))} / 未知单位")
    return known


def time(value: object) -> datetime:
    """A local time, as the spreadsheet's own date or as text, to the minute or second."""
    if isinstance(value, datetime):
        # A spreadsheet keeps times as fractions of a day: 06:10 may come back as 06:09:59.9999995.
        return (value + timedelta(milliseconds=500)).replace(microsecond=0)
    if isinstance(value, date):
        raise ValueError("a date without a time / 缺少时刻")
    for form in _FORMATS:
        try:
            return datetime.strptime(half_width(value), form)
        except ValueError:
            continue
    raise ValueError("a time like 2026-03-02 06:10 was expected / 时间格式如 2026-03-02 06:10")


def offset(value: object) -> timezone:
    """A UTC offset like +08:00."""
    found = _OFFSET.fullmatch(code(value))
    if found is None:
        raise ValueError("an offset like +08:00 was expected / 时区格式如 +08:00")
    span = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-span if found[1] == "-" else span)


def moment(local: object, zone: object) -> datetime:
    """A local time and its offset together, as `time` and `offset` read them."""
    if not isinstance(local, datetime) or not isinstance(zone, timezone):
        raise ValueError("a time and its offset were expected / 需要时间和时区")
    return local.replace(tzinfo=zone)


def place(value: object) -> str:
    """A place: a GLN of 13 digits, or any URI."""
    return _gln("414", value)


def party(value: object) -> str:
    """A party: its GLN of 13 digits, or any URI."""
    return _gln("417", value)


def _gln(key: str, value: object) -> str:
    found = code(value)
    if not isinstance(value, str):
        found = found.rjust(13, "0")
    return gs1.canonical_uri(f"{gs1.HOST}/{key}/{found}" if found.isascii() and found.isdecimal() else found)
