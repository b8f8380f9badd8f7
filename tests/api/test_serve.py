"""`originmark serve` as its own process: from init to a stranger's verification, and a stop that loses nothing."""

import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import httpx2
import pytest

from api.views import shown_ms
from ledger.settings import zone
from producers.sign import sign
from tests.support.ledger import event_body, p256, payload, quantity
from tests.support.service import Service, running_service

FARM = "https://served-farm.example/"
LOT = f"{FARM}lots/1"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("serve")) as running:
        yield running


def submit(service: Service, raw: bytes) -> httpx2.Response:
    return httpx2.post(f"{service.url}/statements", content=raw, headers={"content-type": "application/vc+jwt"}, timeout=30)


def test_a_farm_is_granted_while_the_service_runs_and_its_record_is_published(service: Service, tmp_path: Path) -> None:
    from producers.keys import read_key

    key = read_key(service.enrol(tmp_path, FARM, "producer", mint=(FARM,)))
    raw = sign(payload("TraceabilityEvent", FARM, event_body(1, quantityList=[quantity(LOT, 5)])), key)
    answer = submit(service, raw)
    assert answer.status_code == 201, answer.text
    assert answer.json()["index"] == 2
    # The server sends such an answer whole: with its own fields, and the connection goes on, or ends where it was asked to.
    assert {"date", "x-request-id", "content-security-policy", "location"} <= set(answer.headers)
    assert answer.headers["content-length"] == str(len(answer.content))
    with httpx2.Client(base_url=service.url, headers={"content-type": "application/vc+jwt"}) as client:
        again = [client.post("/statements", content=raw) for _ in range(2)]
        last = client.post("/statements", content=raw, headers={"connection": "close"})
    assert [(one.status_code, one.json()["index"]) for one in (*again, last)] == [(200, 2)] * 3
    assert ["connection" in one.headers for one in (*again, last)] == [False, False, True]


def test_a_second_process_on_the_same_sqlite_is_refused_in_a_sentence(service: Service) -> None:
    second = service.command("serve", "--port", "1", check=False)
    assert second.returncode == 1
    assert "PostgreSQL" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    fresh = Service(tmp_path / "var", extra={"ORIGINMARK_WITNESS_DATA": str(tmp_path / "witness")})
    fresh.command("init")
    fresh.command("witness", "init", "coop.example/w")
    with socket.create_server(("127.0.0.1", 0)) as other:
        for words in (("serve",), ("demo",), ("witness", "serve")):
            failed = fresh.command(*words, "--port", str(other.getsockname()[1]), check=False)
            assert (failed.returncode, failed.stdout) == (3, ""), words
            assert failed.stderr.startswith("cannot listen on 127.0.0.1 port "), words
            assert "--port" in failed.stderr, words


def test_before_init_there_is_a_hint_and_no_traceback(tmp_path: Path) -> None:
    failed = Service(tmp_path / "empty").command("serve", check=False)
    assert failed.returncode == 3
    assert "originmark init" in failed.stderr


def test_a_stop_finishes_what_was_acknowledged_and_the_audit_is_clean(service: Service) -> None:
    assert submit(service, sign(payload("TraceabilityEvent", FARM, event_body(2)), p256("nobody"))).status_code == 403
    # The server drains, and then ends by the signal it was sent, as supervisors expect.
    assert service.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    assert "give the root" in service.command("audit").stdout
    service.start()
    assert httpx2.get(f"{service.url}/readyz").status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "words", "code", "told"),
    [
        ("DATABASE_URL", "postgresql+psycopg://127.0.0.1:9/none", ("party", "list"), 3, "the database cannot be used: "),
        ("DATABASE_URL", "nonsense", ("party", "list"), 2, "ORIGINMARK_DATABASE_URL is not an address of a database"),
        ("POOL_LIMIT", "many", ("party", "list"), 2, "ORIGINMARK_POOL_LIMIT: Input should be a valid integer"),
        ("TIMEZONE", "Mars/Olympus", ("init",), 2, "ORIGINMARK_TIMEZONE: the system knows no time zone Mars/Olympus"),
        ("S3_STREAMS", "0", ("tiles", "collect"), 2, "ORIGINMARK_S3_STREAMS: Input should be greater"),
        ("DATA", "{file}", ("init",), 3, "a file or folder cannot be used (see ORIGINMARK_DATA)"),
        ("DATA", "{new}", ("party", "list"), 3, "the database cannot be used: no such table"),
    ],
)
def test_what_an_operator_can_put_right_is_said_in_a_sentence(
    tmp_path: Path, name: str, value: str, words: tuple[str, ...], code: int, told: str
) -> None:
    (tmp_path / "file").touch()
    put = value.format(file=tmp_path / "file", new=tmp_path / "new")
    made = Service(tmp_path / "var", extra={"ORIGINMARK_TILES_URL": "s3://bucket/log"} if name.startswith("S3") else {})
    if words[0] == "tiles":
        replace(made, extra={}).command("init")
    done = replace(made, extra={**made.extra, f"ORIGINMARK_{name}": put}).command(*words, check=False)
    assert done.returncode == code
    assert done.stderr.startswith(told), done.stderr
    assert "Traceback" not in done.stderr


def test_pages_show_the_logs_times_as_the_operators_clocks_do(tmp_path: Path) -> None:
    with running_service(tmp_path, ORIGINMARK_TIMEZONE="Asia/Shanghai") as running:
        assert " +08:00" in httpx2.get(f"{running.url}/log").text
    assert shown_ms(1_795_959_402_421, zone("Asia/Shanghai")) == "2026-11-29 21:36:42 +08:00"
    assert shown_ms(1_795_959_402_421, UTC) == "2026-11-29 13:36:42 UTC"
    assert shown_ms(None, UTC) == "–"
