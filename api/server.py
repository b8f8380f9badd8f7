"""
The HTTP server: uvicorn, with the limits it has not, and a stop that loses nobody's answer.

    serve_app     run until a signal, drain, return
    Draining      uvicorn.Server: a signal first turns `readyz` and new submissions away, then closes the sockets
    Guarded       uvicorn's parser: a head that comes too slowly or never ends, too many connections, a reader who never reads

A stop in order: the signal; `readyz` and new submissions answer 503 while reads go on; who waits for a receipt gets it; the
sockets close; the sequencer finishes its batch (running.py); the process ends with 0.  A second signal skips the waiting.

Source: uvicorn (protocols/http/httptools_impl.py, server.py); RFC 9110 section 15.5.9, RFC 6585 section 5.
"""

import asyncio
import logging
import os
import resource
import time
from functools import partial
from threading import Timer
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.limits import MAX_HEAD, Traffic
from api.straight import WHOLE
from ledger.settings import Settings

log = logging.getLogger("originmark.server")

DRAIN_S = 30  # seconds that a request may still take when the server is told to stop: it may be waiting for its receipt
STOP_S = 75.0  # then the process ends whatever hangs: what was acknowledged is in the database, and a start goes on from there
OWN_FILES = 256  # open at once beside connections: databases, tiles, workers, whom we ask
LEAST = 16  # connections, however little the system allows
STUCK_S = 120.0  # seconds that an answer may lie unread
_HEAD = b"HTTP/1.1 %d %s\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n%s\r\n"


def serve_app(app: FastAPI, settings: Settings, *, host: str, port: int) -> bool:
    """Serve until told to stop; whether it ever started.  The caller has set up logging."""
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False, ws="none",
        timeout_graceful_shutdown=DRAIN_S, http=guarded(settings, connections_for(settings.max_connections)),
    )  # fmt: skip
    server = Draining(config, app.state.traffic, settings.drain_notice_s)
    server.run()
    return server.started


def connections_for(wanted: int) -> int:
    """
    How many connections, of those wanted, the system lets this process open beside its own files; raises the limit as it may.

    Connections must not take the last of them: whoever opens a thousand and says nothing would keep the sequencer from its tiles.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OWN_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    found = max(LEAST, min(wanted, allowed - OWN_FILES))
    if found < wanted:
        log.warning("%d connections of %d: the system allows this process %d open files (LimitNOFILE)", found, wanted, allowed)
    return found


class Draining(uvicorn.Server):
    """uvicorn, stopping in the order of the module's text."""

    def __init__(self, config: uvicorn.Config, traffic: Traffic, notice_s: float) -> None:
        super().__init__(config)
        self._traffic = traffic
        self._notice_s = notice_s
        self._told_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take the signal, and not again when all is done: an ordered end is exit code 0."""
        if self._traffic.stopping:
            self.should_exit = True
            return
        self._traffic.stopping, self._told_at = True, time.monotonic()
        watchdog = Timer(STOP_S, _give_up)
        watchdog.daemon = True
        watchdog.start()

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn.Server; ten times a second."""
        if self._traffic.stopping:
            waited = time.monotonic() - self._told_at
            is_over = waited >= self._notice_s and not self._traffic.writes
            self.should_exit = self.should_exit or is_over or waited >= self._notice_s + DRAIN_S
        return await super().on_tick(counter)


def _give_up() -> None:
    log.error("something hangs: the process ends %.0f s after it was told to", STOP_S)
    os._exit(1)


class Guarded(HttpToolsProtocol):
    """One connection."""

    patience_s = 10.0
    max_connections = 2_048
    stuck_s = STUCK_S
    _in_head = True
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _answered_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._wait_for_client()
        if len(self.connections) > self.max_connections:
            self._refuse(503, b"Service Unavailable", b'{"status":503,"code":"busy"}', b"retry-after: 5\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_waiting()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._wait_for_client()
        # A complete head is measured where it can be refused in full words (limits.py); here only one that never ends.
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._head_bytes > MAX_HEAD:
            self._refuse(431, b"Request Header Fields Too Large", b'{"status":431,"code":"head-too-large"}')

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        # The client's time begins where its head does not come in one piece, as nearly all do: timers are not for nothing.
        self._in_head = True

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.scope is self.scope:  # none where the connection is to speak something else
            extensions: dict[str, Any] = {WHOLE: partial(_send_whole, cycle)}
            self.scope["extensions"] = extensions

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        super().on_body(body)
        if self.cycle.response_complete:
            self._wait_for_client()  # the rest of a body that nobody reads any more

    def on_message_complete(self) -> None:
        """See httptools."""
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        # What was just written is still in the buffer, of every answer: one timer a connection, not one an answer.
        self._answered_s = self.loop.time()
        if self._unread is None and self.transport.get_write_buffer_size():
            self._unread = self.loop.call_later(self.stuck_s, self._abort_unread)

    def _wait_for_client(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.patience_s, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._refuse(408, b"Request Timeout", b'{"status":408,"code":"head-too-slow"}')

    def _refuse(self, status: int, reason: bytes, body: bytes, more: bytes = b"") -> None:
        """Close; with a word only where no answer is under way."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if not self._is_answering():
            self.transport.write(_HEAD % (status, reason, len(body), more) + body)
        self.transport.close()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn's type says
        return cycle is not None and not cycle.response_complete

    def _abort_unread(self) -> None:
        self._unread = None
        if not self.transport.get_write_buffer_size():
            return
        left_s = self._answered_s + self.stuck_s - self.loop.time()
        if left_s > 0:  # the last answer, that is: a client that reads none of them gets no others, since its buffer is full
            self._unread = self.loop.call_later(left_s, self._abort_unread)
        else:
            self.transport.abort()


def _send_whole(cycle: RequestResponseCycle, head: bytes, body: bytes) -> bool:
    """Send a whole answer: what `cycle.send` does for one that has a length.  False where the client does not read."""
    if cycle.flow.write_paused or cycle.disconnected:
        return False
    given = [b"%b: %b\r\n" % field for field in cycle.default_headers]
    closes = b"" if cycle.keep_alive else b"connection: close\r\n"
    cycle.transport.write(b"".join([head, *given, closes, b"\r\n", body]))
    cycle.waiting_for_100_continue = False
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def guarded(settings: Settings, connections: int) -> type[Guarded]:
    """The protocol under these settings, of so many connections."""

    class Configured(Guarded):
        """One connection, with the operator's limits."""

        patience_s = settings.patience_s
        max_connections = connections

    return Configured
