"""What the service writes down about itself: lines for machines, names of nobody."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import structlog
from sqlalchemy.exc import StatementError

from api.logs import request_line, write_journal, write_lines
from producers.keys import read_key
from producers.sign import sign
from tests.support.ledger import FARM, GTIN, event_body, p256, payload
from tests.support.service import Service, running_service


@pytest.fixture
def journal() -> Iterator[io.StringIO]:
    """The process's logging, turned to a text for one test."""
    root, stream = logging.getLogger(), io.StringIO()
    kept, level, configured = list(root.handlers), root.level, structlog.get_config()
    write_journal("json", stream)
    yield stream
    structlog.configure(**configured)
    root.handlers[:], root.level = kept, level


def test_every_line_of_a_serving_process_is_json_and_names_no_subject(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        raw = sign(payload("TraceabilityEvent", FARM, event_body(1)), p256("nobody"))
        header = {"content-type": "application/vc+jwt", "x-request-id": "from-a-client.1"}
        answer = httpx2.post(f"{service.url}/statements", content=raw, headers=header, timeout=30)
        assert answer.headers["x-request-id"] == "from-a-client.1"
        httpx2.get(f"{service.url}/01/09520001000010/10/SECRET-LOT")
        odd = httpx2.get(f"{service.url}/nowhere", headers={"x-request-id": "two words"})
        assert odd.headers["x-request-id"] != "two words"
        service.end()
        text = Path(tmp_path / "operator.log").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    mine = next(line for line in lines if line.get("request") == "from-a-client.1")
    assert (mine["event"], mine["method"], mine["route"], mine["status"]) == ("request", "POST", "/statements", 403)
    assert mine["problem"] == "unknown-key"
    assert mine["ms"] > 0
    assert any("Uvicorn running" in line["event"] for line in lines)
    for private in ("SECRET-LOT", "farm.example", "127.0.0.1:", raw[:60].decode()):
        assert private not in text.replace("running on http://127.0.0.1:", "")


def test_an_error_is_written_as_its_type_and_place_never_with_what_it_choked_on(journal: io.StringIO) -> None:
    try:
        int("the farmer's phone number")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    first, second = (json.loads(line) for line in journal.getvalue().splitlines())
    for line in (first, second):
        assert line["exception"] == "ValueError"
        assert "test_journal.py" in line["raised"][-1]
    assert "phone" not in journal.getvalue()


def test_a_database_error_is_written_without_its_parameters(journal: io.StringIO) -> None:
    error = StatementError("(sqlite3.OperationalError) disk I/O error", "INSERT …", {"jws": "a whole statement"}, ValueError())
    structlog.get_logger().error("sequencer.stopped", error=str(error))
    assert "disk I/O error" in journal.getvalue()
    assert "a whole statement" not in journal.getvalue()


def test_a_person_at_a_terminal_reads_text() -> None:
    class Terminal(io.StringIO):
        """Says that it is one."""

        def isatty(self) -> bool:
            return True

    root, stream = logging.getLogger(), Terminal()
    kept, level, configured = list(root.handlers), root.level, structlog.get_config()
    write_journal("auto", stream)
    structlog.get_logger().info("batch", added=3)
    structlog.configure(**configured)
    root.handlers[:], root.level = kept, level
    assert "batch" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize("problem", [None, "unknown-key"])
def test_the_line_of_a_request_is_what_the_general_way_would_write(journal: io.StringIO, problem: str | None) -> None:
    more = {} if problem is None else {"problem": problem}
    line = request_line("a-client.1", 'P"ST', "/{röute}", 403, 0.01234, problem)
    assert line is not None
    write_lines([line])
    structlog.get_logger().info("request", method='P"ST', route="/{röute}", status=403, ms=12.3, request="a-client.1", **more)
    first, second = (json.loads(line) for line in journal.getvalue().splitlines())
    assert len(first.pop("timestamp")) == len(second.pop("timestamp"))
    assert first == second


def test_a_journal_on_a_full_disk_stops_nobody(tmp_path: Path) -> None:
    """The sequencer says what happened to it after each batch; what it says must not end it."""
    service = Service(tmp_path / "operator")
    service.command("init")
    key = service.enrol(tmp_path, FARM, "producer", mint=(GTIN,))
    service.launch(Path("/dev/full"))
    try:
        service.wait_ready()
        for number in (1, 2):
            raw = sign(payload("TraceabilityEvent", FARM, event_body(number)), read_key(key))
            header = {"content-type": "application/vc+jwt"}
            answer = httpx2.post(f"{service.url}/statements", content=raw, headers=header, timeout=30).json()
            assert answer["status"] == "published", answer
    finally:
        assert service.end() == 0
