"""Strangers who send too much, too slowly, or from too many connections: refused by name, and everybody else is served."""

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.rates import WINDOW_S, Rate, Windows, address_of
from tests.api.conftest import BASE, Operator, problem_of, start
from tests.support.ledger import FARM, GTIN, event_body, p256, payload
from tests.support.service import Service, busy_database, running_service
from tests.support.wire import post, wire

PATIENCE_S = 1.0
REQUESTS, CONNECTIONS, MEMORY = 4, 24, 1_048_576
MANY = {"content-type": "text/plain"}
ONE = {"content-type": "application/vc+jwt"}
SOON_S = 8.0  # on a machine that does other things as well


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with small limits."""
    limits = {"PATIENCE_S": PATIENCE_S, "MAX_REQUESTS": REQUESTS, "MAX_CONNECTIONS": CONNECTIONS, "MAX_BODY_MEMORY": MEMORY}
    extra = {f"ORIGINMARK_{name}": str(value) for name, value in limits.items()}
    with running_service(tmp_path_factory.mktemp("hostile"), **extra) as running:
        yield running


@pytest.fixture(autouse=True)
def still_well(service: Service) -> Iterator[None]:
    yield
    assert httpx2.get(f"{service.url}/log/checkpoint", timeout=10).status_code == 200


def b64u(text: str) -> str:
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


class TestSlow:
    """uvicorn has no limit of time for a head or a body."""

    def test_a_head_that_never_ends_is_cut_off(self, service: Service) -> None:
        with wire(service.port) as slow:
            slow.send(b"GET / HTTP/1.1\r\nx-slow: ")
            assert slow.trickle(b"a", most_s=PATIENCE_S + SOON_S)

    def test_a_connection_that_says_nothing_is_closed(self, service: Service) -> None:
        with wire(service.port) as silent:
            assert silent.answer()[0] in (0, 408)

    def test_a_second_request_may_not_dawdle_either(self, service: Service) -> None:
        with wire(service.port) as slow:
            slow.send(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            assert slow.answer()[0] == 200
            slow.send(b"GET /livez HT")
            assert slow.trickle(b"T", most_s=PATIENCE_S + SOON_S)

    def test_a_body_that_trickles_is_refused_by_name(self, service: Service) -> None:
        with wire(service.port) as slow:
            slow.send(post("/statements", b"a.b", length=1_000))
            status, problem, header = slow.problem()
            assert (status, problem["code"]) == (408, "body-too-slow")
            assert header["connection"] == "close"

    def test_a_phone_on_a_bad_network_is_waited_for(self, service: Service) -> None:
        with wire(service.port) as phone:
            phone.send(post("/statements", b"a" * 4_096, length=4_100))
            threading.Event().wait(PATIENCE_S + 0.5)  # 4 KiB have earned it 4 seconds more
            phone.send(b"a.b.")
            assert phone.problem()[1]["code"] in ("bad-base64", "not-a-jws")  # the statement's own fault, no longer the network's

    def test_the_rest_of_a_body_nobody_wants_does_not_hold_the_connection(self, service: Service) -> None:
        with wire(service.port) as talker:
            talker.send(post("/nowhere", b"", length=10_000_000))
            assert talker.problem()[0] in (404, 405)
            assert talker.trickle(b"x", most_s=PATIENCE_S + SOON_S)


class TestLarge:
    """Sizes are known before they are read, or counted while they are."""

    def test_a_head_over_16_kib_is_refused(self, service: Service) -> None:
        answer = httpx2.get(f"{service.url}/livez/x", headers={"x-large": "a" * 17_000})
        assert (answer.status_code, answer.json()["code"]) == (431, "head-too-large")

    def test_an_endless_head_is_refused_while_it_comes(self, service: Service) -> None:
        with wire(service.port) as endless:
            endless.send(b"GET / HTTP/1.1\r\nx-endless: " + b"a" * 200_000)
            assert endless.answer()[0] in (431, 0)

    def test_a_body_announced_too_large_is_refused_before_it_comes(self, service: Service) -> None:
        with wire(service.port) as large:
            large.send(post("/statements", length=40_000_000, media="text/plain"))
            status, problem, _ = large.problem()
            assert (status, problem["code"]) == (413, "body-too-large")

    def test_a_payload_nested_deeply_is_refused_by_name(self, service: Service) -> None:
        header = b64u(json.dumps({"alg": "ES256", "kid": "a" * 43, "typ": "vc+jwt"}, separators=(",", ":")))
        for text in ("[" * 20_000, '{"a":' * 9_000):
            raw = f"{header}.{b64u(text)}.{'A' * 86}"
            answer = httpx2.post(f"{service.url}/statements", content=raw, headers={"content-type": "application/vc+jwt"})
            assert answer.status_code == 400, answer.text


class TestMany:
    """Beyond what this process takes on, others are asked to come back; what was taken on is finished."""

    def statements(self, count: int) -> list[bytes]:
        """Signed by nobody: they wait for the sequencer all the same."""
        from producers.sign import sign

        now = time.time_ns()
        return [sign(payload("TraceabilityEvent", FARM, event_body(now + at)), p256("nobody")) for at in range(count)]

    def test_one_request_too_many_is_asked_to_come_back_and_probes_are_answered(self, service: Service) -> None:
        raws = self.statements(REQUESTS * 2)

        def submit(raw: bytes) -> httpx2.Response:
            return httpx2.post(f"{service.url}/statements", content=raw, headers=ONE, timeout=60)

        with busy_database(service) as holding, ThreadPoolExecutor(len(raws)) as threads:
            waiting = [threads.submit(submit, raw) for raw in raws]
            while not any(one.done() for one in waiting):
                threading.Event().wait(0.02)
            assert httpx2.get(f"{service.url}/livez", timeout=10).status_code == 200
            holding.rollback()
            answers = [one.result() for one in waiting]
        busy = [answer for answer in answers if answer.status_code == 503]
        assert busy
        assert busy[0].json()["code"] == "busy"
        assert int(busy[0].headers["retry-after"]) > 0
        assert [answer.status_code for answer in answers if answer not in busy] == [403] * (len(answers) - len(busy))
        assert len(busy) <= len(raws) - REQUESTS

    def test_bodies_share_a_bounded_memory(self, service: Service) -> None:
        with wire(service.port) as talker:
            talker.send(post("/statements", b"a" * 900_000, length=4_000_000, media="text/plain"))
            while "originmark_body_bytes_now 900000" not in httpx2.get(f"{service.url}/metrics").text:
                threading.Event().wait(0.05)
            many = {"content-type": "text/plain"}
            answer = httpx2.post(f"{service.url}/statements", content=b"a" * 600_000, headers=many, timeout=30)
            assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert httpx2.post(f"{service.url}/statements", content=b"a\n" * 9_000, headers=many, timeout=30).status_code == 200

    def test_one_connection_too_many_is_closed_with_a_word(self, service: Service) -> None:
        with ExitStack() as stack:
            opened = [stack.enter_context(wire(service.port)) for _ in range(CONNECTIONS + 4)]
            for one in opened:
                one.send(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            statuses = [one.answer()[0] for one in opened]
        assert statuses.count(200) >= CONNECTIONS - 4
        assert {200} < set(statuses) <= {200, 503, 0}


class TestRates:
    """Requests are counted by address, statements by the key that verifiably signed them."""

    def test_an_address_that_asks_too_often_is_told_how_long_to_wait(self, tmp_path: Path, sqlite_template: Path) -> None:
        settings, _, _ = start(tmp_path, sqlite_template, address_rate=5)
        with TestClient(create_app(settings), base_url=BASE) as client:
            answers = [client.get("/log/policy") for _ in range(8)]
            assert client.get("/livez").status_code == 200
        assert [answer.status_code for answer in answers].count(200) in (5, 6, 7)  # 6 and 7 where a minute ended in between
        assert answers[-1].status_code in (200, 429)
        slow = next(answer for answer in answers if answer.status_code == 429)
        assert problem_of(slow)["code"] == "too-often"
        assert 0 < int(slow.headers["retry-after"]) <= 60

    def test_a_key_that_submits_too_much_is_slowed_and_a_stranger_cannot_use_up_its_share(
        self, tmp_path: Path, sqlite_template: Path
    ) -> None:
        settings, keys, key = start(tmp_path, sqlite_template, party_rate=5)
        with TestClient(create_app(settings), base_url=BASE) as client:
            operator = Operator(settings, keys, client, key)
            operator.log(operator.grant(FARM, p256("farm"), mint=[GTIN]))
            operator.log(operator.event())  # from here on this process knows the farm's key
            forged = [operator.event(FARM, p256("farm"))[:-4] + b"AAAA" for _ in range(10)]
            assert {operator.post(raw).status_code for raw in forged} <= {400, 401}
            lines = operator.client.post("/statements", content=b"\n".join(operator.event() for _ in range(3)), headers=MANY)
            assert [json.loads(line)["status"] for line in lines.text.splitlines()] == ["published"] * 3
            codes = [operator.post(operator.event()) for _ in range(4)]
        slow = [answer for answer in codes if answer.status_code == 429]
        assert slow
        assert problem_of(slow[0])["code"] == "key-too-often"
        assert 0 < int(slow[0].headers["retry-after"]) <= 60

    def test_neighbours_of_one_ipv6_prefix_count_as_one(self) -> None:
        assert address_of(("2001:db8::1", 1)) == address_of(("2001:db8::ffff", 2)) != address_of(("2001:db8:0:1::1", 1))
        assert address_of(("192.0.2.1", 1)) != address_of(("192.0.2.2", 1))

    def test_no_limit_counts_nothing(self) -> None:
        rate = Rate(0)
        assert [rate.wait_s("x", 10**6) for _ in range(3)] == [0, 0, 0]

    def test_a_flood_of_addresses_is_forgotten_and_not_hoarded(self) -> None:
        windows = Windows(max_keys=100)
        for number in range(10_000):
            windows.put(str(number), 1, 60.0, 0.0)
        assert len(windows) <= 100

    def test_a_minute_later_everybody_counts_anew(self) -> None:
        windows = Windows()
        windows.put("x", 5, *windows.at("x", 0.0)[1:], 0.0)
        assert windows.at("x", WINDOW_S - 1) == (5, WINDOW_S)
        assert windows.at("x", WINDOW_S) == (0, 2 * WINDOW_S)

    def test_what_is_too_much_at_once_uses_nothing_up(self) -> None:
        rate = Rate(5)
        assert rate.wait_s("x", 6) > 0
        assert [rate.wait_s("x", 5), rate.wait_s("y", 1)] == [0, 0]
        assert 0 < rate.wait_s("x") <= WINDOW_S
