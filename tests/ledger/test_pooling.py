"""The pool promises nothing it cannot keep: it is bounded, it answers everybody, and it forgets nobody it took."""

import hmac
import marshal

import pytest
from sqlalchemy import update

from ledger import parcels
from ledger.candidates import Candidate
from ledger.examiners import examine_here
from ledger.models import ParcelRow
from ledger.pooling import PARCEL, Outcome, Pool, answer
from ledger.problems import Refused
from tests.support.ledger import FARM, START_MS, VALIDATOR, Rig, p256


def candidates(rig: Rig, count: int) -> list[Candidate]:
    """Events of the farm."""
    raws = [rig.event(FARM, p256("farm")) for _ in range(count)]
    return [one for one in examine_here(raws, START_MS, VALIDATOR, {}) if isinstance(one, Candidate)]


def test_what_this_process_admits_is_answered_once_it_is_published(farm: Rig) -> None:
    (ticket,) = farm.sequencer.pool.offer(candidates(farm, 3), now_ms=farm.now_ms)
    assert not ticket.done()
    farm.step()
    told = ticket.result(0)
    assert [one.state for one in told] == ["published"] * 3
    assert [one.index for one in told] == list(range(told[0].index or 0, (told[0].index or 0) + 3))
    assert {one.time_ms for one in told} == {farm.now_ms}


def test_a_submitter_who_has_gone_stops_nobody(farm: Rig) -> None:
    gone, stays = (farm.sequencer.pool.offer(candidates(farm, 1), now_ms=farm.now_ms)[0] for _ in range(2))
    gone.cancel()
    farm.step()
    assert stays.result(0)[0].state == "published"


def test_a_large_request_is_sequenced_in_parcels_and_all_or_none_in_one(farm: Rig) -> None:
    items = candidates(farm, 1) * (PARCEL + 1)
    assert len(Pool().offer(items, now_ms=0)) == 2
    assert len(Pool().offer(items, now_ms=0, together=True)) == 1


def test_a_full_pool_sends_submitters_away_with_a_time_to_return(farm: Rig) -> None:
    pool, items = Pool(limit=2), candidates(farm, 2)
    pool.offer(items, now_ms=0)
    with pytest.raises(Refused) as busy:
        pool.offer(items, now_ms=0)
    assert (busy.value.code, len(pool)) == ("pool-full", 2)
    assert busy.value.retry_after_s
    pool.take(10)
    pool.offer(items, now_ms=0)


def test_what_could_not_be_sequenced_is_first_again(farm: Rig) -> None:
    pool, (first, second) = Pool(), candidates(farm, 2)
    for one in (first, second):
        pool.offer([one], now_ms=0)
    taken = pool.take(1)
    pool.put_back(taken)
    assert [parcel.items[0].digest for parcel in pool.take(2)] == [first.digest, second.digest]


def test_a_process_that_may_not_sequence_any_more_sends_its_submitters_away(farm: Rig) -> None:
    pool, why = Pool(), Refused("pool-full", "elsewhere", retry_after_s=1)
    (ticket,) = pool.offer(candidates(farm, 1), now_ms=0)
    pool.close(why)
    assert ticket.result(0)[0].refused is why
    assert not pool.is_open
    with pytest.raises(Refused):
        pool.offer(candidates(farm, 1), now_ms=0)
    pool.close(None)
    pool.offer(candidates(farm, 1), now_ms=0)


def test_an_answer_is_given_once(farm: Rig) -> None:
    pool = Pool()
    pool.offer(candidates(farm, 1), now_ms=0)
    (parcel,) = pool.take(1)
    answer(parcel, [Outcome("published", b"x", 1, 2)])
    assert parcel.ticket.result(0)[0].index == 1


class TestParcels:
    def test_a_parcel_that_no_process_of_ours_sealed_is_not_even_read(self, farm: Rig) -> None:
        with farm.database.writing() as session:
            row = parcels.send(session, candidates(farm, 2), b"k" * 32, now_ms=0, limit=10)
            session.commit()
        farm.step()
        with farm.database.reading() as session:
            told = parcels.outcomes_of(session, row)
        assert [one.refused and one.refused.code for one in told] == ["damaged", "damaged"]

    @pytest.mark.parametrize("cut", [1, -1])
    def test_a_parcel_of_another_version_is_refused_and_does_not_stop_the_log(self, farm: Rig, cut: int) -> None:
        """While the processes of a cluster are replaced one by one, a parcel may hold candidates of another shape."""
        submitted = farm.submit(farm.event(FARM, p256("farm")))
        key = parcels.seal_key(farm.keys.log)
        content = marshal.dumps([tuple(one)[:cut] for one in submitted.found if isinstance(one, Candidate)])
        with farm.database.writing() as session:
            sealed = hmac.digest(key, content, "sha256") + content
            session.execute(update(ParcelRow).where(ParcelRow.id == submitted.row).values(content=sealed))
            session.commit()
        farm.step()
        assert [one.refused and one.refused.code for one in farm.results(submitted)] == ["damaged"]
        farm.log(farm.event(FARM, p256("farm")))

    def test_nothing_of_a_judged_parcel_is_kept_but_what_became_of_it(self, farm: Rig) -> None:
        submitted = farm.submit(*(farm.event(FARM, p256("farm")) for _ in range(2)))
        farm.step()
        with farm.database.reading() as session:
            row = session.get_one(ParcelRow, submitted.row)
            assert (row.content, row.state) == (b"", "done")

    def test_why_a_statement_was_refused_can_be_asked_for_a_day_and_no_longer(self, farm: Rig) -> None:
        (refused,) = farm.send(farm.event(FARM, p256("nobody")))
        assert refused.refused is not None
        with farm.database.writing() as session:
            assert parcels.refusal_of(session, refused.digest) is not None
            parcels.purge(session, farm.now_ms + parcels.KEEP + 1)
            assert parcels.refusal_of(session, refused.digest) is None
