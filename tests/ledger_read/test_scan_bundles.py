"""What the operator answers to a scan, judged by the verifier that a phone runs."""

from dataclasses import replace
from functools import partial
from hashlib import sha256

import pytest
from sqlalchemy import event

from ledger.bundles import NothingKnown, TooMuch
from ledger.choosing import Budget
from ledger.gathering import gather
from ledger.models import AnchorRow
from ledger.shown import Audience, erasures
from ledger.tallies import Tallies
from producers.control import Erasure
from producers.epcis import build
from producers.sign import format_bundle
from tests.ledger_read.season import (
    AGENCY,
    BOX,
    DOOR_WANG,
    FARM,
    FIELD,
    H1,
    HUB,
    HUB_DOCK,
    P1,
    PALLET,
    R1,
    RAW,
    REGULATED,
    SERIALS,
    STRANGER,
    WANG,
    ZHAO,
    Season,
    lots,
)
from tests.support.ledger import ORIGIN
from verify.answer import Answer, answer_from, convict
from verify.authority import History
from verify.bundle import parse_bundle
from verify.checkpoint import Checkpoint
from verify.edges import journey_of
from verify.entry import Entry
from verify.errors import NotCommitted, Omitted
from verify.merkle import Reader, leaf_hash, prove_multi, root, roots_reader
from verify.note import parse_note
from verify.subjects import Record
from verify.verifier import NONE, STATED, UNCHECKED, VERIFIED, closure

LABEL = f"https://shop.example/01/09520001000027/10/P-1/21/{SERIALS[17]}"


def answer_in(bundle: str) -> Answer:
    return Answer.parse(parse_note(parse_bundle(bundle).answer).text)


def reader_over(entries: list[bytes]) -> Reader:
    return roots_reader([leaf_hash(entry) for entry in entries])


def kinds_in(bundle: str) -> list[str]:
    return [one.statement.kind for one in parse_bundle(bundle).statements]


class TestAnHonestBundle:
    def test_verifies_end_to_end_on_a_phone(self, season: Season) -> None:
        run = season.verify(LABEL)
        assert [step.state for step in run.steps if step.number not in (3, 13, 14, 15, 16)] == [VERIFIED] * 11
        assert (run.state(13), run.state(14), run.state(15), run.state(16)) == (STATED, STATED, STATED, NONE)
        assert {step.code for step in run.steps} >= {"origin-ok", "one-of", "answer-ok", "none-reported"}

    @pytest.mark.parametrize("uri", [P1, R1, H1, PALLET])
    def test_verifies_for_a_lot_a_mixed_box_a_harvest_and_a_pallet(self, season: Season, uri: str) -> None:
        assert season.verify(season.label(lot=uri)).state(12) == VERIFIED

    def test_carries_certificate_report_and_master_data(self, season: Season) -> None:
        shown = set(kinds_in(season.bundle(LABEL)))
        assert {"Certificate", "LabReport", "MasterData", "LabelCommitment", "PartyRegistration", "Genesis"} <= shown

    def test_does_not_carry_what_others_made_of_the_same_lot(self, season: Season) -> None:
        shown = {one.index for one in parse_bundle(season.bundle(LABEL)).statements}
        assert season.told["mix"] not in shown
        assert season.told["sell Wang"] in shown

    def test_is_small_enough_for_a_phone(self, season: Season) -> None:
        assert len(season.bundle(LABEL).encode()) < 64 * 1024

    def test_answers_for_an_older_checkpoint_with_what_was_published_then(self, season: Season) -> None:
        before = season.published()
        season.recall(AGENCY, lots=[P1])
        run = season.verify(LABEL, season.bundle(LABEL, published=before))
        assert run.state(15) == STATED

    def test_of_a_label_that_no_record_names_is_not_made(self, season: Season) -> None:
        with pytest.raises(NothingKnown):
            season.bundle(season.label(lot=f"{BOX}/10/P-9"))


