"""What the regulator's search box finds, and what it must not tell."""

from hashlib import sha256

import pytest
from sqlalchemy import select

from api.search import search
from ledger.models import StatementRow
from ledger.pooling import published_size
from ledger.publishing import NotPublished
from producers.kinds import MasterData
from tests.ledger_read.season import BOX, FARM, P1, PALLET, SERIALS, Season
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


GTIN, SSCC, SERIAL = BOX.rpartition("/")[2], PALLET.rpartition("/")[2], SERIALS[21]


@pytest.mark.parametrize("text", [
    f"(01){GTIN}(10)P-1", f"(01) {GTIN} (10) P-1", f"（01）{GTIN}（10）P-1", f"(10)P-1(01){GTIN}", f"(02){GTIN}(37)400(10)P-1",
    f"(01){GTIN}(17)261231(10)P-1(21){SERIAL}",
    f"01{GTIN}10P-1", f"]C101{GTIN}10P-1", f"]d201{GTIN}10P-1", f"]Q301{GTIN}10P-1", f"\x1d01{GTIN}10P-1\x1d",
    f"]d201{GTIN}10P-1\x1d21{SERIAL}", f"01{GTIN}21{SERIAL}\x1d10P-1", f"01{GTIN}10P-1<GS>17261231", f"01{GTIN}\x1d10P-1",
    f"01{GTIN}17261231310300250010P-1", f"]C101{GTIN}10P-121{SERIAL}", f"01{GTIN}10p-1", f"(01){GTIN}(10)p-1",
])  # fmt: skip
def test_a_lot_is_found_by_what_is_printed_under_its_barcode_and_by_what_a_scanner_types(season: Season, text: str) -> None:
    assert ("", P1) in found(season, text)


@pytest.mark.parametrize("text", ["P-1", "p-1", " p-1\t", "Ｐ－１", "ｐ-１", "(10)P-1", "10P-1"])
def test_a_lot_is_found_by_its_code_in_either_case_and_width(season: Season, text: str) -> None:
    assert ("", P1) in found(season, text)


@pytest.mark.parametrize("text", [
    SSCC, f"00{SSCC}", f"(00){SSCC}", f"]C100{SSCC}", "".join(chr(ord(digit) + 0xFEE0) for digit in f"00{SSCC}"),
    f"{SSCC[:4]} {SSCC[4:]}", f"00 {SSCC[:4]} {SSCC[4:]}", f"00{SSCC}02{GTIN}37400",
])  # fmt: skip
def test_a_pallet_is_found_by_its_number_with_or_without_its_identifier(season: Season, text: str) -> None:
    assert ("", PALLET) in found(season, text)


def test_a_product_is_found_by_full_width_digits_and_where_its_lot_is_mistyped(season: Season) -> None:
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in GTIN)
    assert found(season, wide) == found(season, f"(01){GTIN}(10)NEVER") == {("", BOX)}


@pytest.mark.parametrize("text", [
    "(", "()", "(01)", f"(01){GTIN[:-1]}0(10)P-1", "]C1", f"01{GTIN[:-1]}", "(10)", "\x1d", "10", f"01{GTIN[:-1]}010P-1",
    "10a21b\x1d" * 51, "21" * 256, "(10)" * 128,
])  # fmt: skip
def test_what_is_no_element_string_finds_nothing_and_harms_nothing(season: Season, text: str) -> None:
    assert found(season, text) == set()
