"""What the regulator's search box finds, and what it must not tell."""

from hashlib import sha256

import pytest
from sqlalchemy import select

from api.search import search
from ledger.models import StatementRow
from ledger.pooling import published_size
from ledger.publishing import NotPublished
from producers.kinds import MasterData
from tests.ledger_read.season import BOX, FARM, Season
from tests.support.ledger import p256


def found(season: Season, text: str) -> set[tuple[str, str]]:
    """Digests and links that the box finds."""
    with season.rig.database.reading() as session:
        return {(one.digest, one.uri) for one in search(session, text, "en", published_size(session))}


def test_a_digest_is_found_by_the_digits_that_pages_show(season: Season) -> None:
    with season.rig.database.reading() as session:
        digests = [one.hex() for one in session.scalars(select(StatementRow.digest))]
    assert len({digest[0] >= "8" for digest in digests}) == 2, "heads of either sign"
    for digest in digests:
        for text in (digest, digest.upper(), digest[:16], f"{digest[:16]}…", digest[:8], digest[:17]):
            assert found(season, text) == {(digest, f"/statements/{digest}")}, text
        wrong = f"{digest[:16]}{'0' if digest[16] != '0' else '1'}"
        assert found(season, wrong) == found(season, digest[:7]) == set()


def test_what_nobody_can_see_yet_is_not_found(season: Season) -> None:
    hidden = season.rig.sign(MasterData(id=BOX, type="Product", name={"en": "Hidden name"}, holder=FARM), FARM, p256(FARM))
    season.rig.step()
    season.rig.submit(hidden)
    season.rig.sequencer.publisher.quorum = 1  # and no witness answers
    with pytest.raises(NotPublished):
        season.rig.step()
    with season.rig.database.reading() as session:
        digest = session.scalars(select(StatementRow.digest).order_by(StatementRow.index.desc()).limit(1)).one()
    assert digest == sha256(hidden).digest()
    newest = digest.hex()
    assert found(season, "Hidden name") == found(season, newest) == found(season, newest[:16]) == set()


def test_a_name_is_found_by_a_part_of_it_in_any_case(season: Season) -> None:
    season.rig.submit(
        season.rig.sign(
            MasterData(id=BOX, type="Product", name={"en": "Red BOX", "zh": "\u7ea2\u76d2"}, holder=FARM), FARM, p256(FARM)
        )
    )
    season.rig.step()
    assert found(season, "d box") == found(season, "\u7ea2\u76d2") == {("", BOX)}
