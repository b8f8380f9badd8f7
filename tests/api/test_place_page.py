"""What the Digital Link of a place leads to: its owner's word, in whatever shape it was signed."""

import pytest

from producers.sign import sign
from tests.api.conftest import Operator
from tests.support.ledger import p256, payload

STRANGER = "https://stranger.example/"
HTML = {"accept": "text/html"}


@pytest.mark.parametrize("members", [
    {}, {"geo": {}}, {"geo": "x", "name": 3}, {"geo": {"lat": [1]}, "name": {}}, {"name": [{"en": 1}]},
    {"name": {"en": {"a": 1}}},
])  # fmt: skip
def test_master_data_of_any_shape_breaks_no_page(operator: Operator, members: dict[str, object]) -> None:
    place = "https://id.gs1.org/414/9521234000013"
    if STRANGER not in operator.client.get("/log", headers=HTML).text:
        operator.log(operator.grant(STRANGER, p256("stranger"), "retailer"))
    operator.log(sign(payload("MasterData", STRANGER, {"id": place, "n": len(members), **members}), p256("stranger")))
    for path in ("/414/9521234000013", "/414/9521234000013?format=csv"):
        answer = operator.client.get(path, headers=HTML)
        assert answer.status_code == 200, path
    assert "None" not in operator.client.get("/414/9521234000013", headers=HTML).text
