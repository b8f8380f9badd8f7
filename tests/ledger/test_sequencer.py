"""The log takes statements in order, publishes them, and only then answers."""

import threading
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import func, select

from ledger import parcels
from ledger.candidates import Candidate
from ledger.ends import ends_of
from ledger.examiners import examine_here
from ledger.models import EntryRow, EventRow, ParcelRow, Published, RefusalRow, StatementRow
from ledger.observing import Silent
from ledger.pooling import Ticket, published_size
from ledger.problems import Fatal
from ledger.receipts import receipt
from ledger.sequencer import REFRESH, SLEW
from producers.control import LabelCommitment
from producers.sign import sign
from tests.support.ledger import FARM, GTIN, HUB, LOT, VALIDATOR, Rig, event_body, p256, payload
from verify.checkpoint import Checkpoint
from verify.note import open_note, parse_note
from verify.statement import P256_ORDER, parse_statement
from verify.strict import b64u_decode, b64u_encode


def test_a_statement_is_answered_only_once_everybody_can_see_it(farm: Rig) -> None:
    admitted = farm.submit(farm.event(FARM, p256("farm")))
    assert farm.results(admitted)[0].state == "pending"
    farm.step()
    (outcome,) = farm.results(admitted)
    assert (outcome.state, outcome.index) == ("published", 2)
    with farm.database.reading() as session:
        assert published_size(session) == 3
    checkpoint = parse_note(farm.store.read_checkpoint() or "")
    open_note(checkpoint, [farm.keys.log.vkey])
    assert Checkpoint.parse(checkpoint.text).size == 3


def test_a_batch_shares_one_time_and_the_next_one_is_never_earlier(farm: Rig) -> None:
    farm.log(*(farm.event(FARM, p256("farm")) for _ in range(3)))
    farm.now_ms -= 300  # the clock was set back a little: time stands still
    farm.log(farm.event(FARM, p256("farm")))
    with farm.database.reading() as session:
        times = list(session.scalars(select(EntryRow.time_ms).order_by(EntryRow.index)))
    assert times == sorted(times)
    assert len(set(times[2:5])) == 1


def test_a_clock_set_far_back_stops_the_log(farm: Rig) -> None:
    farm.submit(farm.event(FARM, p256("farm")))
    farm.now_ms -= SLEW + 1_000
    with pytest.raises(Fatal, match="clock"):
        farm.step()
    with pytest.raises(Fatal, match="clock"):
        farm.step()
    farm.now_ms += SLEW + 1_000
    farm.step()


def test_a_quiet_log_signs_its_tree_anew(farm: Rig) -> None:
    before = farm.store.read_checkpoint()
    farm.step()
    assert farm.store.read_checkpoint() == before
    farm.now_ms += REFRESH * 1_000
    farm.step()
    after = farm.store.read_checkpoint() or ""
    assert after != before
    assert parse_note(after).text == parse_note(before or "").text


