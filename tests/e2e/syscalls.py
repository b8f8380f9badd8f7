"""
`python -m tests.e2e.syscalls [--points 0] [--processes 2]`: every write-like system call of a writer fails, and is its last.

A run without faults counts the calls.  Then, for each call, one run in which it returns EIO and one in which the writer is
killed at it, both by strace.  After each: a clean start, the audit, everything acknowledged found with its receipt, and another
batch.  `--points` limits how many calls of each kind are tried (0: all), evenly spread; what was left out is printed.

The writer (tests/support/one_shot.py) is forked from this process and strace attaches before it begins, so that the calls that
are counted are its own and not those of starting Python.

Source: Tessera's integration/fault/posix; strace(1), "Tampering".
"""

import argparse
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import structlog

from ledger.audit import audit_ledger
from ledger.db import open_database
from ledger.genesis import create_log
from ledger.migrate import upgrade
from ledger.receipts import receipts
from tests.support.ledger import FARM, GTIN, START_MS, Rig, p256
from tests.support.one_shot import write_once

CALLS = ("write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat",
         "ftruncate", "fallocate", "openat", "unlink", "unlinkat", "mkdir", "mkdirat")  # fmt: skip
KILL = "signal=SIGKILL"
WAYS = {"EIO": "error=EIO", "SIGKILL": KILL}
LATER_MS = 60_000
NUMBER = 1_000  # of the writer's first event
LONGEST_S = 60
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)")


@dataclass(frozen=True, slots=True)
class Call:
    """The `number`-th call of its kind by one thread, as strace counts."""

    name: str
    number: int


def make_base(folder: Path) -> None:
    """A log of two entries whose tiles are lost, so that the writer's start makes folders, too."""
    database = open_database(f"sqlite:///{folder / 'ledger.db'}")
    upgrade(database)
    rig = Rig(database, folder)
    with database.writing() as session:
        create_log(session, rig.keys, now_ms=START_MS)
        session.commit()
    rig.log(rig.grant(FARM, p256("farm"), mint=[GTIN]))
    database.close()
    shutil.rmtree(folder / "tiles")


