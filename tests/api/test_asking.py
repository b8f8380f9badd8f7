"""Asking as strangers' tools do: for a head alone, and by addresses that are nearly right."""

import pytest

from tests.api.conftest import Operator, problem_of
from tests.support.ledger import LOT

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
READ = (
    "/", "/log", "/log/checkpoint", "/log/policy", "/log/tile/0/000.p/2", "/anchors", "/recalls", "/regulator", "/reports",
    "/livez", f"/trace/back?id={LOT}", f"/reports/fsma204?id={LOT}", "/problems/high-s", "/.well-known/gs1resolver", LOT[18:],
    "/openapi.json", "/static/style.css", "/nowhere", "/log/tile/0/999", "/regulator/looks",
)  # fmt: skip
DIFFER = {"x-request-id", "date"}


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("headers", [{}, HTML], ids=["program", "browser"])
def test_a_head_says_what_the_whole_answer_would_without_its_body(operator: Operator, path: str, headers: dict[str, str]) -> None:
    operator.log(operator.event())
    whole, head = operator.client.get(path, headers=headers), operator.client.head(path, headers=headers)
    assert head.status_code == whole.status_code
    assert head.content == b""
    assert {name: head.headers[name] for name in head.headers.keys() - DIFFER} == {
        name: whole.headers[name] for name in whole.headers.keys() - DIFFER}  # fmt: skip


def test_what_cannot_be_read_has_no_head_either_and_says_what_it_takes(operator: Operator) -> None:
    answer = operator.client.head("/statements")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    posted = operator.client.post("/log/checkpoint")
    assert problem_of(posted)["code"] == "method-not-allowed"
    assert set(posted.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_a_head_is_described_nowhere_beside_the_whole_answer(operator: Operator) -> None:
    described = operator.client.get("/openapi.json").json()["paths"]
    assert "get" in described["/log/checkpoint"]
    assert [path for path, operations in described.items() if "head" in operations] == []


@pytest.mark.parametrize("path", ["/log/", "/recalls/", "/regulator/", "/static", "/reports/"])
def test_nobody_is_sent_to_a_host_that_somebody_else_named(operator: Operator, path: str) -> None:
    answer = operator.client.get(path, headers={"host": "evil.example"}, follow_redirects=False)
    assert problem_of(answer)["code"] == "not-found"
    assert "location" not in answer.headers
    assert "evil.example" not in answer.text