class TestTheAnswer:
    def test_is_what_the_tiles_say(self, season: Season) -> None:
        season.recall(AGENCY, places=[FIELD])
        season.withdraw(FARM, season.told["cool"])
        told = answer_in(season.bundle(LABEL))
        entries = season.entries()
        honest = answer_from(map(Entry.decode, entries), told.origin, told.size, told.root, told.time_s, told.keys, told.parties)
        assert told == honest
        convict(told, entries)

    @pytest.mark.parametrize("uri", [P1, R1, PALLET])
    def test_covers_every_subject_that_the_way_back_visits(self, season: Season, uri: str) -> None:
        bundle = season.bundle(season.label(lot=uri))
        records = [Record.of(one.index, one.time_ms, one.statement) for one in parse_bundle(bundle).statements]
        history = History(ORIGIN, season.policy().registrars, records)
        keys, parties = closure(journey_of(uri, records, history), records)
        operator = sha256(season.policy().registrars[0].uri.encode()).digest()
        assert set(keys) <= set(answer_in(bundle).keys)
        assert set(parties) - {operator} <= set(answer_in(bundle).parties)

    def test_that_admits_a_recall_and_does_not_show_it_is_refused(self, season: Season) -> None:
        notice = season.recall(AGENCY, lots=[P1])
        honest = parse_bundle(season.bundle(LABEL))
        shown = tuple(one for one in honest.statements if one.index != notice)
        proof = prove_multi(reader_over(season.entries()), [one.index for one in shown], season.published().size)
        with pytest.raises(Omitted) as refused:
            season.verify(LABEL, format_bundle(replace(honest, statements=shown, proof=tuple(proof))))
        assert refused.value.code == "control-not-shown"

    def test_grows_from_a_kept_tally_to_the_same_as_from_the_start(self, season: Season) -> None:
        kept = Tallies()
        season.bundle(LABEL, tallies=kept)
        old = season.published()
        season.recall(AGENCY, lots=[P1])
        assert answer_in(season.bundle(LABEL, tallies=kept)) == answer_in(season.bundle(LABEL))
        assert answer_in(season.bundle(LABEL, tallies=kept, published=old)) == answer_in(season.bundle(LABEL, published=old))


class TestRecalls:
    def test_a_recall_of_the_field_lot_reaches_the_packed_box(self, season: Season) -> None:
        notice = season.recall(AGENCY, lots=[H1])
        assert season.verify(LABEL).recalls[0].index == notice

    def test_a_recall_of_a_place_on_the_way_reaches_the_box(self, season: Season) -> None:
        season.recall(AGENCY, places=[HUB_DOCK])
        assert season.verify(LABEL).answers["recall"] == "failed"

    def test_a_recall_that_was_closed_no_longer_stands(self, season: Season) -> None:
        notice = season.recall(AGENCY, lots=[H1])
        digest = Entry.decode(season.entries()[notice]).digest.hex()
        season.recall(AGENCY, lots=[H1], closes=digest)
        assert season.verify(LABEL).state(15) == STATED


class TestItemCodes:
    def test_a_serial_that_the_farm_never_committed_to_gets_no_proof(self, season: Season) -> None:
        assert season.verify(season.label("Z" * 20)).state(13) == UNCHECKED

    def test_a_proof_for_another_serial_is_refused(self, season: Season) -> None:
        bundle = season.bundle(season.label(SERIALS[3])).replace(SERIALS[3], SERIALS[4])
        with pytest.raises(NotCommitted):
            season.verify(season.label(SERIALS[4]), bundle)

    def test_every_tenth_code_is_proved(self, season: Season) -> None:
        for serial in SERIALS[::40]:
            assert season.verify(season.label(serial)).state(13) == STATED


class TestAudiences:
    def test_the_public_does_not_see_a_withheld_receiver_and_both_can_verify(self, season: Season) -> None:
        boxes = lots((P1, "20", "H87"))
        season.hand_over(HUB, WANG, boxes, "again", (HUB_DOCK, DOOR_WANG), withhold=REGULATED)
        public, inspector = season.bundle(LABEL), season.bundle(LABEL, audience=Audience.REGULATOR)
        shipped = season.told["ship again"]
        by_index = [{one.index: one for one in parse_bundle(bundle).statements} for bundle in (public, inspector)]
        assert not by_index[0][shipped].statement.disclosures
        assert by_index[1][shipped].statement.disclosures[0].name == "destinationList"
        assert WANG not in str(by_index[0][shipped].statement.disclosed)
        assert {season.verify(LABEL, bundle).state(8) for bundle in (public, inspector)} == {VERIFIED}

    def test_a_disclosure_that_the_party_marked_public_is_shown_to_all(self, season: Season) -> None:
        marked = type(REGULATED)(names=("destinationList",), public=("destinationList",))
        season.hand_over(HUB, ZHAO, lots((P1, "5", "H87")), "open", withhold=marked)
        shown = {one.index: one.statement for one in parse_bundle(season.bundle(LABEL)).statements}
        assert ZHAO in str(shown[season.told["ship open"]].disclosed)


