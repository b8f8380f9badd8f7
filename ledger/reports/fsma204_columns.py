"""
FSMA 204: the columns of each critical tracking event, every key data element with its place in 21 CFR part 1, subpart S; and
a row under them.

A column is required where the rule names it without "if applicable"; a row that lacks one says so in its last column.  The
conditional lists (sprouts, aquaculture containers, receipts from exempt persons) are columns that may stay empty.

Source: 21 CFR 1.1325 to 1.1350 (text of 2026-06-11).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ledger.reports.facts import WITHHELD, Book, Fact
from ledger.reports.fsma204_inside import Packed
from ledger.reports.interface import Cell, Column
from verify.edges import CLAIMED

HARVEST, COOLING, PACKING, LANDING = "Harvest", "Cooling", "InitialPacking", "FirstLandBasedReceiving"
SHIPPING, RECEIVING, TRANSFORMATION = "Shipping", "Receiving", "Transformation"


def _need(key: str, law: str, en: str, zh: str) -> Column:
    return Column(key, {"en": en, "zh": zh}, law, required=True)


def _may(key: str, law: str, en: str, zh: str) -> Column:
    return Column(key, {"en": en, "zh": zh}, law)


# What every row tells beside the law's elements: where in the log it stands, so that anybody can check it.
LOGGED: Sequence[Column] = (
    _may("teller", "", "Told by", "记录方"),
    _may("time", "", "Event time as claimed", "事件时间(记录方所述)"),
    _may("late_hours", "", "Hours from event to log", "事件至入账小时数"),
    _may("standing", "", "Standing", "效力"),
    _may("event_id", "", "Event ID", "事件编号"),
    _may("index", "", "Log index", "账本序号"),
    _may("digest", "", "Digest of the signed record", "签名记录摘要"),
    _may("missing", "", "Missing elements", "缺失要素"),
)

COLUMNS: Mapping[str, Sequence[Column]] = {
    HARVEST: (
        _need("recipient", "1.1325(a)(1)(i)", "Immediate subsequent recipient", "直接后续接收方"),
        _need("commodity", "1.1325(a)(1)(ii)", "Commodity", "品类"),
        _may("variety", "1.1325(a)(1)(ii)", "Variety", "品种"),
        _need("quantity", "1.1325(a)(1)(iii)", "Quantity", "数量"),
        _need("unit", "1.1325(a)(1)(iii)", "Unit of measure", "计量单位"),
        _need("farm", "1.1325(a)(1)(iv)", "Farm where harvested", "采收农场"),
        _need("field", "1.1325(a)(1)(v)", "Field or growing area", "地块或种植区"),
        _may("container", "1.1325(a)(1)(vi)", "Pond, pool, tank or cage", "养殖容器"),
        _need("harvest_date", "1.1325(a)(1)(vii)", "Harvest date", "采收日期"),
        _need("reference", "1.1325(a)(1)(viii)", "Reference document", "参考单据"),
        _may("lot", "", "Harvest lot", "采收批次"),
        _may("harvester", "1.1325(a)(2)", "Harvester's business name", "采收者名称"),
        _may("phone", "1.1325(a)(2)", "Harvester's phone", "采收者电话"),
    ),
    COOLING: (
        _need("recipient", "1.1325(b)(1)(i)", "Immediate subsequent recipient", "直接后续接收方"),
        _need("commodity", "1.1325(b)(1)(ii)", "Commodity", "品类"),
        _may("variety", "1.1325(b)(1)(ii)", "Variety", "品种"),
        _need("quantity", "1.1325(b)(1)(iii)", "Quantity", "数量"),
        _need("unit", "1.1325(b)(1)(iii)", "Unit of measure", "计量单位"),
        _need("cooled_at", "1.1325(b)(1)(iv)", "Where cooled", "预冷地点"),
        _need("cooling_date", "1.1325(b)(1)(v)", "Cooling date", "预冷日期"),
        _need("farm", "1.1325(b)(1)(vi)", "Farm where harvested", "采收农场"),
        _need("reference", "1.1325(b)(1)(vii)", "Reference document", "参考单据"),
        _may("lot", "", "Harvest lot", "采收批次"),
    ),
    PACKING: (
        _need("commodity", "1.1330(a)(1)", "Commodity received", "接收品类"),
        _may("variety", "1.1330(a)(1)", "Variety received", "接收品种"),
        _need("received_date", "1.1330(a)(2)", "Date received", "接收日期"),
        _need("received_quantity", "1.1330(a)(3)", "Quantity received", "接收数量"),
        _need("received_unit", "1.1330(a)(3)", "Unit received", "接收单位"),
        _need("farm", "1.1330(a)(4)", "Farm where harvested", "采收农场"),
        _need("field", "1.1330(a)(5)", "Field or growing area", "地块或种植区"),
        _may("container", "1.1330(a)(6)", "Pond, pool, tank or cage", "养殖容器"),
        _need("harvester", "1.1330(a)(7)", "Harvester's business name", "采收者名称"),
        _need("phone", "1.1330(a)(7)", "Harvester's phone", "采收者电话"),
        _need("harvest_date", "1.1330(a)(8)", "Harvest date", "采收日期"),
        _may("cooled_at", "1.1330(a)(9)", "Where cooled", "预冷地点"),
        _may("cooling_date", "1.1330(a)(10)", "Cooling date", "预冷日期"),
        _may("gtin", "", "GTIN", "GTIN"),
        _need("tlc", "1.1330(a)(11)", "Traceability lot code assigned", "分配的追溯批次码"),
        _need("description", "1.1330(a)(12)", "Product description", "产品描述"),
        _need("quantity", "1.1330(a)(13)", "Quantity packed", "包装数量"),
        _need("unit", "1.1330(a)(13)", "Unit packed", "包装单位"),
        _need("packed_at", "1.1330(a)(14)", "Where packed (lot code source)", "包装地点(批次码来源)"),
        _may("source_reference", "1.1330(a)(14)", "Lot code source reference", "批次码来源参考"),
        _need("pack_date", "1.1330(a)(15)", "Packing date", "包装日期"),
        _need("reference", "1.1330(a)(16)", "Reference document", "参考单据"),
    ),
    LANDING: (
        _may("gtin", "", "GTIN", "GTIN"),
        _need("tlc", "1.1335(a)", "Traceability lot code assigned", "分配的追溯批次码"),
        _need("description", "1.1335(b)", "Species or product description", "品种或产品描述"),
        _need("quantity", "1.1335(c)", "Quantity", "数量"),
        _need("unit", "1.1335(c)", "Unit of measure", "计量单位"),
        _need("harvest_date", "1.1335(d)", "Harvest date range", "捕捞日期范围"),
        _need("harvest_area", "1.1335(d)", "Harvest locations (NMFS or FAO area)", "捕捞区域(NMFS 或 FAO)"),
        _need("received_at", "1.1335(e)", "First land-based receiver (lot code source)", "首个陆上接收方(批次码来源)"),
        _may("source_reference", "1.1335(e)", "Lot code source reference", "批次码来源参考"),
        _need("date", "1.1335(f)", "Date landed", "上岸日期"),
        _need("reference", "1.1335(g)", "Reference document", "参考单据"),
    ),
    SHIPPING: (
        _may("gtin", "", "GTIN", "GTIN"),
        _need("tlc", "1.1340(a)(1)", "Traceability lot code", "追溯批次码"),
        _need("quantity", "1.1340(a)(2)", "Quantity", "数量"),
        _need("unit", "1.1340(a)(2)", "Unit of measure", "计量单位"),
        _need("description", "1.1340(a)(3)", "Product description", "产品描述"),
        _need("recipient", "1.1340(a)(4)", "Immediate subsequent recipient", "直接后续接收方"),
        _need("shipped_from", "1.1340(a)(5)", "Shipped from", "发货地点"),
        _need("date", "1.1340(a)(6)", "Date shipped", "发货日期"),
        _need("tlc_source", "1.1340(a)(7)", "Lot code source or its reference", "批次码来源或其参考"),
        _need("reference", "1.1340(a)(8)", "Reference document", "参考单据"),
        _may("unit_load", "", "Logistic unit", "物流单元"),
    ),
    RECEIVING: (
        _may("gtin", "", "GTIN", "GTIN"),
        _need("tlc", "1.1345(a)(1)", "Traceability lot code", "追溯批次码"),
        _need("quantity", "1.1345(a)(2)", "Quantity", "数量"),
        _need("unit", "1.1345(a)(2)", "Unit of measure", "计量单位"),
        _need("description", "1.1345(a)(3)", "Product description", "产品描述"),
        _need("previous", "1.1345(a)(4)", "Immediate previous source", "直接前一来源"),
        _need("received_at", "1.1345(a)(5)", "Received at", "接收地点"),
        _need("date", "1.1345(a)(6)", "Date received", "接收日期"),
        _need("tlc_source", "1.1345(a)(7)", "Lot code source or its reference", "批次码来源或其参考"),
        _need("reference", "1.1345(a)(8)", "Reference document", "参考单据"),
        _may("unit_load", "", "Logistic unit", "物流单元"),
    ),
    TRANSFORMATION: (
        _may("used_gtin", "", "GTIN used", "使用的 GTIN"),
        _need("used_tlc", "1.1350(a)(1)(i)", "Lot code used", "使用的批次码"),
        _need("used_description", "1.1350(a)(1)(ii)", "Product used", "使用的产品"),
        _need("used_quantity", "1.1350(a)(1)(iii)", "Quantity used", "使用数量"),
        _need("used_unit", "1.1350(a)(1)(iii)", "Unit used", "使用单位"),
        _may("gtin", "", "GTIN produced", "产出的 GTIN"),
        _need("tlc", "1.1350(a)(2)(i)", "New traceability lot code", "新追溯批次码"),
        _need("made_at", "1.1350(a)(2)(ii)", "Where transformed (lot code source)", "加工地点(批次码来源)"),
        _may("source_reference", "1.1350(a)(2)(ii)", "Lot code source reference", "批次码来源参考"),
        _need("date", "1.1350(a)(2)(iii)", "Date completed", "完成日期"),
        _need("description", "1.1350(a)(2)(iv)", "Product description", "产品描述"),
        _need("quantity", "1.1350(a)(2)(v)", "Quantity produced", "产出数量"),
        _need("unit", "1.1350(a)(2)(v)", "Unit produced", "产出单位"),
        _need("reference", "1.1350(a)(2)(vi)", "Reference document", "参考单据"),
    ),
}  # fmt: skip


@dataclass(slots=True)
class Row:
    """One row while it is made: cells by column key, and elements that are there in part only."""

    fact: Fact
    lots: tuple[str, ...]
    """What its teller must have had, or had the right to make, for it to count."""
    cells: dict[str, Cell] = field(default_factory=dict)
    partial: dict[str, Sequence[str]] = field(default_factory=dict)
    """What is missing of them."""
    packed: Packed | None = None
    """Where the row is about what was inside a unit that moved: who says so, and how sure that is."""

    @property
    def teller(self) -> str:
        """Whose word it is: the event's issuer's, unless only a third party says that this moved with the unit."""
        return self.packed.by if self.packed is not None and self.packed.state == CLAIMED else self.fact.told.issuer

    def place(self, key: str, book: Book, uri: str) -> None:
        """A location description (1.1310); a bare identifier is not one."""
        self.cells[key], gaps = book.describe(uri)
        if gaps:
            self.partial[key] = gaps

    def amount(self, key: str, unit: str, quantity: Decimal | str | None, uom: str | None) -> None:
        """How much; an instance without a quantity is one."""
        self.cells[key], self.cells[unit] = (None, None) if quantity is None else (Decimal(quantity), uom or "EA")

    def missing(self, columns: Sequence[Column]) -> list[Column]:
        """Required elements that nobody told, or only in part; not those that this reader may not see."""
        return [one for one in columns if one.required and (one.key in self.partial or self.cells.get(one.key) in (None, ""))]

    def lacking(self, column: Column) -> Sequence[str]:
        """What is missing of an element of which the rest was told."""
        return self.partial.get(column.key, ()) if self.cells.get(column.key) else ()

    @property
    def is_whole(self) -> bool:
        """Whether this reader may see every element that was told."""
        return WITHHELD not in self.cells.values()
