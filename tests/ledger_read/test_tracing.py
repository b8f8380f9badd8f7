"""Tracing back and forward: what belongs to a lot, what does not, and who confirmed it."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from api.drawing import draw
from ledger.db import Database
from ledger.finding import head
from ledger.handovers import WITHHELD, End, judge, rows, sent
from ledger.lineage import lineage
from ledger.models import EntryRow, HashHead, StatementRow
from ledger.project import derive, store
from ledger.registry import SqlHistory
from ledger.shown import Audience
from ledger.trace import Graph, Reach, trace_back, trace_forward
from ledger.units import Scope, contents_at, spans_of
from producers.epcis import build
from producers.epcis.parts import Handover, Occasion, Things
from tests.ledger_read.season import (
    BOX,
    DOCK,
    DOOR_WANG,
    DOOR_ZHAO,
    FARM,
    FIELD,
    H1,
    HUB,
    HUB_DOCK,
    P1,
    PALLET,
    R1,
    REGULATED,
    STRANGER,
    WANG,
    ZHAO,
    Season,
    lots,
    sscc,
)
from tests.support.ledger import ORIGIN, p256
from tests.support.workshop import FARM as GALLERY_FARM
from tests.support.workshop import Workshop, event, quantity
from verify.gs1 import check_digit
from verify.subjects import Record

CRATE = "https://id.gs1.org/8003/0952000100001" + check_digit("0952000100001") + "81"  # used again and again
ITEM = "https://id.gs1.org/01/09520001000027/21/S1"


def feed(database: Database, shop: Workshop) -> Session:
    """A session over the rows that a log in memory makes, without the judgement of a sequencer."""
    session = database.writing()
    for one in shop.carried:
        told = one.statement
        store(session, derive(Record.of(one.index, one.time_ms, told), lambda digest: None))
        entry = shop.entries[one.index]
        session.add(EntryRow(index=one.index, time_ms=one.time_ms, digest=told.digest, entry=entry, leaf=one.leaf))
        session.add(StatementRow(
            index=one.index, digest=told.digest, signing_input_hash=told.digest, kind=told.kind, issuer=told.issuer, kid=told.kid,
            repeats=1, valid_from="", jws=told.jws, disclosures=[],
        ))  # fmt: skip
        session.add(HashHead(head=head(told.digest), index=one.index))
    session.flush()
    return session


@pytest.fixture
def shop() -> Workshop:
    """A log in memory with one farm that may commission anything here."""
    shop = Workshop()
    shop.grant(GALLERY_FARM, "producer", mint=["urn:gdst:example.org:product:", "https://id.gs1.org/01/0952"])
    return shop


@pytest.fixture
def reading(season: Season) -> Iterator[Session]:
    """A session over the season."""
    with season.rig.database.reading() as session:
        yield session


def names(season: Season, graph: Graph) -> set[str]:
    """Events of a graph, as the season calls them."""
    by_index = {index: name for name, index in season.told.items()}
    return {by_index[one.index] for one in graph.events}


@pytest.mark.conformance
class TestTheChainOfOthers:
    """"tracing back from ...processor.2u.v1-0122-2022 must reach 16 distinct events" -- opentraceability"""

    LOT = "urn:gdst:example.org:product:lot:class:processor.2u.v1-0122-2022"

    def test_sixteen_distinct_events_are_reached(self, conformance: Path, database: Database, shop: Workshop) -> None:
        document = json.loads((conformance / "trace" / "traceback_tests.jsonld").read_text())
        for told in document["epcisBody"]["eventList"]:
            shop.add("TraceabilityEvent", GALLERY_FARM, told)
        with feed(database, shop) as session:
            graph = trace_back(session, self.LOT)
        assert len({one.event_id for one in graph.events}) == 16
        assert len(graph.events) == 21  # some of their events share an eventID
        assert not graph.truncated

    def test_the_group_buy_chain_is_reached_from_the_shopper_s_lot(
        self, conformance: Path, database: Database, shop: Workshop
    ) -> None:
        document = json.loads((conformance / "trace" / "groupbuy-chain.jsonld").read_text())
        for told in document["epcisBody"]["eventList"]:
            shop.add("TraceabilityEvent", GALLERY_FARM, told)
        with feed(database, shop) as session:
            graph = trace_back(session, "https://id.gs1.org/01/06934567000026/10/PK0302-01")
        assert len(graph.events) == 10


class TestBack:
    def test_a_packed_lot_leads_to_its_fields(self, season: Season, reading: Session) -> None:
        graph = trace_back(reading, P1)
        assert names(season, graph) == set(season.told) - {"commit", "certificate", "report", "mix"}
        assert {node.id for node in graph.nodes if node.role == "self"} >= {P1, H1}
        assert {node.id for node in graph.nodes if node.role == "carrier"} == {PALLET}

    def test_a_mixed_box_leads_through_the_lot_to_the_fields(self, season: Season, reading: Session) -> None:
        assert {"mix", "pack", "harvest H-1", "harvest H-2", "receive pallet"} <= names(season, trace_back(reading, R1))

    def test_a_pallet_leads_to_what_was_on_it(self, season: Season, reading: Session) -> None:
        assert {"harvest H-1", "pack", "palletise", "ship pallet"} <= names(season, trace_back(reading, PALLET))

    def test_every_event_comes_with_its_place_in_the_log(self, season: Season, reading: Session) -> None:
        shown = trace_back(reading, P1).to_json()
        packed = next(one for one in shown["events"] if one["index"] == season.told["pack"])  # type: ignore[attr-defined]
        assert len(packed["digest"]) == 64
        assert packed["time"].endswith("+08:00")

    def test_depth_stops_at_the_packed_lot(self, season: Season, reading: Session) -> None:
        assert "harvest H-1" not in names(season, trace_back(reading, P1, Reach(depth=0)))

    def test_a_limit_cuts_and_says_so(self, reading: Session) -> None:
        graph = trace_back(reading, P1, Reach(limit=3))
        assert (len(graph.events), graph.truncated) == (3, True)

    def test_nothing_that_is_not_published_is_told(self, season: Season, reading: Session) -> None:
        graph = trace_back(reading, P1, Reach(before=season.told["ship pallet"]))
        assert not {"ship pallet", "sell Wang"} & names(season, graph)

    def test_until_a_time_leaves_out_what_is_said_to_come_later(self, season: Season, reading: Session) -> None:
        whole = trace_back(reading, P1)
        packed = next(one for one in whole.events if one.index == season.told["pack"])
        assert max(one.time_ms for one in trace_back(reading, P1, Reach(until_ms=packed.time_ms)).events) == packed.time_ms


class TestForward:
    def test_a_field_lot_leads_to_every_door_and_the_mixed_box(self, season: Season, reading: Session) -> None:
        graph = trace_forward(reading, H1)
        assert {"sell Wang", "sell Zhao", "mix"} <= names(season, graph)
        assert R1 in {node.id for node in graph.nodes}

    def test_a_record_that_was_declared_wrong_links_nothing_any_more(self, season: Season) -> None:
        season.withdraw(HUB, season.told["mix"])
        with season.rig.database.reading() as session:
            assert R1 not in {node.id for node in trace_forward(session, P1).nodes}
            assert R1 in lineage(session, [P1], forward=True, scope=Scope(doubtful=True)).selves
            shown = next(one for one in trace_forward(session, P1).events if one.index == season.told["mix"])
        assert shown.standing == "set-aside"


class TestUnits:
    """A crate's next load and a pallet's other lots are somebody else's."""

    @staticmethod
    def load(shop: Workshop, lot: str, day: int, *, unpack: bool = True) -> None:
        when: Any = {"eventTimeZoneOffset": "+08:00"}
        at = f"2026-11-{day:02}T%02d:00:00+08:00"
        shop.add("TraceabilityEvent", GALLERY_FARM, event("AggregationEvent", "packing", len(shop.entries), "ADD", parentID=CRATE,
                 childQuantityList=[quantity(lot, 5)]) | when | {"eventTime": at % 8})  # fmt: skip
        shop.add("TraceabilityEvent", GALLERY_FARM, event("ObjectEvent", "shipping", len(shop.entries), epcList=[CRATE]) | when
                 | {"eventTime": at % 9})  # fmt: skip
        if unpack:
            shop.add("TraceabilityEvent", GALLERY_FARM, event("AggregationEvent", "unpacking", len(shop.entries), "DELETE",
                     parentID=CRATE) | when | {"eventTime": at % 10})  # fmt: skip

    def lots(self, shop: Workshop, days: Sequence[int], **more: bool) -> list[str]:
        found = [f"https://id.gs1.org/01/09520001000010/10/D{day}" for day in days]
        for lot, day in zip(found, days, strict=True):
            self.load(shop, lot, day, **more)
        return found

    def test_a_crate_that_is_used_again_keeps_its_loads_apart(self, database: Database, shop: Workshop) -> None:
        first, second = self.lots(shop, [10, 11])
        with feed(database, shop) as session:
            assert {one.time[:10] for one in trace_back(session, first).events} == {"2026-11-10"}
            assert {one.time[:10] for one in trace_forward(session, second).events} == {"2026-11-11"}

    def test_a_crate_that_nobody_unpacked_may_still_hold_the_first_load(self, database: Database, shop: Workshop) -> None:
        first, _ = self.lots(shop, [10, 11], unpack=False)
        with feed(database, shop) as session:
            assert {one.time[:10] for one in trace_forward(session, first).events} == {"2026-11-10", "2026-11-11"}

    def test_a_stranger_who_says_that_a_crate_is_empty_ends_nothing(self, database: Database, shop: Workshop) -> None:
        shop.grant("https://stranger.example/x", "retailer")
        (lot,) = self.lots(shop, [10], unpack=False)
        told = event("AggregationEvent", "unpacking", 99, "DELETE", parentID=CRATE) | {"eventTime": "2026-11-10T08:30:00+08:00"}
        shop.add("TraceabilityEvent", "https://stranger.example/x", told)
        with feed(database, shop) as session:
            assert "shipping" in {one.biz_step for one in trace_forward(session, lot).events}

    def test_a_pallet_that_claims_to_be_packed_before_1970_is_followed_like_any_other(
        self, database: Database, shop: Workshop
    ) -> None:
        shop.tell(GALLERY_FARM, "AggregationEvent", "packing", "ADD", parentID=sscc(7), childQuantityList=[quantity(P1, 5)],
                  eventTime="1969-12-31T08:00:00Z", eventTimeZoneOffset="+00:00")  # fmt: skip
        with feed(database, shop) as session:
            assert sscc(7) in {node.id for node in trace_forward(session, P1).nodes}

    def test_what_was_in_a_crate_is_known_for_every_moment(self, database: Database, shop: Workshop) -> None:
        first, second = self.lots(shop, [10, 11])
        with feed(database, shop) as session:
            spans, _ = spans_of(session, [first])
            later, _ = spans_of(session, [second])
            inside = contents_at(session, [(CRATE, spans[0].since), (CRATE, later[0].until), (CRATE, spans[0].until + 1)])
        assert [one.uri for one in inside[CRATE, spans[0].since]] == [first]
        assert [one.uri for one in inside[CRATE, later[0].until]] == [second]
        assert (CRATE, spans[0].until + 1) not in inside

    def test_a_crate_on_a_pallet_moves_what_is_inside(self, database: Database, shop: Workshop) -> None:
        lot = f"{P1}-X"
        for child, parent in ((lot, None), (CRATE, sscc(7))):
            content = {"childQuantityList": [quantity(child, 5)]} if parent is None else {"childEPCs": [child]}
            shop.tell(GALLERY_FARM, "AggregationEvent", "packing", "ADD", parentID=parent or CRATE, **content)
        moved = shop.tell(GALLERY_FARM, "ObjectEvent", "shipping", epcList=[sscc(7)])
        with feed(database, shop) as session:
            assert moved in {one.index for one in trace_forward(session, lot).events}

    def test_two_units_said_to_be_in_each_other_come_to_an_end(self, database: Database, shop: Workshop) -> None:
        for child, parent in ((sscc(1), sscc(2)), (sscc(2), sscc(1))):
            shop.tell(GALLERY_FARM, "AggregationEvent", "packing", "ADD", parentID=parent, childEPCs=[child])
        with feed(database, shop) as session:
            assert len(trace_back(session, sscc(1)).events) == 2
            assert len(trace_forward(session, sscc(1)).events) == 2

    def test_two_lots_said_to_be_made_of_each_other_come_to_an_end(self, database: Database, shop: Workshop) -> None:
        one, other = (f"https://id.gs1.org/01/09520001000010/10/{name}" for name in "AB")
        for made_of, made in ((one, other), (other, one)):
            shop.tell(GALLERY_FARM, "TransformationEvent", "packing", None, inputQuantityList=[quantity(made_of, 1)],
                      outputQuantityList=[quantity(made, 1)])  # fmt: skip
        with feed(database, shop) as session:
            assert {node.id for node in trace_back(session, one).nodes} == {one, other}

    def test_items_lead_to_their_lot_and_a_lot_to_its_items(self, database: Database, shop: Workshop) -> None:
        shop.tell(GALLERY_FARM, "ObjectEvent", "commissioning", "ADD", epcList=[f"{P1}/21/S1"])
        shop.tell(GALLERY_FARM, "AggregationEvent", "packing", "ADD", parentID=sscc(7), childEPCs=[ITEM])
        sent = shop.tell(GALLERY_FARM, "ObjectEvent", "shipping", epcList=[sscc(7)])
        with feed(database, shop) as session:
            assert sent in {one.index for one in trace_forward(session, P1).events}
            assert P1 in {node.id for node in trace_back(session, ITEM).nodes}


