"""A statement's short way to its endpoint answers what the general way does, also where something fails."""

import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from api import problems
from api.problems import HttpProblem
from api.straight import Straight
from ledger.problems import Refused

FAILURES = {
    "problem": HttpProblem("body-too-large", "more than 5 bytes"),
    "refused": Refused("pool-full", "7 statements wait", retry_after_s=3),
    "away": OperationalError("SELECT", {}, ValueError()),
    "crash": ValueError("a secret"),
}

STATUS = {"problem": 413, "refused": 503, "away": 503, "crash": 500}


async def endpoint(request: Request) -> Response:
    word = (await request.body()).decode()
    if word in FAILURES:
        raise FAILURES[word]
    return Response(f"got {word}", 201, {"x-word": word})


def application(*, short: bool) -> TestClient:
    app = FastAPI()
    app.state.base_url = "https://log.example"
    problems.install(app)
    app.add_api_route("/statements", endpoint, methods=["POST"])
    if short:
        app.add_middleware(Straight, path="/statements", endpoint=endpoint)
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("word", ["a statement", *FAILURES])
def test_the_short_way_answers_what_the_general_way_does(word: str) -> None:
    told = [application(short=short).post("/statements", content=word) for short in (True, False)]
    assert told[0].status_code == told[1].status_code == STATUS.get(word, 201)
    assert (told[0].content, dict(told[0].headers)) == (told[1].content, dict(told[1].headers))
    assert "a secret" not in told[0].text


@pytest.mark.parametrize(("method", "path"), [("GET", "/statements"), ("POST", "/statements/"), ("POST", "/nowhere")])
def test_whatever_is_no_plain_statement_goes_the_general_way(method: str, path: str) -> None:
    told = [application(short=short).request(method, path, follow_redirects=False) for short in (True, False)]
    assert (told[0].status_code, told[0].content) == (told[1].status_code, told[1].content)
    assert told[0].status_code != 201
