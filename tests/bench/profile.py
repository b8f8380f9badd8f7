"""
Where the time goes: py-spy looks at the service and its workers from outside while the clock runs.

It says which functions were on top of a thread that held a core, and which were anywhere below; the whole is written as collapsed
stacks for a flame graph.  A profiled run is slower than a bare one: take its shares, not its rate.
"""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figures import Report

RATE = 200  # samples a second
TOP = 25
SPY = Path(sys.executable).parent / "py-spy"


@contextmanager
def profiled(pid: int, out: Path | None, report: Report) -> Iterator[None]:
    """Sample the process and its children until the block ends; does nothing where no file is wanted."""
    if out is None:
        yield
        return
    if not SPY.exists():
        raise SystemExit("py-spy is not installed: pip install --require-hashes -r requirements-bench.txt")
    words = ["record", "--pid", str(pid), "--subprocesses", "--function", "--format", "raw", "--rate", str(RATE)]
    with subprocess.Popen([str(SPY), *words, "--output", str(out)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as spy:  # fmt: skip
        try:
            yield
        finally:
            spy.send_signal(signal.SIGINT)
            _, said = spy.communicate()
    if not out.exists():
        raise SystemExit(f"py-spy could not look at the service: {said}")
    _tell(out, report)


def _tell(path: Path, report: Report) -> None:
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    total = 0
    for line in path.read_text("utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        total += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):
            below[frame] += int(count)
    for title, counter in (("on top", own), ("anywhere in the stack", below)):
        report.note(f"{title}, share of {total} samples")
        for frame, seen in counter.most_common(TOP):
            print(f"    {seen / total:6.1%}  {frame}", file=sys.stderr)
    report.note(f"collapsed stacks: {path}")
