"""A log that ended: nothing new enters it, by no door and after no restart, and everything in it stays."""

import pytest
from sqlalchemy import select

from api.intake import Intake
from api.watcher import Watcher
from ledger.candidates import Candidate
from ledger.db import Database
from ledger.examiners import Examiners
from ledger.freezing import announce, complete, freeze_of
from ledger.keys import Keys
from ledger.models import CheckpointRow
from ledger.pooling import Pool
from ledger.problems import Fatal, Refused
from ledger.publishing import NotPublished
from tests.support.ledger import FARM, ORIGIN, VALIDATOR, Rig, p256

KEY = p256("farm")
NEXT, URL = "log.example/2027", "https://log.example/2027"


@pytest.fixture
def rig(database: Database, tmp_path) -> Rig:
    rig = Rig(database, tmp_path).create()
    rig.log(rig.grant(FARM, KEY), rig.event(FARM, KEY))
    return rig


def say_so(rig: Rig) -> None:
    with rig.database.writing() as session:
        announce(session, ORIGIN, successor=NEXT, url=URL, now_ms=rig.now_ms)
        session.commit()


def end(rig: Rig, keys: Keys | None = None) -> int:
    with rig.database.writing() as session:
        size = complete(session, keys or rig.keys, now_ms=rig.now_ms)
        session.commit()
    return size


def test_a_statement_is_refused_with_the_way_to_the_successor(rig: Rig) -> None:
    say_so(rig)
    with pytest.raises(Refused) as refused:
        rig.send(rig.event(FARM, KEY))
    assert refused.value.code == "log-frozen"
    assert NEXT in refused.value.detail
    assert refused.value.link == URL


def test_what_was_admitted_before_is_still_published(rig: Rig) -> None:
    admitted = rig.submit(rig.event(FARM, KEY))
    say_so(rig)
    rig.step()
    assert [one.state for one in rig.results(admitted)] == ["published"]
    assert end(rig) == 4


def test_what_slips_in_between_is_refused_by_the_sequencer_and_the_log_does_not_grow(rig: Rig) -> None:
    admitted = rig.submit(rig.event(FARM, KEY))
    say_so(rig)
    assert end(rig) == 3
    rig.step()
    assert [one.refused and one.refused.code for one in rig.results(admitted)] == ["log-frozen"]
    assert _size(rig) == 3


def test_a_sequencer_that_holds_the_checkpoint_from_before_the_end_cannot_replace_the_last_one(rig: Rig) -> None:
    say_so(rig)
    end(rig)
    rig.now_ms += 700_000  # the next step renews the checkpoint it remembers, which is not the last one any more
    with pytest.raises(Fatal, match="another sequencer"):
        rig.sequencer.step()
    rig.step()
    assert _size(rig) == 3


def test_the_last_checkpoint_is_signed_anew_and_its_time_goes_on(rig: Rig) -> None:
    say_so(rig)
    end(rig)
    rig.fresh_sequencer().recover()
    before = rig.store.read_checkpoint()
    rig.now_ms += 700_000
    rig.sequencer.step()
    assert rig.store.read_checkpoint() != before
    assert _size(rig) == 3


def test_a_restart_changes_nothing(rig: Rig) -> None:
    say_so(rig)
    end(rig)
    again = Rig(rig.database, rig.folder, now_ms=rig.now_ms + 5000, numbers=rig.numbers)
    again.sequencer.recover()
    with pytest.raises(Refused, match="takes no statements any more"):
        again.send(again.event(FARM, KEY))
    with again.database.reading() as session:
        freeze = freeze_of(session)
    assert freeze is not None
    assert (freeze.successor, freeze.size) == (NEXT, 3)


def test_a_log_does_not_succeed_itself(rig: Rig) -> None:
    with rig.database.writing() as session, pytest.raises(Fatal, match="itself"):
        announce(session, ORIGIN, successor=ORIGIN, url="", now_ms=0)


def _size(rig: Rig) -> int:
    with rig.database.reading() as session:
        return session.scalars(select(CheckpointRow.size)).one()

def test_an_index_is_told_only_once_everybody_can_see_it_also_where_the_log_is_frozen(rig: Rig) -> None:
    submitted = rig.submit(rig.event(FARM, KEY))
    rig.sequencer.publisher.quorum = 1  # and no witness answers
    with pytest.raises(NotPublished):
        rig.step()
    intake = Intake(rig.database, Pool(), Examiners(VALIDATOR), Watcher(lambda: None), b"", 1)
    (item,) = [one for one in submitted.found if isinstance(one, Candidate)]
    (told,) = intake._places([item], Refused("log-frozen", "it ended"))
    assert (told.state, told.index) == ("pending", None)
