"""Prefixes to name lots under: a grant is final, so what is asked for is either one that lots begin with, or refused."""

import pytest

from producers.minting import NoPrefix, check_mint_prefix, mint_prefix
from verify import gs1

GTIN = "https://id.gs1.org/01/09521234000013"


@pytest.mark.parametrize(("said", "meant"), [
    ("09521234000013", GTIN),
    ("9521234000013", GTIN),
    ("96385074", "https://id.gs1.org/01/00000096385074"),
    ("012345678905", "https://id.gs1.org/01/00012345678905"),
    (" 9521234000013 ", GTIN),
    ("952123", "https://id.gs1.org/01/0952123"),
    ("9521234", "https://id.gs1.org/01/09521234"),
    ("95212340000", "https://id.gs1.org/01/095212340000"),
    (GTIN, GTIN),
    (f"{GTIN}/", GTIN),
    (GTIN.replace("https", "http"), GTIN),
    ("https://id.gs1.org/01/9521234000013", GTIN),
    ("https://shop.example/01/9521234000013?17=260401", GTIN),
    (f"{GTIN}/10/H7", f"{GTIN}/10/H7"),
    ("https://id.gs1.org/01/0952123", "https://id.gs1.org/01/0952123"),
    ("http://id.gs1.org/01/09521234/", "https://id.gs1.org/01/09521234"),
    ("https://id.gs1.org/01/19521234000", "https://id.gs1.org/01/19521234000"),
    ("urn:epc:class:lgtin:9521234.000001.H7", f"{GTIN}/10/H7"),
    ("https://farm.example/lots/", "https://farm.example/lots/"),
    ("urn:gdst:example.org:product:", "urn:gdst:example.org:product:"),
])  # fmt: skip
def test_what_a_farm_types_becomes_the_prefix_that_its_lots_begin_with(said: str, meant: str) -> None:
    assert mint_prefix(said) == meant
    check_mint_prefix(meant)
    assert gs1.matches_prefix(meant, meant)


@pytest.mark.parametrize("said", [
    "", " ", "foo", "9521", "952", "123456789012345", "９５２１２３４", "9521234000014", "96385075", "952123400001", "http://", "https://",
    "https://id.gs1.org", "https://id.gs1.org/01/", "https://id.gs1.org/01/0952", "https://id.gs1.org/01/09521234000014",
    "https://id.gs1.org/01/9521234000014", "https://shop.example/01/09521234000014", "https://Farm.example/lots/",
    f"{GTIN}/10/H7/21/1",
    "https://id.gs1.org/01/012345678905", "https://a.b",
    "urn:epc:id:sgtin:0952123.400001.", "urn:epc:class:lgtin:9521234.000001.", "urn:epc:id:sgtin:9521234.",
])  # fmt: skip
def test_what_no_lot_begins_with_or_could_mean_two_things_is_refused(said: str) -> None:
    with pytest.raises(NoPrefix):
        mint_prefix(said)


def test_who_asks_for_a_part_of_an_epc_is_told_how_lots_are_named() -> None:
    with pytest.raises(NoPrefix, match=r"urn:epc:id:sgtin:0952123\.400001\.: lots are named https://id\.gs1\.org/01/.*09521234"):
        mint_prefix("urn:epc:id:sgtin:0952123.400001.")


@pytest.mark.parametrize("said", ["9521234000013", "9521234", f"{GTIN}/", GTIN.replace("https", "http"), "foo", None, 7])
def test_a_registrar_grants_no_other_spelling(said: object) -> None:
    with pytest.raises(NoPrefix):
        check_mint_prefix(said)
