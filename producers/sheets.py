"""
The spreadsheets that a farm gets handed out: one row, one event.

    harvest     采收: a lot is picked          shipping    发货: a lot leaves

Not here: how a filled sheet is read back in (rows.py), and a cell of it (cells.py).

Source: FSMA and Chinese record-keeping fields as in epcis/kde.py; OWASP on formula injection for what is written.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import xlsxwriter

from producers import cells
from producers.epcis import build, kde
from producers.epcis.parts import Handover, LotQuantity, Occasion, Quantity, Things
from producers.workbook import MAX_ROWS
from verify import gs1

HELP = "说明 Help"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what stands above it, how a cell is read, an example."""

    title: str
    read: Callable[[object], object]
    """Raises ValueError or Malformed with a sentence."""
    example: str
    required: bool = True
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of sheet; `build` makes the event of a row from cells by member name."""

    title: str
    columns: Mapping[str, Column]
    build: Callable[[Mapping[str, object], str], build.Event]


_LOT = {
    "gtin": Column("商品编码 GTIN", cells.gtin, "09521234000013"),
    "lot": Column("批号 Lot", cells.lot, "H20260302-A7"),
    "amount": Column("数量 Quantity", cells.amount, "820.5"),
    "unit": Column("单位 Unit", cells.unit, "KGM", choices=tuple(sorted(set(cells.UNITS.values())))),
}
_OFFSET = Column("时区 UTC offset", cells.offset, "+08:00")


def _things(row: Mapping[str, object]) -> Things:
    lot = gs1.lot_uri(str(row["gtin"]), str(row["lot"]))
    amount, unit = row["amount"], str(row["unit"])
    return Things(lots=(LotQuantity(lot, Quantity(amount if isinstance(amount, Decimal) else Decimal(0), unit)),))


def _occasion(row: Mapping[str, object], issuer: str) -> Occasion:
    time = cells.moment(row["time"], row["offset"])
    place, number = str(row["place"]), str(row.get("number") or "")
    references = (kde.Reference("desadv", number),) if number else ()
    return Occasion(time, issuer, place=place, location=str(row.get("location") or ""), references=references)


def _harvest(row: Mapping[str, object], issuer: str) -> build.Event:
    at = _occasion({**row, "location": row["place"]}, issuer)
    facts = kde.Harvest(
        str(row["commodity"]), at.time.date(), variety=str(row.get("variety") or ""), field_name=str(row.get("field") or "")
    )
    return build.harvest(_things(row), at, facts, recipient=Handover(taker=str(row.get("taker") or "")))


def _shipping(row: Mapping[str, object], issuer: str) -> build.Event:
    to_place, taker = str(row.get("to_place") or ""), str(row["taker"])
    handover = Handover(giver=issuer, taker=taker, from_place=str(row["place"]), to_place=to_place)
    return build.ship(_things(row), _occasion(row, issuer), handover)


TEMPLATES: Mapping[str, Template] = {
    "harvest": Template("采收 Harvest", {
        **_LOT,
        "time": Column("采收时间 Harvest time", cells.time, "2026-03-02 06:10"), "offset": _OFFSET,
        "place": Column("产地 Place (GLN)", cells.place, "9521234000013"),
        "commodity": Column("品名 Commodity", cells.typed, "番茄 tomato"),
        "variety": Column("品种 Variety", cells.typed, "粉果 pink", required=False),
        "field": Column("地块 Field", cells.typed, "3号棚 shed 3", required=False),
        "taker": Column("收货方 Recipient (GLN)", cells.party, "9521234000020", required=False),
    }, _harvest),
    "shipping": Template("发货 Shipping", {
        **_LOT,
        "time": Column("发货时间 Shipping time", cells.time, "2026-03-02 14:00"), "offset": _OFFSET,
        "place": Column("发货地 From (GLN)", cells.place, "9521234000013"),
        "to_place": Column("收货地 To (GLN)", cells.place, "9521234000044", required=False),
        "taker": Column("收货方 Recipient (GLN)", cells.party, "9521234000020"),
        "number": Column("发货单号 Despatch advice", cells.code, "DN-88", required=False),
    }, _shipping),
}  # fmt: skip


def write_template(template: Template, path: Path) -> None:
    """Write an empty sheet: .xlsx with drop-downs and a page that explains, or .csv.  Raises FileExistsError, OSError."""
    titles = [column.title for column in template.columns.values()]
    if path.suffix.lower() == ".csv":
        with path.open("x", encoding="utf-8-sig", newline="") as file:  # the BOM lets Excel show 中文
            csv.writer(file).writerow(titles)
        return
    data = io.BytesIO()
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(data, plain) as book:
        text, head = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "bg_color": "#E8F0E4"})
        sheet, notes = book.add_worksheet(template.title), book.add_worksheet(HELP)
        sheet.freeze_panes(1, 0)
        notes.write_row(0, 0, ["列 Column", "必填 Required", "示例 Example"], head)
        for at, column in enumerate(template.columns.values()):
            # As text: a GTIN keeps its leading zero, a lot code its form.
            sheet.set_column(at, at, 22, text)
            sheet.write_string(0, at, column.title, head)
            if column.choices:
                sheet.data_validation(1, at, MAX_ROWS, at, {"validate": "list", "source": list(column.choices)})
            notes.write_row(at + 1, 0, [column.title, "是 yes" if column.required else "否 no", column.example], text)
        notes.set_column(0, 2, 28)
    with path.open("xb") as file:
        file.write(data.getvalue())
