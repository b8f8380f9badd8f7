"""
Workers: processes of our own that answer bytes with bytes, each over a socket pair, in the order in which they were asked.

The standard library's pool takes four times the processor time for what we hand over (three threads, two pipes and a pickle
between the caller and the worker), and one worker that dies breaks all.  Here it breaks the questions it had in hand.

A worker has the next question before it has answered the last one: else it would wait for a thread of ours to get the
interpreter, twice a question, while another one has it.

A worker ends with the service however that ends: nobody else holds the other end of its socket.
"""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

# Never fork: this process has threads, and locks they hold would stay locked in the child.
_SPAWN = multiprocessing.get_context("spawn")
END_S = 5  # s; it may have a slice in hand
DEPTH = 2  # questions that a worker has at once: the one it works on, and the next
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
        self._asking, self._last, self._spoilt = threading.Lock(), threading.Event(), False
        self._last.set()  # nobody is to be waited for

    @property
    def pid(self) -> int | None:
        """The process."""
        return self._process.pid

    def ask(self, question: bytes) -> bytes:
        """
        Wait for its answer; several threads may.  Raises EOFError or OSError where it has died; then it is to be ended.

        Answers come in the order of the questions.  Whoever fails spoils what comes after, or would leave an answer to the next.
        """
        with self._asking:
            before, self._last = self._last, threading.Event()
            mine = self._last
            try:
                self._way.send_bytes(question)
            except BaseException:
                self._spoil(mine)
                raise
        before.wait()
        try:
            if self._spoilt:
                raise EOFError
            answer = self._way.recv_bytes()
        except BaseException:
            self._spoil(mine)
            raise
        mine.set()
        return answer

    def _spoil(self, mine: threading.Event) -> None:
        self._spoilt = True
        self._process.kill()  # whoever waits for it, or for room in its socket, is let go
        mine.set()

    def end(self) -> None:
        """Let it go, once nobody asks: it ends when it finds nobody at the other end, or is made to."""
        self._way.close()
        self._process.join(END_S)
        self._process.kill()


@dataclass(slots=True, eq=False)
class _Seat:
    """Where a worker sits; None before it has begun, and after it has died."""

    worker: Worker | None = None
    load: int = 0
    failed: bool = False
    beginning: threading.Lock = field(default_factory=threading.Lock)


class Team:
    """Workers that begin when they are needed.  Safe to use from several threads: DEPTH of them for each worker are of use."""

    def __init__(self, work: Work, size: int) -> None:
        self._work = work
        self._seats = [_Seat() for _ in range(size)]
        self._changed = threading.Condition()

    @property
    def pids(self) -> list[int]:
        """Of the workers that have begun."""
        return [seat.worker.pid for seat in self._seats if seat.worker is not None and seat.worker.pid is not None]

    def ask(self, question: bytes) -> bytes | None:
        """The answer of whoever has least to do; None where that one has died, or could not begin."""
        seat, answer = self._take(), None
        try:
            with seat.beginning:
                worker = seat.worker = seat.worker or Worker(self._work)
            answer = worker.ask(question)
        except (EOFError, OSError):
            pass
        finally:
            self._give_back(seat, failed=answer is None)
        return answer

    def _take(self) -> _Seat:
        with self._changed:
            # Nobody is sent to one that has failed before everybody has left it: only then is its socket closed.
            while not (free := [seat for seat in self._seats if seat.load < DEPTH and not seat.failed]):
                self._changed.wait()
            seat = min(free, key=lambda one: one.load)
            seat.load += 1
            return seat

    def _give_back(self, seat: _Seat, *, failed: bool) -> None:
        with self._changed:
            seat.load -= 1
            seat.failed |= failed
            gone = seat.worker if seat.failed and not seat.load else None
            if gone is not None:
                seat.worker = None
            seat.failed = seat.failed and seat.load > 0
            self._changed.notify()
        if gone is not None:
            gone.end()

    def end(self) -> None:
        """Let all of them go, once nobody asks."""
        for seat in self._seats:
            if seat.worker is not None:
                seat.worker.end()
                seat.worker = None


def _serve(work: Work, way: "Connection[bytes, bytes]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process at the terminal; the service says when
    answer = work()
    try:
        while True:
            way.send_bytes(answer(way.recv_bytes()))
    except (EOFError, OSError):
        return  # the service has gone, or wants us to
