"""A product on the regulator's desk leads to its lots, and says which of them are recalled."""

import re
from uuid import UUID

import pytest

import api.lots
import ledger.recalls
from api.demo.cast import gln
from producers.control import RecallNotice, Scope
from producers.kinds import MasterData
from tests.api.conftest import Operator
from tests.support.ledger import AGENCY, FARM, GTIN, ORIGIN, p256, quantity

BOX = "https://id.gs1.org/01/09520001000027"
PLACE = "https://farm.example/slope"
LOTS = [f"{BOX}/10/A-{number}" for number in range(1, 6)]
HARVEST = f"{GTIN}/10/H-9"
HTML = {"accept": "text/html"}


def desk(operator: Operator, uri: str, lang: str = "en") -> str:
    """What a regulator sees of a subject."""
    bearer = HTML | {"authorization": f"Bearer {operator.regulator_key}"}
    answer = operator.client.get("/regulator/subject", params={"id": uri, "lang": lang}, headers=bearer)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


@pytest.fixture(scope="module")
def told(operator: Operator) -> Operator:
    """Five lots of apples, the third made of a harvest that is recalled, the fifth recalled by name; and a place."""
    packer = "https://packer.example/"
    operator.log(operator.grant(packer, p256("packer"), mint=[BOX]), operator.grant(AGENCY, p256("agency"), "authority"))
    for uri, kind in ((BOX, "Product"), (PLACE, "Place")):
        named = MasterData(id=uri, type=kind, name={"en": "Fuji apples"}, holder=FARM)
        operator.log(operator.sign(named, FARM, p256("farm")))
    operator.log(operator.event(quantityList=[quantity(HARVEST, 100)]))
    made = {"type": "TransformationEvent", "action": None, "bizStep": None, "quantityList": None,
            "inputQuantityList": [quantity(HARVEST, 9)], "outputQuantityList": [quantity(LOTS[2], 9)]}  # fmt: skip
    for lot in LOTS:
        changes = made if lot == LOTS[2] else {"quantityList": [quantity(lot, 10)]}
        operator.log(operator.event(packer, p256("packer"), **changes))
    for number, lot in ((1, HARVEST), (2, LOTS[4])):
        notice = RecallNotice(id=UUID(int=number).urn, log=ORIGIN, scope=Scope(lots=(lot,)), class_="I",
                              reason={"en": f"Reason {number}"}, instructions={"en": "Do not eat"})  # fmt: skip
        operator.log(operator.sign(notice, AGENCY, p256("agency")))
    return operator


def listed(page: str) -> dict[str, list[str]]:
    """The lots of a page in their order, with the recalls beside each."""
    items = [item for item in re.findall(r"<li>(.*?)</li>", page) if "/10/" in item]
    return {re.findall(r'class="mono">(.*?)<', item)[0]: re.findall(r"Reason \d", item) for item in items}


def test_a_product_shows_its_lots_newest_first_and_which_of_them_a_recall_reaches(told: Operator) -> None:
    page = desk(told, BOX)
    assert list(listed(page)) == LOTS[::-1]
    assert {uri: why for uri, why in listed(page).items() if why} == {LOTS[4]: ["Reason 2"], LOTS[2]: ["Reason 1"]}
    assert "An open recall reaches 2 of its lots." in page
    assert "No record" not in page
    assert "进行中的召回涉及其中 2 个批次" in desk(told, BOX, "zh")


def test_a_list_that_is_cut_says_so_and_keeps_what_is_recalled(told: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.lots, "MAX_LOTS", 2)
    page = desk(told, BOX)
    assert list(listed(page)) == [LOTS[4], LOTS[3], LOTS[2]]
    assert "A limit cut this answer short" in page


def test_a_recall_whose_reach_was_cut_says_so_on_the_product_s_page(told: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "A limit cut this answer short" not in desk(told, BOX)
    monkeypatch.setattr(ledger.recalls, "MAX_STARTS", 0)
    assert "A limit cut this answer short" in desk(told, BOX)


def test_a_product_that_only_its_lots_name_has_a_page_too(told: Operator) -> None:
    assert list(listed(desk(told, GTIN))) == [HARVEST]


@pytest.mark.parametrize(("uri", "page", "bundle"), [
    (LOTS[0], True, True), (BOX, True, False), (PLACE, False, False), (FARM, False, False),
    (f"https://id.gs1.org/414/{gln(1, 1)}", False, False), (f"https://id.gs1.org/417/{gln(1, 1)}", False, False),
])  # fmt: skip
def test_only_what_a_shopper_can_scan_leads_to_the_shopper_s_page_and_to_a_bundle(
    told: Operator, uri: str, page: bool, bundle: bool
) -> None:
    if uri.startswith("https://id.gs1.org/4"):
        told.log(told.event(quantityList=[quantity(HARVEST, 1)], action="OBSERVE", readPoint={"id": uri}, bizStep="inspecting"))
    shown = desk(told, uri)
    assert ("What a shopper sees" in shown, "Evidence bundle" in shown) == (page, bundle)
