"""A server that is told to stop: who waits gets an answer, who comes is sent elsewhere, and the process ends with 0."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from producers.keys import read_key
from producers.sign import PrivateKey, sign
from tests.support.ledger import event_body, payload
from tests.support.service import Service, busy_database, running_service

FARM = "https://draining-farm.example/"
NOTICE_S = 2.0
BOUND_S = 30.0  # from the signal to the end of the process, on a machine that does other things as well
ONE = {"content-type": "application/vc+jwt"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path, ORIGINMARK_DRAIN_NOTICE_S=str(NOTICE_S)) as running:
        yield running


def submit(service: Service, key: PrivateKey, number: int) -> httpx2.Response:
    raw = sign(payload("TraceabilityEvent", FARM, event_body(number)), key)
    return httpx2.post(f"{service.url}/statements", content=raw, headers=ONE, timeout=60)


def test_a_stop_answers_who_waits_sends_the_others_elsewhere_and_ends_with_0(service: Service, tmp_path: Path) -> None:
    key = read_key(service.enrol(tmp_path, FARM, "producer", mint=(FARM,)))
    process = service.process
    assert process is not None
    with busy_database(service) as holding, ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(submit, service, key, number) for number in range(3)]
        while _at_work(service) < len(waiting):
            threading.Event().wait(0.02)
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        while httpx2.get(f"{service.url}/readyz").status_code == 200:
            assert time.monotonic() < told + NOTICE_S
        refused = submit(service, key, 100)
        assert (refused.status_code, refused.json()["code"]) == (503, "stopping")
        assert int(refused.headers["retry-after"]) > 0
        assert httpx2.get(f"{service.url}/livez").status_code == 200
        assert httpx2.get(f"{service.url}/log/checkpoint").status_code == 200
        holding.rollback()
        answers = [one.result() for one in waiting]
    assert [answer.status_code for answer in answers] == [201] * 3, [answer.text for answer in answers]
    assert process.wait(timeout=BOUND_S) == 0
    assert time.monotonic() - told < BOUND_S
    service.process = None
    assert "give the root" in service.command("audit").stdout


def _at_work(service: Service) -> int:
    text = httpx2.get(f"{service.url}/metrics").text
    return int(next(float(line.split()[1]) for line in text.splitlines() if line.startswith("originmark_requests_now ")))


def test_a_second_signal_skips_the_notice(service: Service) -> None:
    process = service.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    while httpx2.get(f"{service.url}/readyz").status_code == 200:
        threading.Event().wait(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=BOUND_S) == 0
    service.process = None
