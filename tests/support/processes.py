"""
Real servers as processes of our own: started with a log each, killed as a power cut would, and ended by their ids.

Nothing is found by name.  Every process is a leader of its own session, so that Ctrl-C in the terminal reaches only us and we
end the others in order; one that outlives us is ended by the kernel (PR_SET_PDEATHSIG).
"""

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_S = 0.05
OURS = range(12_000, 32_000)  # ports; the kernel's own begin at 32,768
END_S = 20.0  # a server that has not ended then is killed


class NotReady(Exception):
    """A server did not come up; the message ends with the end of its log."""


def free_ports(count: int) -> list[int]:
    """
    Loopback ports that were free a moment ago, all different.

    From below those that the kernel gives to connections and to servers that ask for any: the next one of these, by whatever
    else runs here, would take a port back before our server has it.
    """
    with ExitStack() as held:
        return list(islice((port for port in random.sample(OURS, len(OURS)) if _take(port, held)), count))


def _take(port: int, held: ExitStack) -> bool:
    probe = held.enter_context(socket.socket())
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def wait_until(is_so: Callable[[], bool], within_s: float, what: str) -> float:
    """Look until it is so; returns the seconds it took, raises NotReady after `within_s`."""
    begun, pause = time.monotonic(), threading.Event()
    while not is_so():
        if time.monotonic() - begun > within_s:
            raise NotReady(f"{what}: not within {within_s:.0f} s")
        pause.wait(POLL_S)
    return time.monotonic() - begun


@dataclass
class Server:
    """One process with its descendants; `pid_file` names another one that it started and let go (a postmaster)."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    pid_file: Path | None = None
    is_abrupt: bool = False
    """Nothing of it is worth a goodbye: `end` kills."""

    @property
    def is_alive(self) -> bool:
        """Whether the first process runs."""
        return self.process.poll() is None

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text("utf-8", "replace")[-3000:]

    def tree(self) -> list[int]:
        """Its processes' ids: itself first, whatever it started after it."""
        heads = [self.process.pid] if self.is_alive else []
        return _with_descendants(heads + self._let_go())

    def kill(self) -> None:
        """SIGKILL to all of it at once: no goodbye, no clean-up, as when the power goes."""
        _signal(self.tree(), signal.SIGKILL)
        self.process.wait(END_S)

    def freeze(self) -> None:
        """SIGSTOP to all of it: it does nothing any more, and the kernel keeps its connections open."""
        _signal(self.tree(), signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        _signal(self.tree(), signal.SIGCONT)

    def end(self) -> None:
        """Ask it to end (SIGTERM), and kill what is left after 20 s."""
        if self.is_alive and not self.is_abrupt:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(END_S)
        self.kill()

    def _let_go(self) -> list[int]:
        try:
            return [int(self.pid_file.read_text().split()[0])] if self.pid_file else []
        except (OSError, IndexError, ValueError):
            return []


@dataclass
class Servers:
    """Servers by name; ended last first when the block ends, however it ends."""

    folder: Path
    running: dict[str, Server] = field(default_factory=dict)

    def start(
        self, name: str, words: Sequence[str | Path], *, user: str | None = None, env: Mapping[str, str] | None = None,
        cwd: Path | None = None, pid_file: Path | None = None, is_abrupt: bool = False,
    ) -> Server:  # fmt: skip
        """Start a server under a name, as another user where we may; its output goes to <folder>/<name>.log."""
        log = self.folder / f"{name}.log"
        # A database is told, so that it can end what it started itself.
        become = ["setpriv", "--pdeathsig", "KILL" if is_abrupt else "TERM"]
        if user is not None and os.geteuid() == 0:
            become += [f"--reuid={user}", f"--regid={user}", "--init-groups"]
        with log.open("ab") as out:
            process = subprocess.Popen([*become, *map(str, words)], env=env, cwd=cwd or self.folder, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out, start_new_session=True)  # fmt: skip
        self.running[name] = Server(name, process, log, pid_file, is_abrupt)
        return self.running[name]

    def wait_until(self, is_so: Callable[[], bool], within_s: float, what: str, *names: str) -> float:
        """As the function, but a named server that ends meanwhile, or is not ready in time, shows its log."""

        def look() -> bool:
            for name in names:
                if not self.running[name].is_alive:
                    raise NotReady(f"{name} ended with {self.running[name].process.returncode}:\n{self.running[name].tail()}")
            return is_so()

        try:
            return wait_until(look, within_s, what)
        except NotReady as error:
            logs = "\n".join(f"--- {name}\n{self.running[name].tail()}" for name in names)
            raise NotReady(f"{error}\n{logs}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for server in reversed(self.running.values()):
            server.end()


def _signal(pids: Sequence[int], how: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, how)


def _with_descendants(heads: Sequence[int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (parent := _parent(folder)) is not None:
            children.setdefault(parent, []).append(int(folder.name))
    found: list[int] = []
    waiting = [pid for pid in heads if (Path("/proc") / str(pid)).exists()]
    while waiting:
        pid = waiting.pop(0)
        if pid not in found:
            found.append(pid)
            waiting += children.get(pid, [])
    return found


def _parent(folder: Path) -> int | None:
    try:
        # The second field is a name in parentheses, in which anything may stand.
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
