"""What things and parties are called on pages."""

import pytest

from api.subjects import names_for
from ledger.publishing import NotPublished
from producers.kinds import MasterData
from tests.ledger_read.season import BOX, FARM, Season
from tests.support.ledger import p256


def test_a_name_that_nobody_can_see_yet_stands_on_no_page(season: Season) -> None:
    renamed = season.rig.sign(MasterData(id=BOX, type="Product", name={"en": "Another name"}, holder=FARM), FARM, p256(FARM))
    season.rig.step()
    season.rig.submit(renamed)
    season.rig.sequencer.publisher.quorum = 1  # and no witness answers
    with pytest.raises(NotPublished):
        season.rig.step()
    with season.rig.database.reading() as session:
        assert names_for(session, [BOX], "en")[BOX] != "Another name"
