"""What the machine gives and what processes take: cores, CPU seconds, memory.  Linux only, from psutil."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

MEBIBYTE = 1_048_576
_TRIES, _WORDS = 20, 3_000


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its descendants have taken so far."""

    cpu_s: float
    rss_mib: float

    @classmethod
    def of(cls, *pids: int) -> "Usage":
        """Of living processes."""
        family = [one for pid in pids for one in _family(pid)]
        cpu = sum(time.user + time.system for one in family if (time := _cpu(one)) is not None)
        return cls(cpu, sum(_rss(one) for one in family) / MEBIBYTE)


def python_ms() -> float:
    """CPU time of a fixed piece of plain Python, the best of 20: builds of the same version differ by a third and more."""
    return min(_piece_ms() for _ in range(_TRIES))


def _piece_ms() -> float:
    begun = time.process_time()
    words = [(str(number), {"at": number, "odd": number % 2}) for number in range(_WORDS)]
    words.sort(key=lambda one: one[0])
    sum(len(text) for text, told in words if told["odd"])
    return (time.process_time() - begun) * 1e3


def own_rss_mib() -> float:
    """Memory of this process."""
    return float(psutil.Process().memory_info().rss) / MEBIBYTE


def _family(pid: int) -> Iterable[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _cpu(process: psutil.Process) -> "psutil._common.pcputimes | None":
    try:
        return process.cpu_times()
    except psutil.NoSuchProcess:
        return None


def _rss(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0.0
