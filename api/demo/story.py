"""
What happened in the season, as records in the order in which they were told.

Two farms pick, pack and ship; a central warehouse, two front warehouses and three pick-up points take over and hand on, each
side telling its own half; a certifier, a laboratory, and at the end the recall of one lot of apples.  Every hop is confirmed:
the sender names the receiver, and the quantities fit.

Records only.  Signing and sending are play.py's, item codes labels.py's of the producers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid5

from api.demo.cast import (
    APPLES,
    CENTRAL,
    CERTIFIER,
    CHEN,
    LABORATORY,
    LIN,
    MINHANG,
    PARTIES,
    PRODUCTS,
    PUDONG,
    ROSES,
    SHANDONG,
    WANG,
    Party,
    Product,
    pallet,
)
from producers.control import RecallNotice, Scope
from producers.epcis import build, kde
from producers.epcis.parts import Handover, LotQuantity, Occasion, Quantity, Things
from producers.epcis.text import encode
from producers.kinds import Certificate, CommitmentCertificate, Finding, LabReport, MasterData
from producers.records import Record, Withholding, event_record, record
from verify.gs1 import HOST

NAMES = UUID("952a3c1e-0000-4000-8000-0000000000d3")  # invented: the demo's own name space
LOOSE = {"en": "(harvest)", "zh": "（原收）"}
PRICE = Withholding((kde.PRICE,))
CODES = 24  # item codes of a lot
WHOLE = timedelta(hours=26)  # from the harvest to the last hand-over


@dataclass(frozen=True, slots=True)
class Told:
    """A record, and who tells it."""

    party: Party
    record: Record
    what: str
    """For the progress bar."""


@dataclass(frozen=True, slots=True)
class Lot:
    """One lot of the season: what was picked, what was packed of it, and who got how much."""

    product: Product
    code: str
    field_name: str
    picked_kg: str
    packed: int
    """Units."""
    unit: str
    pallet: str
    shares: tuple[tuple[Party, Party, int], ...]
    """(front warehouse, pick-up point, units)."""
    label_note: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        return self.product.lot(self.code)

    @property
    def harvest(self) -> str:
        return self.product.harvest(f"H{self.code}")


def lots(day: datetime) -> tuple[Lot, ...]:
    """The three lots, their codes after the day of harvest: roses, good apples, apples that are recalled."""
    code = day.strftime("%m%d")
    return (
        Lot(
            ROSES, f"R{code}-01", "3号温室", "96.0", 240, "H87", pallet(1001, 1),
            ((PUDONG, CHEN, 80), (PUDONG, WANG, 60), (MINHANG, LIN, 100)),
            {"en": "Roses: every hop confirmed, nothing recalled", "zh": "玫瑰：每一步经双方确认，无召回"},
        ),
        Lot(
            APPLES, f"A{code}-01", "东坡1区", "400.0", 160, "H87", pallet(1002, 1),
            ((PUDONG, CHEN, 60), (MINHANG, LIN, 100)),
            {"en": "Apples with certificate and laboratory report", "zh": "苹果：有证书与检测报告"},
        ),
        Lot(
            APPLES, f"A{code}-02", "东坡2区", "300.0", 120, "H87", pallet(1002, 2), ((PUDONG, WANG, 120),),
            {"en": "Apples that were RECALLED", "zh": "苹果：已被召回"},
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Season:
    """Writes the records; `now` is when the last of them happened, `origin` the log they are for."""

    now: datetime
    origin: str

    @property
    def harvest_day(self) -> datetime:
        """Six in the morning of the last day from which everything can have happened by now."""
        return (self.now - WHOLE - timedelta(hours=6)).replace(hour=6, minute=0, second=0, microsecond=0)

    @property
    def lots(self) -> tuple[Lot, ...]:
        return lots(self.harvest_day)

    def before_labels(self) -> Iterator[Told]:
        """Places, products, certificates; then harvest and packing of every lot."""
        yield from self._master()
        yield self._certificate()
        for lot in self.lots:
            yield from self._farm(lot)
        yield self._report(self.lots[1])

    def after_labels(self) -> Iterator[Told]:
        """The way of every lot to the pick-up points, and the recall."""
        for lot in self.lots:
            yield from self._way(lot)
        yield self._recall(self.lots[2])

    def _at(self, hours: float, party: Party) -> Occasion:
        time = self.harvest_day + timedelta(hours=hours)
        return Occasion(time, party.uri, place=party.place, location=party.place)

    def _event(self, party: Party, event: build.Event, what: str, withhold: Withholding = PRICE) -> Told:
        return Told(party, event_record(encode(event), issuer=party.uri, withhold=withhold), what)

    def _master(self) -> Iterator[Told]:
        for party in PARTIES:
            place = MasterData(id=party.place, type="Place", name=party.place_name, holder=party.uri,
                               geo={"lat": party.lat, "lon": party.lon}, more=party.location)  # fmt: skip
            yield Told(party, record(place, issuer=party.uri, at=self.harvest_day), "place")
        for product in PRODUCTS:
            owner, about = product.owner, {"commodity": product.commodity, "variety": product.variety}
            bulk = {lang: f"{name} {LOOSE[lang]}" for lang, name in product.name.items()}
            for uri, name, size in ((product.uri, product.name, product.size), (product.bulk_uri, bulk, "loose")):
                told = MasterData(
                    id=uri, type="Product", name=name, holder=owner.uri, more={**about, "netContent": size}
                )
                yield Told(owner, record(told, issuer=owner.uri, at=self.harvest_day), "product")

    def _certificate(self) -> Told:
        year = self.now.year
        told = Certificate(
            id=self._urn("certificate"), scheme="绿色食品 (demo)", number=f"LB-DEMO-{year}-0001", holder=SHANDONG.uri,
            subjects=[APPLES.uri], valid_from=f"{year}-01-01T00:00:00+08:00", valid_until=f"{year + 2}-12-31T23:59:59+08:00",
            attestation="issuer",
        )  # fmt: skip
        return Told(CERTIFIER, record(told, issuer=CERTIFIER.uri, at=self.harvest_day), "certificate")

    def _farm(self, lot: Lot) -> Iterator[Told]:
        farm, product = lot.product.owner, lot.product
        picked = Things(lots=(LotQuantity(lot.harvest, Quantity(Decimal(lot.picked_kg), "KGM")),))
        made = Things(lots=(LotQuantity(lot.uri, Quantity(Decimal(lot.packed), lot.unit)),))
        day = self.harvest_day.date()
        facts = kde.Harvest(product.commodity, day, product.variety, lot.field_name, country="CN")
        grower = {kde.HARVESTER: {kde.NAME: farm.name["en"], kde.PHONE: farm.phone}}
        ticket = kde.Reference(kde.HARVEST_TICKET, f"HT-{lot.code}", farm.uri[-13:])
        harvested = replace(self._at(0, farm), references=(ticket,), extra=grower)
        yield self._event(farm, build.harvest(picked, harvested, facts), "harvest")
        description = f"{product.name['en']} ({product.variety})"
        packing = kde.Packing(
            description, day, tlc_source=farm.place, commodity=product.commodity, variety=product.variety,
            harvested_on=day, farm=farm.place, field_name=lot.field_name, expires_on=day + timedelta(days=12),
        )  # fmt: skip
        packed = replace(self._at(3, farm), references=(kde.Reference("prodorder", f"PO-{lot.code}", farm.uri[-13:]),))
        yield self._event(farm, build.pack(picked, made, packed, packing), "packing")
        yield self._commitment(lot)

    def _commitment(self, lot: Lot) -> Told:
        farm = lot.product.owner
        told = CommitmentCertificate(
            id=self._urn(f"commitment {lot.uri}"), form="producer", lot=lot.uri, holder=farm.uri, product=lot.product.uri,
            quantity={"amount": str(lot.packed), "uom": lot.unit}, basis=["internal control", "self-commitment"],
            origin={"place": farm.place, "field": lot.field_name}, issued=self.harvest_day.date().isoformat(),
        )  # fmt: skip
        return Told(farm, record(told, issuer=farm.uri, at=self.harvest_day + timedelta(hours=4)), "commitment")

    def _report(self, lot: Lot) -> Told:
        found = (
            Finding(
                analyte="Carbendazim 多菌灵", result="0.12", unit="mg/kg", limit="5", lod="0.01", loq="0.03", verdict="pass"
            ),
            Finding(
                analyte="Chlorpyrifos 毒死蜱", result="<0.02", unit="mg/kg", limit="1", lod="0.005", loq="0.02", verdict="pass"
            ),
        )
        told = LabReport(
            id=self._urn("report"), lot=lot.uri, sample=f"S-{lot.code}", results=found, method="GB 23200.121-2021",
            verdict="pass", attestation="issuer", laboratory=LABORATORY.uri, holder=SHANDONG.uri, inspector="Demo Inspector",
        )  # fmt: skip
        made = record(
            told, issuer=LABORATORY.uri, at=self.harvest_day + timedelta(hours=8), withhold=Withholding(("inspector",))
        )
        return Told(LABORATORY, made, "laboratory report")

    def _way(self, lot: Lot) -> Iterator[Told]:
        farm, whole = lot.product.owner, self._some(lot, lot.packed)
        loaded = Things((lot.pallet,), whole.lots)
        yield self._event(farm, build.aggregate(lot.pallet, whole, self._at(4, farm)), "palletising")
        yield from self._hop(loaded, farm, CENTRAL, 5, 17)
        yield self._event(CENTRAL, build.disaggregate(lot.pallet, self._at(18, CENTRAL)), "unpacking")
        for front in dict.fromkeys(front for front, _, _ in lot.shares):
            share = sum(units for one, _, units in lot.shares if one == front)
            yield from self._hop(self._some(lot, share), CENTRAL, front, 19, 21)
        for front, shop, units in lot.shares:
            yield from self._hop(self._some(lot, units), front, shop, 22, 24)
            sold = self._some(lot, units // 4)
            yield self._event(shop, build.sell(sold, self._at(26, shop)), "hand-over to families")

    def _hop(self, things: Things, giver: Party, taker: Party, left: float, arrived: float) -> Iterator[Told]:
        note = kde.Reference("desadv", f"DN-{left:g}-{things.lots[0].lot[-8:]}-{taker.short}", giver.uri[-13:])
        between = Handover(giver.uri, taker.uri, giver.place, taker.place)
        sent = replace(self._at(left, giver), location="", references=(note,), extra={kde.PRICE: "12.50"})
        yield self._event(giver, build.ship(things, sent, between), "shipping")
        got = replace(self._at(arrived, taker), references=(note,))
        yield self._event(taker, build.receive(things, got, between), "receiving")

    def _some(self, lot: Lot, units: int) -> Things:
        return Things(lots=(LotQuantity(lot.uri, Quantity(Decimal(units), lot.unit)),))

    def _recall(self, lot: Lot) -> Told:
        told = RecallNotice(
            id=self._urn("recall"), log=self.origin, scope=Scope(lots=(lot.uri,)), class_="II",
            reason={"en": "Pesticide residue above the limit in a retained sample", "zh": "留样复检农药残留超标"},
            instructions={
                "en": "Do not eat. Bring the box back to your pick-up point for a full refund.",
                "zh": "请勿食用。请将整箱退回自提点，全额退款。",
            },
        )  # fmt: skip
        return Told(SHANDONG, record(told, issuer=SHANDONG.uri, at=self.now), "recall")

    def _urn(self, name: str) -> str:
        return f"urn:uuid:{uuid5(NAMES, f'{self.harvest_day.isoformat()} {name} {HOST}')}"
