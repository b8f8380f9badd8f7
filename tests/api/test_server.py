"""Connections that cost and bring nothing: given up, and never at the cost of who submits."""

import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.server import LEAST, OWN_FILES, Guarded
from producers.keys import read_key
from producers.sign import sign
from tests.support.ledger import FARM, GTIN, event_body, payload
from tests.support.service import Service

LARGE = bytes(16 * 1_048_576)  # more than the kernel takes for a client that reads nothing
ASK = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """An application with one large answer."""
    await Response(LARGE)(scope, receive, send)


class Impatient(Guarded):
    """Gives up soon."""

    stuck_s = 0.3


@contextmanager
def serving() -> Iterator[uvicorn.Server]:
    """Listens on loopback until the block ends."""
    server = uvicorn.Server(uvicorn.Config(large, http=Impatient, lifespan="off", log_config=None, port=0))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        server.config.port = listening.getsockname()[1]
        yield server
        server.should_exit = True
        thread.join()


def test_a_client_that_never_reads_its_answer_loses_the_connection() -> None:
    with serving() as server, socket.create_connection(("127.0.0.1", server.config.port)) as client:
        client.sendall(ASK)
        while not server.server_state.total_requests:
            time.sleep(0.01)
        while server.server_state.connections:
            time.sleep(0.01)


def test_a_client_that_reads_keeps_the_connection_through_many_answers() -> None:
    with serving() as server, httpx2.Client(base_url=f"http://127.0.0.1:{server.config.port}") as client:
        end = time.monotonic() + 3 * Impatient.stuck_s
        while time.monotonic() < end:
            assert client.get("/").content == LARGE
        assert len(server.server_state.connections) == 1


@contextmanager
def few_files(count: int) -> Iterator[None]:
    """What starts inside may open so many files, unless it asks for more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_connections_that_say_nothing_leave_the_sequencer_the_files_it_needs(tmp_path: Path) -> None:
    service = Service(tmp_path / "operator")
    service.command("init")
    key = read_key(service.enrol(tmp_path, FARM, "producer", mint=(GTIN,)))
    raw, header = sign(payload("TraceabilityEvent", FARM, event_body(1)), key), {"content-type": "application/vc+jwt"}
    with few_files(96):
        service.start()
    with ExitStack() as idle:
        idle.callback(service.end)
        for _ in range(150):
            idle.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        answer = httpx2.post(f"{service.url}/statements", content=raw, headers=header, timeout=30)
        assert answer.json()["status"] == "published"


@pytest.mark.parametrize(("files", "connections"), [(OWN_FILES + 100, 100), (OWN_FILES, LEAST), (OWN_FILES + 1_000, 500)])
def test_where_the_system_allows_few_files_fewer_connections_are_taken(files: int, connections: int) -> None:
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))"
    program = f"{limited}; from api.server import connections_for; print(connections_for(500))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == f"{connections}\n"
