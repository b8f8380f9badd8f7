"""Who holds a label asks about its lot; what nobody recorded is said to be unknown, and is no empty answer."""

from urllib.parse import quote

import pytest

from tests.api.conftest import Operator
from tests.support.ledger import GTIN, LOT

ITEM = f"https://shop.example{LOT.removeprefix('https://id.gs1.org')}/21/36T2K"
NOBODYS = f"{GTIN}/10/NOPE"
ASKED = ["/reports/fsma204?format=json&id={}", "/trace/back?id={}", "/trace/forward?id={}"]


@pytest.fixture(scope="module")
def told(operator: Operator) -> Operator:
    operator.log(operator.event())
    return operator


@pytest.mark.parametrize("path", ASKED)
def test_a_whole_label_stands_for_its_lot(told: Operator, path: str) -> None:
    whole, lot = (told.client.get(path.format(quote(uri, safe=""))) for uri in (ITEM, LOT))
    assert whole.status_code == 200, whole.text
    if "/trace" in path:
        assert whole.json()["events"] == lot.json()["events"] != []
    else:
        assert whole.json() == lot.json()


@pytest.mark.parametrize("path", [*ASKED, "/regulator/subject?id={}"])
def test_what_nobody_recorded_is_unknown(told: Operator, path: str) -> None:
    answer = told.client.get(path.format(quote(NOBODYS, safe="")), headers={"authorization": f"Bearer {told.regulator_key}"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-subject")
    assert NOBODYS in answer.json()["detail"]


def test_the_links_of_a_label_lead_to_the_trace_of_its_lot(told: Operator) -> None:
    path = ITEM.removeprefix("https://shop.example")
    (links,) = told.client.get(path, params={"linkType": "linkset"}).json()["linkset"]
    for link in next(found for name, found in links.items() if name.endswith("traceability")):
        assert told.client.get(link["href"]).json()["events"]


def test_the_desk_shows_both_traces_of_a_whole_label(told: Operator) -> None:
    key = {"authorization": f"Bearer {told.regulator_key}", "accept": "text/html"}
    page = told.client.get("/regulator/subject", params={"id": ITEM, "lang": "en"}, headers=key)
    assert page.status_code == 200
    assert "No record" not in page.text
