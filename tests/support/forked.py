"""
The service as a process of its own that starts in a tenth of the time: forked from a server that has imported everything.

For tests that start it hundreds of times.  The process is a real one: it can be killed, and nothing of it is shared.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from subprocess import TimeoutExpired

from tests.support.service import Service


@dataclass
class Process:
    """A forked process with the few methods of Popen that Service uses."""

    inner: ForkServerProcess

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.inner.pid is not None
        return self.inner.pid

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self.inner.exitcode

    def wait(self, timeout: float) -> int:
        """Wait for its end."""
        self.inner.join(timeout)
        if self.inner.exitcode is None:
            raise TimeoutExpired("originmark serve", timeout)
        return self.inner.exitcode


class ForkedService(Service):
    """See Service."""

    def launch(self, log: Path) -> None:
        """Start without waiting."""
        words = ["serve", "--port", str(self.port)]
        process = _context().Process(target=serve, args=(words, dict(self.environment), str(log)))
        process.start()
        self.process = Process(process)  # type: ignore[assignment]


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["api.__main__", "api.app", "api.server", "api.logs", "tests.support.forked"])
    return context


def serve(words: list[str], environment: Mapping[str, str], log: str) -> None:
    """What the forked process does: `originmark serve`, its output in a file."""
    from api.__main__ import originmark_app

    os.environ.clear()
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout = sys.stderr = os.fdopen(descriptor, "w", buffering=1)
    originmark_app()(words, standalone_mode=False)
