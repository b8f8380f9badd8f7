"""What the tables derive from the log: the same answers as the verifier's own history, and links that lead downstream."""

from sqlalchemy import select

from ledger.ends import ends_of
from ledger.genesis import registrar_uri
from ledger.models import EventRow, Link, RecallRow, StatementRow
from ledger.project_events import HUB as HUB_NODE
from ledger.registry import SqlHistory
from ledger.shown import Audience, statement_of
from producers.control import LabelCommitment
from producers.kinds import MasterData
from producers.sign import jwk_of
from tests.support.ledger import AGENCY, FARM, GTIN, HUB, LOT, ORIGIN, Rig, p256, quantity
from verify.authority import History
from verify.policy import Registrar
from verify.statement import thumbprint
from verify.subjects import Logged, Record


def known(one: Logged | None) -> tuple[object, ...] | None:
    """What both histories know of a statement."""
    return one and (one.index, one.digest, one.kind, one.issuer, one.keys)


def test_sql_and_the_verifiers_history_answer_alike_at_every_index(full: Rig) -> None:
    """`verify.authority.History` is the slow twin: it holds the whole log in memory."""
    full.log(full.sign(MasterData(id=GTIN, type="Product", name={"en": "x"}, allowed_producers=[HUB]), FARM, p256("farm")))
    with full.database.reading() as session:
        rows = session.scalars(select(StatementRow).order_by(StatementRow.index)).all()
        told = [statement_of(row.jws or b"", row.disclosures, Audience.REGULATOR) for row in rows]
        fast = SqlHistory(session, ORIGIN)
        (first,) = fast.registrars
        assert first == Registrar(registrar_uri(ORIGIN), told[0].kid, 0, None, "*")
        slow = History(ORIGIN, [first], (Record.of(index, 0, statement) for index, statement in enumerate(told)))
        assert slow.refused == {}
        kids = [thumbprint(jwk_of(p256(name).public_key())) for name in ("farm", "hub", "agency", "nobody")]
        for before in range(len(told) + 2):
            for ours, theirs in ((fast, slow), (slow, fast)):
                assert [ours.grants(kid, before) for kid in kids] == [theirs.grants(kid, before) for kid in kids]
                parties = (FARM, HUB, AGENCY, first.uri)
                assert [ours.grants_of(one, before) for one in parties] == [theirs.grants_of(one, before) for one in parties]
                assert ours.revocation(HUB, kids[1], before) == theirs.revocation(HUB, kids[1], before)
                for uri in (LOT, f"{GTIN}/10/P-1", GTIN, f"{GTIN}/10/never"):
                    assert ours.commissioner(uri, before) == theirs.commissioner(uri, before)
                assert [*map(known, ours.commitments(LOT, before))] == [*map(known, theirs.commitments(LOT, before))]
                assert ours.allowed_producers(GTIN, before) == theirs.allowed_producers(GTIN, before)
                for one in told:
                    assert known(ours.logged(one.digest, before)) == known(theirs.logged(one.digest, before))


def links(rig: Rig) -> set[tuple[str, str, str]]:
    """Every link."""
    with rig.database.reading() as session:
        return {(row.from_uri, row.to_uri, row.kind) for row in session.scalars(select(Link))}


def test_links_lead_from_what_was_used_to_what_was_made_and_packed(full: Rig) -> None:
    pallet = "https://id.gs1.org/00/095200011234567898"
    assert links(full) == {(LOT, f"{GTIN}/10/P-1", "transform"), (f"{GTIN}/10/P-1", pallet, "contain")}


def test_unpacking_leads_from_the_unit_to_what_was_taken_out(farm: Rig) -> None:
    pallet = "https://id.gs1.org/00/095200011234567898"
    out = {"parentID": pallet, "childQuantityList": [quantity(LOT, 1)], "quantityList": None, "bizStep": "unpacking"}
    farm.log(farm.event(FARM, p256("farm"), type="AggregationEvent", action="DELETE", **out))
    assert links(farm) == {(pallet, LOT, "uncontain")}


def test_many_inputs_and_outputs_meet_in_one_node(farm: Rig) -> None:
    used = [quantity(f"{GTIN}/10/IN-{number}", 1) for number in range(20)]
    made = [quantity(f"{GTIN}/10/OUT-{number}", 1) for number in range(20)]
    body = {"inputQuantityList": used, "outputQuantityList": made, "quantityList": None, "action": None}
    farm.log(farm.event(FARM, p256("farm"), type="TransformationEvent", bizStep="commissioning", **body))
    found = links(farm)
    assert len(found) == 40
    assert len({uri for link in found for uri in link[:2] if uri.startswith(HUB_NODE)}) == 1


def test_a_transformation_told_in_two_events_is_one_and_only_for_its_own_party(farm: Rig) -> None:
    farm.log(farm.grant(HUB, p256("hub"), "warehouse", mint=[GTIN]))
    shared = {"transformationID": "urn:x:run-7", "quantityList": None, "action": None, "type": "TransformationEvent"}
    first = farm.event(FARM, p256("farm"), inputQuantityList=[quantity(LOT, 1)], **shared)
    second = farm.event(FARM, p256("farm"), outputQuantityList=[quantity(f"{GTIN}/10/P-1", 1)], **shared)
    stranger = farm.event(HUB, p256("hub"), outputQuantityList=[quantity(f"{GTIN}/10/EVIL", 1)], **shared)
    farm.log(first, second, stranger)
    downstream = {to for source, to, _ in links(farm) for start, hub, _ in links(farm) if start == LOT and hub == source}
    assert downstream == {f"{GTIN}/10/P-1"}


def test_an_error_declaration_links_nothing(farm: Rig) -> None:
    wrong = {"declarationTime": "2026-11-18T09:00:00+08:00", "reason": "incorrect_data"}
    body = {"inputQuantityList": [quantity(LOT, 9)], "outputQuantityList": [quantity(f"{GTIN}/10/P-1", 8)],
            "quantityList": None, "action": None, "type": "TransformationEvent", "errorDeclaration": wrong}  # fmt: skip
    farm.log(farm.event(FARM, p256("farm"), **body))
    assert links(farm) == set()


def test_a_counterparty_that_was_withheld_is_marked(full: Rig) -> None:
    with full.database.reading() as session:
        told = [end for parties in session.scalars(select(EventRow.parties)) for end in ends_of(parties)]
    assert [(end.uri, end.withheld) for end in told] == [(HUB, True)]


def test_a_recall_is_closed_by_the_notice_that_closes_it(full: Rig) -> None:
    with full.database.reading() as session:
        opened, closing = session.scalars(select(RecallRow).order_by(RecallRow.index))
    assert (opened.closed_by, closing.closes, closing.closed_by) == (closing.index, opened.digest, None)


def test_a_lot_commissioned_and_committed_in_one_batch_is_seen_in_order(farm: Rig) -> None:
    commitment = farm.sign(LabelCommitment.of(LOT, origin=ORIGIN, root=bytes(32), count=5), FARM, p256("farm"))
    early, _, late = farm.send(commitment, farm.event(FARM, p256("farm")), farm.sign(
        LabelCommitment.of(LOT, origin=ORIGIN, root=b"x" * 32, count=6), FARM, p256("farm")))  # fmt: skip
    assert early.refused is not None
    assert (early.refused.code, late.state) == ("not-commissioner", "published")
