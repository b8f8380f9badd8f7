"""
The book: every acknowledgement that the hammer was given, so that each can be asked for again later.

    <ms since 1970> TAB <index> TAB <digest>

One file for all processes: a line is one write to a file opened for appending, so lines of several writers never mix.
"""

import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LINE = 256  # bytes; no line is longer


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the log promised: this digest is at this index."""

    at_ms: int
    index: int
    digest: str

    def format(self) -> str:
        """One line."""
        return f"{self.at_ms}\t{self.index}\t{self.digest}\n"


class Book:
    """Open for writing; lines are handed to the kernel at once, so that our own crash forgets none."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)

    def note(self, promises: Iterable[Acknowledged]) -> None:
        """Add lines, together."""
        if text := "".join(one.format() for one in promises):
            os.write(self._descriptor, text.encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_book(path: Path) -> list[Acknowledged]:
    """Every acknowledgement, in the order in which they arrived.  Raises ValueError for a line that is none."""
    found = []
    for line in path.read_text("ascii").splitlines():
        at_ms, index, digest = line.split("\t")
        found.append(Acknowledged(int(at_ms), int(index), digest))
    return found


def pick(path: Path) -> Acknowledged | None:
    """Any one acknowledgement, None while there is none; reads a few bytes wherever it hits the file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(random.randrange(max(1, size - LINE)))
            lines = file.read(2 * LINE).split(b"\n")
    except OSError:
        return None
    # The first may be half a line, and the last not be finished.
    whole = lines[1:-1]
    if not whole:
        return None
    at_ms, index, digest = whole[0].decode("ascii").split("\t")
    return Acknowledged(int(at_ms), int(index), digest)


def standstill(times_ms: Sequence[int], since_ms: int, until_ms: int) -> float:
    """The longest time without an acknowledgement that lies in the span or reaches into it; seconds."""
    marks = sorted(times_ms)
    inside = [at for at in marks if since_ms <= at <= until_ms]
    before = max((at for at in marks if at < since_ms), default=since_ms)
    # What had not come back when the span ended counts up to there.
    steps = [before, *inside, until_ms]
    return max(later - earlier for earlier, later in zip(steps, steps[1:], strict=False)) / 1000
