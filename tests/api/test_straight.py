"""A statement's short way to its endpoint answers what the general way does, also where something fails."""

from contextlib import suppress

import pytest
from fastapi import Request, Response
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from api import problems
from api.app import add_edge
from api.headers import API_CSP, Completing
from api.limits import Gate, Traffic
from api.measure import Notes
from api.problems import HttpProblem
from api.straight import WHOLE, Application, Edge, Endpoint, Printed
from ledger.problems import Refused
from ledger.settings import Settings

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


def application(
    *, short: bool, traffic: Traffic | None = None, settings: Settings | None = None, answering: Endpoint = endpoint
) -> TestClient:
    app = Application()
    app.state.base_url = "https://log.example"
    problems.install(app)
    app.add_api_route("/statements", answering, methods=["POST"])
    edge = Edge(Gate(traffic or Traffic(), settings or Settings()), Notes(), Completing(https=True))
    add_edge(app, edge, path="/statements", endpoint=answering)
    if not short:
        app.straight = None
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("word", ["a statement", *FAILURES])
def test_the_short_way_answers_what_the_general_way_does(word: str) -> None:
    named = {"x-request-id": "from-a-client.1"}
    told = [application(short=short).post("/statements", content=word, headers=named) for short in (True, False)]
    assert told[0].status_code == told[1].status_code == STATUS.get(word, 201)
    if word == "crash":
        # The general way answers it outside of everything of ours, which adds the headers; the short way has them here as well.
        assert told[1].headers.items() <= told[0].headers.items()
    else:
        assert dict(told[0].headers) == dict(told[1].headers)
    assert told[0].content == told[1].content
    assert "a secret" not in told[0].text
    assert told[0].headers["x-request-id"] == "from-a-client.1"
    assert told[0].headers["content-security-policy"] == API_CSP


@pytest.mark.parametrize("reads", [True, False])
def test_a_printed_answer_is_the_same_whether_the_server_takes_it_whole_or_field_by_field(reads: bool) -> None:
    async def printed(request: Request) -> Response:
        return Printed(201, ((b"content-type", b"text/plain"),), [(b"location", b"/there")], await request.body())

    named, app = {"x-request-id": "from-a-client.1"}, application(short=True, answering=printed).app
    taken: list[bytes] = []

    async def with_extension(scope: Scope, receive: Receive, send: Send) -> None:
        # A client that does not read makes the server decline: then the answer goes the plain way.
        scope["extensions"] = {WHOLE: lambda head, body: reads and taken.append(head + b"\r\n" + body) is None}
        await app(scope, receive, send)

    plain = TestClient(app).post("/statements", content="a statement", headers=named)
    if not reads:
        declined = TestClient(with_extension).post("/statements", content="a statement", headers=named)
        assert (declined.status_code, declined.headers, declined.content) == (201, plain.headers, plain.content)
        return
    with suppress(AssertionError):  # starlette's client misses the answer, which went past it
        TestClient(with_extension).post("/statements", content="a statement", headers=named)
    first, *fields = taken[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert first == "HTTP/1.1 201 Created"
    assert {name: value for name, _, value in (one.partition(": ") for one in fields)} == dict(plain.headers)
    assert taken[0].endswith(b"\r\n\r\na statement")


@pytest.mark.parametrize("word", ["a statement", *FAILURES])
def test_a_request_that_was_answered_takes_nothing_up_any_more(word: str) -> None:
    traffic = Traffic()
    application(short=True, traffic=traffic).post("/statements", content=word)
    assert (traffic.requests, traffic.writes, traffic.body_bytes) == (0, 0, 0)


@pytest.mark.parametrize(("traffic", "code"), [(Traffic(stopping=True), "stopping"), (Traffic(requests=10**6), "busy")])
def test_the_short_way_lets_in_nobody_whom_the_general_way_keeps_out(traffic: Traffic, code: str) -> None:
    held = traffic.requests
    told = [application(short=short, traffic=traffic).post("/statements", content="a statement") for short in (True, False)]
    assert [(one.status_code, one.json()["code"]) for one in told] == [(503, code)] * 2
    assert told[0].headers["content-security-policy"] == told[1].headers["content-security-policy"]
    assert (traffic.requests, traffic.writes) == (held, 0)


def test_requests_of_both_ways_share_one_limit_for_an_address() -> None:
    client = application(short=True, settings=Settings(address_rate=2))
    assert [client.post("/statements", content="a statement").status_code, client.get("/nowhere").status_code] == [201, 404]
    assert [client.post("/statements", content="a statement").status_code, client.get("/nowhere").status_code] == [429, 429]


def test_the_short_way_is_counted_and_written_down_by_its_route(capsys: pytest.CaptureFixture[str]) -> None:
    application(short=True).post("/statements", content="problem", headers={"x-request-id": "from-a-client.1"})
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "from-a-client.1" in one]
    assert all(word in line for word in ("method=POST", "route=/statements", "status=413", "problem=body-too-large"))


@pytest.mark.parametrize(("method", "path"), [("GET", "/statements"), ("POST", "/statements/"), ("POST", "/nowhere")])
def test_whatever_is_no_plain_statement_goes_the_general_way(method: str, path: str) -> None:
    told = [application(short=short).request(method, path, follow_redirects=False) for short in (True, False)]
    assert (told[0].status_code, told[0].content) == (told[1].status_code, told[1].content)
    assert told[0].status_code != 201