def random_signature(message: bytes) -> bytes:
    """As a phone signs: with fresh randomness, where ours come out the same every time."""
    r, s = decode_dss_signature(p256("farm").sign(message, ec.ECDSA(SHA256())))
    return b64u_encode(r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")).encode()


class TestDuplicates:
    def test_the_same_statement_twice_has_one_place(self, farm: Rig) -> None:
        raw = farm.event(FARM, p256("farm"))
        (index,) = farm.log(raw)
        (again,) = farm.send(raw)
        assert (again.state, again.index, again.digest) == ("duplicate", index, parse_statement(raw).digest)

    def test_twice_in_one_batch_is_one_entry(self, farm: Rig) -> None:
        raw = farm.event(FARM, p256("farm"))
        first, second = farm.send(raw, raw)
        assert (first.state, second.state) == ("published", "duplicate")
        assert first.index == second.index

    def test_a_second_signature_over_the_same_words_gets_the_stored_digest(self, farm: Rig) -> None:
        text = payload("TraceabilityEvent", FARM, event_body(77))
        one = sign(text, p256("farm"))
        two = one[: one.rindex(b".") + 1] + random_signature(one[: one.rindex(b".")])
        assert one != two
        farm.log(one)
        (outcome,) = farm.send(two)
        assert (outcome.state, outcome.digest) == ("duplicate", parse_statement(one).digest)

    def test_a_forged_copy_of_a_logged_statement_is_refused_and_not_called_a_duplicate(self, farm: Rig) -> None:
        raw = farm.event(FARM, p256("farm"))
        farm.log(raw)
        head, body, _ = raw.split(b".")
        (outcome,) = farm.send(b".".join((head, body, b"A" * 86)))
        assert outcome.refused is not None
        assert outcome.refused.code == "bad-signature"

    def test_the_twin_with_high_s_is_refused(self, farm: Rig) -> None:
        head, body, signature = farm.event(FARM, p256("farm")).decode().split(".")
        both = b64u_decode(signature)
        twin = both[:32] + (P256_ORDER - int.from_bytes(both[32:], "big")).to_bytes(32, "big")
        (outcome,) = farm.send(f"{head}.{body}.{b64u_encode(twin)}".encode())
        assert outcome.refused is not None
        assert outcome.refused.code == "high-s"

    def test_a_duplicate_of_a_key_revoked_since_is_still_a_duplicate(self, farm: Rig) -> None:
        raw = farm.event(FARM, p256("farm"))
        farm.log(raw)
        farm.log(farm.revoke(FARM, p256("farm")))
        assert farm.send(raw)[0].state == "duplicate"


class TestDisclosures:
    def test_a_later_copy_that_brings_what_was_withheld_is_kept(self, farm: Rig) -> None:
        whole = farm.withholding(FARM, p256("farm"), HUB, bizStep="shipping", action="OBSERVE")
        bare = whole.split(b"~")[0] + b"~"
        (index,) = farm.log(bare)
        (again,) = farm.send(whole)
        assert (again.state, again.index) == ("duplicate", index)
        with farm.database.reading() as session:
            row = session.scalars(select(StatementRow).where(StatementRow.index == index)).one()
            (party,) = ends_of(session.get_one(EventRow, index).parties)
        assert len(row.disclosures) == 1
        assert (party.uri, party.withheld) == (HUB, True)

    def test_a_bare_copy_takes_nothing_away(self, farm: Rig) -> None:
        whole = farm.withholding(FARM, p256("farm"), HUB)
        (index,) = farm.log(whole)
        farm.send(whole.split(b"~")[0] + b"~")
        with farm.database.reading() as session:
            assert len(session.scalars(select(StatementRow).where(StatementRow.index == index)).one().disclosures) == 1


class TestOrder:
    def test_a_grant_and_its_first_statement_may_come_in_one_request(self, rig: Rig) -> None:
        assert rig.log(rig.grant(FARM, p256("farm"), mint=[GTIN]), rig.event(FARM, p256("farm"))) == [1, 2]

    def test_a_statement_before_its_grant_is_refused(self, rig: Rig) -> None:
        early, grant = rig.send(rig.event(FARM, p256("farm")), rig.grant(FARM, p256("farm"), mint=[GTIN]))
        assert grant.state == "published"
        assert early.refused is not None
        assert early.refused.code == "unknown-key"

    def test_a_statement_after_the_revocation_is_refused_even_in_the_same_batch(self, farm: Rig) -> None:
        before, gone, after = farm.send(
            farm.event(FARM, p256("farm")), farm.revoke(FARM, p256("farm")), farm.event(FARM, p256("farm"))
        )
        assert (before.state, gone.state) == ("published", "published")
        assert after.refused is not None
        assert after.refused.code == "revoked-key"

    def test_a_key_that_was_good_in_one_batch_is_refused_in_the_next_once_it_is_revoked(self, farm: Rig) -> None:
        farm.log(farm.event(FARM, p256("farm")))
        farm.log(farm.revoke(FARM, p256("farm")))
        (after,) = farm.send(farm.event(FARM, p256("farm")))
        assert after.refused is not None
        assert after.refused.code == "revoked-key"

    def test_one_party_cannot_sign_for_another(self, farm: Rig) -> None:
        farm.log(farm.grant(HUB, p256("hub"), "warehouse"))
        (outcome,) = farm.send(farm.event(FARM, p256("hub")))
        assert outcome.refused is not None
        assert outcome.refused.code == "other-party-key"

    def test_an_unverified_signature_under_a_key_granted_since_is_still_checked(self, rig: Rig) -> None:
        head, body, _ = rig.event(FARM, p256("farm")).split(b".")
        _, forged = rig.send(rig.grant(FARM, p256("farm")), b".".join((head, body, b"A" * 86)))
        assert forged.refused is not None
        assert forged.refused.code == "bad-signature"


class TestEventIds:
    def test_an_event_id_names_one_event_of_a_party(self, farm: Rig) -> None:
        name = "urn:uuid:11111111-1111-4111-8111-111111111111"
        first, second = farm.send(*(farm.event(FARM, p256("farm"), eventID=name, bizStep=s) for s in ("packing", "storing")))
        assert first.state == "published"
        assert second.refused is not None
        assert (second.refused.code, second.refused.where) == ("event-id-taken", "/credentialSubject/eventID")

    def test_it_is_taken_in_later_batches_too_but_not_for_others(self, farm: Rig) -> None:
        name = "urn:uuid:11111111-1111-4111-8111-111111111111"
        farm.log(farm.event(FARM, p256("farm"), eventID=name), farm.grant(HUB, p256("hub"), "warehouse"))
        mine, theirs = farm.send(
            farm.event(FARM, p256("farm"), eventID=name, bizStep="packing"), farm.event(HUB, p256("hub"), eventID=name)
        )
        assert (mine.state, theirs.state) == ("refused", "published")

    def test_an_error_declaration_repeats_it_on_purpose(self, farm: Rig) -> None:
        name = "urn:uuid:11111111-1111-4111-8111-111111111111"
        wrong = {"declarationTime": "2026-11-18T09:00:00+08:00", "reason": "incorrect_data"}
        farm.log(farm.event(FARM, p256("farm"), eventID=name))
        farm.log(farm.event(FARM, p256("farm"), eventID=name, errorDeclaration=wrong))


class TestAllOrNone:
    def test_one_refusal_takes_the_whole_request_back(self, farm: Rig) -> None:
        good, taken = farm.event(FARM, p256("farm")), "urn:uuid:11111111-1111-4111-8111-111111111111"
        farm.log(farm.event(FARM, p256("farm"), eventID=taken))
        bad = farm.event(FARM, p256("farm"), eventID=taken, bizStep="packing")
        first, second = farm.send(good, bad, together=True)
        assert [one.refused and one.refused.code for one in (first, second)] == ["rolled-back", "event-id-taken"]
        assert farm.log(good) == [3]

    def test_a_control_statement_in_it_is_taken_back_too(self, farm: Rig) -> None:
        one, two, three = farm.send(
            farm.event(FARM, p256("farm")), farm.revoke(FARM, p256("farm")), farm.event(FARM, p256("farm")), together=True
        )
        assert {one.state, two.state, three.state} == {"refused"}
        farm.log(farm.event(FARM, p256("farm")))

    def test_a_request_is_never_cut_by_the_batch_limit(self, farm: Rig) -> None:
        farm.sequencer.batch_limit = 2
        outcomes = farm.send(*(farm.event(FARM, p256("farm")) for _ in range(5)), together=True)
        assert [one.index for one in outcomes] == [2, 3, 4, 5, 6]

    def test_a_refusal_at_admission_keeps_all_out_of_the_pool(self, farm: Rig) -> None:
        outcomes = farm.send(farm.event(FARM, p256("farm")), b"not a statement", together=True)
        assert [one.refused and one.refused.code for one in outcomes] == ["rolled-back", "not-a-jws"]


class TestSerials:
    def test_no_statement_names_a_serial_of_a_committed_lot_before_its_sale(self, farm: Rig) -> None:
        commitment = LabelCommitment.of(LOT, origin=farm.keys.log.name, root=bytes(32), count=5)
        farm.log(farm.event(FARM, p256("farm")), farm.sign(commitment, FARM, p256("farm")))
        lot = f"{GTIN}/10/H-1/21/AAAAAAAAAAAAAAAAAAAA"
        told = {"action": "OBSERVE", "epcList": [lot], "quantityList": None}
        early, sale = farm.send(
            farm.event(FARM, p256("farm"), bizStep="packing", **told),
            farm.event(FARM, p256("farm"), bizStep="retail_selling", **told),
        )
        assert early.refused is not None
        assert (early.refused.code, sale.state) == ("serial-before-sale", "published")


def test_what_is_judged_leaves_no_content_in_the_pool(farm: Rig) -> None:
    farm.send(farm.event(FARM, p256("farm")), farm.event(HUB, p256("hub")))
    with farm.database.reading() as session:
        assert {row.content for row in session.scalars(select(ParcelRow))} == {b""}


def test_a_damaged_parcel_is_refused_and_the_log_goes_on(farm: Rig) -> None:
    first, second = (farm.submit(farm.event(FARM, p256("farm"))) for _ in range(2))
    with farm.database.writing() as session:
        row = session.get_one(ParcelRow, first.row)
        row.content = row.content[:-1] + bytes([row.content[-1] ^ 1])
        session.commit()
    farm.step()
    (damaged,), (good,) = farm.results(first), farm.results(second)
    assert damaged.refused is not None
    assert (damaged.refused.code, good.state) == ("damaged", "published")


def test_two_sequencers_by_mistake_cannot_fork_the_log(farm: Rig) -> None:
    second = Rig(farm.database, farm.folder, now_ms=farm.now_ms)
    second.sequencer.recover()
    farm.log(farm.event(FARM, p256("farm")))
    second.submit(farm.event(FARM, p256("farm")))
    with pytest.raises(Exception, match=r"checkpoint|UNIQUE|duplicate key"):
        second.step()
    second.step()  # it reloads what the other one wrote, and goes on from there
    with farm.database.reading() as session:
        assert session.scalar(select(Published.size)) == 4


def test_every_receipt_leads_to_the_published_root(farm: Rig) -> None:
    raws = [farm.event(FARM, p256("farm")) for _ in range(20)]
    farm.log(*raws)
    with farm.database.reading() as session:
        proofs = [receipt(session, farm.store, parse_statement(raw).digest).proof for raw in raws]
    assert len({proof.checkpoint for proof in proofs}) == 1
    assert [proof.index for proof in proofs] == list(range(2, 22))


class Sizes(Silent):
    """An observer that remembers how large each batch was."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def batch(self, *, judged: int, added: int, size: int, seconds: float, waited_s: float) -> None:
        """See Observer."""
        self.batches.append(judged)


class TestPace:
    """A batch begins when somebody waits, and is complete when nobody comes any more."""

    @pytest.fixture
    def running(self, farm: Rig) -> Iterator[Rig]:
        """The same, with its sequencer at work; it looks for others' parcels once a second."""
        stop = threading.Event()
        farm.now_ms += 1_000
        thread = threading.Thread(target=farm.sequencer.run, args=(stop, 1.0))
        thread.start()
        yield farm
        stop.set()
        thread.join()

    def offer(self, rig: Rig, count: int = 1) -> list[Ticket]:
        """Statements of this process's own."""
        items = examine_here([rig.event(FARM, p256("farm")) for _ in range(count)], rig.now_ms, VALIDATOR, {})
        return [rig.sequencer.pool.offer([one], now_ms=rig.now_ms)[0] for one in items if isinstance(one, Candidate)]

    def test_who_comes_alone_waits_for_no_interval(self, running: Rig) -> None:
        began = time.monotonic()
        for _ in range(5):
            assert self.offer(running)[0].result(10)[0].state == "published"
        assert time.monotonic() - began < 5  # five intervals

    def test_who_comes_together_shares_one_checkpoint(self, running: Rig) -> None:
        running.sequencer.observer = seen = Sizes()
        told = [one.result(10)[0] for one in self.offer(running, 40)]
        assert {one.state for one in told} == {"published"}
        assert len(seen.batches) <= 4

    def test_another_processs_parcel_is_found_within_an_interval(self, running: Rig) -> None:
        sent, end = running.submit(running.event(FARM, p256("farm"))), time.monotonic() + 10
        while running.results(sent)[0].state == "pending":
            assert time.monotonic() < end
            time.sleep(0.02)
        assert running.results(sent)[0].state == "published"


def test_a_busy_log_forgets_what_ended_a_day_ago_as_a_quiet_one_does(farm: Rig) -> None:
    farm.send(farm.event(FARM, p256("nobody")), farm.event(FARM, p256("farm")))
    for _ in range(400):  # two days, with a statement every seven minutes
        farm.now_ms += 420_000
        farm.log(farm.event(FARM, p256("farm")))
    with farm.database.reading() as session:
        old = farm.now_ms - parcels.KEEP
        assert session.scalar(select(func.count()).select_from(ParcelRow).where(ParcelRow.done_ms < old)) == 0
        assert session.scalar(select(func.count()).select_from(RefusalRow).where(RefusalRow.done_ms < old)) == 0


@pytest.mark.parametrize("error", [ValueError("a shape"), KeyError("x"), OverflowError(), MemoryError()])
def test_no_error_ends_sequencing_for_good(farm: Rig, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.sequencer.BACKOFF", 0.01)
    stop, troubles, clock = threading.Event(), [error], farm.sequencer.now_ms

    def now() -> int:
        if troubles:
            raise troubles.pop()
        stop.set()
        return clock()

    farm.sequencer.now_ms = now
    submitted = farm.submit(farm.event(FARM, p256("farm")))
    farm.sequencer.run(stop, 0.0)
    assert [one.state for one in farm.results(submitted)] == ["published"]
