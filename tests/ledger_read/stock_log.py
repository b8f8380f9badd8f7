"""Events as a recall reads them, told by a hub, a shop and a stranger, without a database."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.recall_remains import may_remain
from ledger.told_events import Counterparty, Thing, Told

LOT, OTHER = "https://id.gs1.org/01/09520001000027/10/P-1", "https://id.gs1.org/01/09520001000027/10/P-2"
PALLET, CRATE = "https://id.gs1.org/00/095200010000000010", "https://id.gs1.org/8003/09520001000058C1"
OURS = {LOT, OTHER, PALLET, CRATE}
HUB, SHOP, STRANGER = "https://hub.example/", "https://shop.example/", "https://stranger.example/"
DOCK, STORE, BACK = HUB + "dock", SHOP + "store", SHOP + "back"


@dataclass
class Log:
    """Events in the order in which they are told."""

    events: list[Told] = field(default_factory=list)

    def tell(self, party: str, place: str, step: str, *things: Thing, to: Sequence[tuple[str, str]] = (),
             kind: str = "ObjectEvent", action: str = "OBSERVE", standing: str = "stands") -> None:  # fmt: skip
        """One event; `to` are destinations as (type, URI)."""
        at = len(self.events)
        ends = tuple(Counterparty("destination", type_, uri) for type_, uri in to)
        self.events.append(Told(at, f"{at:064x}", kind, action, step, None, None, "", at, at, 0, party, place, None, things,
                                ends, False, standing))  # fmt: skip

    def make(self, party: str, place: str, *things: Thing) -> None:
        self.tell(party, place, "commissioning", *things, action="ADD")

    def ship(self, party: str, place: str, taker: str, there: str, *things: Thing, standing: str = "stands") -> None:
        ends = (("owning_party", taker), ("possessing_party", taker), ("location", there))
        self.tell(party, place, "shipping", *things, to=ends, standing=standing)

    def receive(self, party: str, place: str, *things: Thing) -> None:
        self.tell(party, place, "receiving", *things)

    def sell(self, party: str, place: str, *things: Thing) -> None:
        self.tell(party, place, "retail_selling", *things)

    def pack(self, party: str, place: str, unit: str, *things: Thing, action: str = "ADD", standing: str = "stands") -> None:
        inside = [Thing("child", one.uri, one.lot, one.quantity, one.uom) for one in things]
        whole = (Thing("parent", unit, None, None, None), *inside)
        self.tell(party, place, "packing", *whole, kind="AggregationEvent", action=action, standing=standing)

    def unpack(self, party: str, place: str, unit: str, *things: Thing) -> None:
        self.pack(party, place, unit, *things, action="DELETE")

    @property
    def places(self) -> set[str]:
        """Where something may still be."""
        return set(may_remain(self.events, OURS).places)


def boxes(amount: int | str, lot: str = LOT, uom: str = "H87") -> Thing:
    return Thing("epc", lot, None, str(amount), uom)


def unit(uri: str) -> Thing:
    return Thing("epc", uri, None, None, None)