class TestWhatIsLeftOut:
    def test_an_erased_record_is_not_carried_and_its_ground_is_told(self, season: Season) -> None:
        index = season.told["sell Wang"]
        target = Entry.decode(season.entries()[index])
        told = Erasure.of(target.digest, origin=ORIGIN, index=index, keys=target.keys, ground="GDPR 17")
        (by,) = season.rig.log(season.rig.sign(told, season.rig.registrar, season.rig.keys.registrar))
        bundle = season.bundle(LABEL)
        assert index not in {one.index for one in parse_bundle(bundle).statements}
        assert season.verify(LABEL, bundle).state(14) == STATED
        with season.rig.database.reading() as session:
            assert [(one.index, one.erased_by, one.ground) for one in erasures(session, [P1])] == [(index, by, "GDPR 17")]

    def test_a_stranger_who_claims_the_lot_a_hundred_times_cannot_crowd_out_the_farm(self, season: Season) -> None:
        season.grant(STRANGER, "retailer", mint=["https://stranger.example/"])
        for number in range(40):
            season.tell(STRANGER, f"claim {number}", partial(build.sell, lots((P1, "1", "H87"))), hours_late=1_000)
        bundle = season.bundle(LABEL, budget=Budget(statements=30, accounts=20, subjects=100, size=1_000_000))
        shown = {one.index for one in parse_bundle(bundle).statements}
        assert season.told["claim 0"] not in shown
        assert {season.told[name] for name in ("harvest H-1", "pack", "ship pallet", "receive pallet", "sell Wang")} <= shown
        assert season.verify(LABEL, bundle).state(12) == VERIFIED

    def test_a_party_s_account_is_carried_whole_or_not_at_all(self, season: Season) -> None:
        bundle = season.bundle(LABEL, budget=Budget(statements=12, accounts=6, subjects=100, size=1_000_000))
        shown = {one.index for one in parse_bundle(bundle).statements}
        for leader in ("Wang", "Zhao"):
            assert len({season.told[f"{what} {leader}"] for what in ("receive", "sell")} & shown) in (0, 2)
        assert season.verify(LABEL, bundle).state(14) == STATED

    def test_where_control_statements_alone_are_too_many_nothing_is_pretended(self, season: Season) -> None:
        with pytest.raises(TooMuch):
            season.bundle(LABEL, budget=Budget(statements=8, accounts=8, subjects=1, size=1_000_000))

    def test_a_budget_only_chooses_and_never_hides_a_control_statement(self, season: Season) -> None:
        notice = season.recall(AGENCY, products=[RAW])
        with season.rig.database.reading() as session:
            small = Budget(statements=12, accounts=4, subjects=60, size=1_000_000)
            found = gather(session, [P1], Tallies(), size=season.published().size, budget=small)
        assert found.left_out
        assert notice in found.indexes


class TestAnchors:
    @pytest.mark.parametrize("back", [0, 3])
    def test_an_anchored_tree_is_linked_to_the_checkpoint_by_consistency(self, season: Season, back: int) -> None:
        entries = season.entries()
        size = len(entries) - back
        log_id = leaf_hash(entries[0])
        contract, signer = "0x" + "ab" * 20, "0x" + "cd" * 20
        found = root(reader_over(entries), size)
        with season.rig.database.writing() as session:
            session.add(AnchorRow(chain_id=1, contract=contract, signer=signer, log_id=log_id, size=size, root=found,
                                  state="final", created_ms=0, changed_ms=0))  # fmt: skip
            session.commit()
        policy = season.policy(f"anchor 1 {contract} 0x{log_id.hex()} {signer}")
        run = season.verify(LABEL, policy=policy, heads=lambda pin: (size, found))
        assert run.state(16) == (VERIFIED if not back else UNCHECKED)
        assert run.steps[-1].code == ("anchored" if not back else "anchored-in-part")

    def test_a_scan_reads_the_newest_anchor_of_each_contract_and_no_other(self, season: Season) -> None:
        """A log that anchors every hour has 9,000 anchors a year."""
        entries, read = season.entries(), list[int]()
        held = [("aa", size, "final") for size in range(2, 12)]
        held += [("bb", 3, "safe"), ("bb", 9, "submitted"), ("bb", 10_000, "final")]
        with season.rig.database.writing() as session:
            for name, size, state in held:
                session.add(AnchorRow(chain_id=1, contract="0x" + name * 20, signer="0x" + "cd" * 20, log_id=bytes(32), size=size,
                                      root=bytes(32), state=state, created_ms=0, changed_ms=0))  # fmt: skip
            session.commit()

        def noted(row: AnchorRow, _context: object) -> None:
            read.append(row.size)

        event.listen(AnchorRow, "load", noted)
        try:
            bundle = parse_bundle(season.bundle(LABEL))
        finally:
            event.remove(AnchorRow, "load", noted)
        assert len(entries) > 11
        assert [(one.contract[2:4], one.size) for one in bundle.anchors] == [("bb", 3), ("aa", 11)]
        assert read == [3, 11]


def test_the_checkpoint_in_the_bundle_is_the_published_one(season: Season) -> None:
    bundle = parse_bundle(season.bundle(LABEL))
    assert bundle.checkpoint == season.published().body
    assert Checkpoint.parse(parse_note(bundle.checkpoint).text).size == season.published().size
