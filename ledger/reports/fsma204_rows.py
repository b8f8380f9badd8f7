"""
The rows of the FSMA 204 spreadsheet: which event of the rule a logged event is, and what each row of it tells.

Source: 21 CFR 1.1325 to 1.1350; producers/epcis/kde.py for where each element stands.
"""

from collections.abc import Iterator
from decimal import Decimal

from ledger.reports.facts import Book, Fact
from ledger.reports.fsma204_columns import COOLING, HARVEST, LANDING, PACKING, RECEIVING, SHIPPING, TRANSFORMATION, Row
from ledger.reports.fsma204_standing import Standing
from ledger.reports.interface import Cell, text_of
from producers.epcis import kde
from verify import gs1
from verify.epcis import Object

LANDED = "landing"  # the end of GDST's step, urn:gdst:bizStep:landing
HARVESTED = ("originmark:harvestDate", "cbvmda:harvestStartDate")
AREA = ("cbvmda:catchArea", "gdst:catchArea")


class Reading:
    """A book, sorted into the events of the rule."""

    def __init__(self, book: Book, standing: Standing) -> None:
        self.book, self.standing, self.insides = book, standing, standing.insides
        self.made: dict[str, Fact] = {}
        self.harvests: dict[str, Fact] = {}
        self.about: dict[str, list[Fact]] = {}
        for fact in book.facts:
            for uri in {uri for one in fact.event.objects for uri in (one.uri, one.lot) if uri is not None}:
                self.about.setdefault(uri, []).append(fact)
            for uri in book.made_in(fact):
                self.made.setdefault(uri, fact)
                if self.kind_of_making(fact) == HARVEST:
                    self.harvests.setdefault(uri, fact)

    @staticmethod
    def kind_of_making(fact: Fact) -> str:
        """Harvest, or something else, for an event that makes a lot."""
        return HARVEST if fact.event.type == "ObjectEvent" and not fact.member(kde.PACK_DATE) else ""

    def rows(self, cte: str) -> Iterator[Row]:
        """Every row of one sheet."""
        make = {HARVEST: self.harvest, COOLING: self.cooling, LANDING: self.landing, SHIPPING: self.moved, RECEIVING: self.moved,
                PACKING: self.packing, TRANSFORMATION: self.transformation}[cte]  # fmt: skip
        for fact in self.book.facts:
            if cte == self.cte_of(fact):
                yield from make(fact)

    def cte_of(self, fact: Fact) -> str:
        """Which event of the rule this is; empty for none."""
        event = fact.event
        if event.error_declaration:
            return ""
        if event.type == "TransformationEvent":
            inputs = [one.lot or one.uri for one in event.objects if one.role == "input"]
            return PACKING if inputs and all(uri in self.harvests for uri in inputs) else TRANSFORMATION
        if (event.biz_step or "").rpartition(":")[2] == LANDED:
            return LANDING
        if event.is_shipping or event.is_receiving:
            return SHIPPING if event.is_shipping else RECEIVING
        if event.commissioned:
            return self.kind_of_making(fact)
        return COOLING if event.type == "ObjectEvent" and fact.member(kde.COOLING_DATE) else ""

    def harvest(self, fact: Fact) -> Iterator[Row]:
        """A row for each lot that was picked."""
        for thing in fact.event.commissioned:
            row = self._grown(fact, thing)
            row.cells |= {"field": fact.member(kde.FIELD_NAME), "container": fact.member(kde.GROWING_CONTAINER),
                          "harvest_date": fact.member(*HARVESTED) or fact.date, **self._harvester(fact)}  # fmt: skip
            yield row

    def cooling(self, fact: Fact) -> Iterator[Row]:
        """A row for each lot that was cooled before it was packed."""
        for thing in fact.event.objects:
            row = self._grown(fact, thing)
            row.cells["cooling_date"] = fact.member(kde.COOLING_DATE)
            row.place("cooled_at", self.book, fact.place)
            yield row

    def _grown(self, fact: Fact, thing: Object) -> Row:
        """What harvest and cooling share."""
        lot = thing.lot or thing.uri
        harvest = fact if fact.event.commissioned else self.harvests.get(lot, fact)
        row = Row(fact, (lot,))
        row.place("recipient", self.book, self._recipient(fact, lot))
        row.place("farm", self.book, fact.member(kde.FARM) or harvest.place)
        row.amount("quantity", "unit", thing.quantity, thing.uom)
        row.cells |= {"commodity": harvest.member(kde.COMMODITY), "variety": harvest.member(kde.VARIETY),
                      "reference": fact.references, "lot": _code(lot)}  # fmt: skip
        return row

    def _recipient(self, fact: Fact, lot: str) -> str:
        """Who gets it next: as told, else where it was shipped, else where it was packed."""
        if told := fact.end("destination"):
            return told
        for one in self.about.get(lot, ()):
            if one is fact or one.told.time_ms < fact.told.time_ms or not self.standing.counts(one, lot):
                continue
            if one.event.is_shipping:
                return one.end("destination")
            if one.event.type == "TransformationEvent":
                return one.place
        return ""

    def _harvester(self, fact: Fact) -> dict[str, Cell]:
        name = fact.inner(kde.HARVESTER, kde.NAME)
        return {"harvester": name or self.book.party(fact.told.issuer), "phone": fact.inner(kde.HARVESTER, kde.PHONE)}

    def packing(self, fact: Fact) -> Iterator[Row]:
        """Initial packing: a row for each harvest in each lot that was made of it."""
        for used in (one for one in fact.event.objects if one.role == "input"):
            harvest = self.harvests[used.lot or used.uri]
            for made in fact.event.commissioned:
                row = self._assigned(fact, made, "packed_at", used)
                row.amount("received_quantity", "received_unit", used.quantity, used.uom)
                row.place("farm", self.book, fact.member(kde.FARM) or harvest.place)
                row.cells |= {
                    "commodity": harvest.member(kde.COMMODITY) or fact.member(kde.COMMODITY),
                    "variety": harvest.member(kde.VARIETY) or fact.member(kde.VARIETY),
                    "field": harvest.member(kde.FIELD_NAME) or fact.member(kde.FIELD_NAME),
                    "container": harvest.member(kde.GROWING_CONTAINER),
                    "harvest_date": harvest.member(*HARVESTED) or harvest.date,
                    "received_date": self._received(used.lot or used.uri, fact) or harvest.date,
                    "pack_date": fact.member(kde.PACK_DATE) or fact.date, **self._harvester(harvest),
                }  # fmt: skip
                self._cooled(row, used.lot or used.uri)
                yield row

    def _received(self, lot: str, fact: Fact) -> str:
        """The day on which the packer took a lot in; its own harvest it had from the first day."""
        taken = (one for one in self.about.get(lot, ()) if one.event.is_receiving)
        return next((one.date for one in taken if one.told.issuer == fact.told.issuer), "")

    def _cooled(self, row: Row, lot: str) -> None:
        row.cells["cooling_date"] = row.fact.member(kde.COOLING_DATE)
        row.cells["cooled_at"] = row.fact.member(kde.COOLING_PLACE)
        for one in self.about.get(lot, ()):
            if self.cte_of(one) == COOLING and self.standing.counts(one, lot):
                row.cells |= {"cooling_date": one.member(kde.COOLING_DATE), "cooled_at": self.book.describe(one.place)[0]}

    def landing(self, fact: Fact) -> Iterator[Row]:
        """A first land-based receiver's: a row for each lot that came ashore."""
        for thing in fact.event.objects:
            row = self._assigned(fact, thing, "received_at")
            row.cells |= {"harvest_date": fact.member(*HARVESTED), "harvest_area": fact.member(*AREA)}
            yield row

    def transformation(self, fact: Fact) -> Iterator[Row]:
        """A row for each input of each lot that was made."""
        for used in (one for one in fact.event.objects if one.role == "input"):
            lot = used.lot or used.uri
            for made in fact.event.commissioned:
                row = self._assigned(fact, made, "made_at", used)
                row.amount("used_quantity", "used_unit", used.quantity, used.uom)
                row.cells |= {"used_gtin": _gtin(lot), "used_tlc": _code(lot), "used_description": self._description(lot)}
                yield row

    def _assigned(self, fact: Fact, thing: Object, where: str, *used: Object) -> Row:
        """A row about a lot code that this event assigns, to what was made of `used`."""
        lot = thing.lot or thing.uri
        row = Row(fact, (lot, *(one.lot or one.uri for one in used)))
        row.amount("quantity", "unit", thing.quantity, thing.uom)
        row.place(where, self.book, fact.member(kde.TLC_SOURCE) or fact.place)
        row.cells |= {"gtin": _gtin(lot), "tlc": _code(lot), "description": self._description(lot), "date": fact.date,
                      "source_reference": fact.member(kde.TLC_SOURCE_REFERENCE), "reference": fact.references}  # fmt: skip
        return row

    def moved(self, fact: Fact) -> Iterator[Row]:
        """Shipping and receiving: a row for each lot, also for those inside the units that moved."""
        roles, packed = {thing.role for thing in fact.event.objects}, self._packed(fact)
        for thing in fact.event.objects:
            if thing.role == "parent" and "child" in roles:
                continue  # the children are told one by one
            if packed.get((thing.uri, thing.uom or "")) == (Decimal(1) if thing.quantity is None else thing.quantity):
                continue  # told beside the unit that it is in, as despatch advices do: it moved once
            yield from self._inside(fact, thing.uri)
            if self.insides.sure(fact, thing.uri):
                continue  # what was inside is told one by one
            if gs1.level(thing.uri) in ("sscc", "asset"):
                yield self._carried(fact, "", None, None, thing.uri)
            elif self._is_goods(lot := thing.lot or thing.uri):
                yield self._carried(fact, lot, text_of(thing.quantity) or None, thing.uom, "")

    def _inside(self, fact: Fact, unit: str) -> Iterator[Row]:
        for one in self.insides.of(fact, unit):
            if self._is_goods(one.content.uri):
                row = self._carried(fact, one.content.uri, one.content.quantity, one.content.uom, unit)
                row.packed = one
                yield row

    def _is_goods(self, uri: str) -> bool:
        """Neither a unit, whose contents are told, nor a harvest that is not packed yet."""
        return uri not in self.harvests and gs1.level(uri) not in ("sscc", "asset")

    def _packed(self, fact: Fact) -> dict[tuple[str, str], Decimal]:
        """How much of what is inside the units that an event names, by lot or item and unit of measure; an item is one."""
        found: dict[tuple[str, str], Decimal] = {}
        for content in (one.content for unit in fact.event.objects for one in self.insides.sure(fact, unit.uri)):
            key = (content.uri, content.uom or "")
            found[key] = found.get(key, Decimal(0)) + Decimal(content.quantity or 1)
        return found

    def _carried(self, fact: Fact, lot: str, quantity: str | None, uom: str | None, unit: str) -> Row:
        row = Row(fact, (lot or unit,))
        row.amount("quantity", "unit", quantity, uom)
        if fact.event.is_shipping:
            row.place("recipient", self.book, fact.end("destination"))
            row.place("shipped_from", self.book, fact.place or fact.end("source"))
        else:
            row.place("previous", self.book, fact.end("source"))
            row.place("received_at", self.book, fact.place or fact.end("destination"))
        source = fact.member(kde.TLC_SOURCE_REFERENCE)
        if not source:
            row.place("tlc_source", self.book, fact.member(kde.TLC_SOURCE) or self._source(lot))
        else:
            row.cells["tlc_source"] = source
        row.cells |= {"gtin": _gtin(lot), "tlc": _code(lot), "date": fact.date, "reference": fact.references, "unit_load": unit,
                      "description": fact.member(kde.PRODUCT_DESCRIPTION) or self._description(lot)}  # fmt: skip
        return row

    def _source(self, lot: str) -> str:
        made = self.made.get(lot)
        return "" if made is None else made.member(kde.TLC_SOURCE) or made.place

    def _description(self, lot: str) -> str:
        made = self.made.get(lot)
        return (made.member(kde.PRODUCT_DESCRIPTION) if made is not None else "") or (self.book.product(lot) if lot else "")


def _gtin(uri: str) -> str:
    link = gs1.read(uri) if uri else None
    return link.parts.get("01", "") if link else ""


def _code(uri: str) -> str:
    """The lot code as printed; a URI that is no GS1 lot is its own code."""
    link = gs1.read(uri) if uri else None
    return (link.parts.get("10") or link.parts.get("21") or uri) if link else uri
