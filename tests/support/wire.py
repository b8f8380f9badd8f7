"""Raw HTTP on a loopback socket: for clients that are slow, endless, or never read."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PAUSE_S = 0.1  # between two bytes of a slow client: its slowness is what is tested


@dataclass
class Wire:
    """One connection."""

    socket: socket.socket

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def trickle(self, data: bytes, *, most_s: float) -> bool:
        """Send a byte at a time until the server hangs up; whether it did within `most_s`."""
        for at in range(int(most_s / PAUSE_S)):
            try:
                self.socket.sendall(data[at % len(data) :][:1])
                if self._hung_up():
                    return True
            except OSError:
                return True
            threading.Event().wait(PAUSE_S)
        return False

    def _hung_up(self) -> bool:
        self.socket.setblocking(False)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        finally:
            self.socket.settimeout(30)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, header and body of the next answer; (0, {}, b"") where the server just hangs up."""
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                more = self.socket.recv(65_536)
            except ConnectionResetError:
                more = b""
            if not more:
                return 0, {}, b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        header = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(header.get("content-length", 0)):
            body += self.socket.recv(65_536)
        return int(first.split()[1]), header, body

    def problem(self) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, problem and header of the next answer, which must be a problem."""
        status, header, body = self.answer()
        assert header.get("content-type", "").startswith("application/problem+json"), (status, header, body)
        return status, json.loads(body), header


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """Connect to loopback."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as opened:
        yield Wire(opened)


def post(path: str, body: bytes = b"", *, length: int | None = None, media: str = "application/vc+jwt") -> bytes:
    """A POST request; `length` may announce more than comes."""
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media}\r\ncontent-length: {size}\r\n\r\n"
    return head.encode() + body
