"""
Workers: processes of our own that answer bytes with bytes, each over a socket pair and to one thread at a time.

The standard library's pool takes four times the processor time for what we hand over (three threads, two pipes and a pickle
between the caller and the worker), and one worker that dies breaks all.  Here it breaks the one question it had in hand.

A worker ends with the service however that ends: nobody else holds the other end of its socket.
"""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

# Never fork: this process has threads, and locks they hold would stay locked in the child.
_SPAWN = multiprocessing.get_context("spawn")
END_S = 5  # s; it may have a slice in hand
Work = Callable[[], Callable[[bytes], bytes]]
"""Gets ready, in the worker, and gives what answers there.  A function of a module, since it is found again by its name."""


class Worker:
    """One process, from its beginning to its end."""

    def __init__(self, work: Work) -> None:
        self._way, theirs = _SPAWN.Pipe()
        # A daemon, or an exit without `end` would wait for it, and it for us.
        self._process = _SPAWN.Process(target=_serve, args=(work, theirs), name="examiner", daemon=True)
        self._process.start()
        theirs.close()  # or we would wait for ever for the answer of a worker that died

    @property
    def pid(self) -> int | None:
        """The process."""
        return self._process.pid

    def ask(self, question: bytes) -> bytes:
        """Wait for its answer.  Raises EOFError or OSError where it has died; then it is to be ended."""
        self._way.send_bytes(question)
        return self._way.recv_bytes()

    def end(self) -> None:
        """Let it go: it ends when it finds nobody at the other end, or is made to."""
        self._way.close()
        self._process.join(END_S)
        self._process.kill()


def _serve(work: Work, way: "Connection[bytes, bytes]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process at the terminal; the service says when
    answer = work()
    try:
        while True:
            way.send_bytes(answer(way.recv_bytes()))
    except (EOFError, OSError):
        return  # the service has gone, or wants us to
