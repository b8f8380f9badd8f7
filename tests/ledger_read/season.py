"""
A small season through the real sequencer: two fields, one packed lot, a pallet, a hub, two group leaders, a mixed box.

    H-1, H-2  ->  P-1 (400 boxes, item codes)  ->  pallet  ->  hub  ->  leaders Wang (60) and Zhao (40), sold
                                                           hub repacks 100 boxes of P-1  ->  R-1
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.bundles import make_bundle
from ledger.codes import code_leaf, lot_of_leaves, store_leaves
from ledger.db import Database
from ledger.models import Published
from producers.control import LabelCommitment, RecallNotice, Scope, Withdrawal
from producers.epcis import build, kde
from producers.epcis.parts import Handover, LotQuantity, Occasion, Quantity, Things
from producers.epcis.text import encode
from producers.kinds import Certificate, Finding, LabReport, MasterData, Subject
from producers.records import NOTHING, Withholding, event_record, sign_record
from producers.sign import jwk_of
from tests.support.ledger import ORIGIN, Rig, p256
from verify.entry import Entry
from verify.gs1 import check_digit
from verify.merkle import root, roots_reader
from verify.policy import Policy
from verify.statement import thumbprint
from verify.tiles import WIDTH
from verify.verifier import Verification, verify_bundle

FARM, HUB, WANG, ZHAO = (f"https://{name}.example/" for name in ("farm", "hub", "wang", "zhao"))
STRANGER, AGENCY, LAB, CERTIFIER = (f"https://{name}.example/" for name in ("stranger", "agency", "lab", "certifier"))
RAW, BOX, MIX = ("https://id.gs1.org/01/" + gtin for gtin in ("09520001000010", "09520001000027", "09520002000026"))
H1, H2, P1, R1 = f"{RAW}/10/H-1", f"{RAW}/10/H-2", f"{BOX}/10/P-1", f"{MIX}/10/R-1"
FIELD, SHED, DOCK = (f"https://farm.example/{name}" for name in ("field-7", "shed", "dock"))
HUB_DOCK, DOOR_WANG, DOOR_ZHAO = "https://hub.example/dock", "https://wang.example/door", "https://zhao.example/door"
CST = timezone(timedelta(hours=8))
SERIALS = [f"{number:020d}" for number in range(400)]
REGULATED = Withholding(names=("destinationList",))


def sscc(number: int) -> str:
    """A pallet of our own."""
    digits = f"09520001{number:09}"
    return "https://id.gs1.org/00/" + digits + check_digit(digits)


PALLET = sscc(1)


def lots(*pairs: tuple[str, str, str]) -> Things:
    """Quantities of lots: (URI, amount, unit)."""
    return Things(lots=tuple(LotQuantity(uri, Quantity(Decimal(amount), unit)) for uri, amount, unit in pairs))


@dataclass
class Season:
    """The rig with its parties; every method logs what it says and returns the index."""

    rig: Rig
    told: dict[str, int] = field(default_factory=dict)

    def grant(self, party: str, *roles: str, mint: Sequence[str] = ()) -> int:
        """Register a party; its key is named after it."""
        return self.rig.log(self.rig.grant(party, p256(party), *roles, mint=mint))[0]

    def say(self, party: str, subject: Subject) -> int:
        """A statement of any kind but events."""
        return self.rig.log(self.rig.sign(subject, party, p256(party)))[0]

    def tell(self, party: str, name: str, event: Callable[[Occasion], build.Event], *, place: str = "",
             withhold: Withholding = NOTHING, hours_late: int = 0, document: str = "") -> int:  # fmt: skip
        """An event, an hour after the last one, logged at once or `hours_late`."""
        time = datetime.fromtimestamp(self.rig.now_ms / 1000, UTC).astimezone(CST) - timedelta(hours=hours_late)
        papers = (kde.Reference("bol", document),) if document else ()
        made = event(Occasion(time, party, place=place, references=papers))
        index = self.rig.log(sign_record(event_record(encode(made), issuer=party, withhold=withhold), p256(party)))[0]
        self.rig.now_ms += 3_600_000
        self.told[name] = index
        return index

    def hand_over(self, giver: str, taker: str, things: Things, name: str, places: tuple[str, str] = ("", ""), *,
                  withhold: Withholding = NOTHING) -> None:  # fmt: skip
        """A hand-over that both sides sign."""
        moved = Handover(giver, taker, *places)
        sent, received = partial(build.ship, things, handover=moved), partial(build.receive, things, handover=moved)
        self.tell(giver, f"ship {name}", sent, place=places[0], withhold=withhold, document="B-1")
        self.tell(taker, f"receive {name}", received, place=places[1], document="B-1")

    def recall(self, party: str, *, reason: str = "salmonella", closes: str | None = None, **scope: object) -> int:
        """A recall notice, or the closing of one."""
        notice = RecallNotice(
            id="urn:uuid:00000000-0000-4000-8000-0000000000aa", log=ORIGIN, scope=Scope(**scope),  # type: ignore[arg-type]
            class_="I", reason={"en": reason}, instructions={"en": "do not eat"}, closes=closes,
        )  # fmt: skip
        return self.say(party, notice)

    def withdraw(self, party: str, index: int) -> int:
        """A party takes back what it said at `index`."""
        target = Entry.decode(self.entries()[index])
        return self.say(party, Withdrawal.of(target.digest, origin=ORIGIN, keys=target.keys, reason="mistake"))

    def label(self, serial: str | None = None, lot: str = P1) -> str:
        """What stands on the box."""
        path = lot.removeprefix("https://id.gs1.org")
        return f"https://shop.example{path}" + (f"/21/{serial}" if serial else "")

    def published(self) -> Published:
        """What everybody can see."""
        with self.rig.database.reading() as session:
            row = session.get(Published, ORIGIN)
            assert row is not None
            return row

    def bundle(self, label: str, **more: Any) -> str:
        """What the operator answers to a scan now."""
        with self.rig.database.reading() as session:
            return make_bundle(session, self.rig.store, self.rig.keys.log, label=label, now_s=self.now_s,
                               **{"published": self.published(), **more})  # fmt: skip

    def verify(self, label: str, bundle: str | None = None, **more: Any) -> Verification:
        """A reader's run over the bundle; raises where a step fails."""
        return verify_bundle(bundle or self.bundle(label), label=label, **{"policy": self.policy(), "now_s": self.now_s, **more})

    def entries(self) -> list[bytes]:
        """The log, as the tiles hold it."""
        size = self.published().size
        return [entry for at in range(-(-size // WIDTH)) for entry in self.rig.store.read_entries(at, size)]

    @property
    def now_s(self) -> int:
        """The clock, seconds since 1970."""
        return self.rig.now_ms // 1000

    def policy(self, *more: str) -> Policy:
        """A reader who trusts this log, its clock and its registrar, and needs no witness."""
        kid = thumbprint(jwk_of(self.rig.keys.registrar.public_key()))
        lines = [f"log {self.rig.keys.log.vkey.format()}", f"clock {self.rig.keys.clock.vkey.format()}",
                 f"registrar {self.rig.registrar} {kid} 0- *", *more]  # fmt: skip
        return Policy.parse("\n".join(lines) + "\n")


def play(database: Database, folder: Path) -> Season:
    """The whole season, everybody honest."""
    season = Season(Rig(database, folder).create())
    season.grant(FARM, "producer", "brand-owner", mint=[RAW, BOX])
    season.grant(HUB, "warehouse", mint=[MIX])
    season.grant(WANG, "retailer")
    season.grant(ZHAO, "retailer")
    season.grant(LAB, "laboratory")
    season.grant(CERTIFIER, "certifier")
    season.grant(AGENCY, "authority")
    describe(season)
    grow_and_pack(season)
    papers(season)
    deliver(season)
    return season


def describe(season: Season) -> None:
    """Places and products."""
    for uri, name in ((FIELD, "Field 7"), (SHED, "Packing shed"), (DOCK, "Dock")):
        place = MasterData(id=uri, type="Place", name={"en": name}, holder=FARM, geo={"lat": "31.2", "lon": "121.4"},
                           more={"address": f"{name}, Chongming", "phone": "+86 21 5555 0100", "city": "Shanghai",
                                 "region": "Shanghai", "country": "CN"})  # fmt: skip
        season.say(FARM, place)
    season.say(HUB, MasterData(id=HUB_DOCK, type="Place", name={"en": "Hub dock"}, holder=HUB))
    season.say(FARM, MasterData(id=BOX, type="Product", name={"en": "Leaf lettuce, box of 500 g"}, holder=FARM))


def grow_and_pack(season: Season) -> None:
    """Harvest, cooling, packing, pallet."""
    for uri, name in ((H1, "H-1"), (H2, "H-2")):
        facts = kde.Harvest("lettuce", date(2026, 11, 18), variety="green leaf", field_name="Field 7", country="CN")
        season.tell(FARM, f"harvest {name}", partial(build.harvest, lots((uri, "100.5", "KGM")), facts=facts), place=FIELD)
    cooled = partial(build.cool, lots((H1, "100.5", "KGM")), cooled_on=date(2026, 11, 18))
    season.tell(FARM, "cool", cooled, place=SHED)
    packed = kde.Packing("Leaf lettuce 500 g box", date(2026, 11, 18), tlc_source=SHED, commodity="lettuce", variety="green leaf",
                         harvested_on=date(2026, 11, 18), farm=FIELD, field_name="Field 7")  # fmt: skip
    inputs = lots((H1, "100.5", "KGM"), (H2, "100.5", "KGM"))
    boxes = lots((P1, "400", "H87"))
    season.tell(FARM, "pack", partial(build.pack, inputs, boxes, facts=packed), place=SHED, document="T-1")
    leaves = [code_leaf(P1, at, serial) for at, serial in enumerate(SERIALS)]
    season.told["commit"] = season.say(
        FARM, LabelCommitment.of(P1, origin=ORIGIN, root=root(roots_reader(leaves), len(leaves)), count=len(leaves))
    )
    with season.rig.database.writing() as session:
        store_leaves(session, *lot_of_leaves(session, handed := b"".join(leaves)), handed)
        session.commit()
    season.tell(FARM, "palletise", partial(build.aggregate, PALLET, boxes), place=SHED)


def papers(season: Season) -> None:
    """A certificate and a laboratory's report."""
    season.told["certificate"] = season.say(CERTIFIER, Certificate(
        id="urn:uuid:00000000-0000-4000-8000-0000000000c1", scheme="organic", number="C-1", holder=FARM, subjects=[BOX],
        valid_from="2026-01-01T00:00:00Z", valid_until="2027-01-01T00:00:00Z", attestation="issuer",
        document_hash=sha256(b"paper").hexdigest(),
    ))  # fmt: skip
    season.told["report"] = season.say(LAB, LabReport(
        id="urn:uuid:00000000-0000-4000-8000-0000000000d1", lot=P1, sample="S-1", method="GB 23200.121", verdict="pass",
        results=[Finding(analyte="chlorpyrifos", result="<0.01", unit="mg/kg", verdict="pass")], attestation="issuer",
    ))  # fmt: skip


def deliver(season: Season) -> None:
    """The pallet to the hub; boxes to two leaders; a mixed box."""
    pallet = Things(items=(PALLET,))
    season.hand_over(FARM, HUB, pallet, "pallet", (DOCK, HUB_DOCK))
    season.tell(HUB, "unpack", partial(build.disaggregate, PALLET), place=HUB_DOCK)
    for leader, door, amount, name in ((WANG, DOOR_WANG, "60", "Wang"), (ZHAO, DOOR_ZHAO, "40", "Zhao")):
        boxes = lots((P1, amount, "H87"))
        season.hand_over(HUB, leader, boxes, name, (HUB_DOCK, door))
        season.tell(leader, f"sell {name}", partial(build.sell, boxes), place=door)
    mixed = kde.Packing("Mixed salad box", date(2026, 11, 20), tlc_source=HUB_DOCK)
    inputs, boxes = lots((P1, "100", "H87")), lots((R1, "50", "H87"))
    season.tell(HUB, "mix", partial(build.pack, inputs, boxes, facts=mixed, step="repackaging"), place=HUB_DOCK, document="T-2")
