"""
Objects in memory with what a disk really does: a power cut takes what was not settled in one way or another, and settling can
be a lie.

Implements ledger.objects.Objects and Shelf; `Tapped` puts it on a wire.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ledger.problems import Fatal
from ledger.stored import Listed
from ledger.tiles import CHECKPOINT
from tests.ledger.faults.wire import Way, Wire


class Cut(StrEnum):
    """What a power cut does to what was not settled."""

    GONE = "gone"
    """As if it had never been written: an older checkpoint is there again."""
    EMPTY = "empty"
    TORN = "torn"
    ZEROS = "zeros of the right size"
    HALF = "every other object lasted, the rest are zeros"
    AHEAD = "the checkpoint lasted, its tiles are gone"


@dataclass
class MemoryObjects:
    """`visible` is what readers see, `durable` what a power cut leaves."""

    visible: dict[str, bytes] = field(default_factory=dict)
    durable: dict[str, bytes] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    """Every checkpoint that anybody could ever read."""
    ever: dict[str, bytes] = field(default_factory=dict)
    """What was written last under each name."""

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        return self.visible.get(path)

    def create(self, path: str, data: bytes) -> None:
        """See Objects."""
        if self.visible.setdefault(path, data) != data:
            raise Fatal(f"{path} exists with other bytes")
        self.ever[path] = data

    def replace(self, path: str, data: bytes) -> None:
        """See Objects."""
        self.visible[path] = self.ever[path] = data
        if path == CHECKPOINT:
            self.served.append(data.decode())

    def settle(self, paths: Iterable[str]) -> None:
        """See Objects."""
        self.durable |= {path: self.visible[path] for path in paths}

    def listed(self, prefix: str) -> list[Listed]:
        """See Shelf."""
        found = sorted(path for path in self.visible if path.startswith(prefix) and "/" not in path[len(prefix) :])
        return [Listed(path, len(self.visible[path]), 0.0) for path in found]

    def drop(self, paths: list[str]) -> None:
        """See Shelf."""
        for path in paths:
            self.visible.pop(path, None)
            self.durable.pop(path, None)

    def damage(self, path: str, data: bytes) -> None:
        """Leave something at a path that a write broken off may leave there."""
        self.visible[path] = self.durable[path] = data

    def power_cut(self, cut: Cut = Cut.GONE) -> None:
        """Lose what was not settled."""
        lost = sorted(path for path, data in self.visible.items() if self.durable.get(path) != data)
        for place, path in enumerate(lost):
            left = self._left(path, place, cut)
            if left is not None:
                self.durable[path] = left
        self.visible = dict(self.durable)

    def _left(self, path: str, place: int, cut: Cut) -> bytes | None:
        """What is under a name after the cut; None for what was settled there, if anything."""
        data = self.visible[path]
        if (cut is Cut.AHEAD and path == CHECKPOINT) or (cut is Cut.HALF and place % 2):
            return data
        zeros = bytes(len(data))
        return {Cut.EMPTY: b"", Cut.TORN: data[: len(data) // 2], Cut.ZEROS: zeros, Cut.HALF: zeros}.get(cut)

    def load(self, objects: Mapping[str, bytes]) -> None:
        """Hold exactly these, durably."""
        self.visible, self.durable, self.ever = dict(objects), dict(objects), dict(objects)
        self.served = [objects[CHECKPOINT].decode()] if CHECKPOINT in objects else []


@dataclass
class Tapped:
    """The same on the wire."""

    inner: MemoryObjects
    wire: Wire

    def read(self, path: str) -> bytes | None:
        """See Objects."""
        return self.wire.carry(f"read {path}", lambda: self.inner.read(path))

    def create(self, path: str, data: bytes) -> None:
        """See Objects."""
        self.wire.carry(f"create {path}", lambda: self.inner.create(path, data), spoil=lambda way: self._spoil(path, data, way))

    def replace(self, path: str, data: bytes) -> None:
        """See Objects."""
        self.wire.carry(f"replace {path}", lambda: self.inner.replace(path, data), spoil=lambda way: self._spoil(path, data, way))

    def settle(self, paths: Iterable[str]) -> None:
        """See Objects; a lie keeps nothing."""
        wanted = list(paths)
        self.wire.carry("settle", lambda: self.inner.settle(wanted), spoil=lambda way: None)

    def listed(self, prefix: str) -> list[Listed]:
        """See Shelf."""
        return self.wire.carry(f"list {prefix}", lambda: self.inner.listed(prefix))

    def drop(self, paths: list[str]) -> None:
        """See Shelf."""
        self.wire.carry(f"delete {len(paths)}", lambda: self.inner.drop(paths))

    def _spoil(self, path: str, data: bytes, way: Way) -> None:
        self.inner.damage(path, b"" if way is Way.EMPTY else data[: len(data) // 2])