class TestTheTable:
    def test_hand_overs_that_both_sides_signed_are_confirmed(self, season: Season, reading: Session) -> None:
        graph = trace_back(reading, P1)
        states = judge(reading, graph, SqlHistory(reading, ORIGIN))
        assert {states[season.told[name]] for name in ("harvest H-1", "receive pallet", "receive Wang")} == {"confirmed"}
        line = next(row for row in rows(graph, states) if row.index == season.told["receive pallet"])
        assert (line.who, line.what, line.where, line.state) == (HUB, "receiving", HUB_DOCK, "confirmed")

    def test_a_shipment_says_to_whom_and_where_it_went_whether_it_was_received_or_not(self, season: Season) -> None:
        season.tell(HUB, "gone", partial(build.ship, lots((P1, "5", "H87")), handover=Handover(HUB, ZHAO, HUB_DOCK, DOOR_ZHAO)))
        with season.rig.database.reading() as session:
            told = {row.index: row for row in rows(trace_forward(session, P1), {})}
        for name, taker in (("ship Wang", End((WANG,), (DOOR_WANG,))), ("gone", End((ZHAO,), (DOOR_ZHAO,)))):
            line = told[season.told[name]]
            assert (line.giver, line.taker) == (End((HUB,), (HUB_DOCK,)), taker)

    def test_the_picture_leads_to_every_place_that_something_was_sent_to(self, season: Season, reading: Session) -> None:
        graph = trace_forward(reading, P1)
        way = list(sent(rows(graph, {})))
        assert {(PALLET, HUB_DOCK), (HUB_DOCK, DOOR_WANG), (HUB_DOCK, DOOR_ZHAO)} == set(way)
        drawing = draw(graph, str, way)
        assert drawing is not None
        assert {HUB_DOCK, DOOR_WANG, DOOR_ZHAO} == {box.id for box in drawing.boxes if box.role == "place"}
        assert len(drawing.lines) == len(graph.edges) + 3

    def test_a_lot_that_is_told_beside_its_pallet_is_drawn_by_the_pallet_s_way_alone(self, season: Season) -> None:
        box, pallet = f"{BOX}/10/P-9", sscc(9)
        made = lots((box, "20", "H87"))
        season.tell(FARM, "load", partial(build.aggregate, pallet, made), place=FIELD)
        both = Things(items=(pallet,), lots=made.lots)
        season.tell(FARM, "advised", partial(build.ship, both, handover=Handover(FARM, HUB, FIELD, HUB_DOCK)), place=FIELD)
        with season.rig.database.reading() as session:
            assert list(sent(rows(trace_forward(session, box), {}))) == [(pallet, HUB_DOCK)]

    def test_a_stranger_s_shipment_draws_no_way(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        season.tell(STRANGER, "lie", partial(build.ship, lots((P1, "500", "H87")), handover=Handover(STRANGER, "", "", FIELD)))
        with season.rig.database.reading() as session:
            graph = trace_forward(session, P1)
            told = rows(graph, judge(session, graph, SqlHistory(session, ORIGIN)))
        assert FIELD not in {end for way in sent(told) for end in way}
        assert next(row for row in told if row.index == season.told["lie"]).taker.places == (FIELD,)

    @pytest.mark.parametrize(("most", "few"), [("MAX_JUDGED", 11), ("MAX_JOURNEYS", 0)])
    def test_where_there_is_too_much_to_judge_only_what_is_confirmed_is_drawn_and_the_rest_is_said_to_be_not_judged(
        self, season: Season, monkeypatch: pytest.MonkeyPatch, most: str, few: int
    ) -> None:
        """A stranger may tell hundreds of events of any lot, and then a shipment that nobody looks at any more."""
        monkeypatch.setattr(f"ledger.handovers.{most}", few)
        season.grant(STRANGER, "retailer")
        season.tell(STRANGER, "lie", partial(build.ship, lots((P1, "500", "H87")), handover=Handover(STRANGER, "", "", FIELD)))
        with season.rig.database.reading() as session:
            graph = trace_forward(session, P1)
            states = judge(session, graph, SqlHistory(session, ORIGIN))
            told = {row.index: row for row in rows(graph, states)}
        assert {told[season.told[name]].state for name in ("lie", "sell Wang")} == {"not-judged"}
        assert set(states.values()) == ({"confirmed", "not-judged"} if few else {"not-judged"})
        drawn = {end for way in sent(list(told.values())) for end in way}
        assert FIELD not in drawn
        assert (HUB_DOCK in drawn) == bool(few)

    def test_only_hand_overs_are_confirmed_by_both_sides(self, season: Season, reading: Session) -> None:
        graph = trace_back(reading, P1)
        told = {row.index: row.state for row in rows(graph, judge(reading, graph, SqlHistory(reading, ORIGIN)))}
        assert {told[season.told[name]] for name in ("harvest H-1", "cool", "pack", "palletise", "unpack", "sell Wang")} == {""}
        assert {told[season.told[name]] for name in ("ship pallet", "receive pallet")} == {"confirmed"}

    def test_a_harvest_that_was_not_the_teller_s_to_make_is_a_third_party_s_claim(self, season: Season) -> None:
        lot = f"{P1}-NEW"
        told = season.rig.event(STRANGER, p256("stranger"), quantityList=[quantity(lot, 1)])
        season.rig.log(season.rig.grant(STRANGER, p256("stranger")), told)
        with season.rig.database.reading() as session:
            graph = trace_back(session, lot)
            (line,) = rows(graph, judge(session, graph, SqlHistory(session, ORIGIN)))
        assert line.state == "third-party"

    @pytest.mark.parametrize("told", [
        partial(build.aggregate, sscc(5), lots((P1, "5", "H87"))), partial(build.destroy, lots((P1, "5", "H87"))),
        partial(build.inspect, lots((P1, "5", "H87")), conformant=True), partial(build.sell, lots((P1, "5", "H87"))),
    ])  # fmt: skip
    def test_whatever_somebody_tells_of_a_thing_that_was_never_theirs_is_a_third_party_s_claim(
        self, season: Season, told: Callable[[Occasion], build.Event]
    ) -> None:
        season.grant(STRANGER, "retailer")
        season.tell(HUB, "honest", told, place=HUB_DOCK)
        season.tell(STRANGER, "lie", told, place=HUB_DOCK)
        with season.rig.database.reading() as session:
            graph = trace_forward(session, P1)
            found = {row.index: row.state for row in rows(graph, judge(session, graph, SqlHistory(session, ORIGIN)))}
        assert [found[season.told[name]] for name in ("honest", "lie", "palletise", "unpack")] == ["", "third-party", "", ""]

    def test_a_receipt_that_nobody_sent_is_claimed(self, season: Season) -> None:
        season.grant(STRANGER, "retailer")
        boxes = lots((P1, "7", "H87"))
        season.tell(STRANGER, "grab", partial(build.receive, boxes, handover=build.NOBODY))
        with season.rig.database.reading() as session:
            graph = trace_forward(session, P1)
            states = judge(session, graph, SqlHistory(session, ORIGIN))
        assert states[season.told["grab"]] == "claimed"
        assert states[season.told["receive Wang"]] == "confirmed"

    def test_a_receiver_who_is_withheld_from_the_public_is_unknown_to_it_and_confirmed_to_an_inspector(
        self, season: Season
    ) -> None:
        season.grant(STRANGER, "retailer")
        season.hand_over(HUB, STRANGER, lots((P1, "20", "H87")), "quiet", (HUB_DOCK, ""), withhold=REGULATED)
        found = []
        with season.rig.database.reading() as session:
            for audience in (Audience.PUBLIC, Audience.REGULATOR):
                graph = trace_forward(session, P1, Reach(audience=audience))
                states = judge(session, graph, SqlHistory(session, ORIGIN), audience)
                shipped = next(one for one in graph.events if one.index == season.told["ship quiet"])
                (line,) = (row for row in rows(graph, states) if row.index == shipped.index)
                found.append((states[season.told["receive quiet"]], shipped.withheld, line.taker.parties))
        assert found == [("unknown", True, (WITHHELD,)), ("confirmed", False, (STRANGER,))]

    def test_a_record_that_came_two_days_late_says_so(self, season: Season) -> None:
        season.tell(FARM, "late", partial(build.ship, Things(items=(sscc(9),)), handover=build.NOBODY), place=DOCK, hours_late=49)
        with season.rig.database.reading() as session:
            (line,) = rows(trace_back(session, sscc(9)), {})
        assert line.late_hours == 49
        assert WANG not in line.who

    @pytest.mark.parametrize(("claimed", "offset", "shown"), [
        ("0001-01-01T01:00:00Z", "-10:00", "0001-01-01T01:00:00.000+00:00"),
        ("0001-01-01T01:00:00Z", "+08:00", "0001-01-01T09:00:00.000+08:00"),
    ])  # fmt: skip
    def test_a_record_that_claims_the_first_day_of_the_calendar_hides_no_other(
        self, season: Season, claimed: str, offset: str, shown: str
    ) -> None:
        """A stranger may name any lot and claim any time in the past; `-10:00` there is before the year 1."""
        told = season.rig.event(STRANGER, p256("stranger"), eventTime=claimed, eventTimeZoneOffset=offset, action="OBSERVE",
                                bizStep="inspecting", quantityList=[quantity(H1, 1)])  # fmt: skip
        season.rig.log(season.rig.grant(STRANGER, p256("stranger")), told)
        with season.rig.database.reading() as session:
            events = trace_back(session, H1).events
        assert len(events) > 1
        assert events[0].time == shown
