"""A connection whose client reads nothing is given up, and one that reads is kept however much it asks for."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.server import Guarded

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
