"""What the machine gives and what processes take: cores, CPU seconds, memory.  Linux only, from psutil."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

MEBIBYTE = 1_048_576


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
