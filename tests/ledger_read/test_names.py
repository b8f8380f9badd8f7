"""What things and parties are called on pages."""

import pytest

from api.subjects import names_for
from ledger.described import Description, coordinates, counting
from ledger.publishing import NotPublished
from producers.kinds import MasterData
from tests.ledger_read.season import BOX, FARM, STRANGER, Season
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


def test_no_stranger_renames_a_product_or_a_party_on_the_desk(season: Season) -> None:
    season.grant(STRANGER, "retailer")
    for uri in (BOX, FARM):
        season.say(STRANGER, MasterData(id=uri, type="Place", name={"en": "Stranger Foods"}, holder=STRANGER))
    with season.rig.database.reading() as session:
        found = names_for(session, [BOX, FARM, f"{BOX}/10/P-1"], "en")
    assert found[BOX] == "Leaf lettuce, box of 500 g"
    assert not any("Stranger" in name for name in found.values())


def test_whose_a_thing_is_is_asked_once_of_each_who_describes_it() -> None:
    asked: list[tuple[str, str]] = []
    told = [Description(index, BOX, STRANGER if index % 3 else FARM) for index in range(3_000)]
    counted = counting(told, lambda party, uri: asked.append((party, uri)) or party == FARM)  # type: ignore[func-returns-value]
    assert {one.issuer for one in counted} == {FARM}
    assert sorted(asked) == [(FARM, BOX), (STRANGER, BOX)]


@pytest.mark.parametrize(("geo", "shown"), [
    ({"lat": "31.23", "lon": "-121.47"}, "31.23, -121.47"), ({"lat": "31.23"}, ""), ({}, ""), ("x", ""),
    ({"lat": [1], "lon": {}}, ""), ({"lat": "", "lon": ""}, ""), ({"lat": "north", "lon": "1"}, ""),
    ({"lat": 31, "lon": 121}, ""), (None, ""),
])  # fmt: skip
def test_only_two_decimal_strings_are_coordinates(geo: object, shown: str) -> None:
    assert coordinates({"geo": geo}) == shown
