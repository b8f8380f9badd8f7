"""
Builders: what a farm, a warehouse or a group leader did, as one EPCIS 2.0 event that the log accepts.

    harvest, cool                 a lot comes to be, and is cooled
    sample, inspect               a sample is drawn, a result is found
    pack                          lots in, lots out: the packed lot's code is the traceability lot code
    aggregate, disaggregate       onto a pallet, off a pallet
    ship, receive                 a hand-over, told by either side
    sell, destroy                 to the shopper; or nowhere
    declare_wrong                 an earlier event of ours did not happen, or not so

An event is a dict of plain JSON values, numbers as int or Decimal; `text.encode` prints it exactly.  Identifiers are
written as canonical Digital Links.  Where a fact stands is told in kde.py.  Not here: signing, and who may say what.

Source: EPCIS 2.0 and CBV 2.0, JSON binding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from producers.epcis import kde
from producers.epcis.identity import mint_event_id
from producers.epcis.parts import Handover, Occasion, Things, object_uri, timestamp
from producers.epcis.text import encode

Event = dict[str, object]

NO_THINGS = Things()
NOBODY = Handover()


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured value."""

    kind: str
    """Measurement type of GS1's web vocabulary: Temperature, MassConcentration ..."""
    value: Decimal
    unit: str
    """UN/CEFACT code: CEL, NA (mg/kg) ..."""
    substance: str = ""
    """URI of what was measured, such as an InChIKey at identifiers.org."""
    time: datetime | None = None

    def report(self) -> dict[str, object]:
        """As sensorReport."""
        shown: dict[str, object] = {"type": self.kind, "value": self.value, "uom": self.unit}
        if self.substance:
            shown["chemicalSubstance"] = self.substance
        if self.time is not None:
            shown["time"] = timestamp(self.time)
        return shown


def harvest(lots: Things, at: Occasion, facts: kde.Harvest, *, recipient: Handover = NOBODY) -> Event:
    """A lot is picked.  `recipient` names who gets it next, where that is known already."""
    return _object_event(lots, at, "ADD", "commissioning", "active", recipient.members() | {"ilmd": facts.ilmd()})


def cool(things: Things, at: Occasion, *, cooled_on: date) -> Event:
    """A harvested lot is cooled before it is packed; `at.place` is where."""
    extra = {kde.COOLING_DATE: cooled_on.isoformat()}
    return _object_event(things, at, "OBSERVE", "storing", "in_progress", extra)


def sample(things: Things, at: Occasion, *, number: str) -> Event:
    """A sample with this number is drawn."""
    return _object_event(things, at, "OBSERVE", "sampling", "in_progress", {kde.SAMPLE_NUMBER: number})


def inspect(things: Things, at: Occasion, *, conformant: bool, measurements: Sequence[Measurement] = ()) -> Event:
    """A result is found.  What a laboratory certifies in full is a LabReport, not this event."""
    found: Event = {}
    if measurements:
        found["sensorElementList"] = [{"sensorReport": [one.report() for one in measurements]}]
    verdict = "conformant" if conformant else "non_conformant"
    return _object_event(things, at, "OBSERVE", "inspecting", verdict, found)


def pack(inputs: Things, outputs: Things, at: Occasion, facts: kde.Packing, *, step: str = "packing") -> Event:
    """Lots become other lots: packed, repacked (`repackaging`), mixed or split.  Needs both inputs and outputs."""
    used = inputs.members("inputEPCList", "inputQuantityList")
    made = outputs.members("outputEPCList", "outputQuantityList")
    if not used or not made:
        raise ValueError("a transformation needs at least one input and one output")
    return _event("TransformationEvent", at, used | made | _step(step, "active") | {"ilmd": facts.ilmd()})


def aggregate(parent: str, children: Things, at: Occasion) -> Event:
    """Children are put onto or into a parent (a pallet, a crate)."""
    return _aggregation(parent, children, at, "ADD", "packing")


def disaggregate(parent: str, at: Occasion, children: Things = NO_THINGS) -> Event:
    """Children are taken off; without children, all of them."""
    return _aggregation(parent, children, at, "DELETE", "unpacking")


def ship(things: Things, at: Occasion, handover: Handover) -> Event:
    """Things leave; `handover` names who takes them and where to."""
    return _object_event(things, at, "OBSERVE", "shipping", "in_transit", handover.members())


def receive(things: Things, at: Occasion, handover: Handover) -> Event:
    """Things arrive; `handover` names who gave them and where from."""
    return _object_event(things, at, "OBSERVE", "receiving", "in_progress", handover.members())


def sell(things: Things, at: Occasion, *, last: bool = False) -> Event:
    """Things are handed to shoppers, who are never named.  `last` says that nothing of the lot is left here."""
    return _object_event(things, at, "DELETE" if last else "OBSERVE", "retail_selling", "retail_sold", {})


def destroy(things: Things, at: Occasion) -> Event:
    """Things are destroyed: spoiled, recalled, lost."""
    return _object_event(things, at, "DELETE", "destroying", "destroyed", {})


def declare_wrong(event: Mapping[str, object], *, time: datetime, did_not_occur: bool, corrected_by: Sequence[str] = ()) -> Event:
    """
    Repeat `event`, with its eventID, as declared wrong; `corrected_by` are the eventIDs of events that say it right.

    Nothing is taken out of a log: readers see both, and the declaration.
    """
    if "eventID" not in event or time.utcoffset() is None:
        raise ValueError("a declaration needs the wrong event's eventID, and a time with an offset")
    declaration: Event = {
        "declarationTime": timestamp(time),
        "reason": "did_not_occur" if did_not_occur else "incorrect_data",
    }
    if corrected_by:
        declaration["correctiveEventIDs"] = list(corrected_by)
    return {**event, "errorDeclaration": declaration}


def _object_event(things: Things, at: Occasion, action: str, step: str, disposition: str, members: Mapping[str, object]) -> Event:
    what = things.members("epcList", "quantityList")
    if not what:
        raise ValueError("an event is about at least one thing")
    return _event("ObjectEvent", at, {"action": action, **what, **_step(step, disposition), **members})


def _aggregation(parent: str, children: Things, at: Occasion, action: str, step: str) -> Event:
    what = children.members("childEPCs", "childQuantityList")
    if not what and action != "DELETE":
        raise ValueError("an aggregation names its children")
    named = {"action": action, "parentID": object_uri(parent), **what, "bizStep": step}
    return _event("AggregationEvent", at, named)


def _step(step: str, disposition: str) -> Event:
    return {"bizStep": step, "disposition": disposition}


def _event(kind: str, at: Occasion, members: Mapping[str, object]) -> Event:
    head: Event = {"@context": [kde.EPCIS_CONTEXT, {kde.PREFIX: kde.NAMESPACE}], "type": kind}
    told = {**at.when(), **members, **at.where_and_why(), **at.extra}
    event_id = at.event_id or mint_event_id(encode(head | told).encode(), at.issuer)
    return {**head, "eventID": event_id, **told}