def run(folder: Path, *options: str) -> tuple[int, list[bytes]]:
    """Run the writer on `folder` under strace: how it ended (a signal is negative), and what it acknowledged."""
    held, go = os.pipe()
    told, tell = os.pipe()
    writer = os.fork()
    if writer == 0:
        _write(folder, held, tell)
    os.close(held)
    os.close(tell)
    command = ["strace", "-f", "-e", f"trace={','.join(CALLS)}", *options, "-p", str(writer)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        tracer.stderr.readline()  # attached
        os.write(go, b".")
        os.close(go)
        with os.fdopen(told, "rb") as lines:
            digests = lines.read()
        _, status = os.waitpid(writer, 0)
        tracer.stderr.read()
    return os.waitstatus_to_exitcode(status), [digests[at : at + 32] for at in range(0, len(digests) - 31, 32)]


def _write(folder: Path, held: int, tell: int) -> None:
    """The forked writer; never returns."""
    code = 1
    try:
        signal.alarm(LONGEST_S)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.read(held, 1)
        write_once(f"sqlite:///{folder / 'ledger.db'}", folder, START_MS + LATER_MS, NUMBER, lambda one: _all(tell, one))
        code = 0
    finally:
        os._exit(code)


def _all(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise OSError("a pipe took half a digest")


def count(base: Path) -> Iterator[Call]:
    """The calls of a run without faults; of openat those that create."""
    with tempfile.TemporaryDirectory(dir=base.parent) as name:
        folder, trace = Path(name) / "log", Path(name) / "trace"
        shutil.copytree(base, folder)
        code, acknowledged = run(folder, "-o", str(trace))
        assert (code, len(acknowledged)) == (0, 3), (code, acknowledged)
        seen: Counter[tuple[str, str]] = Counter()
        calls: set[Call] = set()
        for line in trace.read_text().splitlines():
            found = _LINE.match(line)
            if found is None:
                continue
            thread, call, words = found.groups()
            seen[thread, call] += 1
            if call != "openat" or "O_CREAT" in words:
                calls.add(Call(call, seen[thread, call]))
    yield from sorted(calls, key=lambda one: (CALLS.index(one.name), one.number))


def play(base: Path, call: Call, way: str) -> str:
    """One run and everything that must hold after it; returns how the writer ended.  Raises AssertionError."""
    with tempfile.TemporaryDirectory(dir=base.parent) as name:
        folder = Path(name) / "log"
        shutil.copytree(base, folder)
        code, acknowledged = run(folder, "-o", os.devnull, "-e", f"inject={call.name}:{WAYS[way]}:when={call.number}")
        assert code != -signal.SIGALRM, f"{call}, {way}: the writer hung"
        try:
            check(folder, acknowledged)
        except Exception as error:
            raise AssertionError(f"{call}, {way}, ended with {code}, acknowledged {len(acknowledged)}: {error!r}") from error
        return "killed" if code == -signal.SIGKILL else "went on" if acknowledged else "stopped"


def check(folder: Path, acknowledged: list[bytes]) -> None:
    """Start again, audit, find what was acknowledged, go on, and find it again."""
    database = open_database(f"sqlite:///{folder / 'ledger.db'}")
    try:
        rig = Rig(database, folder, now_ms=START_MS + 2 * LATER_MS)
        rig.sequencer.recover()
        for _ in range(2):
            audit_ledger(database, rig.store, rig.keys.log.vkey, rig.keys.clock.vkey)
            with database.reading() as session:
                found = receipts(session, rig.store, sorted(set(acknowledged)))  # a pipe that fails is told again
            assert len({one.index for one in found}) == len(set(acknowledged)), "an index is told twice"
            rig.log(rig.event(FARM, p256("farm")))
    finally:
        database.close()


def spread(calls: list[Call], most: int) -> list[Call]:
    """At most so many of each kind, evenly spread; all where `most` is 0."""
    chosen = []
    for name in CALLS:
        mine = [one for one in calls if one.name == name]
        step = max(1, -(-len(mine) // most)) if most else 1
        chosen += mine[::step]
    return chosen


def main() -> None:
    """Count, play, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("strace is not installed (Debian: apt-get install strace)")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    memory = Path("/dev/shm")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        base = Path(name) / "base"
        base.mkdir()
        make_base(base)
        calls = list(count(base))
        chosen = spread(calls, arguments.points)
        # Forked and not spawned: a worker has imported everything, and forks its writers in turn.
        with ProcessPoolExecutor(arguments.processes, mp_context=get_context("fork")) as pool:
            cases = [(call, way, pool.submit(play, base, call, way)) for call in chosen for way in WAYS]
            ends: Counter[tuple[str, str, str]] = Counter()
            broken = [error for _, _, case in cases if (error := case.exception()) is not None]
            for call, way, case in cases:
                ends[call.name, way, "lost" if case.exception() else case.result()] += 1
    _print(calls, chosen, ends)
    if broken:
        sys.exit("\n".join(map(str, broken)))
    print(f"{len(cases)} runs in {time.monotonic() - begun:.0f} s: nothing acknowledged was lost, every audit clean")


def _print(calls: list[Call], chosen: list[Call], ends: Counter[tuple[str, str, str]]) -> None:
    print(f"{'system call':12} {'tried of':>10}  {'EIO: went on':>12} {'ended':>6}  {'SIGKILL: killed':>15} {'unmet':>6}  lost")
    for name in CALLS:
        number, tried = (sum(one.name == name for one in found) for found in (calls, chosen))
        if number:
            eio = ends[name, "EIO", "went on"], ends[name, "EIO", "stopped"] + ends[name, "EIO", "killed"]
            kill = ends[name, "SIGKILL", "killed"]
            lost = ends[name, "EIO", "lost"] + ends[name, "SIGKILL", "lost"]
            print(f"{name:12} {f'{tried}/{number}':>10}  {eio[0]:>12} {eio[1]:>6}  {kill:>15} {tried - kill:>6}  {lost}")


if __name__ == "__main__":
    main()
